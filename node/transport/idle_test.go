package transport

import (
	"runtime"
	"strings"
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

// TestFewWritersRest: after a burst to many neighbours idleWriters writers are kept, and
// what is sent then is written by them.
func TestFewWritersRest(t *testing.T) {
	a := newNode(t, newHost(t))
	var others []*node
	for range 3 * idleWriters {
		b := newNode(t, newHost(t))
		connect(t, a, b)
		others = append(others, b)
	}
	for range 3 {
		for _, b := range others {
			a.Send(b.id, &gossip.Ping{}, false)
		}
		for _, b := range others {
			awaitMsg[*gossip.Ping](b, a.id)
		}
		awaitResting(t, a)
		was := resting()
		a.Send(others[0].id, &gossip.Ping{}, false)
		awaitMsg[*gossip.Ping](others[0], a.id)
		awaitResting(t, a)
		for id := range resting() {
			if !was[id] {
				t.Errorf("goroutine %s wrote while others had nothing to do", id)
			}
		}
	}
}

// awaitResting waits until a keeps as many writers as it may.
func awaitResting(t *testing.T, a *node) {
	for deadline := time.Now().Add(patience); a.resting.Load() != idleWriters || len(resting()) != idleWriters; runtime.Gosched() { // nobody is told that one rests
		if time.Now().After(deadline) {
			t.Fatalf("%d writers rest, of %d", a.resting.Load(), len(resting()))
		}
	}
}

// resting is the numbers of the goroutines that are writers of any transport and have
// nothing to write.
func resting() map[string]bool {
	all := make([]byte, 1<<20)
	all = all[:runtime.Stack(all, true)]
	found := make(map[string]bool)
	for g := range strings.SplitSeq(string(all), "\n\n") {
		if head, rest, _ := strings.Cut(g, "\n"); strings.Contains(head, "[select") && strings.HasPrefix(rest, "hearsay/node/transport.(*Transport).runWriter") {
			found[strings.Fields(head)[1]] = true
		}
	}
	return found
}
