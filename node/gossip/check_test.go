package gossip

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// busy is a core with something in each of its books: two neighbours, rumors
// kept, held and refused, a state rumor, members, a rumor that is missing.
func busy(t *testing.T) *tnode {
	n := alone(t, func(c *Config) { c.PeerExchange = true })
	n.do(SelfRecord{PeerRecord{Peer: "M", Seq: 1, Bytes: []byte("M")}})
	n.do(Subscribe{Module: 1, DataType: 7, Votes: true})
	for _, p := range []PeerID{"A", "B"} {
		n.do(LinkUp{Peer: p})
		n.do(Received{p, &Interests{Types: []uint16{7}}})
	}
	header := func(kind Kind, seq uint64) Header {
		at := n.w.now.UnixMilli()
		return Header{Network: "hearsay", Kind: kind, Origin: "A", Epoch: 1, Seq: seq, DataType: 7, Created: at, Expires: at + time.Hour.Milliseconds()}
	}
	var ids []RumorID
	for seq := range uint64(4) {
		h := header(KindEvent, 2*seq+1)
		if seq == 3 {
			h.Kind, h.Key = KindState, "key"
		}
		r, err := NewRumor(h, fmt.Append(nil, seq))
		if err != nil {
			t.Fatal(err)
		}
		n.do(Received{"A", &Push{Rumor: toySeal(r), Hops: 1}})
		ids = append(ids, r.ID)
	}
	n.do(Vote{Module: 1, ID: ids[0], Valid: true})
	n.do(Vote{Module: 1, ID: ids[1], Valid: false})
	n.do(Vote{Module: 1, ID: ids[3], Valid: true})
	h := header(KindPresence, 20)
	h.DataType = 0
	r, err := NewRumor(h, (&Presence{Record: []byte("A"), Interests: []uint16{7}}).Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	n.do(Received{"A", &Push{Rumor: toySeal(r), Hops: 1}})
	n.do(Received{"B", &Have{Group: 7, IDs: []ShortID{{1}}}})
	n.do(Candidate{Peer: "C", Source: SourceContact})
	return n
}

// TestCheck: the books of a busy core agree, and Check finds each of them that
// is cooked.
func TestCheck(t *testing.T) {
	if err := busy(t).s.Check(); err != nil {
		t.Fatalf("nothing is wrong, and Check says: %v", err)
	}
	pick := func(s *State, state entryState) *entry {
		for _, p := range s.store.group(7) {
			if e := s.store.entries[p.ID]; e.state == state && e.r.Kind == KindEvent {
				return e
			}
		}
		t.Fatal("no such entry")
		return nil
	}
	for finding, cook := range map[string]func(s *State){
		"counted as 9 of":               func(s *State) { s.store.kept = 9 },
		"rumors held, at most":          func(s *State) { s.store.held = maxHeld + 1 },
		"rumors kept, at most 1":        func(s *State) { s.store.limit = 1 },
		"is stored as":                  func(s *State) { e := pick(s, kept); s.store.entries[RumorID{9}] = e },
		"has a ballot: true":            func(s *State) { pick(s, kept).ballot = new(ballot) },
		"has a ballot: false":           func(s *State) { pick(s, held).ballot = nil },
		"does not count as seen":        func(s *State) { clear(s.windows.latest) },
		"bytes of proofs, counted as 5": func(s *State) { s.store.proofBytes = 5 },
		"a proof that is not listed":    func(s *State) { pick(s, refused).proof = true },
		"is in no group":                func(s *State) { s.store.groups[7].remove(pointOf(pick(s, kept).r)) },
		"is not the newest":             func(s *State) { clear(s.store.newest) },
		"at the end of their way":       func(s *State) { s.store.arrived[8] = 1 },
		"will not expire":               func(s *State) { s.store.byExpiry = s.store.byExpiry[1:] },
		"cannot be evicted":             func(s *State) { s.store.byCreation = nil },
		"of a group are out of order":   func(s *State) { x := *s.store.groups[7]; x[0], x[1] = x[1], x[0] },
		"nobody is in slot 5":           func(s *State) { pick(s, kept).holders.set(5) },
		"nobody is in slot 70":          func(s *State) { s.members["A"].holders.set(70) },
		"not apart and ascending":       func(s *State) { w := s.windows.latest["A"]; w.spans[0].hi = w.spans[1].lo },
		"windows, counted as 7":         func(s *State) { s.windows.n = 7 },
		"before epoch 1 are out of ord": func(s *State) { s.windows.latest["A"].before = &window{epoch: 1} },
		"is not its peer's":             func(s *State) { s.linkOrder[0].slot = 1 },
		"links in slots":                func(s *State) { s.linkOrder[0] = nil },
		"links, at most":                func(s *State) { s.cfg.Degree = 0 },
		"will be asked for":             func(s *State) { s.missingOrder = nil },
		"is here and counts as missing": func(s *State) { key := missingOf(pick(s, kept).r); s.missing[key] = &missing{missingKey: key} },
		"in the order of forgetting":    func(s *State) { s.sources[sourceKey{7, "Z"}] = new(source) },
		"does not say so":               func(s *State) { pick(s, kept).probe = false },
		"the tree of \"Z\"":             func(s *State) { put(&s.links["A"].rooted, &source{sourceKey: sourceKey{7, "Z"}}, true) },
		"short ID stands for":           func(s *State) { s.store.short[ShortID{1}] = &entry{r: &Rumor{ID: RumorID{1}}} },
		"short IDs for": func(s *State) {
			s.store.short[ShortID{1}] = &entry{r: &Rumor{ID: RumorID{1}}}
			s.store.short[ShortID{2}] = &entry{r: &Rumor{ID: RumorID{2}}}
			s.store.short[ShortID{3}] = &entry{r: &Rumor{ID: RumorID{3}}}
			s.store.short[ShortID{4}] = &entry{r: &Rumor{ID: RumorID{4}}}
			s.store.short[ShortID{5}] = &entry{r: &Rumor{ID: RumorID{5}}}
		},
		"presences in order":              func(s *State) { s.presences = s.presences[1:] },
		"another member's":                func(s *State) { s.members["M"] = s.members["A"] },
		"a node that is no member":        func(s *State) { s.routes["Z"] = Route{} },
		"candidates by peer":              func(s *State) { s.candidateOrder = s.candidateOrder[1:] },
		"dials under way":                 func(s *State) { s.dials = 3 },
		"modules take type 7":             func(s *State) { s.takers[7] = 2 },
		"types are taken":                 func(s *State) { s.takers[8] = 1 },
		"in the order is gone":            func(s *State) { delete(s.modules, 1) },
		"to be compared with one that is": func(s *State) { s.syncs.get(7).queue = []PeerID{"Z"} },
		"compared groups are out of orde": func(s *State) { s.syncs.groups = append(s.syncs.groups, 1) },
	} {
		n := busy(t)
		cook(n.s)
		if err := n.s.Check(); err == nil || !strings.Contains(err.Error(), finding) {
			t.Errorf("Check should say %q, and says: %v", finding, err)
		}
	}
}
