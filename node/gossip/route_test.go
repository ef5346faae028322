package gossip

import "testing"

// TestRoutes: only a newer verified rumor changes a route, whoever brings it.
func TestRoutes(t *testing.T) {
	s := &State{cfg: Config{Self: "self"}, routes: make(map[PeerID]Route), members: map[PeerID]*member{"origin": {}, "another": {}, "self": {}}}
	learn := func(origin, via PeerID, epoch, seq uint64) {
		s.learnRoute(&Rumor{Header: Header{Origin: origin, Epoch: epoch, Seq: seq}}, via)
	}
	for i, step := range []struct {
		via        PeerID
		epoch, seq uint64
		want       PeerID
	}{
		{"b", 1, 1, "b"},
		{"c", 1, 1, "b"}, // again, by another way
		{"c", 1, 2, "c"},
		{"b", 1, 1, "c"}, // an old one
		{"b", 2, 1, "b"}, // the origin has started anew
		{"c", 1, 9, "b"},
	} {
		learn("origin", step.via, step.epoch, step.seq)
		if got := s.routes["origin"].Via; got != step.want {
			t.Errorf("step %d: the route goes by %q, want %q", i, got, step.want)
		}
	}
	learn("self", "b", 1, 1)
	learn("nobody", "b", 1, 1) // without a presence
	learn("another", "c", 1, 1)
	all := s.Routes()
	if len(all) != 2 || all[0].Origin != "another" || all[1].Origin != "origin" {
		t.Errorf("routes: %+v", all)
	}
}
