package gossip

import "time"

// entryState says how far a rumor has come at this node.
type entryState uint8

const (
	// held: verified, told to the modules, their votes are open.
	held entryState = iota
	// kept: validated (or this node's own), spread and offered to others.
	kept
	// refused: a module voted it down. Only its ID is remembered, so that it is
	// not fetched again.
	refused
)

// entry is a rumor that this node knows, and what it knows about it.
type entry struct {
	r      *Rumor
	state  entryState
	hops   uint8     // the fewest links it came over; 0 = our own
	again  uint8     // how often it was flooded again, having come a shorter way
	fewer  uint8     // by how many links it came shorter since
	learnt time.Time // when it came first
	ready  time.Time // when it could travel on
	// from is the neighbour that brought it first, and filled says that it came
	// by anti-entropy: then it is spread by anti-entropy, too.
	from   PeerID
	filled bool
	proof  bool // it is refused, and given away as the proof of an equivocation
	probe  bool // the ways of its origin may be compared by it (rooted.go)
	// announcer is the local module that published it, 0 = none. It is never
	// told its own rumor.
	announcer ModuleID
	landmark  uint64 // by whose tree it travels, 0 = none's
	holders   bitset // the slots of neighbours known to have it
	ballot    *ballot
}

// endBallot ends the vote on a rumor, if there is one.
func (e *entry) endBallot() {
	if e.ballot != nil {
		e.ballot.of, e.ballot = nil, nil
	}
}

// spreadable reports whether r may travel one more link from here.
func (e *entry) spreadable() bool {
	return e.state == kept && (e.r.TTL == 0 || e.hops < e.r.TTL)
}

// arrived reports whether r has come to the end of its way: nobody gets it from here.
func (e *entry) arrived() bool { return e.r.TTL != 0 && e.hops >= e.r.TTL }

// age is when a rumor was made, or learnt if it claims to be of the future, in
// Unix milliseconds: a date to come must not outlive honest rumors.
func (e *entry) age() int64 { return min(e.r.Created, e.learnt.UnixMilli()) }

// stateKey is what the versions of a state rumor have in common.
type stateKey struct {
	origin   PeerID
	dataType uint16
	key      string
}

// store keeps what this node knows of rumors other than presences: all of what
// is held, the newest CacheSize of what is kept, the IDs of what was refused.
type store struct {
	shelf                // of data types
	private, state shelf // of what everybody carries

	entries map[RumorID]*entry
	short   map[ShortID]*entry  // of all entries; of two that begin alike, one
	numbers map[number]*entry   // the first that was verified of each
	groups  map[Group]*index    // every entry of the store
	arrived map[Group]int       // of them, those that have come to the end of their way
	floors  map[Group]int64     // creation of the newest rumor evicted, Unix ms
	newest  map[stateKey]*Rumor // state rumors alive
	// valid are the versions of state rumors that modules found valid: the newest
	// ones, or those before, while or because the newest is not.
	valid map[stateKey]*Rumor

	byExpiry dueHeap // of all

	held, heldBytes int
	refused         []RumorID // oldest first

	proofs     []*entry // of equivocations (twofaced.go), oldest first, and some that are none any more
	proofBytes int
}

func newStore(limit, limitBytes int) *store {
	return &store{
		shelf:   shelf{limit: limit, limitBytes: limitBytes, origins: make(map[PeerID]*portion), greedier: make(map[PeerID]*portion)},
		private: shelf{limit: maxPrivate, limitBytes: maxPrivateBytes, share: privateShare, shareBytes: privateShareBytes, origins: make(map[PeerID]*portion), rates: make(map[PeerID]*allowance)},
		state:   shelf{limit: maxState, limitBytes: maxStateBytes, share: stateShare, shareBytes: stateShareBytes, origins: make(map[PeerID]*portion), rates: make(map[PeerID]*allowance)},
		entries: make(map[RumorID]*entry),
		short:   make(map[ShortID]*entry),
		numbers: make(map[number]*entry),
		groups:  make(map[Group]*index),
		arrived: make(map[Group]int),
		floors:  make(map[Group]int64),
		newest:  make(map[stateKey]*Rumor),
		valid:   make(map[stateKey]*Rumor),
	}
}

// group returns the index of a group, nil if it is empty.
func (st *store) group(g Group) index {
	if x := st.groups[g]; x != nil {
		return *x
	}
	return nil
}

// compared is the part of a group from floor on that others may get from here, or
// need not give. What has come to the end of its way is not in it: who lacks it
// would ask for it in vain, again and again until it expires.
func (st *store) compared(g Group, floor int64) index {
	x := st.group(g)
	i, _ := x.search(Point{Created: floor})
	x = x[i:]
	if st.arrived[g] == 0 {
		return x
	}
	offered := make(index, 0, len(x))
	for _, p := range x {
		if !st.entries[p.ID].arrived() {
			offered = append(offered, p)
		}
	}
	return offered
}

// shorter notes that a rumor came a shorter way than before.
func (st *store) shorter(e *entry, hops uint8) {
	st.countArrived(e, -1)
	e.hops = hops
	st.countArrived(e, 1)
}

func (st *store) countArrived(e *entry, n int) {
	if e.arrived() {
		g := groupOf(e.r)
		if st.arrived[g] += n; st.arrived[g] == 0 {
			delete(st.arrived, g)
		}
	}
}

// add takes in a rumor that is not there yet, as held or kept.
func (st *store) add(e *entry) {
	st.entries[e.r.ID] = e
	st.short[e.r.ID.Short()] = e
	if k := numberOf(e.r); st.numbers[k] == nil {
		st.numbers[k] = e
	}
	g := groupOf(e.r)
	x := st.groups[g]
	if x == nil {
		x = new(index)
		st.groups[g] = x
	}
	x.add(pointOf(e.r))
	st.countArrived(e, 1)
	st.byExpiry.push(due{e.r.Expires, e.r.ID})
	st.byExpiry = st.compact(st.byExpiry)
	if e.r.Kind == KindState {
		k := stateOf(e.r)
		if old := st.newest[k]; old != nil && st.entries[old.ID].state != kept {
			st.remove(st.entries[old.ID])
		}
		st.newest[k] = e.r
	}
	if e.state == held {
		st.held++
		st.heldBytes += e.r.Size()
		return
	}
	st.keep(e)
}

// accept turns a held entry into a kept one.
func (st *store) accept(e *entry) {
	st.held--
	st.heldBytes -= e.r.Size()
	e.state = kept
	e.endBallot()
	st.keep(e)
}

func stateOf(r *Rumor) stateKey { return stateKey{r.Origin, r.DataType, r.Key} }

// shadowed reports whether a rumor is a version of a state that a newer one will
// replace if it is found valid.
func (st *store) shadowed(r *Rumor) bool {
	return r.Kind == KindState && st.newest[stateOf(r)].ID != r.ID
}

func (st *store) keep(e *entry) {
	if e.r.Kind == KindState {
		k := stateOf(e.r)
		if old := st.valid[k]; old != nil {
			st.remove(st.entries[old.ID])
		}
		st.valid[k], st.newest[k] = e.r, e.r
	}
	sh := st.shelfOf(e.r)
	sh.add(e.r)
	st.file(sh, e)
	if sh.overdrawn(e.r.Origin) {
		st.curb(sh, groupOf(e.r), e.r.Origin)
	}
	for sh.kept > sh.limit || sh.keptBytes > sh.limitBytes {
		st.evict(sh)
	}
}

// refuse turns a held entry into a remembered ID.
func (st *store) refuse(e *entry) {
	st.held--
	st.heldBytes -= e.r.Size()
	e.state = refused
	e.endBallot()
	e.r = e.r.idOnly()
	if k := (stateKey{e.r.Origin, e.r.DataType, e.r.Key}); st.newest[k] != nil && st.newest[k].ID == e.r.ID {
		st.newest[k] = e.r
	}
	st.refused = append(st.refused, e.r.ID)
	if len(st.refused) > maxRefused {
		if old := st.entries[st.refused[0]]; old != nil {
			st.remove(old)
		}
		st.refused = st.refused[1:]
	}
}

func (st *store) remove(e *entry) {
	delete(st.entries, e.r.ID)
	if s := e.r.ID.Short(); st.short[s] == e {
		delete(st.short, s)
	}
	if k := numberOf(e.r); st.numbers[k] == e {
		delete(st.numbers, k)
	}
	g := groupOf(e.r)
	st.countArrived(e, -1)
	if x := st.groups[g]; x != nil {
		x.remove(pointOf(e.r))
		if len(*x) == 0 {
			delete(st.groups, g)
		}
	}
	if e.r.Kind == KindState {
		k := stateOf(e.r)
		if st.valid[k] != nil && st.valid[k].ID == e.r.ID {
			delete(st.valid, k)
		}
		if st.newest[k] != nil && st.newest[k].ID == e.r.ID {
			delete(st.newest, k)
			if st.valid[k] != nil {
				st.newest[k] = st.valid[k]
			}
		}
	}
	switch e.state {
	case held:
		st.held--
		st.heldBytes -= e.r.Size()
		e.endBallot()
	case kept:
		st.shelfOf(e.r).remove(e.r)
	case refused:
		st.dropProof(e)
	}
}

// compact drops a heap's entries for rumors that are gone once they are the
// most of it, so that its memory follows the store's.
func (st *store) compact(h dueHeap) dueHeap {
	if len(h) < 1024 || len(h) < 2*len(st.entries) {
		return h
	}
	live := make(dueHeap, 0, 2*len(st.entries)+1) // it is full when it is looked at again
	for _, d := range h {
		if st.entries[d.id] != nil {
			live.push(d)
		}
	}
	return live
}

// hasRoom reports whether one more rumor can be held.
func (st *store) hasRoom(r *Rumor) bool {
	return st.held < maxHeld && st.heldBytes+r.Size() <= maxHeldBytes
}

// superseded reports whether r is a state rumor that is not newer than the one kept.
func (st *store) superseded(r *Rumor) bool {
	if r.Kind != KindState {
		return false
	}
	old := st.newest[stateKey{r.Origin, r.DataType, r.Key}]
	return old != nil && !r.version().newer(old.version())
}

// outdated reports whether r is a state rumor that may not take the place of the newest one:
// it is older, or that waits for votes still, and would be gone without them, or it is the
// other of two with one number, of which that is the proof.
func (st *store) outdated(r *Rumor) bool {
	newest := st.newest[stateOf(r)]
	if r.Kind != KindState || newest == nil {
		return false
	}
	e := st.entries[newest.ID]
	return e.state == held || newest.version().newer(r.version()) || e.proof && newest.version() == r.version()
}

// expire forgets what is no longer alive and returns when that happens next,
// in Unix milliseconds, 0 = never.
func (st *store) expire(now int64) int64 {
	for len(st.byExpiry) > 0 && st.byExpiry[0].at <= now {
		if e := st.entries[st.byExpiry.pop().id]; e != nil {
			st.remove(e)
		}
	}
	for g, floor := range st.floors {
		if floor+MaxLifetime.Milliseconds() < now {
			delete(st.floors, g)
		}
	}
	if len(st.byExpiry) == 0 {
		return 0
	}
	return st.byExpiry[0].at
}
