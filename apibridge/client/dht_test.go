package client_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hearsay/apibridge"
	"hearsay/apibridge/apimsg"
	"hearsay/apibridge/bridgetest"
	"hearsay/apibridge/client"
)

func dialDHT(t *testing.T, d *bridgetest.DHT) (*client.DHT, *apibridge.DHTServer) {
	t.Helper()
	ln, err := apibridge.Listen("127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	srv := apibridge.NewDHT(d, apibridge.DHTOptions{})
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	c, err := client.DialDHT(t.Context(), ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		srv.Close(context.Background())
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return c, srv
}

func TestDHT(t *testing.T) {
	c, _ := dialDHT(t, bridgetest.NewDHT())
	ctx := t.Context()
	key := [32]byte{1}
	if _, err := c.Get(ctx, key); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("of nothing: %v", err)
	}
	for _, value := range []string{"one", "two", strings.Repeat("x", apimsg.MaxValue)} {
		if err := c.Put(ctx, key, []byte(value), 60, 1); err != nil {
			t.Fatal(err)
		}
		if got, err := c.Get(ctx, key); err != nil || string(got) != value {
			t.Errorf("%.20q, %v", got, err)
		}
	}
	for _, bad := range []int{0, apimsg.MaxValue + 1} {
		if err := c.Put(ctx, key, make([]byte, bad), 60, 1); err == nil {
			t.Errorf("a value of %d bytes is sent", bad)
		}
	}
	if got, err := c.Get(ctx, key); err != nil || len(got) != apimsg.MaxValue {
		t.Errorf("after a mistake: %v", err)
	}
}

// Many Gets at once, for different keys and for one, each get their answer.
func TestDHT_Together(t *testing.T) {
	c, _ := dialDHT(t, bridgetest.NewDHT())
	ctx := t.Context()
	for i := range 10 {
		if err := c.Put(ctx, [32]byte{byte(i)}, fmt.Append(nil, i), 60, 1); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for i := range 500 {
		wg.Go(func() {
			if got, err := c.Get(ctx, [32]byte{byte(i % 10)}); err != nil || string(got) != fmt.Sprint(i%10) {
				t.Errorf("%d: %q, %v", i, got, err)
			}
		})
	}
	wg.Wait()
}

// A Get that is given up harms none of the others, and the end of the connection
// ends them all.
func TestDHT_GivenUp(t *testing.T) {
	d := bridgetest.NewDHT()
	held := make(chan struct{})
	d.Hold = func(ctx context.Context, key [32]byte) {
		if key == [32]byte{1} {
			select {
			case <-held:
			case <-ctx.Done():
			}
		}
	}
	c, srv := dialDHT(t, d)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := c.Get(ctx, [32]byte{1}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("given up: %v", err)
	}
	c.Put(t.Context(), [32]byte{2}, []byte("v"), 60, 1)
	if got, err := c.Get(t.Context(), [32]byte{2}); err != nil || string(got) != "v" {
		t.Errorf("%q, %v", got, err)
	}
	close(held)
	if got, err := c.Get(t.Context(), [32]byte{2}); err != nil || string(got) != "v" {
		t.Errorf("%q, %v", got, err)
	}
	srv.Close(t.Context())
	if _, err := c.Get(t.Context(), [32]byte{2}); err == nil || errors.Is(err, client.ErrNotFound) {
		t.Errorf("the node has closed: %v", err)
	}
}

// slowNode is the other end of a DHT connection, in a test's hands.
type slowNode struct {
	*client.DHT
	heard chan string         // "PUT " and the value, or "GET"
	says  chan apimsg.Message // answers, read by the client when it reads
}

// newSlowNode is for bubbles of synctest.
func newSlowNode(t *testing.T) *slowNode {
	ours, theirs := net.Pipe()
	n := &slowNode{client.NewDHT(ours), make(chan string, 100), make(chan apimsg.Message, 100)}
	var wg sync.WaitGroup
	wg.Go(func() {
		in := apimsg.NewReader(theirs, apimsg.TypePut, apimsg.TypeGet)
		for {
			m, err := in.Next()
			if err != nil {
				return
			}
			if put, ok := m.(*apimsg.Put); ok {
				n.heard <- "PUT " + string(put.Value)
			} else {
				n.heard <- "GET"
			}
		}
	})
	wg.Go(func() {
		for m := range n.says {
			frame, err := apimsg.Append(nil, m)
			if err != nil {
				t.Error(err)
			}
			theirs.Write(frame)
		}
	})
	t.Cleanup(func() {
		n.Close()
		theirs.Close()
		close(n.says)
		wg.Wait()
	})
	return n
}

// expect fails unless the node has heard just this.
func (n *slowNode) expect(t *testing.T, want string) {
	t.Helper()
	synctest.Wait()
	select {
	case got := <-n.heard:
		if got != want {
			t.Errorf("the node heard %s, want %q", got, want)
		}
	default:
		if want != "" {
			t.Errorf("the node heard nothing, want %q", want)
		}
	}
}

// answer is what a Get has come to.
type answer struct {
	value string
	err   error
}

// get begins a Get, which is given up after a time.
func (n *slowNode) get(t *testing.T, key [32]byte, patience time.Duration) <-chan answer {
	c := make(chan answer, 1)
	go func() {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		value, err := n.Get(ctx, key)
		c <- answer{string(value), err}
	}()
	return c
}

// What answers a Get that was given up, be it late or not read by then, is not
// taken for the answer to a Get behind a Put.
func TestDHT_LateAnswers(t *testing.T) {
	key := [32]byte{1}
	success := func(value string) apimsg.Message { return &apimsg.Success{Key: key, Value: []byte(value)} }
	for name, late := range map[string]apimsg.Message{"FAILURE": &apimsg.Failure{Key: key}, "SUCCESS": success("old")} {
		for _, when := range []string{"before the Put", "after the Put", "after the Get"} {
			t.Run(name+" "+when, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n := newSlowNode(t)
					if a := <-n.get(t, key, time.Second); !errors.Is(a.err, context.DeadlineExceeded) {
						t.Fatalf("without an answer: %+v", a)
					}
					n.expect(t, "GET")
					if when == "before the Put" {
						n.says <- late
					}
					if err := n.Put(t.Context(), key, []byte("new"), 60, 1); err != nil {
						t.Fatal(err)
					}
					n.expect(t, "PUT new")
					if when == "after the Put" {
						n.says <- late
					}
					second := n.get(t, key, time.Minute)
					if when == "after the Get" {
						time.Sleep(5 * time.Second)
						n.says <- late
					}
					n.expect(t, "GET")
					n.says <- success("new")
					if a := <-second; a.err != nil || a.value != "new" {
						t.Errorf("after the Put: %+v", a)
					}
					n.expect(t, "")
				})
			})
		}
	}
}

// Gets of one key share what is asked already, as far as it is news to each: a
// value is if it was asked for a moment ago, that there is none is not.
func TestDHT_Shared(t *testing.T) {
	key := [32]byte{1}
	success := &apimsg.Success{Key: key, Value: []byte("value")}
	synctest.Test(t, func(t *testing.T) {
		n := newSlowNode(t)
		// Impatient ones get in the end what one after the other has waited for.
		for range 3 {
			if a := <-n.get(t, key, 2*time.Second); !errors.Is(a.err, context.DeadlineExceeded) {
				t.Fatalf("without an answer: %+v", a)
			}
		}
		several := []<-chan answer{n.get(t, key, 2*time.Second), n.get(t, key, 2*time.Second)}
		n.expect(t, "GET")
		n.says <- success
		for _, c := range several {
			if a := <-c; a.err != nil || a.value != "value" {
				t.Errorf("%+v", a)
			}
		}
		n.expect(t, "")

		// That there was nothing a moment ago is no answer: it is asked again, once.
		first := n.get(t, key, time.Minute)
		n.expect(t, "GET")
		several = []<-chan answer{n.get(t, key, time.Minute), n.get(t, key, time.Minute)}
		n.expect(t, "")
		n.says <- &apimsg.Failure{Key: key}
		if a := <-first; !errors.Is(a.err, client.ErrNotFound) {
			t.Errorf("%+v", a)
		}
		n.expect(t, "GET")
		n.expect(t, "")
		n.says <- &apimsg.Failure{Key: key}
		for _, c := range several {
			if a := <-c; !errors.Is(a.err, client.ErrNotFound) {
				t.Errorf("%+v", a)
			}
		}

		// An answer that nobody has read for a minute is old.
		if a := <-n.get(t, key, time.Second); !errors.Is(a.err, context.DeadlineExceeded) {
			t.Fatalf("without an answer: %+v", a)
		}
		n.expect(t, "GET")
		n.says <- &apimsg.Success{Key: key, Value: []byte("old")}
		time.Sleep(time.Minute)
		last := n.get(t, key, time.Minute)
		n.expect(t, "GET")
		n.says <- success
		if a := <-last; a.err != nil || a.value != "value" {
			t.Errorf("%+v", a)
		}
		n.expect(t, "")
	})
}

// A Get that could not ask leaves nobody waiting who counted on it.
func TestDHT_Unsent(t *testing.T) {
	key := [32]byte{1}
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		n := &slowNode{DHT: client.NewDHT(ours)}
		defer n.Close()
		defer theirs.Close()
		first := n.get(t, key, time.Second) // nobody reads at the other end yet
		synctest.Wait()
		second := n.get(t, key, time.Minute)
		synctest.Wait()
		if a := <-first; !errors.Is(a.err, context.DeadlineExceeded) {
			t.Errorf("%+v", a)
		}
		in := apimsg.NewReader(theirs, apimsg.TypeGet)
		if _, err := in.Next(); err != nil {
			t.Fatal(err)
		}
		frame, err := apimsg.Append(nil, &apimsg.Success{Key: key, Value: []byte("value")})
		if err != nil {
			t.Fatal(err)
		}
		theirs.Write(frame)
		if a := <-second; a.err != nil || a.value != "value" {
			t.Errorf("%+v", a)
		}
	})
}
