package gossip

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Check looks through everything that the core keeps and reports what does not
// agree: counters with what they count, indices with what they index, holders
// with the links there are, and every cap of the package comment. It is for
// simulators and tests, costs time in proportion to all that is kept, and
// changes nothing. An error means a bug in this package.
func (s *State) Check() error {
	var c checks
	s.checkStore(&c)
	s.checkWindows(&c)
	s.checkLinkBooks(&c)
	s.checkMembers(&c)
	s.checkViews(&c)
	s.checkLocal(&c)
	return errors.Join(c.wrong...)
}

// checks gathers what is wrong.
type checks struct{ wrong []error }

func (c *checks) that(ok bool, format string, args ...any) {
	if !ok {
		c.wrong = append(c.wrong, fmt.Errorf("gossip: the books disagree: "+format, args...))
	}
}

// most compares something that can grow with its cap.
func (c *checks) most(what string, n, limit int) {
	c.that(n <= limit, "%d %s, at most %d", n, what, limit)
}

func (s *State) checkStore(c *checks) {
	st := s.store
	var n [3]int
	var size [3]int
	proofs := 0
	for id, e := range st.entries {
		if e.proof {
			proofs += e.r.Size()
			c.that(e.state == refused && slices.Contains(st.proofs, e), "rumor %v in state %d is a proof that is not listed", id, e.state)
		}
		c.that(e.r.ID == id, "rumor %v is stored as %v", e.r.ID, id)
		n[e.state]++
		size[e.state] += e.r.Size()
		c.that((e.state == held) == (e.ballot != nil), "rumor %v in state %d: has a ballot: %v", id, e.state, e.ballot != nil)
		c.that(s.windows.seen(e.r), "the number of rumor %v does not count as seen", id)
		s.checkHolders(c, &e.holders, id)
		_, found := st.group(groupOf(e.r)).search(pointOf(e.r))
		c.that(found, "rumor %v is in no group", id)
		if e.r.Kind == KindState {
			newest, valid := st.newest[stateOf(e.r)], st.valid[stateOf(e.r)]
			c.that(newest != nil && (newest.ID == id || valid != nil && valid.ID == id), "state rumor %v is not the newest of its key", id)
			c.that((e.state == kept) == (valid != nil && valid.ID == id), "state rumor %v in state %d: is the valid one of its key: %v", id, e.state, e.state != kept)
		}
	}
	c.that(n[held] == st.held && size[held] == st.heldBytes, "%d rumors of %d bytes held, counted as %d of %d", n[held], size[held], st.held, st.heldBytes)
	for _, sh := range []*shelf{&st.shelf, &st.private, &st.state} {
		st.checkShelf(c, sh)
	}
	c.most("rumors held", st.held, maxHeld)
	c.most("bytes held", st.heldBytes, maxHeldBytes)
	c.that(proofs == st.proofBytes, "%d bytes of proofs, counted as %d", proofs, st.proofBytes)
	c.most("bytes of proofs", st.proofBytes, maxProofBytes)
	c.most("rumors refused", n[refused], maxRefused)
	c.most("refused IDs", len(st.refused), maxRefused)
	arrived := make(map[Group]int)
	for _, e := range st.entries {
		if e.arrived() {
			arrived[groupOf(e.r)]++
		}
	}
	c.that(maps.Equal(arrived, st.arrived), "at the end of their way are %v, counted as %v", arrived, st.arrived)
	for k, e := range st.numbers {
		c.that(st.entries[e.r.ID] == e && numberOf(e.r) == k, "number %d stands for rumor %v, which is not here", k.seq, e.r.ID)
	}
	grouped := 0
	for g, x := range st.groups {
		grouped += len(*x)
		c.that(len(*x) > 0, "group %d is empty", g)
		checkOrder(c, *x)
	}
	c.that(grouped == len(st.entries), "%d rumors in groups, %d in the store", grouped, len(st.entries))
	for k, r := range st.newest {
		c.that(st.entries[r.ID] != nil, "the newest rumor of key %q of type %d is not in the store", k.key, k.dataType)
	}
	for k, r := range st.valid {
		c.that(st.entries[r.ID] != nil, "the valid rumor of key %q of type %d is not in the store", k.key, k.dataType)
	}
	c.that(st.byExpiry.covers(st.entries, func(*entry) bool { return true }), "a rumor will not expire")
	bound := max(1024, 2*len(st.entries)) + 1
	c.most("entries of the heap by expiry", len(st.byExpiry), bound)
	for _, sh := range []*shelf{&st.shelf, &st.private, &st.state} {
		c.most("entries of the heap by creation", len(sh.byCreation), bound)
	}
}

func (st *store) checkShelf(c *checks, sh *shelf) {
	n, size, origins := 0, 0, make(map[PeerID]int)
	here := func(e *entry) bool { return e.state == kept && st.shelfOf(e.r) == sh }
	for _, e := range st.entries {
		if here(e) {
			n++
			size += e.r.Size()
			origins[e.r.Origin]++
		}
	}
	c.that(n == sh.kept && size == sh.keptBytes, "%d rumors of %d bytes kept, counted as %d of %d", n, size, sh.kept, sh.keptBytes)
	c.most("rumors kept", sh.kept, sh.limit)
	c.most("bytes kept", sh.keptBytes, sh.limitBytes)
	c.that(sh.byCreation.covers(st.entries, here), "a rumor cannot be evicted")
	c.that(len(origins) == len(sh.origins), "rumors of %d origins, counted as of %d", len(origins), len(sh.origins))
	for o, p := range sh.origins {
		c.that(p.kept == origins[o], "%d rumors of one origin, counted as %d", origins[o], p.kept)
		if sh.share > 0 {
			c.most("rumors of one origin", p.kept, sh.share)
			c.most("bytes of one origin", p.keptBytes, sh.shareBytes)
			continue
		}
		of := func(e *entry) bool { return here(e) && e.r.Origin == o }
		c.that(p.byCreation.covers(st.entries, of), "a rumor of one origin cannot be evicted")
		c.that(sh.greedy(p) == (sh.greedier[o] == p), "an origin has more than its share: %v, and is listed: %v", sh.greedy(p), sh.greedier[o] == p)
	}
	c.most("origins with more than a share", len(sh.greedier), 2*greedyShare)
	c.most("origins with a rate", len(sh.rates), maxWindows)
}

// covers reports whether h is a heap that has all of some entries.
func (h dueHeap) covers(entries map[RumorID]*entry, which func(*entry) bool) bool {
	has := make(map[RumorID]bool, len(h))
	for i, d := range h {
		if i > 0 && h.less(i, (i-1)/2) {
			return false
		}
		has[d.id] = true
	}
	for id, e := range entries {
		if which(e) && !has[id] {
			return false
		}
	}
	return true
}

func checkOrder(c *checks, x index) {
	for i := 1; i < len(x); i++ {
		c.that(x[i-1].compare(x[i]) < 0, "rumors %v and %v of a group are out of order", x[i-1].ID, x[i].ID)
	}
}

// checkHolders looks whether only neighbours hold a rumor: the slot of one that
// went must be free for the next.
func (s *State) checkHolders(c *checks, b *bitset, id RumorID) {
	for slot := range 64 * (1 + len(b.high)) {
		if b.has(slot) {
			c.that(slot < len(s.linkOrder) && s.linkOrder[slot] != nil, "nobody is in slot %d, which holds rumor %v", slot, id)
		}
	}
}

func (s *State) checkWindows(c *checks) {
	c.most("windows", s.windows.n, maxWindows)
	all := 0
	for _, w := range s.windows.latest {
		runs := 0
		for ; w != nil; w = w.before {
			runs++
			c.that(w.before == nil || !w.closed() && w.before.epoch < w.epoch, "the runs of one origin before epoch %d are out of order", w.epoch)
			c.most("spans in a window", len(w.spans), maxSpans)
			for i, sp := range w.spans {
				c.that(sp.lo <= sp.hi && (i == 0 || w.spans[i-1].hi < sp.lo && w.spans[i-1].hi+1 < sp.lo),
					"the spans of epoch %d are not apart and ascending: %v", w.epoch, w.spans)
			}
		}
		c.most("runs of one origin", runs, maxRuns)
		all += runs
	}
	c.that(all == s.windows.n, "%d windows, counted as %d", all, s.windows.n)
}

func (s *State) checkLinkBooks(c *checks) {
	linked := 0
	for slot, l := range s.linkOrder {
		if l == nil {
			continue
		}
		linked++
		c.that(l.slot == slot && s.links[l.peer] == l, "the link in slot %d says slot %d and is not its peer's", slot, l.slot)
		c.most("pushes without a verdict", len(l.unanswered), maxUnanswered)
		c.that(l.told >= 0 && l.told <= maxMissing/8, "a neighbour told first of %d missing rumors, at most %d", l.told, maxMissing/8)
		c.most("rumors offered to a neighbour", len(l.offered), offeredIDs)
		c.most("rumors given to a neighbour again", len(l.resent), maxResent)
		c.most("interests of a neighbour", len(l.interests), MaxInterests)
		for g := range l.lazy {
			c.that(g.Valid(), "a link is lazy for group %d", g)
		}
	}
	c.that(linked == len(s.links), "%d links in slots, %d by peer", linked, len(s.links))
	c.most("links", len(s.links), (acceptFactor+1)*s.cfg.Degree)
	c.most("missing rumors", len(s.missing), maxMissing)
	ordered := make(map[missingKey]*missing, len(s.missingOrder))
	for _, mi := range s.missingOrder {
		if s.missing[mi.missingKey] == mi {
			ordered[mi.missingKey] = mi
		}
	}
	c.that(len(ordered) == len(s.missing), "%d missing rumors, of which %d will be asked for", len(s.missing), len(ordered))
	for key, mi := range s.missing {
		c.most("tellers of a missing rumor", len(mi.tellers), maxTellers)
		_, here := s.resolve(key.group, key.id)
		c.that(mi.missingKey == key && !here, "rumor %x is here and counts as missing", key.id)
	}
	c.most("origins with ways", len(s.sources), maxSources)
	c.that(len(s.sources) == len(s.sourceOrder), "%d origins with ways, %d in the order of forgetting", len(s.sources), len(s.sourceOrder))
	for _, src := range s.sources {
		e := s.store.entries[src.probe]
		c.that(e == nil || e.probe, "rumor %v, by which ways are compared, does not say so", src.probe)
	}
	for _, l := range s.links {
		for src := range l.rooted {
			c.that(s.sources[src.sourceKey] == src && src.isRooted(), "a link is in the tree of %q, which has none", src.origin)
		}
	}
	c.most("types with landmarks", len(s.groves), maxGroves)
	for g, v := range s.groves {
		c.most("landmarks of a type, and of its last list", len(v.trees), 2*maxHeeded)
		c.that(s.takesPart(g), "group %d has landmarks and no takers", g)
		c.that(v.group == g && slices.IsSortedFunc(v.trees, func(a, b *landmarkTree) int { return cmp.Compare(a.landmark, b.landmark) }), "the landmarks of group %d are out of order", g)
		for _, t := range v.trees {
			c.that(len(t.offers) <= len(s.linkOrder) && t.parent < len(t.offers), "%d neighbours told of a landmark, the one in slot %d is next", len(t.offers), t.parent)
			c.that(t.parent < 0 || s.linkOrder[t.parent] != nil, "the next hop to a landmark is not there")
		}
	}
	c.that(len(s.store.short) <= len(s.store.entries), "%d short IDs for %d rumors", len(s.store.short), len(s.store.entries))
	for short, e := range s.store.short {
		c.that(s.store.entries[e.r.ID] == e && e.r.ID.Short() == short, "a short ID stands for rumor %v, which is not here", e.r.ID)
	}
}

func (s *State) checkMembers(c *checks) {
	c.most("members", len(s.members), maxMembers)
	c.that(len(s.members) == len(s.presences) && len(s.members) == len(s.presenceByID), "%d members, %d presences in order, %d by ID", len(s.members), len(s.presences), len(s.presenceByID))
	checkOrder(c, s.presences)
	accusing := 0
	for id, m := range s.members {
		c.that(m.r.Origin == id && s.presenceByID[m.r.ID] == m, "a presence is another member's")
		_, found := s.presences.search(pointOf(m.r))
		c.that(found, "the presence %v is not in the compared set", m.r.ID)
		s.checkHolders(c, &m.holders, m.r.ID)
		if len(m.p.Lost) > 0 {
			accusing++
		}
		if m.doubt != nil {
			c.most("accusers of a member", len(m.doubt.accusers), maxAccusers)
			c.that(slices.Contains(s.suspects.order, id), "a member is accused and nobody looks after it")
		}
	}
	c.that(accusing == s.suspects.accusing, "%d members accuse, counted as %d", accusing, s.suspects.accusing)
	c.most("lost neighbours to be dialled again", len(s.suspects.redials), maxRedials)
	c.most("routes", len(s.routes), maxRoutes)
	for id := range s.routes {
		c.that(s.members[id] != nil, "there is a route to a node that is no member")
	}
}

func (s *State) checkViews(c *checks) {
	c.most("candidates", len(s.candidates), maxCandidates)
	c.most("callers", len(s.callers), maxCallers)
	c.that(len(s.candidates) == len(s.candidateOrder), "%d candidates by peer, %d in order", len(s.candidates), len(s.candidateOrder))
	dialling := 0
	for _, can := range s.candidateOrder {
		c.that(s.candidates[can.peer] == can, "a candidate in the order is not its peer's")
		if can.dialling {
			dialling++
			c.that(s.links[can.peer] == nil, "a neighbour is being dialled")
		}
	}
	c.that(dialling == s.dials, "%d dials under way, counted as %d", dialling, s.dials)
	c.most("dials", s.dials, maxDials)
	c.most("banned peers", len(s.banned), maxBanned)
	c.most("pauses of forgotten peers", len(s.pauses.of), maxPauses)
	c.most("forgotten peers in order", len(s.pauses.order), maxPauses)
	c.most("meters of peers", len(s.meters), maxMeters)
	c.most("turns of origins", len(s.intake.turns), maxTurns)
	c.most("origins that equivocated", len(s.twofaced), maxTwofaced)
	lost, _ := s.missedCandidates()
	c.most("lost neighbours that are retried", lost, maxLost)
	counted := newShares()
	for _, can := range s.candidateOrder {
		c.that(can.linked == (s.links[can.peer] != nil), "a candidate is wrong about being a neighbour")
		again := *can
		counted.add(&again)
		c.that(can.like.net == s.shares.nets[can.net] && can.like.informant == s.shares.informants[can.informant],
			"a candidate is counted elsewhere")
	}
	c.that(sameCounts(counted.nets, s.shares.nets) && sameCounts(counted.informants, s.shares.informants) && sameCounts(counted.sources, s.shares.sources),
		"the shares of candidates are miscounted")
}

func sameCounts[K comparable](a, b map[K]*int) bool {
	return maps.EqualFunc(a, b, func(m, n *int) bool { return *m == *n })
}

func (s *State) checkLocal(c *checks) {
	// The presence, and the leave after it, are sealed whatever waits.
	c.most("own rumors that are being sealed", len(s.pending)+len(s.waiting), maxPending+2)
	c.most("modules", len(s.modules), maxModules)
	takers := make(map[uint16]int)
	for i, id := range s.moduleOrder {
		m := s.modules[id]
		if m == nil {
			c.that(false, "module %d in the order is gone", id)
			continue
		}
		c.that(!slices.Contains(s.moduleOrder[:i], id), "module %d is twice in the order", id)
		for t := range m.types {
			takers[t]++
		}
	}
	c.that(len(s.moduleOrder) == len(s.modules), "%d modules by ID, %d in order", len(s.modules), len(s.moduleOrder))
	for t, n := range takers {
		c.that(s.takers[t] == n, "%d modules take type %d, counted as %d", n, t, s.takers[t])
	}
	c.that(len(takers) == len(s.takers), "%d types are taken, counted as %d", len(takers), len(s.takers))
	c.that(slices.IsSortedFunc(s.ballots, func(a, b *ballot) int { return a.until.Compare(b.until) }), "ballots do not end in their order")
	c.that(slices.IsSortedFunc(s.syncs.groups, cmp.Compare[Group]) && len(s.syncs.groups) == len(s.syncs.by), "the compared groups are out of order")
	for g, with := range s.syncs.by {
		for i, p := range with.queue {
			c.that(s.links[p] != nil && !slices.Contains(with.queue[:i], p), "group %d waits to be compared with one that is no neighbour, or twice", g)
		}
	}
}
