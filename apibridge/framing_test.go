package apibridge_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"hearsay/apibridge"
	"hearsay/apibridge/apimsg"
	"hearsay/apibridge/bridgetest"
)

// conversation are messages in which every type occurs, and the announcements
// that they make.
func conversation(t testing.TB) (b []byte, announced []string) {
	announced = []string{"one", "", strings.Repeat("three", 300), "four"}
	return encode(t,
		&apimsg.Notify{DataType: 7},
		&apimsg.Announce{TTL: 3, DataType: 1, Data: []byte(announced[0])},
		&apimsg.Validation{ID: 9, Valid: true},
		&apimsg.Announce{DataType: 2, Data: []byte(announced[1])},
		&apimsg.Announce{DataType: 3, Data: []byte(announced[2])},
		&apimsg.Notify{DataType: 8},
		&apimsg.Announce{DataType: 4, Data: []byte(announced[3])},
	), announced
}

func checkConversation(t *testing.T, p *peer, how string, round int) {
	t.Helper()
	_, want := conversation(t)
	got := p.await(bridgetest.Announced, round*len(want))[(round-1)*len(want):]
	for i, e := range got {
		if string(e.Data) != want[i] {
			t.Fatalf("%s: announcement %d is %q, want %q", how, i, e.Data, want[i])
		}
	}
}

// Any number of messages of any kind, in one segment, in two at every place,
// byte by byte, or in random pieces: always the same.
func TestFraming_EverySplit(t *testing.T) {
	p := serve(t, unpaced())
	b, _ := conversation(t)
	round := 0
	try := func(how string, pieces ...[]byte) {
		t.Helper()
		round++
		m := p.module()
		for _, piece := range pieces {
			m.write(piece)
		}
		checkConversation(t, p, how, round)
		m.Close()
	}
	try("whole", b)
	for cut := 1; cut < len(b); cut++ {
		if cut < 100 || cut > len(b)-40 || cut%97 == 0 {
			try(fmt.Sprintf("cut at %d", cut), b[:cut], b[cut:])
		}
	}
	var single [][]byte
	for i := range b {
		single = append(single, b[i:i+1])
	}
	try("byte by byte", single...)
	rng := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		var pieces [][]byte
		for rest := b; len(rest) > 0; {
			n := min(1+rng.IntN(60), len(rest))
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		try("random pieces", pieces...)
	}
	if s := p.srv.Stats(); s.Violations != (apibridge.Violations{}) || s.Truncated != 0 {
		t.Errorf("violations where there were none: %+v", s)
	}
}

func TestFraming_ThousandMessagesInOneWrite(t *testing.T) {
	p := serve(t, unpaced())
	var msgs []apimsg.Message
	for i := range 1000 {
		msgs = append(msgs, &apimsg.Announce{DataType: uint16(i), Data: fmt.Append(nil, i)})
	}
	p.module().send(msgs...)
	for i, e := range p.await(bridgetest.Announced, 1000) {
		if int(e.DataType) != i || string(e.Data) != fmt.Sprint(i) {
			t.Fatalf("announcement %d is %d: %q", i, e.DataType, e.Data)
		}
	}
}

// The largest message goes in and out, and one byte more is no message.
func TestFraming_Largest(t *testing.T) {
	p := serve(t, unpaced())
	s, m := p.subscriber(1), p.module()
	data := bytes.Repeat([]byte("largest"), apimsg.MaxData/7+1)[:apimsg.MaxData]
	m.send(&apimsg.Announce{DataType: 1, Data: data})
	n := s.told()
	if !bytes.Equal(n.Data, data) {
		t.Fatalf("%d bytes arrived, not the %d announced", len(n.Data), len(data))
	}
	s.send(&apimsg.Validation{ID: n.ID, Valid: true})
	// From elsewhere in the network, whatever it is: not cut off, not sent.
	p.Receive(1, append(data, 0))
	p.Receive(1, []byte("next"))
	s.expect("next")
	if got := p.srv.Stats().Oversize; got != 1 {
		t.Errorf("%d rumors counted as too large, want 1", got)
	}
}

var violations = []struct {
	name  string
	frame string // header first
	count func(apibridge.Violations) uint64
}{
	{"size 0", "\x00\x00\x01\xf4", func(v apibridge.Violations) uint64 { return v.Size }},
	{"size 3", "\x00\x03\x01\xf4", func(v apibridge.Violations) uint64 { return v.Size }},
	{"type 0", "\x00\x08\x00\x00\x00\x00\x00\x00", func(v apibridge.Violations) uint64 { return v.Type }},
	{"reserved Gossip type 504", "\x00\x08\x01\xf8\x00\x00\x00\x00", func(v apibridge.Violations) uint64 { return v.Type }},
	{"type 65535", "\x00\x08\xff\xff\x00\x00\x00\x00", func(v apibridge.Violations) uint64 { return v.Type }},
	{"NOTIFICATION from a module", "\x00\x08\x01\xf6\x00\x00\x00\x00", func(v apibridge.Violations) uint64 { return v.Direction }},
	{"RPS QUERY", "\x00\x04\x02\x1c", func(v apibridge.Violations) uint64 { return v.Direction }},
	{"DHT GET", "\x00\x24\x02\x8b" + strings.Repeat("k", 32), func(v apibridge.Violations) uint64 { return v.Direction }},
	{"ANNOUNCE of 4 bytes", "\x00\x04\x01\xf4", func(v apibridge.Violations) uint64 { return v.Length }},
	{"ANNOUNCE of 7 bytes", "\x00\x07\x01\xf4\x00\x00\x00", func(v apibridge.Violations) uint64 { return v.Length }},
	{"NOTIFY of 7 bytes", "\x00\x07\x01\xf5\x00\x00\x00", func(v apibridge.Violations) uint64 { return v.Length }},
	{"NOTIFY of 9 bytes", "\x00\x09\x01\xf5\x00\x00\x00\x00\x00", func(v apibridge.Violations) uint64 { return v.Length }},
	{"VALIDATION of 6 bytes", "\x00\x06\x01\xf7\x00\x00", func(v apibridge.Violations) uint64 { return v.Length }},
	{"VALIDATION of 65535 bytes", "\xff\xff\x01\xf7", func(v apibridge.Violations) uint64 { return v.Length }},
}

// A violation closes the connection and sends nothing; what came before it
// counts, what comes behind it does not.
func TestFraming_ViolationCloses(t *testing.T) {
	for _, v := range violations {
		t.Run(v.name, func(t *testing.T) {
			p := serve(t, unpaced())
			m, witness := p.module(), p.subscriber(1)
			before := encode(t, &apimsg.Announce{DataType: 1, Data: []byte("before")})
			after := encode(t, &apimsg.Announce{DataType: 1, Data: []byte("after")})
			m.write(append(append(before, v.frame...), after...))
			m.expectClosed()
			p.await(bridgetest.Closed, 1)
			if a := p.Events(bridgetest.Announced); len(a) != 1 || string(a[0].Data) != "before" {
				t.Errorf("announced: %+v", a)
			}
			witness.expect("before") // and is still there
			if s := p.srv.Stats(); s.Connections != 1 || v.count(s.Violations) != 1 {
				t.Errorf("counted as %+v", s)
			}
		})
	}
}

// The header of a violation is enough: nobody waits for its body.
func TestFraming_ViolationIsKnownByItsHeader(t *testing.T) {
	p := serve(t, unpaced())
	for _, v := range violations {
		m := p.module()
		m.write([]byte(v.frame[:4]))
		m.expectClosed()
	}
	if s := p.srv.Stats(); s.Stalled != 0 {
		t.Errorf("%d connections were closed for slowness instead", s.Stalled)
	}
}

// A web page can make a browser send a POST to the port. To this API it begins
// with a message of 20,559 bytes and type 21,332; what its body holds must not
// be found at any offset.
func TestFraming_HTTPRequestSmugglesNothing(t *testing.T) {
	smuggled := encode(t, &apimsg.Announce{DataType: 1, Data: []byte("smuggled")})
	head := "POST / HTTP/1.1\r\nHost: 127.0.0.1:7001\r\nContent-Type: text/plain\r\n\r\n"
	const claimed = 'P'<<8 | 'O' // 20,559
	padded := head + strings.Repeat("x", claimed-len(head))
	p := serve(t, unpaced())
	for _, request := range []string{
		head + string(smuggled),
		padded + string(smuggled),
		padded + strings.Repeat(string(smuggled), 10),
		"GET /" + string(smuggled) + " HTTP/1.1\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + string(smuggled), // TLS
	} {
		m := p.module()
		m.Write([]byte(request)) // may fail already
		m.expectClosed()
	}
	if s := p.srv.Stats(); s.Violations.Type != 5 {
		t.Errorf("%+v", s)
	}
	if n := p.Count(bridgetest.Announced); n != 0 {
		t.Errorf("%d announcements came out of HTTP", n)
	}
}

// Real clients send 1 in reserved fields.
func TestFraming_ReservedFieldsAreIgnored(t *testing.T) {
	p := serve(t, unpaced())
	m := p.module()
	m.write([]byte("\x00\x08\x01\xf5\xff\xff\x00\x07")) // NOTIFY
	p.await(bridgetest.Subscribed, 1)
	rumor := p.Receive(7, []byte("x"))
	n := m.told()
	m.write([]byte{0, 8, 1, 0xf7, byte(n.ID >> 8), byte(n.ID), 0xff, 0xff}) // VALIDATION
	if v := p.await(bridgetest.Voted, 1)[0]; !v.Valid || v.Rumor != rumor {
		t.Errorf("vote %+v", v)
	}
	m.write([]byte("\x00\x09\x01\xf4\x05\xff\x00\x07y")) // ANNOUNCE
	if a := p.await(bridgetest.Announced, 1)[0]; a.TTL != 5 || a.DataType != 7 || string(a.Data) != "y" {
		t.Errorf("announced %+v", a)
	}
}

// The connection stays open, silent or not, until one side closes it.
func TestFraming_ManyMessagesInBothDirections(t *testing.T) {
	p := serve(t, unpaced())
	a, b := p.subscriber(1, 2), p.subscriber(1, 2)
	for i := range 200 {
		text := fmt.Sprint("rumor ", i)
		a.send(&apimsg.Announce{DataType: uint16(1 + i%2), Data: []byte(text)})
		b.expect(text)
		b.send(&apimsg.Announce{DataType: uint16(1 + i%2), Data: []byte(text + " back")})
		a.expect(text + " back")
	}
	p.await(bridgetest.Voted, 400)
	a.Close()
	p.await(bridgetest.Closed, 1)
	b.send(&apimsg.Announce{DataType: 1, Data: []byte("alone")})
	p.await(bridgetest.Announced, 401)
}
