package client_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"hearsay/apibridge"
	"hearsay/apibridge/apimsg"
	"hearsay/apibridge/client"
)

// lone offers itself, if it is somebody, and counts three.
type lone struct{ peer *apibridge.SampledPeer }

func (l lone) SamplePeer(ctx context.Context) (apibridge.SampledPeer, error) {
	if l.peer == nil {
		<-ctx.Done()
		return apibridge.SampledPeer{}, ctx.Err()
	}
	return *l.peer, nil
}

func (lone) EstimateSize() (nodes, deviation float64) { return 3, 0.5 }

func served(t *testing.T, srv interface {
	Serve(net.Listener) error
	Close(context.Context) error
}) string {
	t.Helper()
	ln, err := apibridge.Listen("127.0.0.1:0", false)
	must(t, err)
	var wg sync.WaitGroup
	wg.Go(func() { srv.Serve(ln) })
	t.Cleanup(func() {
		srv.Close(context.Background())
		wg.Wait()
	})
	return ln.Addr().String()
}

func TestQueries(t *testing.T) {
	one := apibridge.SampledPeer{Addr: netip.MustParseAddrPort("192.0.2.7:6001"), Ports: []apimsg.AppPort{{App: 560, Port: 6301}}, Hostkey: []byte("key")}
	at := served(t, apibridge.NewRPS(lone{&one}, apibridge.RPSOptions{}))
	p, err := client.SamplePeer(t.Context(), at)
	if err != nil || p.Addr != one.Addr || len(p.Ports) != 1 || p.Ports[0] != one.Ports[0] || string(p.Hostkey) != "key" {
		t.Errorf("sampled %+v (%v)", p, err)
	}
	peers, deviation, err := client.EstimateSize(t.Context(), served(t, apibridge.NewNSE(lone{}, apibridge.Limits{})))
	if err != nil || peers != 3 || deviation != 1 {
		t.Errorf("%d ± %d (%v)", peers, deviation, err)
	}
	nobody := served(t, apibridge.NewRPS(lone{}, apibridge.RPSOptions{PeerTimeout: 10 * time.Millisecond}))
	if p, err := client.SamplePeer(t.Context(), nobody); !errors.Is(err, io.EOF) {
		t.Errorf("of nobody: %+v (%v)", p, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	patient := served(t, apibridge.NewRPS(lone{}, apibridge.RPSOptions{}))
	if _, err := client.SamplePeer(ctx, patient); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("after its time: %v", err)
	}
}
