package control

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hearsay/node"
)

// peerEvents streams what happens to peers.
func peerEvents(t *testing.T, c *Client) (*Stream[PeerEvent], error) {
	return open[PeerEvent](t.Context(), c, "/v1/events?only=peer", "peer")
}

func TestListen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		s, c, _, stop := inMemory(t, f)
		defer stop()
		stream, err := c.Listen(t.Context(), 9, 7, 7)
		if err != nil {
			t.Fatal(err)
		}
		for l := range f.listeners {
			if fmt.Sprint(l.types) != "[7 9]" {
				t.Errorf("listens to %v", l.types)
			}
		}
		// What is announced after Listen returned is never missed, whatever its bytes.
		for _, data := range []string{"hello", "", "event: rumor\ndata: {}\n\n", "\x00\xff\r\n", strings.Repeat("x", 65527)} {
			if _, err := c.Announce(t.Context(), AnnounceRequest{Type: 7, Data: []byte(data)}); err != nil {
				t.Fatal(err)
			}
			r, err := stream.Next()
			if err != nil || string(r.Data) != data || r.Type != 7 || r.Version != 1 || r.Origin != alice.String() || len(r.ID) != 64 {
				t.Errorf("data %.20q: got %+.100v, %v", data, r, err)
			}
		}
		stream.Close()
		synctest.Wait()
		if f.open() != 0 || len(s.streams) != 0 {
			t.Error("a closed stream leaves its listener")
		}
	})
}

// A quiet stream shows every keepAlive that it lives, and lives on.
func TestQuietStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		_, c, _, stop := inMemory(t, f)
		defer stop()
		stream, err := peerEvents(t, c)
		if err != nil {
			t.Fatal(err)
		}
		defer stream.Close()
		time.AfterFunc(time.Hour, func() {
			f.tell(node.PeerEvent{Time: time.Now(), Peer: bob, What: "linked", Addr: "/ip4/127.0.0.1/tcp/1"})
		})
		start := time.Now()
		e, err := stream.Next()
		if err != nil || e.Peer != bob.String() || e.What != "linked" || e.Addr != "/ip4/127.0.0.1/tcp/1" || !e.Time.Equal(start.Add(time.Hour)) {
			t.Errorf("got %+v, %v", e, err)
		}
	})
}

// A reader that takes nothing is cut off after writeTimeout; rumors meanwhile
// never wait, and a slow reader is told how many it lost.
func TestStuckReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		s, c, p, stop := inMemory(t, f)
		defer stop()
		conn, err := p.dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET /v1/listen?type=7 HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n", s.Addr(), s.file.Token)
		lines := bufio.NewScanner(conn)
		for lines.Scan() && !strings.Contains(lines.Text(), "event: open") {
		}
		start := time.Now()
		for range 100 {
			if _, err := c.Announce(t.Context(), AnnounceRequest{Type: 7}); err != nil {
				t.Fatal(err)
			}
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("announcing waited %v for a stuck reader", waited)
		}
		time.Sleep(writeTimeout + time.Millisecond)
		synctest.Wait()
		if f.open() != 0 || len(s.streams) != 0 {
			t.Error("the stuck reader was not cut off")
		}
	})
}

func TestDroppedIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		_, c, _, stop := inMemory(t, f)
		defer stop()
		stream, err := c.Listen(t.Context(), 7)
		if err != nil {
			t.Fatal(err)
		}
		defer stream.Close()
		for l := range f.listeners {
			l.dropped.Store(5)
		}
		if _, err := c.Announce(t.Context(), AnnounceRequest{Type: 7}); err != nil {
			t.Fatal(err)
		}
		if r, err := stream.Next(); err != nil || r.Dropped != 5 {
			t.Errorf("got %+v, %v; want 5 dropped", r, err)
		}
	})
}

func TestStreamsAreCapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		_, c, _, stop := inMemory(t, f)
		defer stop()
		var open []interface{ Close() }
		for i := range MaxStreams {
			if i%2 == 0 {
				stream, err := c.Listen(t.Context(), 7)
				if err != nil {
					t.Fatal(err)
				}
				open = append(open, stream)
			} else {
				stream, err := peerEvents(t, c)
				if err != nil {
					t.Fatal(err)
				}
				open = append(open, stream)
			}
		}
		var refused *Error
		if _, err := peerEvents(t, c); !errors.As(err, &refused) || refused.Status != 503 {
			t.Errorf("one too many: %v", err)
		}
		if _, err := c.Status(t.Context()); err != nil {
			t.Errorf("a question beside full streams: %v", err)
		}
		open[3].Close()
		synctest.Wait()
		again, err := c.Listen(t.Context(), 7)
		if err != nil {
			t.Fatalf("a freed place is not to be had: %v", err)
		}
		for _, s := range append(open, again) {
			s.Close()
		}
	})
}

// When the node stops, or the server does, streams end properly and at once.
func TestStreamEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		_, c, _, stop := inMemory(t, f)
		stream, err := c.Listen(t.Context(), 7)
		if err != nil {
			t.Fatal(err)
		}
		defer stream.Close()
		f.stop()
		if _, err := stream.Next(); !errors.Is(err, ErrEnded) {
			t.Errorf("node stopped: %v", err)
		}
		events, err := peerEvents(t, c)
		if err != nil {
			t.Fatal(err)
		}
		defer events.Close()
		ended := make(chan error, 1)
		go func() {
			_, err := events.Next()
			ended <- err
		}()
		start := time.Now()
		stop()
		if err := <-ended; !errors.Is(err, ErrEnded) {
			t.Errorf("server stopped: %v", err)
		}
		if took := time.Since(start); took >= closeTimeout {
			t.Errorf("stopping took %v", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Status(ctx); !errors.Is(err, ErrNoNode) {
			t.Errorf("a stopped server: %v", err)
		}
	})
}

// An announcement ends with its client, and does not hold up the server's end.
func TestAnnounceIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		running := make(chan bool)
		f := &fake{announce: func(ctx context.Context, _ node.Announcement) (node.Announced, error) {
			running <- true
			<-ctx.Done()
			running <- false
			return node.Announced{}, ctx.Err()
		}}
		_, c, _, stop := inMemory(t, f)
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		announce := func(ctx context.Context) {
			_, err := c.Announce(ctx, AnnounceRequest{Type: 1})
			failed <- err
		}
		go announce(ctx)
		<-running
		time.Sleep(time.Hour) // a hard proof of work has all the time it needs
		cancel()
		<-running
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		go announce(t.Context())
		<-running
		go func() { <-running }()
		start := time.Now()
		stop()
		if took := time.Since(start); took > closeTimeout {
			t.Errorf("stopping took %v", took)
		}
		if err := <-failed; err == nil {
			t.Error("announced by a stopped server")
		}
	})
}

// Whoever sends slowly or nothing loses the connection at the deadline.
func TestSlowRequests(t *testing.T) {
	const head = "POST /v1/announce HTTP/1.1\r\nHost: 127.0.0.1:7\r\nContent-Type: application/json\r\nContent-Length: 100\r\nAuthorization: Bearer "
	for _, c := range []struct {
		name string
		sent func(token string) string
		want time.Duration
	}{
		{"nothing", func(string) string { return "" }, headerTimeout},
		{"half a header", func(string) string { return "GET /v1/id HT" }, headerTimeout},
		{"half a stranger's body", func(string) string { return head + "wrong\r\n\r\n{" }, bodyTimeout},
		{"half a body", func(token string) string { return head + token + "\r\n\r\n{" }, bodyTimeout},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{}
				s, _, p, stop := inMemory(t, f)
				defer stop()
				conn, err := p.dial(t.Context(), "", "")
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				start := time.Now()
				io.WriteString(conn, c.sent(s.file.Token))
				answer, err := io.ReadAll(conn)
				if err != nil && !errors.Is(err, net.ErrClosed) {
					t.Fatal(err)
				}
				if took := time.Since(start); took < c.want || took > c.want+time.Second {
					t.Errorf("closed after %v, want %v", took, c.want)
				}
				if len(f.announced) != 0 || strings.Contains(string(answer), " 200 ") {
					t.Errorf("answered %q", answer)
				}
			})
		})
	}
}

func TestHeaderIsCapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, p, stop := inMemory(t, &fake{})
		defer stop()
		conn, err := p.dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		go fmt.Fprintf(conn, "GET /v1/id HTTP/1.1\r\nX: %s\r\n\r\n", strings.Repeat("x", 1<<20))
		answer := make([]byte, 12)
		if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "HTTP/1.1 431" {
			t.Errorf("%q, %v", answer, err)
		}
	})
}

func TestConnectionsAreCapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, p, stop := inMemory(t, &fake{})
		defer stop()
		var conns []net.Conn
		for range maxConns {
			conn, err := p.dial(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conns = append(conns, conn)
		}
		synctest.Wait()
		over, err := p.dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if n, err := over.Read(make([]byte, 1)); n != 0 || err == nil || time.Since(start) != 0 {
			t.Errorf("one too many: read %d, %v after %v", n, err, time.Since(start))
		}
		conns[0].Close()
		synctest.Wait()
		if n := s.conns.Load(); n != maxConns-1 {
			t.Errorf("%d connections are counted, want %d", n, maxConns-1)
		}
	})
}

func TestAnnouncementsAreCapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		_, c, _, stop := inMemory(t, &fake{announce: func(context.Context, node.Announcement) (node.Announced, error) {
			<-release
			return node.Announced{}, nil
		}})
		defer stop()
		results := make(chan error, maxPending)
		for range maxPending {
			go func() {
				_, err := c.Announce(t.Context(), AnnounceRequest{Type: 1})
				results <- err
			}()
		}
		synctest.Wait()
		var refused *Error
		if _, err := c.Announce(t.Context(), AnnounceRequest{Type: 1}); !errors.As(err, &refused) || refused.Status != 503 || refused.Hint == "" {
			t.Errorf("one too many: %v", err)
		}
		close(release)
		for range maxPending {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
	})
}
