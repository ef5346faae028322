package gossip

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// sound checks a store's books against what is really in it.
func (st *store) sound() error {
	var nKept, keptBytes, nHeld, heldBytes, nRefused int
	inGroups := 0
	for id, e := range st.entries {
		if e.r.ID != id {
			return fmt.Errorf("entry %v is filed under %v", e.r.ID, id)
		}
		if _, ok := st.group(groupOf(e.r)).search(pointOf(e.r)); !ok {
			return fmt.Errorf("entry %v is not in its group", id)
		}
		switch e.state {
		case kept:
			nKept++
			keptBytes += e.r.Size()
		case held:
			nHeld++
			heldBytes += e.r.Size()
		case refused:
			nRefused++
			if e.r.Signed != nil || e.r.Payload != nil {
				return fmt.Errorf("refused %v keeps its payload", id)
			}
		}
		if e.r.Kind == KindState {
			n, v := st.newest[stateOf(e.r)], st.valid[stateOf(e.r)]
			if n == nil || n.ID != id && (v == nil || v.ID != id) || (e.state == kept) != (v != nil && v.ID == id) {
				return fmt.Errorf("state %v in state %d is there, the newest is %v, the valid one %v", id, e.state, n, v)
			}
		}
	}
	for g, x := range st.groups {
		inGroups += len(*x)
		if len(*x) == 0 {
			return fmt.Errorf("group %d is empty and still there", g)
		}
	}
	for k, r := range st.newest {
		if st.entries[r.ID] == nil {
			return fmt.Errorf("newest of %v is gone", k)
		}
	}
	switch {
	case nKept != st.kept || keptBytes != st.keptBytes || nHeld != st.held || heldBytes != st.heldBytes:
		return fmt.Errorf("counted %d/%d B kept, %d/%d B held; booked %d/%d, %d/%d",
			nKept, keptBytes, nHeld, heldBytes, st.kept, st.keptBytes, st.held, st.heldBytes)
	case nKept > st.limit || keptBytes > st.limitBytes:
		return fmt.Errorf("%d rumors of %d bytes kept, limits %d and %d", nKept, keptBytes, st.limit, st.limitBytes)
	case nRefused > maxRefused || len(st.refused) > maxRefused:
		return fmt.Errorf("%d refused IDs", nRefused)
	case inGroups != len(st.entries):
		return fmt.Errorf("%d entries, %d in groups", len(st.entries), inGroups)
	case len(st.byExpiry) > 1024+2*len(st.entries) || len(st.byCreation) > 1024+2*len(st.entries):
		return fmt.Errorf("heaps of %d and %d for %d entries", len(st.byExpiry), len(st.byCreation), len(st.entries))
	}
	return nil
}

// The store against a model that keeps lists and sorts them.
func TestStoreModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 8).Draw(t, "limit")
		st := newStore(limit, MaxSigned)
		model := make(map[RumorID]entryState)
		rumors := make(map[RumorID]*Rumor)
		latest := make(map[string]RumorID)
		valid := make(map[string]RumorID)
		now, seq := int64(1000), uint64(0)
		pick := func(state entryState) *entry {
			var ids []RumorID
			for id, s := range model {
				if s == state {
					ids = append(ids, id)
				}
			}
			if len(ids) == 0 {
				return nil
			}
			slices.SortFunc(ids, func(a, b RumorID) int { return slices.Compare(a[:], b[:]) })
			return st.entries[ids[rapid.IntRange(0, len(ids)-1).Draw(t, "pick")]]
		}
		// evict drops the oldest beyond the limit, which lie below the floor then.
		evict := func() {
			for {
				var old []*Rumor
				for id, s := range model {
					if s == kept {
						old = append(old, rumors[id])
					}
				}
				if len(old) <= limit {
					return
				}
				r := slices.MinFunc(old, func(a, b *Rumor) int { return pointOf(a).compare(pointOf(b)) })
				delete(model, r.ID)
				if st.floors[groupOf(r)] <= r.Created {
					t.Fatalf("%d was evicted, the floor is %d", r.Created, st.floors[groupOf(r)])
				}
			}
		}
		add := func(t *rapid.T, state entryState) {
			seq++
			h := Header{Network: "n", Kind: KindEvent, Origin: "o", Epoch: 1, Seq: seq,
				DataType: uint16(rapid.IntRange(1, 2).Draw(t, "type"))}
			h.Created = now - int64(rapid.IntRange(0, 20).Draw(t, "age"))
			h.Expires = now + int64(rapid.IntRange(1, 60).Draw(t, "life"))
			if rapid.Bool().Draw(t, "state") {
				h.Kind, h.Key = KindState, rapid.SampledFrom([]string{"a", "b"}).Draw(t, "key")
			}
			r, err := NewRumor(h, make([]byte, rapid.IntRange(0, 20).Draw(t, "size")))
			if err != nil {
				t.Fatal(err)
			}
			if st.superseded(r) {
				t.Fatal("a newer version counts as superseded")
			}
			st.add(&entry{r: r, state: state, ballot: &ballot{}, learnt: time.UnixMilli(r.Created)})
			if h.Kind == KindState {
				k := fmt.Sprint(h.DataType, h.Key)
				if state == kept || model[latest[k]] != kept {
					delete(model, latest[k])
				}
				if latest[k] = r.ID; state == kept {
					delete(model, valid[k])
					valid[k] = r.ID
				}
				h.Seq--
				if older, _ := NewRumor(h, nil); older != nil && st.newest[stateKey{"o", h.DataType, h.Key}] != nil && !st.superseded(older) {
					t.Fatal("an older version is not superseded")
				}
			}
			model[r.ID], rumors[r.ID] = state, r
			evict()
		}
		t.Repeat(map[string]func(*rapid.T){
			"publish": func(t *rapid.T) { add(t, kept) },
			"hold":    func(t *rapid.T) { add(t, held) },
			"accept": func(t *rapid.T) {
				if e := pick(held); e != nil {
					if k := fmt.Sprint(e.r.DataType, e.r.Key); e.r.Kind == KindState {
						delete(model, valid[k])
						valid[k] = e.r.ID
					}
					model[e.r.ID] = kept
					st.accept(e)
					evict()
				}
			},
			"refuse": func(t *rapid.T) {
				if e := pick(held); e != nil {
					model[e.r.ID] = refused
					st.refuse(e)
				}
			},
			"expire": func(t *rapid.T) {
				now += int64(rapid.IntRange(0, 30).Draw(t, "pause"))
				next := st.expire(now)
				first := int64(0)
				for id := range model {
					at := rumors[id].Expires
					if at <= now {
						delete(model, id)
					} else if first == 0 || at < first {
						first = at
					}
				}
				// What went early may still be in the heap: looking once too often
				// is harmless, too late would not be.
				if next != 0 && next <= now || first != 0 && (next == 0 || next > first) {
					t.Fatalf("next expiry %d, want %d", next, first)
				}
			},
			"": func(t *rapid.T) {
				if err := st.sound(); err != nil {
					t.Fatal(err)
				}
				if len(model) != len(st.entries) {
					t.Fatalf("%d entries, want %d", len(st.entries), len(model))
				}
				for id, state := range model {
					if e := st.entries[id]; e == nil || e.state != state {
						t.Fatalf("%v: %+v, want state %d", id, e, state)
					}
				}
			},
		})
	})
}

func keep(t *testing.T, st *store, seq uint64, size int, created int64) *Rumor {
	t.Helper()
	r := rumorOf(t, "o", seq, string(make([]byte, size)), func(h *Header) {
		h.Created = epoch0.UnixMilli() + created
	})
	st.add(&entry{r: r, state: kept, learnt: time.UnixMilli(r.Created)})
	if err := st.sound(); err != nil {
		t.Fatal(err)
	}
	return r
}

// The limit in bytes lets as many small ones stay as one large one takes.
func TestStoreBytes(t *testing.T) {
	st := newStore(1000, 3*(keep(t, newStore(1, 1<<20), 1, 100, 0)).Size())
	a, b, c := keep(t, st, 1, 100, 1), keep(t, st, 2, 100, 2), keep(t, st, 3, 100, 3)
	if len(st.entries) != 3 {
		t.Fatalf("%d are kept, three fit", len(st.entries))
	}
	d := keep(t, st, 4, 101, 4)
	for r, want := range map[*Rumor]bool{a: false, b: false, c: true, d: true} {
		if (st.entries[r.ID] != nil) != want {
			t.Errorf("seq %d is kept: %v", r.Seq, !want)
		}
	}
}

// What is older than everything kept does not push newer ones out.
func TestStoreEvictsByCreation(t *testing.T) {
	st := newStore(2, 1<<20)
	a, b := keep(t, st, 1, 0, 10), keep(t, st, 2, 0, 20)
	keep(t, st, 3, 0, 5)
	if len(st.entries) != 2 || st.entries[a.ID] == nil || st.entries[b.ID] == nil {
		t.Error("a late old rumor displaced newer ones")
	}
	if floor := st.floors[7]; floor != epoch0.UnixMilli()+6 {
		t.Errorf("floor %d, want just above the evicted one", floor-epoch0.UnixMilli())
	}
	st.expire(epoch0.UnixMilli() + 6 + MaxLifetime.Milliseconds())
	if st.floors[7] == 0 {
		t.Error("the floor went while what it hides could be alive")
	}
	st.expire(epoch0.UnixMilli() + 7 + MaxLifetime.Milliseconds())
	if len(st.floors) != 0 {
		t.Error("a floor that hides nothing any more stays")
	}
}

func TestStoreRefusedCap(t *testing.T) {
	st := newStore(1, 1<<20)
	var first *Rumor
	for i := range uint64(maxRefused + 5) {
		r := rumorOf(t, "o", i+1, "x")
		if first == nil {
			first = r
		}
		e := &entry{r: r, state: held, ballot: &ballot{}, learnt: time.UnixMilli(r.Created)}
		st.add(e)
		st.refuse(e)
	}
	if len(st.entries) != maxRefused || st.entries[first.ID] != nil {
		t.Errorf("%d refused IDs, at most %d; the oldest is there: %v", len(st.entries), maxRefused, st.entries[first.ID] != nil)
	}
	if err := st.sound(); err != nil {
		t.Error(err)
	}
}

// A store through which much passes keeps no memory of it.
func TestStoreCompacts(t *testing.T) {
	st := newStore(10, 1<<20)
	for i := range uint64(20_000) {
		r := rumorOf(t, "o", i+1, "x", func(h *Header) { h.Created += int64(i) })
		st.add(&entry{r: r, state: kept, learnt: time.UnixMilli(r.Created)})
	}
	if err := st.sound(); err != nil {
		t.Error(err)
	}
	if len(st.byExpiry) > 2048 {
		t.Errorf("%d deadlines for %d rumors", len(st.byExpiry), len(st.entries))
	}
}

func TestStoreHasRoom(t *testing.T) {
	st := newStore(1, 1<<20)
	r := rumorOf(t, "o", 1, "x")
	st.held = maxHeld - 1
	if !st.hasRoom(r) {
		t.Error("no room for the last one")
	}
	st.held = maxHeld
	if st.hasRoom(r) {
		t.Error("room beyond the cap")
	}
	st.held, st.heldBytes = 0, maxHeldBytes-r.Size()
	if !st.hasRoom(r) {
		t.Error("no room for the last byte")
	}
	st.heldBytes++
	if st.hasRoom(r) {
		t.Error("room beyond the bytes")
	}
}
