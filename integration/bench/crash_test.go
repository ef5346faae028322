package main

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// A host that crashes loses all its connections, those that it dialled and those
// that were dialled to it, reaches nobody any more and cannot be reached.
func TestCrash(t *testing.T) {
	s := &setting{traffic: new(traffic)}
	hosts := make([]host.Host, 4)
	gone := make([]chan peer.ID, len(hosts))
	for i := range hosts {
		key, _, err := crypto.GenerateEd25519Key(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if hosts[i], err = newHost(s, key); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { hosts[i].Close() })
		gone[i] = make(chan peer.ID, len(hosts))
		hosts[i].Network().Notify(&network.NotifyBundle{DisconnectedF: func(_ network.Network, c network.Conn) { gone[i] <- c.RemotePeer() }})
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	info := func(i int) peer.AddrInfo { return peer.AddrInfo{ID: hosts[i].ID(), Addrs: hosts[i].Addrs()} }
	const dead = 1
	for _, pair := range [][2]int{{0, dead}, {dead, 2}, {2, 3}} {
		if err := hosts[pair[0]].Connect(ctx, info(pair[1])); err != nil {
			t.Fatal(err)
		}
	}
	address := info(dead)

	s.traffic.wires.crash(hosts[dead])
	for _, i := range []int{0, 2} {
		select {
		case p := <-gone[i]:
			if p != address.ID {
				t.Errorf("host %d lost %s", i, p)
			}
		case <-ctx.Done():
			t.Fatalf("host %d keeps its link", i)
		}
	}
	if hosts[2].Network().Connectedness(hosts[3].ID()) != network.Connected {
		t.Error("a link of others has ended, too")
	}
	if err := hosts[3].Connect(ctx, address); err == nil {
		t.Error("it can still be reached")
	}
	if err := hosts[dead].Connect(ctx, info(3)); err == nil {
		t.Error("it still reaches others")
	}
}
