package values

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// said is a tally of what nodes say that are the nearest to a place: a word each,
// a letter for each signer, in the order in which they came.
func said(at ...[]string) *tally {
	t := newTally("self")
	for i, words := range at {
		for j, word := range words {
			id := peer.ID(fmt.Sprint(i, " ", j))
			var records []*Record
			for _, signer := range word {
				records = append(records, unsigned(testKey(1), string(signer), 1, 1, noon))
			}
			t.near[i] = append(t.near[i], peer.AddrInfo{ID: id})
			t.add(id, i, records)
		}
	}
	return t
}

// order is the signers as the tally ranks them.
func (t *tally) order() (signers string) {
	for _, r := range t.all() {
		signers += string(r.Signer)
	}
	return signers
}

// A place has one vote, however many of its holders say something.
func TestVotes(t *testing.T) {
	for name, c := range map[string]struct {
		at     [places][]string
		want   string
		enough bool
	}{
		"nothing":                    {[places][]string{{"", ""}, {""}, nil}, "", false},
		"one":                        {[places][]string{{"a"}, nil, nil}, "a", false},
		"the first counts":           {[places][]string{{"ab", "ab"}, {"ab", "ab", "b"}, {"ba"}}, "ab", false},
		"many at one place":          {[places][]string{{"b", "b", "b", "b", "b", "b", "b", "b"}, {"a"}, {"a"}}, "ab", false},
		"five at two of eight each":  {[places][]string{{"b", "b", "b", "b", "b", "a", "a", "a"}, {"b", "b", "b", "b", "b", "a", "a", "a"}, {"a", "a", "a"}}, "ab", false},
		"one place and most of one":  {[places][]string{{"b", "b"}, {"b", "b", "b", "a"}, {"a", "a"}}, "ba", false},
		"quorum at all":              {[places][]string{{"a", "a", "a", "a"}, {"a", "a", "a", "a"}, {"", "a", "a", "a", "a"}}, "a", true},
		"quorum at two":              {[places][]string{{"a", "a", "a", "a", "a", "a", "a", "a"}, {"a", "a", "a", "a"}, {"a", "a", "a", ""}}, "a", false},
		"quorum, but not of one":     {[places][]string{{"a", "a", "a", "a"}, {"a", "a", "a", "a"}, {"a", "a", "a", "ab"}}, "ab", false},
		"the same one several times": {[places][]string{{"bbbb", "a"}, {"a"}, {"bb", "a", "a"}}, "ab", false},
	} {
		all := said(c.at[:]...)
		if got := all.order(); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if all.enough() != c.enough {
			t.Errorf("%s: enough is %v", name, !c.enough)
		}
	}
	// Who is not among the nearest has no vote, and what it says is known all the same.
	all := said([]string{"a"}, nil, nil)
	for i := range 20 {
		all.add(peer.ID(fmt.Sprint("far ", i)), i%places, []*Record{unsigned(testKey(1), "b", 1, 1, noon)})
	}
	if all.order() != "ab" || all.enough() {
		t.Errorf("%q with votes of far nodes", all.order())
	}
	// This node's own memory is one holder's.
	all.add("self", 1, []*Record{unsigned(testKey(1), "b", 1, 1, noon)})
	all.add("self", 1, []*Record{unsigned(testKey(1), "b", 2, 1, noon)})
	if n := len(all.voters(1)); n != 1 {
		t.Errorf("%d votes of a place where this node is the only holder", n)
	}
}

// Nodes that took identities near all places of a key, and answer at once, where
// honest holders take their time: who answers first has no more to say than others.
func TestFastLiars(t *testing.T) {
	rounds, some := 1, []int{3}
	if os.Getenv("HEARSAY_LONG") != "" {
		rounds, some = 6, []int{2, 3}
	}
	for _, perPlace := range some {
		t.Run(fmt.Sprint(perPlace), func(t *testing.T) {
			right, asked := 0, 0
			for round := range rounds {
				bubble(t, uint64(200+round), func(w *world) {
					w.populate(80)
					key := testKey(round)
					var liars []*simNode
					for _, at := range placesOf(key) {
						for _, k := range w.keysNear(at, perPlace, 500) {
							id, _ := peer.IDFromPrivateKey(k)
							liars = append(liars, w.joinAs(k, id))
						}
					}
					honest := slices.Clone(w.order[:80])
					time.Sleep(25 * time.Minute) // all tables know them
					lie, _ := Sign(liars[0].key, "test", key, []byte("a lie"), 1, time.Now(), time.Now().Add(time.Hour))
					for _, n := range liars {
						n.beside.Store(true)
						n.says(claim(lie, liars[:min(len(liars), maxNear)]))
					}
					w.put(honest[0], key, "honest", time.Hour)
					for range 40 {
						if asked++; honest[1+w.rng.IntN(79)].value(key) == "honest" {
							right++
						}
					}
				})
			}
			t.Logf("%d fast liars near each place among 80 nodes: %d of %d gets right", perPlace, right, asked)
			// One in fifty may be wrong, so none of the short version's 40.
			if asked-right > asked/50 {
				t.Error("too many are wrong")
			}
		})
	}
}

// What a GET takes where everybody answers.
func TestGetLatency(t *testing.T) {
	for _, nodes := range []int{10, 30, 100} {
		bubble(t, uint64(300+nodes), func(w *world) {
			w.populate(nodes)
			for i := range 50 {
				w.put(w.any(), testKey(i), fmt.Sprint(i), time.Hour)
			}
			var took []time.Duration
			calls := uint64(0)
			for i := range 200 {
				n := w.any()
				if n.store.of(testKey(i%50), n.id, time.Now()) != nil {
					continue // an owner asks nobody
				}
				before, began := n.Stats().Calls, time.Now()
				if v := n.value(testKey(i % 50)); v != fmt.Sprint(i%50) {
					t.Errorf("got %q", v)
				}
				took = append(took, time.Since(began))
				calls += n.Stats().Calls - before
			}
			slices.Sort(took)
			p50, p99 := took[len(took)/2], took[len(took)*99/100]
			t.Logf("%d nodes, 30 ms a way: get of what is there p50 %v, p99 %v, %.1f requests", nodes, p50, p99, float64(calls)/float64(len(took)))
			if p99 >= slow {
				t.Error("too long")
			}
		})
	}
}
