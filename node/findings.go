package node

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	manet "github.com/multiformats/go-multiaddr/net"

	"hearsay/discovery"
	"hearsay/discovery/aligned"
	"hearsay/node/gossip"
	"hearsay/node/health"
	"hearsay/node/transport"
)

// healthPause is how often the node looks at itself. Delays of findings are at
// least twice that, or none.
const healthPause = 5 * time.Second

// coreAge is how old what is known of the core may be when nobody asks: every look
// into it interrupts the loop.
const coreAge = 2 * healthPause

// healthWatch is what the node thinks of its own health.
type healthWatch struct {
	monitor health.Monitor

	mu       sync.Mutex
	judge    health.Judge
	reported []health.Condition // from outside
	core     coreFacts
}

// coreFacts is what of the core has to do with health.
type coreFacts struct {
	gossip.Brief
	at time.Time // of the look, zero = there was none
}

// troubles are failures that last, in the system's words.
type troubles struct{ epoch, journal, mail string }

// trouble notes, or with nil clears, one of the node's troubles.
func (n *Node) trouble(which *string, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if *which = ""; err != nil {
		*which = err.Error()
	}
}

// Findings is what a user should know of the node's health, the worst first.
// Doctor, dashboard and metrics show these and no others.
func (n *Node) Findings() []health.Finding {
	n.examine(0)
	return n.health.monitor.Findings(time.Now())
}

// Report adds a condition that the node cannot see itself, such as a port of its
// surroundings that was moved. It holds until the node stops.
func (n *Node) Report(c health.Condition) {
	n.health.mu.Lock()
	defer n.health.mu.Unlock()
	n.health.reported = append(n.health.reported, c)
}

// watchHealth looks at the node again and again, so that it is known since when
// something is amiss.
func (n *Node) watchHealth(ctx context.Context) {
	tick := time.NewTimer(aligned.Next(healthPause))
	defer tick.Stop()
	for {
		n.examine(coreAge)
		select {
		case <-tick.C:
			tick.Reset(aligned.Next(healthPause))
		case <-ctx.Done():
			return
		}
	}
}

// examine looks at the node once, with what is known of the core if that is not
// too old.
func (n *Node) examine(old time.Duration) {
	f := n.facts(old)
	n.health.mu.Lock()
	defer n.health.mu.Unlock()
	n.health.monitor.Update(f.Now, append(n.health.judge.Conditions(f), n.health.reported...))
}

// lookAtCore is what is known of the core if that is not too old, or what it says
// now. It returns false while the loop stands still.
func (n *Node) lookAtCore(old time.Duration) (coreFacts, bool) {
	n.health.mu.Lock()
	c := n.health.core
	n.health.mu.Unlock()
	if !c.at.IsZero() && time.Since(c.at) < old {
		select {
		case <-n.watchdog.standing():
			return coreFacts{}, false
		default:
			return c, true
		}
	}
	b, turns := n.coreBriefInTime()
	if !turns {
		return coreFacts{}, false
	}
	c = coreFacts{at: time.Now(), Brief: b}
	n.health.mu.Lock()
	defer n.health.mu.Unlock()
	n.health.core = c
	return c, true
}

// facts is what the node knows of itself.
func (n *Node) facts(old time.Duration) health.Facts {
	core, turns := n.lookAtCore(old)
	if !turns {
		return health.Facts{Now: time.Now(), Stuck: true}
	}
	links := n.links.Links()
	found := n.finder.Status()
	f := health.Facts{
		Now:           time.Now(),
		Started:       n.started,
		Neighbours:    len(links),
		Unreached:     core.Unreached,
		MustListen:    len(n.cfg.Listen) > 0,
		Ways:          len(n.cfg.Contacts) > 0 || n.cfg.MDNS || core.Candidates > 0,
		Difficulty:    n.cfg.DifficultyBits,
		BadWork:       core.Counters.BadWork,
		VotesTimedOut: core.Counters.VotesTimedOut,
		Lags:          core.Counters.Lags,
		StateDir:      n.cfg.StateDir,
		DiskFree:      -1,
	}
	for _, a := range n.host.Network().ListenAddresses() {
		if manet.IsThinWaist(a) { // not the one that stands for relays
			f.Listens = append(f.Listens, a.String())
		}
	}
	for _, c := range found.Contacts {
		if c.LastError != "" && c.State != discovery.ContactConnected {
			f.Contacts = append(f.Contacts, health.Contact{Address: c.Address, Error: c.LastError})
		}
	}
	f.Multicast = multicastFacts(found.MDNS)
	if core.CopiedBy != "" {
		f.Copied = peer.ID(core.CopiedBy).String()
	}
	if n.cfg.StateDir != "" {
		f.DiskFree = health.DiskFree(n.cfg.StateDir)
		f.Quarantined = n.journal.Quarantined()
	}
	f.OpenFiles, f.MaxFiles = health.Files()
	n.mu.Lock()
	f.EpochError, f.JournalError, f.MailError = n.troubles.epoch, n.troubles.journal, n.troubles.mail
	n.mu.Unlock()
	for _, l := range links {
		if l.Relayed {
			f.Relayed++
		}
		if l.ToldTime {
			f.Clocks = append(f.Clocks, l.Ahead)
		}
		if l.Work != 0 && int(l.Work)-1 != n.cfg.DifficultyBits {
			if f.Difficulties == nil {
				f.Difficulties = make(map[string]int)
			}
			f.Difficulties[peer.ID(l.Peer).String()] = int(l.Work) - 1
		}
	}
	met := func(kind error) (all []health.Met) {
		for p, at := range n.links.Failures(kind) {
			all = append(all, health.Met{Who: peer.ID(p).String(), At: at})
		}
		slices.SortFunc(all, func(a, b health.Met) int { return cmp.Compare(a.Who, b.Who) })
		return all
	}
	f.OtherKey, f.OtherNetwork = met(transport.ErrHandshake), met(transport.ErrNetwork)
	for _, c := range found.Contacts {
		if c.Foreign {
			f.OtherKey = append(f.OtherKey, health.Met{Who: c.Address, At: f.Now})
		}
	}
	f.Reach = n.Reach()
	f.Closed = n.cfg.NetworkKey != nil
	f.Refused = n.gate.keptOut()
	return f
}

// multicastFacts is what finding nodes by mDNS has to do with health.
func multicastFacts(m discovery.MechanismStatus) health.Multicast {
	if !m.On {
		return health.Multicast{}
	}
	return health.Multicast{On: true, Running: m.Running, Error: m.LastError, Flooded: m.Flooded, Unfit: health.Unfit()}
}
