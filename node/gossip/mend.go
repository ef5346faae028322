package gossip

import (
	"slices"
	"time"
)

// What becomes of the trees that a lost link was in.
//
// Who lost the way by which an origin's rumors came asks several neighbours to push
// them, since any one may hang on this node, or on who was lost: the first to bring a
// rumor stays, and the others are told that it came twice. Who lost a branch of the
// tree of its own rumors has others take its place, since all that hung on the branch
// may have been all there was. What was on its way is found by IDs, which are told and
// asked for sooner than at other times.

const (
	// mendLinks is how many neighbours take the place of one that is lost.
	mendLinks = 3
	// For orphanTime after a way was lost IDs are gathered for a part of the usual
	// time, and asked for after orphanPatience. How late rumors come meanwhile tells of
	// the loss, and not how patient to be later.
	orphanTime     = 2 * time.Second
	orphanPatience = 25 * time.Millisecond
	orphanHaste    = 4
)

// orphaned reports whether a link by which rumors came was lost of late.
func (s *State) orphaned() bool {
	return s.now.Sub(s.bereft) < orphanTime
}

// mendTrees is called when a link is lost.
func (s *State) mendTrees(lost *link) {
	if s.leaving {
		return
	}
	s.replaceParent(lost)
	s.replaceBranch(lost)
	s.replaceShared(lost)
	for _, mi := range s.missingOrder { // what is known to be missing is not waited for
		if (mi.asked == 0 || mi.last == lost.peer) && slices.ContainsFunc(mi.tellers[mi.asked:], func(p PeerID) bool { return s.links[p] != nil }) {
			mi.at = s.now
			s.schedule(taskGraft, s.now)
		}
	}
	s.after(taskHaves, 0)
}

// replaceParent asks others for the rumors of the origins that the lost link brought:
// who would have brought the last one next, and some by chance.
func (s *State) replaceParent(lost *link) {
	asks := make(map[*link][]*Graft) // one message for each group
	for _, src := range s.sourceOrder {
		if src.parent != lost.peer || src.probe == (RumorID{}) || s.now.Sub(src.last) > sourceIdle || !s.takesPart(src.group) {
			continue
		}
		s.bereft = s.now
		if !src.isRooted() {
			continue
		}
		s.count.Reroots++
		may := func(l *link) bool { return l.wants(src.group) && !l.rooted[src] } // its own children hang on it
		links := s.pick(mendLinks, func(l *link) bool { return may(l) && l.peer != src.best })
		if l := s.links[src.best]; l != nil && may(l) {
			links = append(links[:min(len(links), mendLinks-1)], l)
		}
		src.asks = src.asks[:0]
		for _, l := range links {
			i := slices.IndexFunc(asks[l], func(m *Graft) bool { return m.Group == src.group })
			if i < 0 {
				i = len(asks[l])
				asks[l] = append(asks[l], &Graft{Group: src.group})
			}
			asks[l][i].Origins = append(asks[l][i].Origins, src.probe.Short())
			src.rooted = true
			put(&l.rooted, src, false) // as in reroot
			src.asks = append(src.asks, l.peer)
		}
	}
	for _, l := range s.linkOrder {
		for _, m := range asks[l] {
			s.do(Send{To: l.peer, Msg: m})
		}
	}
}

// replaceBranch takes other links into the trees of this node's own rumors, and pushes
// to them what the lost one did not answer.
func (s *State) replaceBranch(lost *link) {
	for _, g := range s.groups() {
		src := s.sources[sourceKey{g, s.cfg.Self}]
		if !src.isRooted() || !lost.eager(g, src) || s.now.Sub(src.last) > sourceIdle {
			continue
		}
		for _, l := range s.pick(mendLinks-1, func(l *link) bool { return l.wants(g) && !l.eager(g, src) }) {
			s.steer(l, src.sourceKey, true)
		}
	}
	for _, p := range lost.unanswered {
		if e := s.store.entries[p.id]; e != nil && p.origin == s.cfg.Self {
			s.spread(e)
		}
	}
}

// sow pushes an own rumor that no link takes in full, since all that did are gone, to
// some of those that would be told its ID, and returns the others.
func (s *State) sow(lazy []*link, m *Push, holders *bitset) []*link {
	for i := range min(mendLinks-1, len(lazy)) {
		j := i + s.cfg.Rand.IntN(len(lazy)-i)
		lazy[i], lazy[j] = lazy[j], lazy[i]
		if l := lazy[i]; len(l.unanswered) < maxUnanswered {
			holders.set(l.slot)
			s.push(l, m, false)
		}
	}
	return slices.DeleteFunc(lazy, func(l *link) bool { return holders.has(l.slot) })
}

// replaceShared takes another link into each group's shared tree, if rumors came by the
// lost one or no other is left.
func (s *State) replaceShared(lost *link) {
	for _, g := range s.groups() {
		eager := func(l *link) bool { return l != nil && l.wants(g) && !l.lazy[g] }
		at, brought := lost.brought[g]
		brought = brought && s.now.Sub(at) <= sourceIdle
		if lost.lazy[g] || !brought && slices.ContainsFunc(s.linkOrder, eager) {
			continue
		}
		for _, l := range s.pick(1, func(l *link) bool { return l.wants(g) && l.lazy[g] }) {
			delete(l.lazy, g)
			s.count.Grafts++
			s.do(Send{To: l.peer, Msg: &Graft{Group: g}})
		}
	}
}

// pick draws up to n of the links that will do.
func (s *State) pick(n int, will func(*link) bool) []*link {
	var links []*link
	for _, l := range s.linkOrder {
		if l != nil && will(l) {
			links = append(links, l)
		}
	}
	n = min(n, len(links))
	for i := range n {
		j := i + s.cfg.Rand.IntN(len(links)-i)
		links[i], links[j] = links[j], links[i]
	}
	return links[:n]
}
