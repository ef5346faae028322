package gossip

import "cmp"

// Fair eviction: when the store of data types is full, who has most of it makes
// room, if that is more than a share; else the oldest rumor goes, whoever made it.
// So nobody can push the others out by talking much, and a network with few origins
// may still fill the whole store.

// greedyShare is the part of a full store, 1 in so many, beyond which an origin
// makes room for others.
const greedyShare = 20

// greedy reports whether an origin has more than its share of a full shelf.
func (sh *shelf) greedy(p *portion) bool {
	return p.kept > sh.limit/greedyShare || p.keptBytes > sh.limitBytes/greedyShare
}

// weigh keeps the list of origins with more than a share, which are at most twice
// greedyShare.
func (sh *shelf) weigh(o PeerID, p *portion) {
	if sh.greedier == nil {
		return
	}
	if sh.greedy(p) {
		sh.greedier[o] = p
	} else {
		delete(sh.greedier, o)
	}
}

// greediest is the origin that takes up most, "" if none has more than its share.
func (sh *shelf) greediest() (most PeerID, of *portion) {
	part := func(p *portion) float64 {
		return max(float64(p.kept)/float64(sh.limit), float64(p.keptBytes)/float64(sh.limitBytes))
	}
	for o, p := range sh.greedier {
		if of == nil || cmp.Or(cmp.Compare(part(p), part(of)), cmp.Compare(o, most)) > 0 {
			most, of = o, p
		}
	}
	return most, of
}

// evict takes one rumor from a full shelf.
func (st *store) evict(sh *shelf) {
	if _, p := sh.greediest(); p != nil {
		for len(p.byCreation) > 0 {
			if old := st.entries[p.byCreation.pop().id]; old != nil && old.state == kept {
				// What is older stays compared. Others evict the same ones, and what they
				// offer again was seen here.
				if st.oldest(sh) == old {
					st.raiseFloor(old)
				}
				st.remove(old)
				return
			}
		}
	}
	if old := st.oldest(sh); old != nil {
		st.raiseFloor(old)
		st.remove(old)
	}
}

// oldest is the oldest rumor on a shelf, nil if it is empty.
func (st *store) oldest(sh *shelf) *entry {
	for len(sh.byCreation) > 0 {
		if e := st.entries[sh.byCreation[0].id]; e != nil && e.state == kept {
			return e
		}
		sh.byCreation.pop()
	}
	return nil
}

// raiseFloor notes that what is as old as a rumor is not talked about any more.
func (st *store) raiseFloor(e *entry) {
	g := groupOf(e.r)
	st.floors[g] = max(st.floors[g], e.age()+1)
}

// file puts a rumor that is kept in the order in which its shelf, and its origin
// on it, give up theirs.
func (st *store) file(sh *shelf, e *entry) {
	d := due{e.age(), e.r.ID}
	sh.byCreation.push(d)
	sh.byCreation = st.compact(sh.byCreation)
	if sh.greedier == nil {
		return
	}
	p := sh.origins[e.r.Origin]
	p.byCreation.push(d)
	if len(p.byCreation) > 64+2*p.kept {
		live := make(dueHeap, 0, 65+2*p.kept)
		for _, d := range p.byCreation {
			if old := st.entries[d.id]; old != nil && old.state == kept {
				live.push(d)
			}
		}
		p.byCreation = live
	}
}
