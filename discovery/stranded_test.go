package discovery

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	mocknet "github.com/libp2p/go-libp2p/p2p/net/mock"
	ma "github.com/multiformats/go-multiaddr"
)

func TestIsHere(t *testing.T) {
	for text, want := range map[string]bool{
		"127.0.0.1":   true,
		"127.9.8.7":   runtime.GOOS == "linux", // in no interface's list
		"203.0.113.1": false,                   // for documentation
		"fe80::1":     true,                    // cannot be told without its interface
	} {
		if got := isHere(net.ParseIP(text)); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

// A change of the network ends the connections of addresses that are gone, and no others.
func TestStranded(t *testing.T) {
	a, b := newHost(t, "/ip4/127.0.0.1/tcp/0"), newHost(t, "/ip4/127.0.0.1/tcp/0")
	if err := a.Connect(t.Context(), peer.AddrInfo{ID: b.ID(), Addrs: b.Addrs()}); err != nil {
		t.Fatal(err)
	}
	if cut := stranded(a.Network().Conns()); len(cut) != 0 {
		t.Errorf("cut is %v", cut)
	}

	mn := mocknet.New()
	t.Cleanup(func() { mn.Close() })
	for i := range 3 {
		key, _, err := crypto.GenerateEd25519Key(nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := mn.AddPeer(key, ma.StringCast(fmt.Sprintf("/ip4/203.0.113.%d/tcp/1", i+1))); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(mn.LinkAll(), mn.ConnectAllButSelf()); err != nil {
		t.Fatal(err)
	}
	h := mn.Hosts()[0]
	gone := make(chan struct{}, 2)
	h.Network().Notify(&network.NotifyBundle{DisconnectedF: func(network.Network, network.Conn) { gone <- struct{}{} }})
	var key atomic.Value
	key.Store("before")
	d := &Discovery{cfg: Config{Host: h}, watch: newWatcher(func() (surroundings, error) { return surroundings{key: key.Load().(string)}, nil })}
	d.watch.look()
	_, changed := d.watch.current()
	ended := make(chan struct{})
	go func() { d.watch.heed(t.Context(), changed, d.hangUpStranded); close(ended) }()
	t.Cleanup(func() { <-ended })
	key.Store("after")
	d.watch.look()
	for range 2 {
		select {
		case <-gone:
		case <-time.After(15 * time.Second):
			for _, c := range h.Network().Conns() {
				t.Errorf("still connected from %v", c.LocalMultiaddr())
			}
			return
		}
	}
}
