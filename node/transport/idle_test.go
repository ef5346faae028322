package transport

import (
	"runtime"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node/gossip"
)

// TestSilentLanesHaveNoWriter: a lane's writer ends when it has written, there is
// one again for what comes next, and one for a proper end.
func TestSilentLanesHaveNoWriter(t *testing.T) {
	a, b := newNode(t, newHost(t)), newNode(t, newHost(t))
	connect(t, a, b)
	for range 3 {
		a.Send(b.id, &gossip.Ping{}, false)
		awaitMsg[*gossip.Ping](b, a.id)
		a.Send(b.id, &gossip.Sync{Group: 1}, false)
		awaitMsg[*gossip.Sync](b, a.id)
		a.Send(b.id, &gossip.PeersRequest{}, false)
		awaitMsg[*gossip.PeersRequest](b, a.id)
		for deadline := time.Now().Add(patience); writers(a, b) > 0; runtime.Gosched() { // nobody is told that one ends
			if time.Now().After(deadline) {
				t.Fatalf("%d writers wait for something to write", writers(a, b))
			}
		}
	}
	a.Hangup(b.id, "enough", false)
	a.awaitDown(b.id)
	b.awaitDown(a.id)
	if f := b.Failure(a.id); f.Err != errEnded {
		t.Errorf("the link ended with %v", f.Err)
	}
}

// writers is how many writers of a link are at work.
func writers(a, b *node) (running int) {
	a.Transport.mu.Lock()
	defer a.Transport.mu.Unlock()
	for _, n := range a.remotes[peer.ID(b.id)].link.out {
		n.mu.Lock()
		if n.running {
			running++
		}
		n.mu.Unlock()
	}
	return running
}
