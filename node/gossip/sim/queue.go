package sim

import (
	"time"

	"hearsay/node/gossip"
)

// kind says what an event in the queue does.
type kind uint8

const (
	// doing runs a function.
	doing kind = iota
	// giving hands ev to a node's core, unless the node restarted since.
	giving
	// waking gives a core its Tick, unless another one was planned.
	waking
	// arriving hands what a link carried to the core at its end.
	arriving
	// writing ends the time that a frame takes on a link of limited bandwidth.
	writing
)

// planned is something to happen. Only what its kind needs is set.
type planned struct {
	kind kind
	nd   *node
	run  uint32 // of nd
	w    *wire
	msg  gossip.Message
	ev   gossip.Event
	do   func()
}

// key orders the queue: by time, and what is planned for one time in the order
// in which it was planned.
type key struct {
	at    time.Duration // since the beginning
	order uint64
	slot  uint32 // in queue.slots
}

func (k key) before(l key) bool { return k.at < l.at || k.at == l.at && k.order < l.order }

// queue is a heap of keys with four children a node, which is half as deep as
// one with two and reads as many cache lines on each level. What is planned
// lies still in slots, so that only keys move, and nothing is allocated for it
// once the queue has been as long as it gets.
type queue struct {
	keys  []key
	slots []planned
	free  []uint32
	order uint64
}

func (q *queue) push(at time.Duration, p planned) {
	var slot uint32
	if n := len(q.free); n > 0 {
		slot = q.free[n-1]
		q.free = q.free[:n-1]
		q.slots[slot] = p
	} else {
		slot = uint32(len(q.slots))
		q.slots = append(q.slots, p)
	}
	q.order++
	k := key{at, q.order, slot}
	q.keys = append(q.keys, k)
	i := len(q.keys) - 1
	for i > 0 {
		parent := (i - 1) / 4
		if !k.before(q.keys[parent]) {
			break
		}
		q.keys[i] = q.keys[parent]
		i = parent
	}
	q.keys[i] = k
}

// pop takes out the earliest; the queue must not be empty.
func (q *queue) pop() (time.Duration, planned) {
	top := q.keys[0]
	last := len(q.keys) - 1
	k := q.keys[last]
	q.keys = q.keys[:last]
	if last > 0 {
		i := 0
		for {
			first := 4*i + 1
			if first >= last {
				break
			}
			least := first
			for c := first + 1; c < min(first+4, last); c++ {
				if q.keys[c].before(q.keys[least]) {
					least = c
				}
			}
			if !q.keys[least].before(k) {
				break
			}
			q.keys[i] = q.keys[least]
			i = least
		}
		q.keys[i] = k
	}
	p := q.slots[top.slot]
	q.slots[top.slot] = planned{}
	q.free = append(q.free, top.slot)
	return top.at, p
}
