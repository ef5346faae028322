package values

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	// quorum is how many holders' votes decide a look-up, and quorumPerPlace how
	// many of them are taken of one place, where one attacker may have all nodes:
	// three votes are left against its two.
	quorum         = 5
	quorumPerPlace = 2
)

// tally is what the holders of a key have said.
type tally struct {
	heard    map[peer.ID]bool // holders that have voted
	votes    int
	perPlace [places]int // votes
	signers  map[peer.ID]*standing
}

// standing is what is known of one signer of a key.
type standing struct {
	best   *Record
	firsts int // holders that had it first
	holds  int // holders that had it at all
}

func newTally() *tally {
	return &tally{heard: make(map[peer.ID]bool), signers: make(map[peer.ID]*standing)}
}

// add takes in what a holder has: checked records, first come first. A holder's
// vote counts once, whatever it says at another place.
func (t *tally) add(holder peer.ID, at int, records []*Record) {
	if len(records) == 0 {
		return
	}
	votes := !t.heard[holder] && t.perPlace[at] < quorumPerPlace
	if votes {
		t.heard[holder] = true
		t.votes++
		t.perPlace[at]++
	}
	for i, r := range records {
		st := t.signers[r.Signer]
		if st == nil {
			st = &standing{best: r}
			t.signers[r.Signer] = st
		}
		if r.Newer(st.best) {
			st.best = r
		}
		if votes {
			st.holds++
			if i == 0 {
				st.firsts++
			}
		}
	}
}

// enough says whether the decision will hardly change any more. Where signers
// compete, one that the key vouches for may be with a holder that was not heard.
func (t *tally) enough() bool {
	if t.votes < quorum || len(t.signers) <= 1 {
		return t.votes >= quorum
	}
	for _, st := range t.signers {
		if st.best.vouched() > 0 {
			return true
		}
	}
	return false
}

// all returns the newest record of each signer, in the order of the package's
// documentation, up to maxSigners.
func (t *tally) all(self peer.ID) (records []*Record) {
	var list []*standing
	for _, st := range t.signers {
		list = append(list, st)
	}
	own := func(st *standing) int {
		if st.best.Signer == self {
			return 1
		}
		return 0
	}
	slices.SortFunc(list, func(a, b *standing) int {
		return cmp.Or(
			cmp.Compare(own(b), own(a)),
			cmp.Compare(b.best.vouched(), a.best.vouched()),
			cmp.Compare(b.firsts, a.firsts),
			cmp.Compare(b.holds, a.holds),
			bytes.Compare(a.best.digest[:], b.best.digest[:]))
	})
	for _, st := range list[:min(len(list), maxSigners)] {
		records = append(records, st.best)
	}
	return records
}
