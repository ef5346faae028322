package integration_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/integration"
	"hearsay/node"
	"hearsay/node/gossip"
	"hearsay/node/journal"
)

// number is what no two rumors of a node may have in common.
type number struct{ epoch, seq uint64 }

// A node that is killed at any time while it publishes, and started again, never
// uses a number twice: others would take the second rumor for the first and lose
// it. Its only neighbour, which sees all that leaves it, keeps the books.
func TestKilledNodeNeverReusesANumber(t *testing.T) {
	kills := 10
	if long {
		kills = 100
	}
	dir := t.TempDir()
	witness := newStranger(t, dataType)
	chance := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	used := make(map[number]gossip.RumorID)
	var last uint64 // the greatest epoch of earlier runs
	for kill := range kills {
		c := start(t, childConfig{Role: roleNode, Dir: dir, Flood: true})
		if kill%5 == 4 { // while it starts, at whatever it is doing then
			<-time.After(time.Duration(chance.IntN(100)) * time.Millisecond)
			c.kill()
			continue
		}
		c.ready()
		info, err := peer.AddrInfoFromString(c.addr)
		if err != nil {
			t.Fatal(err)
		}
		from := witness.seen()
		witness.link(*info)
		enough := 1 + chance.IntN(1000)
		heard := 0
		witness.await("rumors", from, func(ev gossip.Event) bool {
			if rumorOf(ev) != nil {
				heard++
			}
			return heard >= enough
		})
		c.kill()
		witness.awaitUnlinked(info.ID, from)

		first := last
		witness.mu.Lock()
		for _, ev := range witness.events[from:] {
			r := rumorOf(ev)
			if r == nil || r.Origin != gossip.PeerID(info.ID) {
				continue
			}
			n := number{r.Epoch, r.Seq}
			if id, ok := used[n]; ok && id != r.ID {
				t.Errorf("after kill %d: epoch %d, number %d stands for two rumors", kill, r.Epoch, r.Seq)
			}
			if r.Epoch <= first {
				t.Errorf("after kill %d: epoch %d, and there had been %d", kill, r.Epoch, first)
			}
			used[n] = r.ID
			last = max(last, r.Epoch)
		}
		witness.events = witness.events[:0]
		witness.mu.Unlock()
		if t.Failed() {
			return
		}
	}
	t.Logf("%d kills, %d rumors seen", kills, len(used))
}

// A node that has lost its state folder, and whose clock is behind what it once
// published, is told by its neighbours how far it had come. Until it has an epoch
// beyond that it publishes nothing, and then it is a member like any other.
func TestEpochLostWithTheStateFolder(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"killed", "left"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			c := integration.New(t, 2, integration.OverTCP(), integration.WithStateDir())
			amnesiac := c.Node(1)
			witness := newStranger(t, dataType)
			witness.link(addressOf(c, 0))
			l := c.Listen(0, dataType)

			amnesiac.Stop()
			ahead := raiseEpoch(t, amnesiac.StateDir(), time.Now().Add(time.Hour))
			amnesiac.Restart()
			c.Announce(1, dataType, []byte("an hour ahead"))
			l.Next()
			if how == "left" {
				amnesiac.Stop()
				c.AwaitState(0, 1, node.PeerGone)
			} else {
				amnesiac.Kill()
				c.AwaitUnlinked(0, 1)
			}
			if err := os.RemoveAll(amnesiac.StateDir()); err != nil {
				t.Fatal(err)
			}

			amnesiac.Restart()
			c.Await("node 1 to be told of its epoch", func() bool { return count(c, 1, "epochs_raised") == 1 })
			c.AwaitMembers(0, 2)
			for _, text := range []string{"back", "again"} {
				c.Announce(1, dataType, []byte(text))
				if got := string(l.Next().Data); got != text {
					t.Errorf("heard %q", got)
				}
				r := witness.awaitRumor(text, func(r *gossip.Rumor) bool { return string(r.Payload) == text })
				if r.Epoch <= ahead {
					t.Errorf("%q has epoch %d, and %d was used before", text, r.Epoch, ahead)
				}
			}
		})
	}
}

// raiseEpoch has a state folder go on with epochs after a time, and returns one.
func raiseEpoch(t *testing.T, dir string, after time.Time) uint64 {
	t.Helper()
	j, err := journal.Open(filepath.Join(dir, node.JournalFile))
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	epoch, err := j.RaiseEpoch(uint64(after.UnixMilli()))
	if err != nil {
		t.Fatal(err)
	}
	return epoch
}
