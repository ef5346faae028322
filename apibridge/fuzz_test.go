package apibridge_test

import (
	"bytes"
	"io"
	"net"
	"slices"
	"testing"

	"golang.org/x/time/rate"

	"hearsay/apibridge/apimsg"
	"hearsay/apibridge/bridgetest"
)

// FuzzServer: whatever a module sends, in whatever pieces, the node hears just
// the messages in front of the first mistake, and the session ends.
func FuzzServer(f *testing.F) {
	b, _ := conversation(f)
	f.Add(b, []byte{1, 2, 3})
	for _, v := range violations {
		f.Add(append(b[:len(b):len(b)], v.frame+string(b)...), []byte{7, 0, 200})
	}
	f.Add([]byte("POST / HTTP/1.1\r\nHost: localhost\r\n\r\n"+string(b)), []byte{})
	opts := unpaced()
	opts.Rate = rate.Inf
	p := servePipes(f, opts)
	sessions := 0
	f.Fuzz(func(t *testing.T, b, cuts []byte) {
		p.t = t
		c := p.dial()
		go io.Copy(io.Discard, c)
		send(c, b, cuts)
		c.Close()
		sessions++
		p.await(bridgetest.Closed, sessions)

		got := p.Take()
		if len(got) < 2 || got[0].Kind != bridgetest.Opened || got[len(got)-1].Kind != bridgetest.Closed {
			t.Fatalf("a session went %+v", got)
		}
		got = got[1 : len(got)-1]
		for _, want := range understood(b, apimsg.TypeAnnounce, apimsg.TypeNotify, apimsg.TypeValidation) {
			if want.Type() == apimsg.TypeValidation { // of nothing: ignored
				continue
			}
			if len(got) == 0 {
				t.Fatalf("not heard: %+v", want)
			}
			e := got[0]
			got = got[1:]
			switch m := want.(type) {
			case *apimsg.Announce:
				if e.Kind != bridgetest.Announced || e.TTL != m.TTL || e.DataType != m.DataType || !bytes.Equal(e.Data, m.Data) {
					t.Fatalf("%+v was taken for %+v", m, e)
				}
			case *apimsg.Notify:
				if e.Kind != bridgetest.Subscribed || e.DataType != m.DataType {
					t.Fatalf("%+v was taken for %+v", m, e)
				}
			}
		}
		if len(got) > 0 {
			t.Fatalf("heard without having been said: %+v", got)
		}
	})
}

// send writes b in pieces of the given lengths, and the rest at once.
func send(c net.Conn, b, cuts []byte) {
	for _, n := range cuts {
		piece := b[:min(int(n), len(b))]
		if _, err := c.Write(piece); err != nil {
			return
		}
		b = b[len(piece):]
	}
	c.Write(b)
}

// understood are the messages in front of the first mistake. accept are the types
// that a module may send.
func understood(b []byte, accept ...apimsg.Type) (msgs []apimsg.Message) {
	for len(b) >= apimsg.HeaderSize {
		size := int(b[0])<<8 | int(b[1])
		if size < apimsg.HeaderSize || size > len(b) {
			break
		}
		m, err := apimsg.Parse(b[:size])
		if err != nil || !slices.Contains(accept, m.Type()) {
			break
		}
		msgs = append(msgs, m)
		b = b[size:]
	}
	return msgs
}
