package integration_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/integration"
	"hearsay/node/gossip"
	"hearsay/node/identity"
)

// Two processes run with one hostkey, and both want a link to the same neighbour,
// which takes the newer one for the older one's return. It is their only one, so each
// hears of the other just when it has the link: they take it from each other eight
// times in three seconds, wait out the minute of who flaps, and then know. Both say
// what is wrong and what to do; from then on they take the link from each other no
// more than once in 10 s each; and others are not troubled.
func TestTwoProcessesWithOneHostkey(t *testing.T) {
	if !long {
		t.Skip("takes two minutes: only with HEARSAY_LONG")
	}
	t.Parallel()
	const (
		pace     = 10 * time.Second // copyDialPause of package gossip
		observed = 6 * pace
	)
	first, second := t.TempDir(), t.TempDir()
	if _, _, err := identity.LoadOrCreate(filepath.Join(first, "hostkey.pem")); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(first, "hostkey.pem"))
	if err == nil {
		err = os.WriteFile(filepath.Join(second, "hostkey.pem"), key, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	middle := start(t, childConfig{Role: roleNode, Dir: t.TempDir(), Types: []uint16{dataType}}).ready()
	a := start(t, childConfig{Role: roleNode, Dir: first}).ready()
	b := start(t, childConfig{Role: roleNode, Dir: second}).ready()
	if a.id != b.id {
		t.Fatal("two hostkeys")
	}
	a.tell("meet", middle.addr)
	middle.await("linked", a.id.String())
	met := time.Now()
	b.tell("meet", middle.addr)

	// Links are counted by the time at which they come up.
	var links []time.Duration
	count := func(line []string) {
		if len(line) > 2 && line[0] == "linked" && line[1] == a.id.String() {
			links = append(links, time.Since(met))
		}
	}
	var known time.Duration
	for _, twin := range []*child{a, b} {
		for deadline := time.After(9 * integration.DefaultPatience); ; {
			twin.tell("warnings")
			text := strings.Join(twin.await("warnings"), " ")
			if strings.Contains(text, "Another node uses this node's hostkey") && strings.Contains(text, "hearsay key new") {
				known = time.Since(met)
				break
			}
			select {
			case line := <-middle.lines:
				count(line)
			case <-time.After(50 * time.Millisecond):
			case <-deadline:
				t.Fatalf("no warning of the copy among %q", text)
			}
		}
	}
	witness := newStranger(t, dataType)
	info, err := peer.AddrInfoFromString(middle.addr)
	if err != nil {
		t.Fatal(err)
	}
	witness.link(*info)
	quiet := len(links)
	for over := time.After(observed); over != nil; {
		select {
		case line, ok := <-middle.lines:
			if !ok {
				t.Fatal("the neighbour ended")
			}
			count(line)
		case <-over:
			over = nil
		}
	}
	t.Logf("known to both after %v; links at %v; %d in the %v after", known.Round(time.Millisecond), links, len(links)-quiet, observed)
	// Until then each of the three dials flapDials (package gossip) times in a minute.
	const dials = 3 * 5
	if most := dials * (1 + int(known/time.Minute)); quiet > most {
		t.Errorf("%d links before both knew after %v, want %d at most", quiet, known, most)
	}
	// One each for each pace that has begun.
	if got, most := len(links)-quiet, 2*int(observed/pace+1); got > most {
		t.Errorf("%d links in %v, want %d at most: at %v", got, observed, most, links)
	}
	if len(links) == 0 {
		t.Error("the second process never took the link: nothing was tried")
	}
	middle.tell("announce", "business-as-usual")
	witness.awaitRumor("what the neighbour announces", func(r *gossip.Rumor) bool { return string(r.Payload) == "business-as-usual" })
	middle.tell("warnings")
	if text := strings.Join(middle.await("warnings"), " "); text != "" {
		t.Errorf("the neighbour warns of %q", text)
	}
}
