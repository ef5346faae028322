package apibridge_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"hearsay/apibridge"
	"hearsay/apibridge/apimsg"
	"hearsay/apibridge/bridgetest"
)

// Mistakes that implementations of this API have made before, one test each.

// A server read 1,024 bytes once per connection: larger messages, and every
// message but the first, were lost.
func TestRegression_OneReadOf1024Bytes(t *testing.T) {
	p := serve(t, unpaced())
	m := p.module()
	for i, n := range []int{1016, 1017, 2000, 4088, 4089, 60_000} {
		m.send(&apimsg.Announce{DataType: 1, Data: bytes.Repeat([]byte{byte(i)}, n)})
	}
	for i, a := range p.await(bridgetest.Announced, 6) {
		if want := []int{1016, 1017, 2000, 4088, 4089, 60_000}[i]; len(a.Data) != want || a.Data[want-1] != byte(i) {
			t.Errorf("announcement %d has %d bytes, want %d", i, len(a.Data), want)
		}
	}
}

// A server took a message only if its size was just what one read returned:
// split and joined writes were refused.
func TestRegression_SizeMustEqualReadLength(t *testing.T) {
	p := serve(t, unpaced())
	m := p.module()
	a := encode(t, &apimsg.Announce{DataType: 1, Data: []byte("joined")})
	m.write(append(a[:len(a):len(a)], a...))
	p.await(bridgetest.Announced, 2)
	m.write(a[:6])
	m.write(a[6:])
	p.await(bridgetest.Announced, 3)
}

// A server wrote sizes into NOTIFICATIONs that were not theirs.
func TestRegression_SizeOfNotifications(t *testing.T) {
	p := serve(t, unpaced())
	m := p.subscriber(1)
	for _, n := range []int{0, 1, 255, 256, 65527} {
		p.Receive(1, make([]byte, n))
		header := make([]byte, 4)
		if _, err := io.ReadFull(m, header); err != nil {
			t.Fatal(err)
		}
		if size := binary.BigEndian.Uint16(header); int(size) != 8+n {
			t.Fatalf("size %d for %d bytes of data", size, n)
		}
		if _, err := io.CopyN(io.Discard, m, int64(4+n)); err != nil {
			t.Fatal(err)
		}
	}
}

// A server took V = 1 for "not valid".
func TestRegression_InvertedValidity(t *testing.T) {
	p := serve(t, unpaced())
	m := p.subscriber(1)
	for i, v := range []byte{1, 0} {
		p.Receive(1, []byte("x"))
		id := m.told().ID
		m.write([]byte{0, 8, 0x01, 0xf7, byte(id >> 8), byte(id), 0, v})
		if got := p.await(bridgetest.Voted, i+1)[i]; got.Valid != (v == 1) {
			t.Errorf("V = %d was taken for valid = %v", v, got.Valid)
		}
	}
}

// All subscribers took from one channel: two of them got half of the rumors each.
func TestRegression_CompetingConsumers(t *testing.T) {
	p := serve(t, unpaced())
	modules := []*module{p.subscriber(1), p.subscriber(1), p.subscriber(1)}
	for i := range 100 {
		p.Receive(1, fmt.Append(nil, i))
	}
	for _, m := range modules {
		for i := range 100 {
			m.expect(fmt.Sprint(i))
		}
	}
	p.await(bridgetest.Voted, 300)
}

// A subscriber that was gone, or did not read, blocked the node for ever: here
// Receive, which calls deliver like a node does.
func TestRegression_SubscriberGoneBlocksTheNode(t *testing.T) {
	p := serve(t, apibridge.DefaultOptions())
	good := p.subscriber(1)
	for range 5 {
		p.subscriber(1).Close()
		p.subscriber(1) // stays and does not read
	}
	for i := range 300 {
		p.Receive(1, make([]byte, 1000))
		p.Receive(1, fmt.Append(nil, i))
		good.expect(string(make([]byte, 1000)))
		good.expect(fmt.Sprint(i))
	}
}

// A server used the connection that a failed Accept had not returned.
func TestRegression_NilDereferenceWhenAcceptFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := newFailing(1)
		g := bridgetest.New()
		p := serveOn(t, ln, g, g, unpaced())
		p.dial = ln.dial
		p.module()
	})
}

// A node whose API port was taken quietly listened on another one, where no
// module looked for it.
func TestRegression_FallbackToARandomPort(t *testing.T) {
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	address := taken.Addr().String()
	ln, err := apibridge.Listen(address, false)
	if err == nil {
		ln.Close()
		t.Fatalf("listens on %v although %s is taken", ln.Addr(), address)
	}
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), address+" is taken") {
		t.Errorf("the error does not name the address: %v", err)
	}
}

// Message IDs were random 16-bit numbers for all connections together, and a
// repetition made one rumor pass for another, with even odds after 302 rumors.
func TestRegression_GlobalRandomMessageIDs(t *testing.T) {
	p := serve(t, unpaced())
	a, b := p.subscriber(1), p.subscriber(2)
	const n = 4000 // as many as may be open
	ids := make(map[uint16]string)
	for i := range n {
		p.Receive(1, fmt.Append(nil, i))
		told := a.told()
		if other, used := ids[told.ID]; used {
			t.Fatalf("ID %d stands for %s and %s", told.ID, other, told.Data)
		}
		ids[told.ID] = string(told.Data)
	}
	// All of a's IDs sent by b are nothing to anybody.
	p.Receive(2, []byte("b's"))
	bs := b.told().ID
	for id := range ids {
		if id != bs {
			b.send(&apimsg.Validation{ID: id, Valid: true})
		}
	}
	b.send(&apimsg.Validation{ID: bs, Valid: true})
	if votes := p.await(bridgetest.Voted, 1); len(votes) != 1 || votes[0].Session != 2 {
		t.Errorf("votes %+v", votes)
	}
}

// An API server ended, or never answered again, after a client's first mistake.
func TestRegression_OneBadClientEndsTheServer(t *testing.T) {
	const n = 100
	p, ended := serveEndings(t, unpaced(), n+1)
	for range n {
		c := p.dial()
		c.Write([]byte("garbage garbage garbage"))
		c.Close()
	}
	ended.await(t, n)
	if s := p.srv.Stats(); s.Accepted+s.Refused != n || s.Connections != 0 {
		t.Errorf("%+v", s)
	}
	p.module().send(&apimsg.Announce{DataType: 1})
	p.await(bridgetest.Announced, 1)
}
