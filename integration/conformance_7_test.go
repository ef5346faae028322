package integration_test

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"hearsay/apibridge"
	"hearsay/integration"
	"hearsay/node"
)

// Habits of existing modules that a node has to live with. Their numbers are
// those of the list in README.md.

// Two NOTIFICATIONs in one read break most modules. So while one is not answered
// the next has to wait, a short time at most.
func TestConformance_7_01_PacedNotifications(t *testing.T) {
	t.Parallel()
	t.Run("by VALIDATION", func(t *testing.T) {
		t.Parallel()
		c := integration.New(t, 2, limits(func(o *apibridge.Options) { o.Pace = time.Hour }))
		a, b := module(t, c, 0), subscriber(t, c, 1, dataType)
		for i := range 20 {
			a.send(announce(0, dataType, fmt.Sprint("rumor ", 10+i)))
		}
		c.Await("all to be at node 1", func() bool { return count(c, 1, "delivered") == 20 })
		for i := range 20 {
			segment := make([]byte, 1<<16)
			b.SetReadDeadline(time.Now().Add(integration.DefaultPatience))
			n, err := b.Read(segment)
			if want := fmt.Sprint("rumor ", 10+i); err != nil || n != 16 || string(segment[8:n]) != want {
				t.Fatalf("one read gives %q, %v; want %q alone", segment[:n], err, want)
			}
			if i%5 == 0 {
				b.expectSilence(20 * time.Millisecond)
			}
			b.send(validation(uint16(segment[4])<<8|uint16(segment[5]), byte(i%2)))
		}
	})
	t.Run("by time", func(t *testing.T) {
		t.Parallel()
		const pace = 100 * time.Millisecond
		c := integration.New(t, 1, limits(func(o *apibridge.Options) { o.Pace = pace }))
		a, b := module(t, c, 0), subscriber(t, c, 0, dataType)
		began := time.Now() // not later: the test may be slow to read the first one
		a.send(announce(0, dataType, "first"), announce(0, dataType, "second"))
		b.expect("first")
		b.expect("second") // although nobody answers
		// The more wait, the shorter: with two it is at most the pace, and 8/9 of it at least.
		if d := time.Since(began); d < pace/2 {
			t.Errorf("the second one came %v after both were announced, the pace is %v", d, pace)
		}
	})
}

// Modules read a message with two calls of recv, one for the header and one for
// the body: all of it has to be there at once.
func TestConformance_7_02_OneWritePerMessage(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 1)
	a, b := module(t, c, 0), subscriber(t, c, 0, dataType)
	for _, size := range []int{0, 1, 100, 1000, 8192} {
		before, _ := segments(b.TCPConn)
		a.send(announce(0, dataType, strings.Repeat("x", size)))
		b.SetReadDeadline(time.Now().Add(integration.DefaultPatience))
		header, body := make([]byte, 4), make([]byte, 1<<16)
		if n, err := b.Read(header); n != 4 || err != nil {
			t.Fatalf("a header of %d bytes, %v", n, err)
		}
		n, err := b.Read(body)
		if n != 4+size || err != nil {
			t.Fatalf("a body of %d bytes in one read, %v; want %d", n, err, 4+size)
		}
		if after, known := segments(b.TCPConn); known && after != before+1 {
			t.Errorf("a message of %d bytes came in %d segments", 8+size, after-before)
		}
		b.send(validation(uint16(body[0])<<8|uint16(body[1]), 1))
	}
}

// Modules send NOTIFY and ANNOUNCE, or VALIDATION and ANNOUNCE, in one segment,
// or a message in pieces with pauses.
func TestConformance_7_03_JoinedAndBrokenSegments(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 2, unpaced())
	witness := subscriber(t, c, 1, dataType)
	m := module(t, c, 0)
	m.send(notify(dataType), announce(0, dataType, "with NOTIFY"))
	witness.vouch("with NOTIFY")
	c.AwaitInterest(0, dataType)
	witness.send(announce(0, dataType, "answer me"))
	m.send(validation(m.expect("answer me").id, 1), announce(0, dataType, "with VALIDATION"))
	witness.vouch("with VALIDATION")

	a := announce(0, dataType, "broken")
	for cut := 1; cut < len(a); cut++ {
		m.sendPieces(a[:cut], a[cut:])
		witness.vouch("broken")
	}
	for i := range a {
		m.sendPieces(a[i : i+1])
	}
	witness.vouch("broken")
	m.sendPieces(a[:2]) // half a header and a pause
	witness.expectSilence(100 * time.Millisecond)
	m.send(a[2:])
	witness.vouch("broken")
}

// An ANNOUNCE counts even if the module closes right behind it.
func TestConformance_7_04_AnnounceAndClose(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 2, unpaced())
	witness := subscriber(t, c, 1, dataType)
	for i := range 50 {
		m := module(t, c, 0)
		if i%2 == 1 {
			m.SetLinger(0) // the end of the connection is a reset; what the node has not read is lost then
			m.sendPieces(announce(0, dataType, fmt.Sprint(i)))
		} else {
			m.send(announce(0, dataType, fmt.Sprint(i)))
		}
		m.Close()
		witness.vouch(fmt.Sprint(i))
	}
}

// A module announces a type that no module of its own node asked for.
func TestConformance_7_05_AnnouncerNeverSubscribes(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 3, unpaced())
	m := module(t, c, 0)
	b, d := subscriber(t, c, 1, dataType), subscriber(t, c, 2, dataType)
	for i := range 10 {
		m.send(announce(0, dataType, fmt.Sprint(i)))
		b.vouch(fmt.Sprint(i))
		d.vouch(fmt.Sprint(i))
	}
}

// An ANNOUNCE that is a moment ahead of the NOTIFY of another module is told
// to that one all the same, on this node and on others.
func TestConformance_7_06_AnnounceRacesNotify(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 2, unpaced(), settings(func(cfg *node.Config) { cfg.Replay = time.Minute }))
	for i := range 50 {
		early, late, far := module(t, c, 0), module(t, c, 0), module(t, c, 1)
		kind := uint16(1000 + i)
		early.send(announce(0, kind, "raced"))
		late.send(notify(kind))
		far.send(notify(kind))
		late.expect("raced")
		far.expect("raced")
		for _, m := range []*raw{early, late, far} {
			m.Close()
		}
	}
}

// Also when it is more than waits for a module otherwise: a late subscriber that
// reads is told all that is kept, in order, and not cut off.
func TestConformance_7_06_MoreIsReplayedThanMayWait(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 2, settings(func(cfg *node.Config) { cfg.Replay = time.Minute }),
		limits(func(o *apibridge.Options) { o.Pace, o.MaxQueue = 0, 8 }))
	a, b := module(t, c, 0), subscriber(t, c, 1, dataType)
	const n = 50
	for i := range n {
		a.send(announce(0, dataType, fmt.Sprint("rumor ", i)))
		b.vouch(fmt.Sprint("rumor ", i))
	}
	late := module(t, c, 1)
	late.send(notify(dataType))
	for i := range n {
		late.expect(fmt.Sprint("rumor ", i))
	}
	a.send(announce(0, dataType, "new"))
	late.expect("new")
}

// Data types from 0x8000 on, TTLs over 127, and IDs 0x0000 and 0xFFFF are
// ordinary values.
func TestConformance_7_07_OrdinaryValues(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 3, integration.Line(), unpaced())
	a := module(t, c, 0)
	for _, kind := range []uint16{0, 0x7fff, 0x8000, 0xffff} {
		voter, end := subscriber(t, c, 1, kind), subscriber(t, c, 2, kind)
		for _, ttl := range []uint8{127, 128, 255} {
			text := fmt.Sprint(kind, ttl)
			a.send(announce(ttl, kind, text))
			voter.vouch(text)
			if n := end.expect(text); n.dataType != kind {
				t.Errorf("type %d became %d", kind, n.dataType)
			}
		}
		voter.send(validation(0, 1), validation(0xffff, 1)) // of nothing: ignored
	}
	if !long {
		return
	}
	// All IDs there are, once: VALIDATIONs of the two count.
	c = integration.New(t, 3, integration.Line(), unpaced(), limits(func(o *apibridge.Options) { o.Rate = rate.Inf }),
		settings(func(cfg *node.Config) { cfg.DifficultyBits = 0 }))
	voter, end := subscriber(t, c, 1, dataType), subscriber(t, c, 2, dataType)
	a = module(t, c, 0)
	seen := 0
	for i := range 65_536 {
		if i%128 == 0 { // no more than a node takes without loss
			var batch [][]byte
			for k := range 128 {
				batch = append(batch, announce(0, dataType, fmt.Sprint(i+k)))
			}
			a.send(batch...)
		}
		n := voter.expect(fmt.Sprint(i))
		v := byte(0)
		if n.id == 0 || n.id == 0xffff {
			v = 1
			seen++
		}
		voter.send(validation(n.id, v))
		if v == 1 {
			end.vouch(fmt.Sprint(i))
		}
	}
	if seen < 2 {
		t.Errorf("%d of 65,536 IDs were 0x0000 or 0xFFFF", seen)
	}
}

// Modules announce what they were told, byte for byte. Two of them, or any
// number, must not keep a rumor going round.
func TestConformance_7_08_EchoesDoNotLoop(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 2, unpaced())
	witness := subscriber(t, c, 0, dataType)
	var echoes []*raw
	for i := range 4 {
		m := subscriber(t, c, i%2, dataType)
		echoes = append(echoes, m)
		go func() { // until the connection is closed
			for {
				h := make([]byte, 8)
				m.SetReadDeadline(time.Time{})
				if _, err := readFull(m, h); err != nil {
					return
				}
				data := make([]byte, int(h[0])<<8|int(h[1])-8)
				if _, err := readFull(m, data); err != nil {
					return
				}
				m.Write(bytes.Join([][]byte{validation(uint16(h[4])<<8|uint16(h[5]), 1), announce(0, dataType, string(data))}, nil))
			}
		}()
	}
	module(t, c, 0).send(announce(0, dataType, "round and round"))
	// Each module's first echo goes out; the three that others make of it, and the
	// original's, come back to it once, and are held back.
	c.Await("the echoes to end", func() bool {
		return c.Node(0).APIStats().Echoes+c.Node(1).APIStats().Echoes == 4*3
	})
	for range 1 + 4 {
		witness.vouch("round and round")
	}
	for _, m := range echoes {
		m.Close()
	}
	module(t, c, 0).send(announce(0, dataType, "end"))
	witness.vouch("end")
}

func readFull(c net.Conn, b []byte) (int, error) {
	for n := 0; n < len(b); {
		m, err := c.Read(b[n:])
		if err != nil {
			return n, err
		}
		n += m
	}
	return len(b), nil
}

// A connection is never told what it announced, not even when that comes back
// over other nodes.
func TestConformance_7_09_NeverTheAnnouncersOwn(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 3, unpaced(), settings(func(cfg *node.Config) { cfg.AntiEntropy = 50 * time.Millisecond }))
	a, b, d := subscriber(t, c, 0, dataType), subscriber(t, c, 1, dataType), subscriber(t, c, 2, dataType)
	for i := range 10 {
		text := fmt.Sprint("own ", i)
		a.send(announce(0, dataType, text))
		b.vouch(text)
		d.vouch(text)
	}
	a.expectSilence(300 * time.Millisecond) // some rounds of anti-entropy
	// Nor when it subscribes only now, and is told what was before.
	m := module(t, c, 0)
	m.send(announce(0, dataType+1, "own, before NOTIFY"))
	c.Await("it to be published", func() bool { return count(c, 0, "published") == 11 })
	m.send(notify(dataType + 1))
	c.AwaitInterest(0, dataType+1)
	m.expectSilence(50 * time.Millisecond)
	b.send(announce(0, dataType, "another's"))
	a.vouch("another's")
}

// A module that stops reading is cut off when too much waits for it, and nobody
// else notices.
func TestConformance_7_10_ModuleThatStopsReading(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 2, limits(func(o *apibridge.Options) { o.Pace, o.MaxQueueBytes, o.WriteTimeout = 0, 1<<20, time.Minute }))
	a, b := module(t, c, 0), subscriber(t, c, 1, dataType)
	lazy := subscriber(t, c, 1, dataType)
	lazy.SetReadBuffer(4096)
	// The lazy one's vote is missing, so nothing would be forwarded by node 1; its
	// other module is told everything all the same.
	data := strings.Repeat("x", 60_000)
	const most = 500 // 30 MB
	sent := 0
	for ; sent < most && c.Node(1).APIStats().Overflowed == 0; sent++ {
		a.send(announce(0, dataType, data))
		b.vouch(data)
	}
	if sent == most {
		t.Fatalf("%d MB are kept for a module that does not read", most*len(data)>>20)
	}
	c.AwaitModules(1, 1)
	a.send(announce(0, dataType, "on it goes"))
	b.vouch("on it goes")
}

// After a restart of their node modules connect and NOTIFY again, at the same
// address; nothing of before is assumed.
func TestConformance_7_11_RestartOfTheNode(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"stop", "kill"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			c := integration.New(t, 2, unpaced(), integration.WithStateDir(), settings(func(cfg *node.Config) { cfg.Replay = 0 }))
			a, b := subscriber(t, c, 0, dataType), subscriber(t, c, 1, dataType)
			b.send(announce(0, dataType, "before"))
			a.vouch("before")
			if how == "stop" {
				c.Node(1).Stop()
			}
			c.Node(1).Restart()
			b.expectClosed()
			b = subscriber(t, c, 1, dataType)
			b.expect("before") // to the new run it is news: node 0 has it
			b.send(announce(0, dataType, "after"))
			a.vouch("after")
			a.send(announce(0, dataType, "and back"))
			b.vouch("and back")
		})
	}
}
