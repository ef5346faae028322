package client_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
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
