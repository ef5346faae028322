package client_test

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

	"go.uber.org/goleak"

	"hearsay/apibridge"
	"hearsay/apibridge/apimsg"
	"hearsay/apibridge/bridgetest"
	"hearsay/apibridge/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node starts a server for a node without a network, and returns its address.
func node(t *testing.T) (*bridgetest.Gossip, string, *apibridge.GossipServer) {
	t.Helper()
	ln, err := apibridge.Listen("127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	g := bridgetest.New()
	srv := apibridge.NewGossip(g, apibridge.DefaultOptions())
	var wg sync.WaitGroup
	wg.Go(func() { srv.Serve(ln) })
	t.Cleanup(func() {
		srv.Close(context.Background())
		wg.Wait()
	})
	return g, ln.Addr().String(), srv
}

func dial(t *testing.T, address string) *client.Client {
	t.Helper()
	c, err := client.Dial(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// must ends the test if one of a row of calls has failed.
func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func TestConversation(t *testing.T) {
	ctx := t.Context()
	g, address, _ := node(t)
	a, b := dial(t, address), dial(t, address)
	must(t, a.Notify(ctx, 1), b.Notify(ctx, 1), g.Await(ctx, bridgetest.Subscribed, 2))
	largest := bytes.Repeat([]byte("x"), apimsg.MaxData)
	var kept []byte
	for i, data := range [][]byte{[]byte("rumor"), nil, largest} {
		must(t, a.Announce(ctx, uint8(i), 1, data))
		n, err := b.Next(ctx)
		if err != nil || n.DataType != 1 || !bytes.Equal(n.Data, data) {
			t.Fatalf("told of type %d, %d bytes, %v", n.DataType, len(n.Data), err)
		}
		if i == 0 {
			kept = n.Data
		}
		must(t, b.Validate(ctx, n.ID, i != 1), g.Await(ctx, bridgetest.Voted, i+1))
		v, e := g.Events(bridgetest.Voted)[i], g.Events(bridgetest.Announced)[i]
		if v.Rumor != e.Rumor || v.Valid != (i != 1) || e.TTL != uint8(i) {
			t.Errorf("announced %v, voted %v", e, v)
		}
	}
	if string(kept) != "rumor" {
		t.Error("Next changed data that it had returned")
	}
}

// What is too large is not sent, and the connection is as good as before.
func TestTooLarge(t *testing.T) {
	ctx := t.Context()
	g, address, _ := node(t)
	c := dial(t, address)
	if err := c.Announce(ctx, 0, 1, make([]byte, apimsg.MaxData+1)); err == nil {
		t.Error("65,528 bytes were announced")
	}
	must(t, c.Announce(ctx, 0, 1, []byte("small")), g.Await(ctx, bridgetest.Announced, 1))
}

func TestDialFails(t *testing.T) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := ln.Addr().String()
	ln.Close()
	if _, err := client.Dial(t.Context(), address); err == nil || !strings.Contains(err.Error(), address) {
		t.Errorf("Dial of a closed port: %v", err)
	}
}

func TestNodeCloses(t *testing.T) {
	g, address, srv := node(t)
	c := dial(t, address)
	must(t, g.Await(t.Context(), bridgetest.Opened, 1))
	srv.Close(context.Background())
	if _, err := c.Next(t.Context()); err != io.EOF {
		t.Errorf("Next: %v", err)
	}
}

func TestClose(t *testing.T) {
	g, address, _ := node(t)
	c := dial(t, address)
	waiting := make(chan error)
	go func() {
		_, err := c.Next(t.Context())
		waiting <- err
	}()
	must(t, c.Announce(t.Context(), 0, 1, []byte("last words")))
	must(t, c.Close(), c.Close())
	if err := <-waiting; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Next: %v", err)
	}
	if err := c.Notify(t.Context(), 1); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Notify: %v", err)
	}
	must(t, g.Await(t.Context(), bridgetest.Announced, 1), g.Await(t.Context(), bridgetest.Closed, 1))
}

// A node that breaks the rules is not believed any more.
func TestNodeBreaksTheRules(t *testing.T) {
	for _, bad := range []string{"\x00\x03\x01\xf6", "HTTP/1.1 400 Bad Request", "\x00\x08\x01\xf4\x00\x00\x00\x00"} {
		ours, theirs := net.Pipe()
		c := client.New(ours)
		go theirs.Write([]byte(bad))
		_, err := c.Next(t.Context())
		var v *apimsg.Violation
		if !errors.As(err, &v) {
			t.Errorf("%q: %v", bad, err)
		}
		c.Close()
	}
}

// The end of a context breaks Next off at any place, and nothing is lost by it.
func TestNextInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		c := client.New(ours)
		defer c.Close()
		frame, _ := apimsg.Append(nil, &apimsg.Notification{ID: 7, DataType: 8, Data: []byte("whole")})
		for cut := range len(frame) {
			go theirs.Write(frame[:cut])
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			start := time.Now()
			if _, err := c.Next(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
				t.Fatalf("cut at %d: %v after %v", cut, err, time.Since(start))
			}
			if _, err := c.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("with a context that has ended: %v", err)
			}
			cancel()
			go theirs.Write(frame[cut:])
			n, err := c.Next(t.Context())
			if err != nil || n.ID != 7 || n.DataType != 8 || string(n.Data) != "whole" {
				t.Fatalf("cut at %d: %+v, %v", cut, n, err)
			}
			synctest.Wait()
		}
	})
}

// Also while another goroutine is in Next.
func TestNextWaitsForItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		c := client.New(ours)
		first := make(chan error)
		go func() {
			_, err := c.Next(context.Background())
			first <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Next(ctx); err != context.DeadlineExceeded {
			t.Error(err)
		}
		theirs.Close()
		if err := <-first; err != io.EOF {
			t.Error(err)
		}
	})
}

// A send that is broken off before its first byte can be repeated; one that is
// broken off behind it leaves no way to go on, and closes.
func TestSendInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		c := client.New(ours)
		interrupted := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			return c.Notify(ctx, 5)
		}
		if err := interrupted(); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		go c.Notify(t.Context(), 6)
		m, err := apimsg.NewReader(theirs).Next()
		if n, ok := m.(*apimsg.Notify); err != nil || !ok || n.DataType != 6 {
			t.Fatalf("%v, %v", m, err)
		}
		go io.ReadFull(theirs, make([]byte, 3))
		if err := interrupted(); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if err := c.Notify(t.Context(), 7); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("after half a message: %v", err)
		}
	})
}

func TestSendWaitsForItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, _ := net.Pipe()
		c := client.New(ours)
		go c.Notify(context.Background(), 1)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Notify(ctx, 2); err != context.DeadlineExceeded {
			t.Error(err)
		}
		c.Close()
	})
}

// Many goroutines use one connection: every message arrives whole and once.
func TestConcurrentUse(t *testing.T) {
	ctx := t.Context()
	g, address, _ := node(t)
	c, other := dial(t, address), dial(t, address)
	must(t, c.Notify(ctx, 1), other.Notify(ctx, 2), g.Await(ctx, bridgetest.Subscribed, 2))
	const workers, each = 8, 50
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				if err := c.Announce(ctx, 0, 2, fmt.Appendf(nil, "%d/%d", w, i)); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for range each {
				n, err := other.Next(ctx)
				if err == nil {
					err = other.Validate(ctx, n.ID, true)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	must(t, g.Await(ctx, bridgetest.Voted, workers*each))
	seen := make(map[string]bool)
	for _, e := range g.Events(bridgetest.Announced) {
		if seen[string(e.Data)] {
			t.Errorf("%s came twice", e.Data)
		}
		seen[string(e.Data)] = true
	}
	if len(seen) != workers*each {
		t.Errorf("%d announcements of %d", len(seen), workers*each)
	}
}
