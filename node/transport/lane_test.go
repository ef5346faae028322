package transport

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"hearsay/node/gossip"
	"hearsay/node/wire"
)

// TestFifo: a fifo gives what it got, in order.
func TestFifo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q fifo
		var model []uint64
		next := uint64(0)
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			for range rapid.IntRange(0, 700).Draw(t, "pushes") {
				q.push(&gossip.Ping{Number: next})
				model = append(model, next)
				next++
			}
			for range rapid.IntRange(0, 700).Draw(t, "pops") {
				if len(model) == 0 {
					break
				}
				if got := q.pop().(*gossip.Ping).Number; got != model[0] {
					t.Fatalf("%d in place of %d", got, model[0])
				}
				model = model[1:]
			}
			if q.len() != len(model) {
				t.Fatalf("length %d, want %d", q.len(), len(model))
			}
		}
	})
}

// newLane is a lane whose writer is not running.
func newLane(id laneID) *lane {
	return &lane{id: id, running: true}
}

// TestQueue: urgent messages go first, both sorts are bounded, and what was
// taken makes room.
func TestQueue(t *testing.T) {
	n := newLane(gossipLane)
	limit := queueLimits[gossipLane]
	for i := range limit.messages {
		if !n.push(&gossip.Ping{Number: uint64(i)}, false) {
			t.Fatalf("message %d does not fit", i)
		}
	}
	if n.push(&gossip.Ping{}, false) {
		t.Error("one more than the limit fits")
	}
	for i := range maxUrgent {
		if !n.push(&gossip.Pong{Number: uint64(i)}, true) {
			t.Fatalf("urgent message %d does not fit", i)
		}
	}
	if n.push(&gossip.Pong{}, true) {
		t.Error("one urgent message more than the limit fits")
	}
	var all []gossip.Message
	for {
		batch, last := n.take(nil)
		if last {
			t.Fatal("an open lane came to its end")
		}
		if len(batch) == 0 {
			break
		}
		all = append(all, batch...)
	}
	if len(all) != limit.messages+maxUrgent {
		t.Fatalf("%d messages", len(all))
	}
	for i, m := range all {
		if i < maxUrgent {
			if p, ok := m.(*gossip.Pong); !ok || p.Number != uint64(i) {
				t.Fatalf("%d: %+v", i, m)
			}
		} else if p, ok := m.(*gossip.Ping); !ok || p.Number != uint64(i-maxUrgent) {
			t.Fatalf("%d: %+v", i, m)
		}
	}
	if messages, bytes := n.queued(); messages != 0 || bytes != 0 {
		t.Errorf("%d messages and %d bytes are left", messages, bytes)
	}
	// By bytes, and in batches of about flushSize.
	large := &gossip.Push{Rumor: newRumor(t, 1, gossip.MaxPayload)}
	fit := 0
	for n.push(large, false) {
		fit++
	}
	if want := limit.bytes / sizeOf(large); fit != want || fit < 60 {
		t.Errorf("%d of the largest fit, want %d", fit, want)
	}
	if batch, _ := n.take(nil); len(batch) != 1 {
		t.Errorf("%d of the largest in one batch", len(batch))
	}
	if !n.push(large, false) {
		t.Error("no room after one was taken")
	}
}

func TestQueueClose(t *testing.T) {
	for how, want := range map[manner][]uint64{
		drain:  {3, 1, 2},
		cut:    {3},
		follow: nil,
	} {
		n := newLane(gossipLane)
		n.push(&gossip.Ping{Number: 1}, false)
		n.push(&gossip.Ping{Number: 2}, false)
		n.push(&gossip.Ping{Number: 3}, true)
		if !n.close(how) {
			t.Error("nothing was urgent")
		}
		var got []uint64
		for {
			batch, last := n.take(nil)
			if last {
				break
			}
			if len(batch) == 0 {
				t.Fatal("a closed lane does not come to its end")
			}
			for _, m := range batch {
				got = append(got, m.(*gossip.Ping).Number)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("manner %d: %v, want %v", how, got, want)
		}
	}
}

// TestSizeOf: what a queue reckons with is close to the frame, and not less by
// more than a little.
func TestSizeOf(t *testing.T) {
	id := gossip.RumorID{31: 1}
	for _, m := range []gossip.Message{
		&gossip.Interests{Types: []uint16{1, 1000, 65535}}, &gossip.Push{Rumor: newRumor(t, 1, 1000)}, &gossip.Fill{Rumor: newRumor(t, 1, 0)},
		&gossip.Receipt{Verdicts: make([]gossip.Verdict, 1000)}, &gossip.Ping{Number: 1 << 63}, &gossip.Pong{}, &gossip.Bye{Reason: 1}, &gossip.PeersRequest{},
		&gossip.PeersRequest{Records: []gossip.PeerRecord{{Bytes: make([]byte, 300)}}},
		&gossip.PeerList{Records: []gossip.PeerRecord{{Bytes: make([]byte, 300)}, {Bytes: make([]byte, 3000)}}},
		&gossip.Want{IDs: make([]gossip.RumorID, 100)},
		&gossip.Sync{Group: 5, Ranges: []gossip.Range{
			{End: gossip.Point{Created: 1 << 60, ID: id}, Mode: gossip.RangeFingerprint}, {Mode: gossip.RangeIDs, IDs: make([]gossip.RumorID, 100)}}},
	} {
		frame, err := wire.AppendFrame(nil, m)
		if err != nil {
			t.Fatal(err)
		}
		if got := sizeOf(m); got < len(frame) || got > len(frame)+150 {
			t.Errorf("%T: %d for a frame of %d bytes", m, got, len(frame))
		}
	}
}
