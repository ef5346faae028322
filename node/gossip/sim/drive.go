package sim

import (
	"time"

	"hearsay/node/gossip"
)

func (n *Network) at(t time.Duration, do func()) {
	n.queue.push(t, planned{kind: doing, do: do})
}

// later plans something for a node, to be dropped if it restarts before.
func (n *Network) later(nd *node, d time.Duration, ev gossip.Event) {
	n.queue.push(n.now+d, planned{kind: giving, nd: nd, run: nd.run, ev: ev})
}

// happen does what was planned.
func (n *Network) happen(p planned) {
	switch p.kind {
	case doing:
		p.do()
	case giving:
		if p.nd.up && p.nd.run == p.run {
			n.give(p.nd, p.ev)
		}
	case waking:
		if p.nd.up && p.nd.run == p.run && p.nd.wake == n.now {
			p.nd.wake = never
			n.give(p.nd, gossip.Tick{})
		}
	case arriving:
		if to := p.w.to; to.up && to.run == p.run && !p.w.broken {
			n.give(to, gossip.Received{From: p.w.from.id, Msg: p.msg})
		}
	case writing:
		n.written(p.w, p.msg)
	}
}

// give lets a node work off an event: at once, or when it has time.
func (n *Network) give(nd *node, ev gossip.Event) {
	if !nd.up {
		return
	}
	if nd.pause == 0 && nd.free <= n.now {
		n.handle(nd, ev)
		return
	}
	nd.free = max(nd.free, n.now) + nd.pause
	run := nd.run
	n.at(nd.free, func() {
		if nd.up && nd.run == run {
			n.handle(nd, ev)
		}
	})
}

// handle gives an event to a core and carries out what it wants done. Messages
// that found no room come back to it before anything else does.
func (n *Network) handle(nd *node, ev gossip.Event) {
	var dropped []gossip.Event
	for {
		n.note(nd, ev)
		nd.core.Handle(n.clock(nd), ev, &nd.actions)
		actions := nd.actions
		nd.actions = nil // carrying out may come back here
		for _, a := range actions {
			if s, ok := a.(gossip.Seal); ok { // modules are told what is being sealed
				n.seal(nd, s.Rumor)
			}
		}
		for _, a := range actions {
			if s, ok := a.(gossip.Send); ok {
				if w := nd.wires[s.To]; w != nil && !w.closing && !n.send(w, s.Msg, s.Urgent) {
					dropped = append(dropped, gossip.SendDropped{To: s.To, Msg: s.Msg})
				}
				continue
			}
			n.carryOut(nd, a)
		}
		clear(actions)
		nd.actions = actions[:0]
		if !nd.up {
			return
		}
		if len(dropped) == 0 {
			break
		}
		ev, dropped = dropped[0], dropped[1:]
	}
	n.plan(nd)
	n.inspect(nd)
}

// plan sees to the core's next Tick.
func (n *Network) plan(nd *node) {
	deadline := nd.core.Deadline()
	if deadline.IsZero() {
		return
	}
	if d := max(steady(deadline), n.now); nd.wake == never || d < nd.wake {
		nd.wake = d
		n.queue.push(d, planned{kind: waking, nd: nd, run: nd.run})
	}
}

func (n *Network) carryOut(nd *node, a gossip.Action) {
	switch a := a.(type) {
	case gossip.Deliver:
		n.told(nd, a)
	case gossip.Published:
		n.acknowledged(a)
	case gossip.RaiseEpoch:
		nd.epoch = max(a.Above+1, uint64(n.clock(nd).UnixMilli()))
		n.later(nd, 0, gossip.EpochRaised{Epoch: nd.epoch})
	case gossip.Dial:
		if after := n.dialTime(nd, n.byID[a.Peer]); a.Probe {
			n.probe(nd, a.Peer, after)
		} else {
			n.dial(nd, a.Peer, nd.run, after)
		}
	case gossip.Hangup:
		if w := nd.wires[a.Peer]; w != nil {
			n.hangup(w, a.Now)
		}
	case gossip.Farewell:
		n.down(nd)
	case gossip.Seal, gossip.PeerEvent, gossip.PeerKey, gossip.Refused:
	}
}

// note adds an event to the trace and to the statistics.
func (n *Network) note(nd *node, ev gossip.Event) {
	n.stats.Events++
	detail := uint64(5)
	nd.brought = nil
	switch ev := ev.(type) {
	case gossip.Received:
		detail = n.arrived(nd, ev)
	case gossip.Tick:
		detail = 1
	case gossip.Vote:
		detail = 2
	case gossip.LinkUp:
		detail = 3
	case gossip.LinkDown:
		detail = 4
	}
	n.mix(uint64(n.now))
	n.mix(uint64(nd.index)<<40 | detail)
}

// mix adds a number to the trace.
func (n *Network) mix(x uint64) {
	n.trace = (n.trace ^ x) * 0x9e3779b97f4a7c15
	n.trace ^= n.trace >> 29
}

// verifier stands in for cryptography: a signature begins with the ID that it
// is over, and is as long as a real one.
type verifier struct{}

const signatureSize = 64

func sign(r *gossip.Rumor) []byte {
	s := make([]byte, signatureSize)
	copy(s, r.ID[:])
	return s
}

func (verifier) Work(_ gossip.RumorID, nonce uint64) bool { return nonce != 0 }

func (verifier) Signature(r *gossip.Rumor) bool {
	return len(r.Signature) == signatureSize && string(r.Signature[:len(r.ID)]) == string(r.ID[:])
}
