package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"hearsay/apibridge/apimsg"
	"hearsay/apibridge/client"
	"hearsay/node/config"
)

// begin runs a node with the configuration in a text until the end of the test.
func begin(t *testing.T, text string) *assembly {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "hearsay.ini")
	text += "[hearsay]\nnetwork = modules-test\nmdns = false\nstate_dir = state\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	as, err := assemble(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- as.run(ctx, func() { close(ready) }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	select {
	case <-ready:
	case err := <-ended:
		t.Fatalf("run: %v", err)
	}
	return as
}

// The RPS API of one node offers the other, with the port that the other's Onion
// module has according to its file; the NSE API counts both.
func TestRPSAndNSE(t *testing.T) {
	const gossip = "[gossip]\ndifficulty_bits = 4\np2p_address = 127.0.0.1:0\napi_address = off\n"
	one := begin(t, gossip+"[rps]\napi_address = 127.0.0.1:0\np2p_address = 127.0.0.1:6101\n[nse]\napi_address = 127.0.0.1:0\n")
	p2p := one.node.Host().Addrs()[0].String() + "/p2p/" + one.node.ID().String()
	two := begin(t, gossip+"bootstrapper = "+p2p+"\n[onion]\np2p_address = 127.0.0.1:6301\nhops = 3\n[dht]\napi_address = 127.0.0.1:0\n")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	p, err := client.SamplePeer(ctx, one.rps.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	port := p.Addr.Port()
	want := []apimsg.AppPort{{App: apimsg.AppGossip, Port: port}, {App: apimsg.AppOnion, Port: 6301}, {App: apimsg.AppDHT, Port: port}}
	if !slices.Equal(p.Ports, want) || fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", port) != two.node.Host().Addrs()[0].String() || len(p.Hostkey) != 44 {
		t.Errorf("sampled %+v, want ports %v and the address %v", p, want, two.node.Host().Addrs())
	}
	// Who was sampled is counted. That it has just come is a doubt, which passes within
	// seconds: integration/TestSizeSettles, in virtual time.
	peers, deviation, err := client.EstimateSize(ctx, one.nse.Addr().String())
	if err != nil || peers != 2 || deviation > 1 {
		t.Errorf("estimates %d ± %d peers, want 2 ± 1 at most (%v)", peers, deviation, err)
	}
}
