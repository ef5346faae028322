package integration_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"hearsay/apibridge"
	"hearsay/integration"
	"hearsay/node/config"
)

// The rules on framing, which all module APIs have in common:
//
//	size u16 · type u16 · body, big-endian; size counts the whole message
//
// over TCP, any number of messages of any kind in both directions.

// Every size that a message can have is taken as it is, up to the largest.
func TestConformance_1_Frame(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 2, unpaced())
	here, there, a := subscriber(t, c, 0, 7), subscriber(t, c, 1, 7), module(t, c, 0)
	for _, size := range []int{8, 9, 255, 256, 257, 1023, 1024, 1025, 4096, 4097, 32767, 32768, 65534, 65535} {
		data := strings.Repeat("data", size/4+1)[:size-8]
		a.send(announce(0, 7, data))
		here.vouch(data)
		there.vouch(data)
	}
}

// Segments have nothing to do with messages: what comes in one, in two at any
// place, byte by byte, or in random pieces means the same.
func TestConformance_1_Fragmentation(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 2, unpaced(), limits(func(o *apibridge.Options) { o.EchoWindow = -1 }))
	witness := subscriber(t, c, 1, 7)
	conversation := bytes.Join([][]byte{
		notify(9), announce(0, 7, "one"), validation(3, 1), announce(5, 7, ""), notify(9), announce(0, 7, "three"),
	}, nil)
	try := func(how string, pieces ...[]byte) {
		t.Helper()
		m := module(t, c, 0)
		m.sendPieces(pieces...)
		for _, want := range []string{"one", "", "three"} {
			if n := witness.next(); n.data != want || n.dataType != 7 {
				t.Fatalf("%s: told %+v, want %q", how, n, want)
			}
		}
		m.Close()
	}
	try("in one segment", conversation)
	for cut := 1; cut < len(conversation); cut++ {
		try(fmt.Sprintf("cut at %d", cut), conversation[:cut], conversation[cut:])
	}
	var single [][]byte
	for i := range conversation {
		single = append(single, conversation[i:i+1])
	}
	try("byte by byte", single...)
	chance := rand.New(rand.NewPCG(1, 2))
	for range 10 {
		var pieces [][]byte
		for rest := conversation; len(rest) > 0; {
			n := min(1+chance.IntN(20), len(rest))
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		try("in random pieces", pieces...)
	}
	// Many messages in one write, across every border of a buffer.
	m := module(t, c, 0)
	var many []byte
	for i := range 1000 {
		many = append(many, announce(0, 7, fmt.Sprint(i, strings.Repeat("x", i%97)))...)
	}
	m.send(many)
	for i := range 1000 {
		witness.expect(fmt.Sprint(i, strings.Repeat("x", i%97)))
	}
	if s := c.Node(0).APIStats(); s.Violations != (apibridge.Violations{}) || s.Truncated != 0 {
		t.Errorf("violations where there were none: %+v", s)
	}
}

// A connection may be silent for as long as it likes, is used in both
// directions, and its end is the only way to unsubscribe.
func TestConformance_1_Connection(t *testing.T) {
	t.Parallel()
	const frameTimeout = 100 * time.Millisecond
	c := integration.New(t, 2, unpaced(), limits(func(o *apibridge.Options) { o.FrameTimeout = frameTimeout }))
	a, b := subscriber(t, c, 0, 7, 8), subscriber(t, c, 1, 7, 8)
	for i := range 50 {
		there, back := fmt.Sprint("there ", i), fmt.Sprint("back ", i)
		a.send(announce(0, uint16(7+i%2), there))
		b.vouch(there)
		b.send(announce(0, uint16(7+i%2), back))
		a.vouch(back)
	}
	a.expectSilence(3 * frameTimeout)
	b.send(announce(0, 7, "still there?"))
	a.vouch("still there?")

	// But a message that is begun has to come to its end.
	m := module(t, c, 0)
	m.send(announce(0, 7, "half")[:6])
	m.expectClosed()

	a.Close()
	c.AwaitModules(0, 0)
	c.Await("node 1 to know that node 0 takes nothing any more", func() bool {
		for _, p := range c.Node(1).Running().Peers() {
			if p.ID == c.Node(0).ID() {
				return len(p.Interests) == 0
			}
		}
		return false
	})
}

// Real clients send 1 in reserved fields: they mean nothing.
func TestConformance_1_ReservedFields(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 3, integration.Line(), unpaced())
	b, end := module(t, c, 1), subscriber(t, c, 2, 7)
	b.send([]byte{0, 8, 0x01, 0xf5, 0xff, 0xff, 0, 7}) // NOTIFY
	c.AwaitInterest(1, 7)
	module(t, c, 0).send([]byte{0, 9, 0x01, 0xf4, 0, 0xff, 0, 7, 'x'}) // ANNOUNCE
	n := b.expect("x")
	b.send([]byte{0, 8, 0x01, 0xf7, byte(n.id >> 8), byte(n.id), 0xff, 0xff}) // VALIDATION
	end.expect("x")
}

// What breaks the rules closes the connection. Nothing is answered, what came
// before counts, and nothing behind it is looked at.
func TestConformance_1_Violation(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 2, unpaced())
	witness := subscriber(t, c, 1, 7)
	smuggled := announce(0, 7, "smuggled")
	violations := map[string][]byte{
		"size 0":                    {0, 0, 0x01, 0xf4},
		"size 3":                    {0, 3, 0x01, 0xf4},
		"type 0":                    {0, 8, 0, 0, 0, 0, 0, 0},
		"type 65535":                {0, 8, 0xff, 0xff, 0, 0, 0, 0},
		"NOTIFICATION":              {0, 9, 0x01, 0xf6, 0, 1, 0, 7, 'x'},
		"ANNOUNCE of 7 bytes":       {0, 7, 0x01, 0xf4, 0, 0, 0},
		"NOTIFY of 6 bytes":         {0, 6, 0x01, 0xf5, 0, 7},
		"NOTIFY of 9 bytes":         {0, 9, 0x01, 0xf5, 0, 0, 0, 7, 0},
		"VALIDATION of 7 bytes":     {0, 7, 0x01, 0xf7, 0, 1, 0},
		"VALIDATION of 65535 bytes": append([]byte{0xff, 0xff, 0x01, 0xf7}, make([]byte, 65531)...),
		"HTTP":                      []byte("POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n"),
		"HTTP, a message long":      []byte("POST / HTTP/1.1\r\n\r\n" + strings.Repeat("x", 'P'<<8|'O'-19)),
		"TLS":                       {0x16, 0x03, 0x01, 0x02, 0x00, 0x01},
	}
	for name, v := range violations {
		m := module(t, c, 0)
		m.Write(bytes.Join([][]byte{announce(0, 7, name), v, smuggled, smuggled}, nil)) // may fail already
		m.expectClosed()
		witness.vouch(name)
	}
	m := module(t, c, 0)
	m.send(announce(0, 7, "end"))
	witness.vouch("end") // and nothing was told in between
	c.Await("every violation to be counted", func() bool {
		v := c.Node(0).APIStats().Violations
		return v.Size+v.Type+v.Direction+v.Length == uint64(len(violations))
	})
}

// Messages of other module APIs, and types that nobody has, are violations at
// the Gossip API.
func TestConformance_1_TypeRanges(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 1)
	for name, frame := range map[string][]byte{
		"Gossip, reserved (504)": {0, 8, 0x01, 0xf8, 0, 0, 0, 7},
		"Gossip, reserved (519)": {0, 8, 0x02, 0x07, 0, 0, 0, 7},
		"NSE (520)":              {0, 4, 0x02, 0x08},
		"RPS (540)":              {0, 4, 0x02, 0x1c},
		"Onion (560)":            {0, 8, 0x02, 0x30, 0, 0, 0, 7},
		"Auth (600)":             {0, 8, 0x02, 0x58, 0, 0, 0, 7},
		"DHT GET (651)":          append([]byte{0, 36, 0x02, 0x8b}, make([]byte, 32)...),
		"Enroll (680)":           {0, 8, 0x02, 0xa8, 0, 0, 0, 7},
	} {
		m := module(t, c, 0)
		m.send(frame)
		m.expectClosed()
		if n := c.Node(0).APIStats().Connections; n != 0 {
			t.Errorf("%s: the connection counts as open", name)
		}
	}
}

// A node that is told nothing else serves modules where they look for it.
func TestConformance_1_UsualPorts(t *testing.T) {
	cfg := config.Default()
	if got := cfg.API.Address(); got != "127.0.0.1:7001" {
		t.Errorf("the Gossip API is at %s", got)
	}
	if len(cfg.Listen) == 0 || !strings.Contains(cfg.Listen[0].String(), "/tcp/6001") {
		t.Errorf("other nodes reach this one at %v", cfg.Listen)
	}
}
