package apibridge_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"math"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"hearsay/apibridge"
	"hearsay/apibridge/apimsg"
)

// oracle answers what the two APIs ask.
type oracle struct {
	mu               sync.Mutex
	peers            []apibridge.SampledPeer // offered in turns
	came             chan struct{}           // closed when there are some
	waits            chan struct{}           // if not nil, told of each question
	asked            int
	nodes, deviation float64
}

func (o *oracle) SamplePeer(ctx context.Context) (apibridge.SampledPeer, error) {
	if o.waits != nil {
		o.waits <- struct{}{}
	}
	select {
	case <-o.came:
	case <-ctx.Done():
		return apibridge.SampledPeer{}, ctx.Err()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked++
	return o.peers[(o.asked-1)%len(o.peers)], nil
}

func (o *oracle) EstimateSize() (nodes, deviation float64) { return o.nodes, o.deviation }

// queried is an RPS or NSE server and how to reach it.
type queried struct {
	dial  func() net.Conn
	close func()
	stats func() apibridge.QueryStats
}

type queryServer interface {
	Serve(net.Listener) error
	Close(context.Context) error
	Stats() apibridge.QueryStats
}

// serveQueries is without sockets, for virtual time.
func serveQueries(t testing.TB, srv queryServer) queried {
	ln := newPipes()
	var wg sync.WaitGroup
	wg.Go(func() { srv.Serve(ln) })
	var once sync.Once
	q := queried{
		dial: ln.dial,
		close: func() {
			once.Do(func() {
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				defer cancel()
				if err := srv.Close(ctx); err != nil {
					t.Errorf("Close: %v", err)
				}
				wg.Wait()
			})
		},
		stats: srv.Stats,
	}
	t.Cleanup(q.close)
	return q
}

// reply reads one frame, as bytes in hex, or says why there is none.
func reply(t testing.TB, c net.Conn) string {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(time.Minute))
	var header [4]byte
	if _, err := io.ReadFull(c, header[:]); err != nil {
		if err == io.EOF {
			return "closed"
		}
		t.Fatalf("waiting for an answer: %v", err)
	}
	body := make([]byte, int(header[0])<<8+int(header[1])-4)
	if _, err := io.ReadFull(c, body); err != nil {
		t.Fatalf("reading an answer: %v", err)
	}
	return hex.EncodeToString(header[:]) + " " + hex.EncodeToString(body)
}

func mustWrite(t testing.TB, c net.Conn, b string) {
	t.Helper()
	if _, err := io.WriteString(c, b); err != nil {
		t.Fatal(err)
	}
}

const (
	rpsQuery = "\x00\x04\x02\x1c"
	nseQuery = "\x00\x04\x02\x08"
)

func ready() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// Rows of the API's description, byte by byte.
func TestRPS_Answers(t *testing.T) {
	o := &oracle{came: ready(), peers: []apibridge.SampledPeer{
		{Addr: netip.MustParseAddrPort("192.0.2.7:6001"), Ports: []apimsg.AppPort{{App: 500, Port: 6001}, {App: 560, Port: 6301}}, Hostkey: []byte("key")},
		{Addr: netip.MustParseAddrPort("[2001:db8::7]:6001"), Ports: []apimsg.AppPort{{App: 650, Port: 6401}}, Hostkey: []byte("other")},
		{Addr: netip.MustParseAddrPort("[::ffff:192.0.2.8]:6001"), Ports: []apimsg.AppPort{{App: 500, Port: 6001}}},
	}}
	q := serveQueries(t, apibridge.NewRPS(o, apibridge.RPSOptions{}))
	c := q.dial()
	defer c.Close()
	for _, want := range []string{
		"0017021d 1771" + "0200" + "01f41771" + "0230189d" + "c0000207" + "6b6579",
		"0021021d 1771" + "0101" + "028a1901" + "20010db8000000000000000000000007" + "6f74686572",
		"0010021d 1771" + "0100" + "01f41771" + "c0000208",
	} {
		mustWrite(t, c, rpsQuery)
		if got := reply(t, c); got != want {
			t.Errorf("answer\n\t%s, want\n\t%s", got, want)
		}
	}
	// Three questions in pieces that are none of theirs: three answers.
	all := rpsQuery + rpsQuery + rpsQuery
	go func() {
		for _, n := range []int{1, 5, 3, 3} {
			io.WriteString(c, all[:n])
			all = all[n:]
		}
	}()
	for i := range 3 {
		if got := reply(t, c); !strings.Contains(got, "021d") {
			t.Errorf("answer %d to questions in pieces: %s", i, got)
		}
	}
	if s := q.stats(); s.Queries != 6 || s.Answers < 5 || s.Connections != 1 {
		t.Errorf("counters: %+v", s)
	}
}

func TestNSE_Answers(t *testing.T) {
	for _, row := range []struct {
		nodes, deviation float64
		want             string
	}{
		{1, 0, "000c0209 0000000100000000"},
		{25, 0, "000c0209 0000001900000000"},
		{999.6, 40.1, "000c0209 000003e800000029"},
		{0.2, 0.1, "000c0209 0000000100000001"},
		{1e12, math.Inf(1), "000c0209 ffffffffffffffff"},
		{math.NaN(), math.NaN(), "000c0209 0000000100000000"},
	} {
		q := serveQueries(t, apibridge.NewNSE(&oracle{nodes: row.nodes, deviation: row.deviation}, apibridge.Limits{}))
		c := q.dial()
		defer c.Close()
		for range 2 {
			mustWrite(t, c, nseQuery)
			if got := reply(t, c); got != row.want {
				t.Errorf("%v ± %v: answer %s, want %s", row.nodes, row.deviation, got, row.want)
			}
		}
	}
}

// What breaks the rules closes the connection; nothing is sent, and nothing
// behind it is answered.
func TestQuery_Violations(t *testing.T) {
	o := &oracle{came: ready(), peers: []apibridge.SampledPeer{{Addr: netip.MustParseAddrPort("192.0.2.7:1"), Ports: []apimsg.AppPort{{App: 500, Port: 1}}}}}
	for _, api := range []struct {
		name, query string
		serve       func() queryServer
		wrong       map[string]string
	}{
		{"RPS", rpsQuery, func() queryServer { return apibridge.NewRPS(o, apibridge.RPSOptions{}) }, map[string]string{
			"another API's query": nseQuery, "the node's own message": "\x00\x10\x02\x1d\x17\x71\x01\x00\x01\xf4\x17\x71\xc0\x00\x02\x07",
		}},
		{"NSE", nseQuery, func() queryServer { return apibridge.NewNSE(o, apibridge.Limits{}) }, map[string]string{
			"another API's query": rpsQuery, "the node's own message": "\x00\x0c\x02\x09\x00\x00\x00\x01\x00\x00\x00\x00",
		}},
	} {
		api.wrong["a body"] = "\x00\x05" + api.query[2:] + "x"
		api.wrong["size below the header's"] = "\x00\x03" + api.query[2:]
		api.wrong["unknown type"] = "\x00\x04\xff\xff"
		api.wrong["a web page"] = "POST / HTTP/1.1\r\n\r\n"
		q := serveQueries(t, api.serve())
		for name, wrong := range api.wrong {
			c := q.dial()
			go io.WriteString(c, wrong+api.query)
			if got := reply(t, c); got != "closed" {
				t.Errorf("%s, %s: answered %s", api.name, name, got)
			}
		}
		if s := q.stats(); s.Queries != 0 {
			t.Errorf("%s: %d queries were counted", api.name, s.Queries)
		}
	}
}

// With nobody to offer a QUERY waits, and is answered as soon as somebody comes;
// the connection is closed after the time-out.
func TestRPS_WaitsForAPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &oracle{came: make(chan struct{})}
		q := serveQueries(t, apibridge.NewRPS(o, apibridge.RPSOptions{}))
		began := time.Now()
		c := q.dial()
		defer c.Close()
		mustWrite(t, c, rpsQuery)
		if got := reply(t, c); got != "closed" || time.Since(began) != 10*time.Second {
			t.Errorf("%s after %v, want the end after 10 s", got, time.Since(began))
		}
		c = q.dial()
		mustWrite(t, c, rpsQuery)
		time.Sleep(9 * time.Second)
		o.peers = []apibridge.SampledPeer{{Addr: netip.MustParseAddrPort("192.0.2.7:1"), Ports: []apimsg.AppPort{{App: 500, Port: 1}}}}
		close(o.came)
		if got := reply(t, c); !strings.HasPrefix(got, "0010021d") {
			t.Errorf("answer: %s", got)
		}
		synctest.Wait()
		if s := q.stats(); s.Unanswered != 1 || s.Answers != 1 {
			t.Errorf("counters: %+v", s)
		}
	})
}

// A module that is gone is not waited for, however many questions it has asked; one
// that has only closed its sending half is.
func TestRPS_GoneWhileWaiting(t *testing.T) {
	ln := listen(t)
	telling, ended := tellEnds(ln, 3)
	o := &oracle{came: make(chan struct{}), waits: make(chan struct{}, 3)}
	srv := apibridge.NewRPS(o, apibridge.RPSOptions{PeerTimeout: time.Hour})
	serveUntilEnd(t, srv, telling)
	dial := dialer(t, ln)
	half := dial()
	defer half.Close()
	mustWrite(t, half, rpsQuery)
	half.(*net.TCPConn).CloseWrite()
	<-o.waits
	for _, questions := range []int{1, 100} {
		c := dial()
		mustWrite(t, c, strings.Repeat(rpsQuery, questions))
		<-o.waits
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
		ended.await(t, 1)
	}
	if s := srv.Stats(); s.Connections != 1 || s.Unanswered != 0 {
		t.Errorf("counters: %+v", s)
	}
	o.peers = []apibridge.SampledPeer{{Addr: netip.MustParseAddrPort("192.0.2.7:1"), Ports: []apimsg.AppPort{{App: 500, Port: 1}}}}
	close(o.came)
	if got := reply(t, half); !strings.HasPrefix(got, "0010021d") {
		t.Errorf("answer: %s", got)
	}
}

// A server that closes waits for nobody.
func TestRPS_CloseWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := serveQueries(t, apibridge.NewRPS(&oracle{came: make(chan struct{})}, apibridge.RPSOptions{}))
		c := q.dial()
		defer c.Close()
		mustWrite(t, c, rpsQuery)
		synctest.Wait()
		began := time.Now()
		q.close()
		if took := time.Since(began); took > time.Second {
			t.Errorf("closing took %v", took)
		}
	})
}

// A peer that a client would crash on, or that does not fit, is not told.
func TestRPS_UnfitPeer(t *testing.T) {
	for name, p := range map[string]apibridge.SampledPeer{
		"no ports":      {Addr: netip.MustParseAddrPort("192.0.2.7:1")},
		"no address":    {Ports: []apimsg.AppPort{{App: 500, Port: 1}}},
		"large hostkey": {Addr: netip.MustParseAddrPort("192.0.2.7:1"), Ports: []apimsg.AppPort{{App: 500, Port: 1}}, Hostkey: bytes.Repeat([]byte("k"), 1<<16)},
	} {
		q := serveQueries(t, apibridge.NewRPS(&oracle{came: ready(), peers: []apibridge.SampledPeer{p}}, apibridge.RPSOptions{}))
		c := q.dial()
		defer c.Close()
		mustWrite(t, c, rpsQuery)
		if got := reply(t, c); got != "closed" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// FuzzQueries: whatever is sent, in whatever pieces, each QUERY in front of the
// first mistake is answered, and then the connection ends.
func FuzzQueries(f *testing.F) {
	f.Add([]byte(nseQuery+nseQuery), []byte{1, 2})
	f.Add([]byte(nseQuery+rpsQuery+nseQuery), []byte{})
	f.Add([]byte(nseQuery+"\x00\x05\x02\x08x"), []byte{3})
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), []byte{})
	q := serveQueries(f, apibridge.NewNSE(&oracle{nodes: 1}, apibridge.Limits{Rate: rate.Inf}))
	f.Fuzz(func(t *testing.T, b, cuts []byte) {
		c := q.dial()
		defer c.Close()
		answers := make(chan int)
		go func() {
			n := 0
			for {
				var frame [12]byte
				if _, err := io.ReadFull(c, frame[:]); err != nil {
					if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) {
						n = -1
					}
					answers <- n
					return
				}
				n++
			}
		}()
		want := 0
		for rest := b; bytes.HasPrefix(rest, []byte(nseQuery)); rest = rest[4:] {
			want++
		}
		b = append(b[:len(b):len(b)], 0, 3, 0, 0) // a mistake, also behind a part of a message
		for _, n := range cuts {
			piece := b[:min(int(n), len(b))]
			if _, err := c.Write(piece); err != nil {
				break
			}
			b = b[len(piece):]
		}
		c.Write(b)
		if got := <-answers; got != want {
			t.Fatalf("%d answers, want %d", got, want)
		}
	})
}
