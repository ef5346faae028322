package values

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	// quorum is how many of a place's nearest nodes must have named a value, at each
	// place, before a look-up ends without hearing the others: so many of them have to
	// be an attacker's for that to be of use to it, however fast it answers.
	quorum = placeNodes / 2
	// wholeVote is what each place has to give, one attacker may have all nodes of it.
	// The holders there share it: up to eight, and the node that looks up; all numbers
	// up to 10 divide it.
	wholeVote = 2520
)

// tally is what the holders of a key have said.
type tally struct {
	self peer.ID
	// said is, by holder, whose records it has, first come first, at each place that it
	// was asked about.
	said [places]map[peer.ID][]peer.ID
	near [places][]peer.AddrInfo // whose answers count at each place: the nearest nodes
	best map[peer.ID]*Record     // of each signer, the newest
}

func newTally(self peer.ID) *tally {
	t := &tally{self: self, best: make(map[peer.ID]*Record)}
	for at := range t.said {
		t.said[at] = make(map[peer.ID][]peer.ID)
	}
	return t
}

// add takes in what a holder has: checked records, first come first.
func (t *tally) add(holder peer.ID, at int, records []*Record) {
	for _, r := range records {
		if !slices.Contains(t.said[at][holder], r.Signer) {
			t.said[at][holder] = append(t.said[at][holder], r.Signer)
		}
		if best := t.best[r.Signer]; best == nil || r.Newer(best) {
			t.best[r.Signer] = r
		}
	}
}

// voters are the answers of a place that count, of those that have something to
// say: the nearest nodes', however early others came, and this node's own.
func (t *tally) voters(at int) (answers [][]peer.ID) {
	if own := t.said[at][t.self]; len(own) > 0 {
		answers = append(answers, own)
	}
	for _, info := range t.near[at] {
		if signers := t.said[at][info.ID]; len(signers) > 0 {
			answers = append(answers, signers)
		}
	}
	return answers
}

// enough says whether the decision will hardly change any more. Where signers
// compete, one that the key vouches for may be with a holder that was not heard.
func (t *tally) enough() bool {
	for at := range places {
		if len(t.voters(at)) < quorum {
			return false
		}
	}
	if len(t.best) == 1 {
		return true
	}
	for _, r := range t.best {
		if r.vouched() > 0 {
			return true
		}
	}
	return false
}

// standing is what there is for one signer of a key.
type standing struct {
	best   *Record
	firsts int // shares of votes of holders that had it first
	holds  int // and of those that had it at all
}

// standings are those of all signers.
func (t *tally) standings() (list []*standing) {
	by := make(map[peer.ID]*standing)
	for signer, best := range t.best {
		by[signer] = &standing{best: best}
		list = append(list, by[signer])
	}
	for at := range places {
		voters := t.voters(at)
		for _, signers := range voters {
			by[signers[0]].firsts += wholeVote / len(voters)
			for _, signer := range signers {
				by[signer].holds += wholeVote / len(voters)
			}
		}
	}
	return list
}

// all returns the newest record of each signer, in the order of the package's
// documentation, up to maxSigners.
func (t *tally) all() (records []*Record) {
	list := t.standings()
	own := func(st *standing) int {
		if st.best.Signer == t.self {
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
