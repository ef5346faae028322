package apibridge_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"hearsay/apibridge"
	"hearsay/apibridge/apimsg"
	"hearsay/apibridge/bridgetest"
)

// dhtPeer is a DHT without a network, behind a bridge.
type dhtPeer struct {
	*bridgetest.DHT
	t    testing.TB
	srv  *apibridge.DHTServer
	dial func() net.Conn
}

func serveDHT(t testing.TB, opts apibridge.DHTOptions) *dhtPeer {
	ln := listen(t)
	return serveDHTOn(t, ln, opts, dialer(t, ln))
}

// dhtPipes is without sockets, for virtual time.
func dhtPipes(t testing.TB, opts apibridge.DHTOptions) *dhtPeer {
	ln := newPipes()
	return serveDHTOn(t, ln, opts, ln.dial)
}

func serveDHTOn(t testing.TB, ln net.Listener, opts apibridge.DHTOptions, dial func() net.Conn) *dhtPeer {
	d := bridgetest.NewDHT()
	p := &dhtPeer{DHT: d, t: t, srv: apibridge.NewDHT(d, opts), dial: dial}
	serveUntilEnd(t, p.srv, ln)
	return p
}

func (p *dhtPeer) module() *module {
	c := p.dial()
	p.t.Cleanup(func() { c.Close() })
	return &module{c, p.t, apimsg.NewReader(c, apimsg.TypeSuccess, apimsg.TypeFailure)}
}

func dhtKey(i int) (key [apimsg.KeySize]byte) {
	copy(key[:], fmt.Sprintf("key %d", i))
	return key
}

// answer reads the next answer: its key, and the value or "" for FAILURE.
func (m *module) answer() (key [apimsg.KeySize]byte, value string) {
	m.t.Helper()
	m.SetReadDeadline(time.Now().Add(time.Minute))
	key, value, err := m.tryAnswer()
	if err != nil {
		m.t.Fatalf("waiting for an answer: %v", err)
	}
	return key, value
}

func (m *module) tryAnswer() (key [apimsg.KeySize]byte, value string, err error) {
	msg, err := m.in.Next()
	switch a := msg.(type) {
	case *apimsg.Success:
		key, value = a.Key, string(a.Value)
	case *apimsg.Failure:
		key = a.Key
	}
	return key, value, err
}

func (m *module) expectAnswer(key int, value string) {
	m.t.Helper()
	if k, v := m.answer(); k != dhtKey(key) || v != value {
		m.t.Fatalf("answered %q: %.40q, want %d: %.40q", k, v, key, value)
	}
}

func TestDHT_PutAndGet(t *testing.T) {
	p := serveDHT(t, apibridge.DHTOptions{})
	m := p.module()
	largest := strings.Repeat("x", apimsg.MaxValue)
	m.send(&apimsg.Put{TTL: 60, Replication: 3, Key: dhtKey(1), Value: []byte("one")}, &apimsg.Get{Key: dhtKey(1)})
	m.expectAnswer(1, "one")
	m.send(&apimsg.Put{Key: dhtKey(1), Value: []byte("uno")}, &apimsg.Get{Key: dhtKey(1)}) // a later PUT replaces
	m.expectAnswer(1, "uno")
	m.send(&apimsg.Put{TTL: 0xffff, Replication: 255, Key: dhtKey(2), Value: []byte(largest)}, &apimsg.Get{Key: dhtKey(2)})
	m.expectAnswer(2, largest)
	m.send(&apimsg.Get{Key: dhtKey(3)})
	m.expectAnswer(3, "")
	other := p.module()
	other.send(&apimsg.Get{Key: dhtKey(1)})
	other.expectAnswer(1, "uno")
	puts := p.TakePuts()
	if len(puts) != 3 || puts[0].TTL != 60 || puts[0].Replication != 3 || puts[2].TTL != 0xffff || puts[2].Replication != 255 {
		t.Errorf("%d PUTs: %.100v", len(puts), puts)
	}
	m.leave() // answers are counted when they have been written
	other.leave()
	if s := p.srv.Stats(); s.Puts != 3 || s.Gets != 5 || s.Successes != 4 || s.Failures != 1 {
		t.Errorf("%+v", s)
	}
}

// Expiry is to the second.
func TestDHT_Expiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := dhtPipes(t, apibridge.DHTOptions{})
		m := p.module()
		m.send(&apimsg.Put{TTL: 1, Replication: 1, Key: dhtKey(1), Value: []byte("short")})
		time.Sleep(500 * time.Millisecond)
		m.send(&apimsg.Get{Key: dhtKey(1)})
		m.expectAnswer(1, "short")
		time.Sleep(time.Second)
		m.send(&apimsg.Get{Key: dhtKey(1)})
		m.expectAnswer(1, "")
	})
}

// Whatever a DHT module must not say closes its connection, without an answer to
// what came before it.
func TestDHT_ViolationCloses(t *testing.T) {
	key := dhtKey(1)
	put := func(value string) string {
		return string(encodeRaw(650, append(append([]byte{0, 1, 1, 0}, key[:]...), value...)))
	}
	for what, frame := range map[string]string{
		"empty value":         put(""),
		"PUT without a key":   string(encodeRaw(650, make([]byte, 35))),
		"GET, key too short":  string(encodeRaw(651, make([]byte, 31))),
		"GET, key too long":   string(encodeRaw(651, make([]byte, 33))),
		"SUCCESS":             string(encode(t, &apimsg.Success{Key: key, Value: []byte("x")})),
		"FAILURE":             string(encode(t, &apimsg.Failure{Key: key})),
		"Gossip's ANNOUNCE":   string(encode(t, &apimsg.Announce{Data: []byte("x")})),
		"RPS QUERY":           string(encode(t, &apimsg.RPSQuery{})),
		"unknown type":        string(encodeRaw(654, make([]byte, 32))),
		"size below 4":        "\x00\x03\x02\x8b",
		"POST / HTTP/1.1\r\n": "POST / HTTP/1.1\r\nHost: localhost\r\n\r\n",
	} {
		t.Run(what, func(t *testing.T) {
			p := serveDHT(t, apibridge.DHTOptions{})
			m := p.module()
			m.write([]byte(frame + put("smuggled") + string(encode(t, &apimsg.Get{Key: key}))))
			m.expectClosed()
			if puts := p.TakePuts(); len(puts) != 0 {
				t.Errorf("stored %v", puts)
			}
			s := p.srv.Stats()
			if v := s.Violations; v.Size+v.Type+v.Direction+v.Length != 1 || s.Connections != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

func encodeRaw(msgType uint16, body []byte) []byte {
	n := 4 + len(body)
	return append([]byte{byte(n >> 8), byte(n), byte(msgType >> 8), byte(msgType)}, body...)
}

// Reserved bits of PUT mean nothing.
func TestDHT_ReservedIsIgnored(t *testing.T) {
	p := serveDHT(t, apibridge.DHTOptions{})
	m := p.module()
	key := dhtKey(1)
	m.write(encodeRaw(650, append(append([]byte{0, 9, 1, 0xff}, key[:]...), 'v')))
	m.send(&apimsg.Get{Key: key})
	m.expectAnswer(1, "v")
}

// Each of many pipelined GETs is answered, in the order in which answers are
// found; what is beyond MaxGets waits without being read.
func TestDHT_PipelinedGets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := dhtPipes(t, apibridge.DHTOptions{})
		release := make(chan struct{})
		var mu sync.Mutex
		looking, most := 0, 0
		p.Hold = func(ctx context.Context, key [32]byte) {
			mu.Lock()
			looking++
			most = max(most, looking)
			mu.Unlock()
			if key != dhtKey(999) {
				<-release
			}
			mu.Lock()
			looking--
			mu.Unlock()
		}
		m := p.module()
		m.send(&apimsg.Put{TTL: 60, Key: dhtKey(999), Value: []byte("quick")})
		const n = 400
		go func() {
			for i := range n {
				m.Write(encode(t, &apimsg.Get{Key: dhtKey(i)}))
				if i == 100 {
					m.Write(encode(t, &apimsg.Get{Key: dhtKey(999)}))
				}
			}
		}()
		m.expectAnswer(999, "quick") // overtakes those that are looked for
		synctest.Wait()
		if s := p.srv.Stats(); most != 256 || s.Gets > 259 {
			t.Errorf("%d at a time, %d read", most, s.Gets)
		}
		close(release)
		seen := map[[32]byte]bool{}
		for range n {
			key, value := m.answer()
			if value != "" || seen[key] {
				t.Fatalf("%q: %q", key, value)
			}
			seen[key] = true
		}
	})
}

// Every GET is answered within 10 s, whatever the network does.
func TestDHT_GetTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := dhtPipes(t, apibridge.DHTOptions{})
		p.Hold = func(ctx context.Context, _ [32]byte) { <-ctx.Done() }
		m := p.module()
		began := time.Now()
		m.send(&apimsg.Get{Key: dhtKey(1)}, &apimsg.Get{Key: dhtKey(2)})
		m.answer()
		m.answer()
		if d := time.Since(began); d < 7*time.Second || d > 10*time.Second {
			t.Errorf("answered after %v", d)
		}
	})
}

// A module that closes its sending half gets its answers; then the node closes.
func TestDHT_HalfClose(t *testing.T) {
	p := serveDHT(t, apibridge.DHTOptions{})
	held := make(chan struct{})
	p.Hold = func(context.Context, [32]byte) { <-held }
	m := p.module()
	m.send(&apimsg.Put{Key: dhtKey(1), Value: []byte("v")}, &apimsg.Get{Key: dhtKey(1)}, &apimsg.Get{Key: dhtKey(2)})
	if err := m.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	close(held)
	got := map[string]bool{}
	for range 2 {
		_, v := m.answer()
		got[v] = true
	}
	if !got["v"] || !got[""] {
		t.Errorf("got %v", got)
	}
	m.expectClosed()
}

// PUT, then close: it counts.
func TestDHT_PutAndClose(t *testing.T) {
	ln := listen(t)
	telling, ended := tellEnds(ln, 2)
	p := serveDHTOn(t, telling, apibridge.DHTOptions{}, dialer(t, ln))
	m := p.module()
	m.send(&apimsg.Put{Key: dhtKey(1), Value: []byte("v")})
	m.Close()
	ended.await(t, 1)
	if s := p.srv.Stats(); s.Puts != 1 || s.Connections != 0 {
		t.Errorf("%+v", s)
	}
	other := p.module()
	other.send(&apimsg.Get{Key: dhtKey(1)})
	other.expectAnswer(1, "v")
}

// What the node refuses is counted, and no reason to close: PUT knows no reply.
func TestDHT_PutRefused(t *testing.T) {
	p := serveDHT(t, apibridge.DHTOptions{})
	p.Refuse = func(value []byte) error {
		if bytes.HasPrefix(value, []byte("bad")) {
			return errors.New("no room")
		}
		return nil
	}
	m := p.module()
	m.send(&apimsg.Put{Key: dhtKey(1), Value: []byte("bad")}, &apimsg.Put{Key: dhtKey(2), Value: []byte("good")}, &apimsg.Get{Key: dhtKey(2)})
	m.expectAnswer(2, "good")
	if s := p.srv.Stats(); s.Puts != 2 || s.PutErrors != 1 {
		t.Errorf("%+v", s)
	}
}

// Close answers what was asked, with what is there, and does not wait for the
// network, not even when GETs wait for a slot.
func TestDHT_CloseAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := dhtPipes(t, apibridge.DHTOptions{MaxGets: 2})
		p.Hold = func(ctx context.Context, _ [32]byte) { <-ctx.Done() }
		m, half := p.module(), p.module()
		go m.Write(encode(t, &apimsg.Get{Key: dhtKey(1)}, &apimsg.Get{Key: dhtKey(2)}, &apimsg.Get{Key: dhtKey(3)}))
		half.send(&apimsg.Get{Key: dhtKey(4)})
		synctest.Wait()
		began := time.Now()
		closed := make(chan error, 1)
		go func() { closed <- p.srv.Close(t.Context()) }()
		for range 3 {
			m.answer()
		}
		half.expectAnswer(4, "")
		if err := <-closed; err != nil || time.Since(began) > time.Second {
			t.Errorf("closed after %v: %v", time.Since(began), err)
		}
		if _, err := m.in.Next(); err != io.EOF {
			t.Errorf("then %v", err)
		}
	})
}

// A module that asks and does not read is cut off; the others notice nothing.
func TestDHT_ModuleThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := dhtPipes(t, apibridge.DHTOptions{})
		m, other := p.module(), p.module()
		m.send(&apimsg.Put{Key: dhtKey(1), Value: make([]byte, 60_000)})
		go func() {
			for range 300 {
				m.Write(encode(t, &apimsg.Get{Key: dhtKey(1)}))
			}
		}()
		other.send(&apimsg.Get{Key: dhtKey(2)})
		other.expectAnswer(2, "")
		time.Sleep(6 * time.Second)
		if s := p.srv.Stats(); s.Unread != 1 || s.Connections != 1 {
			t.Errorf("%+v", s)
		}
		m.Close()
	})
}

// A panic ends one connection.
func TestDHT_Panic(t *testing.T) {
	p := serveDHT(t, apibridge.DHTOptions{})
	p.Hold = func(_ context.Context, key [32]byte) {
		if key == dhtKey(13) {
			panic("thirteen")
		}
	}
	m, other := p.module(), p.module()
	m.send(&apimsg.Get{Key: dhtKey(13)})
	m.expectClosed()
	other.send(&apimsg.Get{Key: dhtKey(1)})
	other.expectAnswer(1, "")
	if s := p.srv.Stats(); s.Panics != 1 || s.Connections != 1 {
		t.Errorf("%+v", s)
	}
}

// FuzzDHTServer: whatever a module sends, in whatever pieces, the node is given
// just the PUTs in front of the first mistake; each GET there is answered unless
// a mistake ended it all.
func FuzzDHTServer(f *testing.F) {
	talk := encode(f,
		&apimsg.Put{TTL: 9, Replication: 2, Key: dhtKey(1), Value: []byte("one")}, &apimsg.Get{Key: dhtKey(1)},
		&apimsg.Put{TTL: 0xffff, Key: dhtKey(2), Value: bytes.Repeat([]byte("two"), 300)}, &apimsg.Get{Key: dhtKey(3)})
	f.Add(talk, []byte{1, 2, 3})
	for _, v := range violations {
		f.Add(append(talk[:len(talk):len(talk)], v.frame+string(talk)...), []byte{7, 0, 200})
	}
	f.Add(append(talk[:len(talk):len(talk)], encodeRaw(650, make([]byte, 36))...), []byte{50})
	f.Add([]byte("POST / HTTP/1.1\r\nHost: localhost\r\n\r\n"+string(talk)), []byte{})
	f.Add(talk[:len(talk)-1], []byte{255})
	ln := newPipes()
	telling, ended := tellEnds(ln, 1)
	p := serveDHTOn(f, telling, apibridge.DHTOptions{Limits: apibridge.Limits{Rate: rate.Inf}}, ln.dial)
	served := uint64(0)
	f.Fuzz(func(t *testing.T, b, cuts []byte) {
		p.t = t
		before := p.srv.Stats()
		said := understood(b, apimsg.TypePut, apimsg.TypeGet)
		open := make(map[[apimsg.KeySize]byte]int) // GETs without an answer
		gets := uint64(0)
		for _, m := range said {
			if m, ok := m.(*apimsg.Get); ok {
				open[m.Key]++
				gets++
			}
		}
		c := p.dial()
		defer c.Close()
		c.SetReadDeadline(time.Now().Add(patience))
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			send(c, b, cuts)
		}()
		m := &module{c, t, apimsg.NewReader(c, apimsg.TypeSuccess, apimsg.TypeFailure)}
		cut := false // the server has closed
		for len(open) > 0 && !cut {
			key, _, err := m.tryAnswer()
			switch {
			case err == io.EOF, err == io.ErrUnexpectedEOF:
				cut = true
			case err != nil:
				t.Fatalf("no answer to %v: %v", open, err)
			case open[key] == 0:
				t.Fatalf("an answer to what was not asked: %q", key)
			case open[key] == 1:
				delete(open, key)
			default:
				open[key]--
			}
		}
		<-sent
		c.Close()
		ended.await(t, 1)
		served++
		s := p.srv.Stats()
		if s.Accepted != served || s.Connections != 0 {
			t.Fatalf("after %d connections: %+v", served, s)
		}
		if cut && s.Violations == before.Violations {
			t.Fatalf("no mistake has ended it, and there is no answer to %v", open)
		}
		if s.Gets-before.Gets != gets {
			t.Fatalf("%d GETs were taken for %d", gets, s.Gets-before.Gets)
		}
		got := p.TakePuts()
		for _, m := range said {
			m, ok := m.(*apimsg.Put)
			if !ok {
				continue
			}
			if len(got) == 0 || got[0].Key != m.Key || got[0].TTL != m.TTL || got[0].Replication != m.Replication || !bytes.Equal(got[0].Value, m.Value) {
				t.Fatalf("%.80v was taken for %.80v", m, got)
			}
			got = got[1:]
		}
		if len(got) > 0 {
			t.Fatalf("stored without having been said: %.80v", got)
		}
	})
}
