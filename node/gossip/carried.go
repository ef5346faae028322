package gossip

import "time"

// Carried groups: what every node keeps and hands on, whatever its modules take.
//
// A private message must reach nodes whose modules never asked for anything, over
// nodes that must not know whom it is for; and what nodes say of themselves (shared
// state) is for everybody. So there are two groups that have no takers: private and
// state rumors of data type 0. A node with Config.Carry says on each link that it
// carries them (Interests.Carries), pushes and compares them as it does data types,
// and tells them to its driver (Carried) instead of to modules. Private and state
// rumors of other data types are for the takers of these, like events.
//
// What everybody must carry anybody could fill. Against that stand
//
//   - proof of work, as for every rumor;
//   - a shelf of its own in the store for each of the two groups, so that they take
//     no room from data types nor from each other;
//   - for each origin a share of that shelf: when it is used up, the origin's own
//     oldest rumors go, and nobody else's. Everybody keeps the newest of an origin
//     and forgets the same ones, so stores stay equal;
//   - for each origin a rate, beyond which its pushes are put off (VerdictBusy), for
//     anti-entropy to bring later. It is charged for what was verified only, so nobody
//     uses up another's, and outlives the origin's rumors, each of which a newer version
//     may replace. What anti-entropy may bring is bounded per link.
//
// Who owns many keys has many shares; each costs a proof of work for every rumor,
// and the oldest of all go first when a shelf is full.

const (
	// The shelves: rumors, and bytes of them. Private ones are a message of the
	// largest size from 250 senders, or one of a line from 4,096; states are 64
	// keys of 128 nodes, or one key of 8,192.
	maxPrivate      = 4096
	maxPrivateBytes = 16 << 20
	maxState        = 8192
	maxStateBytes   = 16 << 20
	// What one origin may have of each. The share of states is what package node
	// lets a node say of itself, twice, since deleted keys count.
	privateShare      = 256
	privateShareBytes = 2 << 20
	stateShare        = 128
	stateShareBytes   = 512 << 10
	// How fast one origin's rumors are taken by push: so many at once, then one
	// every pause.
	carriedBurst = 64
	carriedPause = 250 * time.Millisecond
)

// Carried reports whether g is a group that every node carries.
func (g Group) Carried() bool { return g == GroupPrivate || g == GroupState }

// carriedGroups are in a fixed order.
var carriedGroups = [...]Group{GroupPrivate, GroupState}

// shelf is the part of the store that rumors of one sort share.
type shelf struct {
	limit, limitBytes int
	kept, keptBytes   int
	byCreation        dueHeap // who is evicted next

	share, shareBytes int // of one origin; 0 = all
	origins           map[PeerID]*portion
	greedier          map[PeerID]*portion // those with more than a share of a full shelf (fair.go); nil = the oldest go

	rates map[PeerID]*allowance // of carried ones: what each origin may push; nil = others
}

// portion is what one origin has on a shelf. There are at most as many as rumors.
type portion struct {
	kept, keptBytes int
	byCreation      dueHeap // of those that are not carried
}

func (sh *shelf) add(r *Rumor) {
	sh.kept++
	sh.keptBytes += r.Size()
	p := sh.origins[r.Origin]
	if p == nil {
		p = new(portion)
		sh.origins[r.Origin] = p
	}
	p.kept++
	p.keptBytes += r.Size()
	sh.weigh(r.Origin, p)
	if sh.rates != nil && sh.rates[r.Origin] == nil {
		sh.rates[r.Origin] = new(allowance)
	}
}

func (sh *shelf) remove(r *Rumor) {
	sh.kept--
	sh.keptBytes -= r.Size()
	if p := sh.origins[r.Origin]; p != nil {
		p.keptBytes -= r.Size()
		p.kept--
		sh.weigh(r.Origin, p)
		if p.kept == 0 {
			delete(sh.origins, r.Origin)
		}
	}
}

// overdrawn reports whether an origin has more than its share.
func (sh *shelf) overdrawn(o PeerID) bool {
	p := sh.origins[o]
	return p != nil && sh.share > 0 && (p.kept > sh.share || p.keptBytes > sh.shareBytes)
}

// shelfOf is where rumors like r are kept.
func (st *store) shelfOf(r *Rumor) *shelf {
	switch groupOf(r) {
	case GroupPrivate:
		return &st.private
	case GroupState:
		return &st.state
	}
	return &st.shelf
}

// curb takes an origin's oldest rumors from a shelf until it has its share. It
// walks the group, which costs time only for who has more than that.
func (st *store) curb(sh *shelf, g Group, o PeerID) {
	for i := 0; i < len(st.group(g)) && sh.overdrawn(o); {
		if e := st.entries[st.group(g)[i].ID]; e.r.Origin == o && e.state == kept {
			st.remove(e)
		} else {
			i++
		}
	}
}

// pushRate is how often r's origin may be pushed, nil = without limit.
func (s *State) pushRate(r *Rumor) *allowance {
	return s.store.shelfOf(r).rates[r.Origin]
}

// forgetRates forgets those of origins that may push as much at once as any other. So
// there are as many at most as windows, which are for longer.
func (s *State) forgetRates() {
	for _, sh := range []*shelf{&s.store.private, &s.store.state} {
		for o, rate := range sh.rates {
			if rate.has(carriedBurst, s.now, carriedBurst, carriedPause) {
				delete(sh.rates, o)
			}
		}
	}
}

// mayPush reports whether a neighbour may push one more rumor of r's origin now. It
// charges nothing: nobody has proved yet whose the rumor is.
func (s *State) mayPush(r *Rumor) bool {
	rate := s.pushRate(r)
	return rate == nil || rate.has(1, s.now, carriedBurst, carriedPause)
}

// payPush charges the origin of a rumor that was pushed, once it is verified.
func (s *State) payPush(r *Rumor) {
	if rate := s.pushRate(r); rate != nil {
		rate.take(s.now, carriedBurst, carriedPause)
	}
}

// shareCarried is called when a neighbour begins to carry. Both ends call it, and
// who has something begins: where nobody says anything it costs nothing.
func (s *State) shareCarried(l *link) {
	for _, g := range carriedGroups {
		delete(l.compared, g)
		s.compareCarried(l, g)
	}
}

func (s *State) compareCarried(l *link, g Group) {
	if s.takesPart(g) && l.wants(g) && len(s.store.group(g)) > 0 {
		s.enqueueSync(l, g)
	}
}
