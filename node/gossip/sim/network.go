package sim

import (
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"hearsay/node/gossip"
)

// Config describes a simulated network.
type Config struct {
	// Seed decides everything that chance decides.
	Seed uint64
	// Nodes is how many there are.
	Nodes int
	// Core has the settings of all nodes; what differs from node to node
	// (identity, epoch, chance, verifier) is filled in.
	Core gossip.Config
	// Latency is the one-way delay of a link, drawn once for each direction of
	// each link: between half and one and a half times this. Links.Delay
	// replaces it.
	Latency time.Duration
	// Links is what links are like beyond that.
	Links LinkModel
	// SealTime is how long proof of work and signature take.
	SealTime time.Duration
	// Contacts is how many random nodes each node knows at its start: earlier
	// ones when it starts first, any when it comes back.
	Contacts int
	// Silent, unless nil, says which nodes do not announce their presence
	// (gossip.Config.Quiet): they find each other by the exchange of peers. A
	// presence from everybody to everybody is most of what a large network costs.
	Silent func(i int) bool
	// Net, unless nil, is the network group of node i's address.
	Net func(i int) gossip.NetGroup
	// Hostile, unless nil, says which nodes keep no promises: nothing is
	// expected at them or of them. Wrap makes them so.
	Hostile func(i int) bool
	// Wrap, unless nil, puts something between the simulator and node i's core,
	// each time it starts: adversaries, and cores that break their promises.
	Wrap func(i int, c Core) Core
	// Drop, unless nil, has links lose the messages for which it says so. Streams
	// do not do that: it is for showing that the simulator notices.
	Drop func(from, to int, msg gossip.Message) bool
	// Record, unless nil, is told of every message that arrives.
	Record func(from, to int, msg gossip.Message)
	// Check is after how many events the books of a core are looked at, that of
	// the last event's node: see gossip.State.Check. 0 = 1,000, negative = never.
	Check int
	// Paths has the shortest ways to all takers worked out when a rumor is
	// published, which Rumors compares with the ways that it took.
	Paths bool
}

// Core is what the simulator needs of a gossip.State.
type Core interface {
	Handle(now time.Time, ev gossip.Event, out *gossip.Actions)
	Deadline() time.Time
	Status() gossip.Status
}

// Network is a simulation.
type Network struct {
	cfg      Config
	rng      *rand.Rand
	now      time.Duration // since the beginning
	queue    queue
	nodes    []*node
	byID     map[gossip.PeerID]*node
	cut      func(a, b int) bool // nil = no partition
	isolated map[int]bool        // cut off from everybody

	trace    uint64
	stats    Stats
	rumors   map[gossip.RumorID]*published
	ordered  []*published // as they were published
	numbers  map[number]*published
	states   map[stateKey]*published // the newest versions
	violated []error
}

// node is one simulated node.
type node struct {
	index    int
	id       gossip.PeerID
	core     Core
	books    checker // of the core, nil if it keeps none
	up       bool
	hostile  bool
	vanished bool   // it went without a word
	run      uint32 // counts its starts
	epoch    uint64 // the last one on its disk
	forgot   bool   // the disk was lost
	// remembered is whom it knew when it went down last.
	remembered []gossip.Candidate
	skew       time.Duration // of its wall clock
	latest     int64         // what that said before it jumped back, Unix ms
	pause      time.Duration // that it takes for each event
	free       time.Duration // when it has worked off what came
	uplink     time.Duration // when it has sent what it began to send
	started    time.Duration
	wake       time.Duration // of the tick in the queue, never = none
	wires      map[gossip.PeerID]*wire
	ending     map[gossip.PeerID][]*wire                    // those leading here whose LinkDown is on its way
	modules    map[gossip.ModuleID]map[uint16]time.Duration // since when each type
	voting     map[gossip.ModuleID]bool
	order      []gossip.ModuleID
	actions    gossip.Actions
	// brought is the rumor in the message being handled, and over how many links
	// it came.
	brought *gossip.Rumor
	hops    uint8
	filled  bool // it came by anti-entropy
}

const never time.Duration = -1

// New makes a network whose nodes are all down; Start brings them up.
func New(cfg Config) *Network {
	n := &Network{
		cfg:      cfg,
		rng:      rand.New(rand.NewPCG(cfg.Seed, 1)),
		byID:     make(map[gossip.PeerID]*node, cfg.Nodes),
		isolated: make(map[int]bool),
		rumors:   make(map[gossip.RumorID]*published),
		numbers:  make(map[number]*published),
		states:   make(map[stateKey]*published),
	}
	for i := range cfg.Nodes {
		// IDs are scattered, as hashes of keys are, so that their order does
		// not follow the order of joining, and have the size of real ones.
		var b [38]byte
		binary.BigEndian.PutUint64(b[:], n.rng.Uint64())
		binary.BigEndian.PutUint32(b[8:], uint32(i))
		nd := &node{
			index:   i,
			id:      gossip.PeerID(b[:]),
			hostile: cfg.Hostile != nil && cfg.Hostile(i),
			modules: make(map[gossip.ModuleID]map[uint16]time.Duration),
			voting:  make(map[gossip.ModuleID]bool),
		}
		n.nodes = append(n.nodes, nd)
		n.byID[nd.id] = nd
	}
	return n
}

// Start brings node i up after a pause.
func (n *Network) Start(i int, after time.Duration) {
	n.at(n.now+after, func() { n.boot(n.nodes[i]) })
}

func (n *Network) boot(nd *node) {
	if nd.up {
		return
	}
	nd.run++
	nd.epoch = max(nd.epoch+1, uint64(n.clock(nd).UnixMilli()))
	if nd.forgot {
		nd.epoch, nd.forgot, nd.remembered = uint64(nd.run), false, nil
	}
	cfg := n.cfg.Core
	cfg.Self = nd.id
	cfg.Epoch = nd.epoch
	cfg.Rand = rand.New(rand.NewPCG(n.cfg.Seed, uint64(nd.index)<<32|uint64(nd.run)))
	cfg.Verifier = verifier{}
	cfg.Quiet = n.cfg.Silent != nil && n.cfg.Silent(nd.index)
	if n.cfg.Net != nil {
		cfg.NetGroup = func(record []byte) gossip.NetGroup {
			if len(record) == recordSize {
				return n.net(n.byID[gossip.PeerID(record[:len(nd.id)])])
			}
			return ""
		}
	}
	core, err := gossip.New(cfg)
	if err != nil {
		panic(err) // the scenario is wrong
	}
	nd.core, nd.up, nd.vanished, nd.started, nd.wake, nd.free = core, true, false, n.now, never, n.now
	if n.cfg.Wrap != nil {
		nd.core = n.cfg.Wrap(nd.index, core)
	}
	nd.books, _ = nd.core.(checker)
	nd.wires, nd.ending = make(map[gossip.PeerID]*wire), make(map[gossip.PeerID][]*wire)
	for _, p := range n.ordered {
		p.has.clear(nd.index)
	}
	for _, m := range nd.order {
		for _, t := range slices.Sorted(maps.Keys(nd.modules[m])) {
			nd.modules[m][t] = n.now
			n.give(nd, gossip.Subscribe{Module: m, DataType: t, Votes: nd.voting[m]})
		}
	}
	n.give(nd, gossip.SelfRecord{Record: recordOf(nd, cfg.Epoch)})
	earlier := nd.index
	if nd.run > 1 {
		earlier = len(n.nodes)
	}
	for range min(n.cfg.Contacts, earlier) {
		n.give(nd, gossip.Candidate{Peer: n.nodes[n.rng.IntN(earlier)].id, Source: gossip.SourceContact})
	}
	for _, c := range nd.remembered {
		n.give(nd, c)
	}
}

// memory is what a node's journal has of its peers: those that the core would
// dial, and which of them are anchors.
func memory(st gossip.Status) []gossip.Candidate {
	chosen := slices.DeleteFunc(slices.Clone(st.Neighbours), func(l gossip.NeighbourStatus) bool { return !l.Dialled })
	slices.SortStableFunc(chosen, func(a, b gossip.NeighbourStatus) int { return a.Since.Compare(b.Since) })
	chosen = chosen[:min(len(chosen), 2)]
	var known []gossip.Candidate
	for _, c := range st.Candidates {
		if c.Fails == 0 || !c.Met.IsZero() {
			known = append(known, gossip.Candidate{
				Peer: c.Peer, Source: gossip.SourceRemembered, Record: c.Record, Net: c.Net,
				Anchor: slices.ContainsFunc(chosen, func(l gossip.NeighbourStatus) bool { return l.Peer == c.Peer }),
			})
		}
	}
	return known
}

// net is a node's network group.
func (n *Network) net(nd *node) gossip.NetGroup {
	if nd == nil || n.cfg.Net == nil {
		return ""
	}
	return n.cfg.Net(nd.index)
}

// recordSize is about what a signed peer record with two addresses has.
const recordSize = 200

func recordOf(nd *node, seq uint64) gossip.PeerRecord {
	b := make([]byte, recordSize)
	copy(b, nd.id)
	return gossip.PeerRecord{Peer: nd.id, Seq: seq, Bytes: b}
}

// Subscribe makes a module of node i take a data type, from its start if it is
// down; votes says that it validates what it is told, which it does at once.
func (n *Network) Subscribe(i int, m gossip.ModuleID, dataType uint16, votes bool) {
	nd := n.nodes[i]
	if nd.modules[m] == nil {
		nd.modules[m] = make(map[uint16]time.Duration)
		nd.order = append(nd.order, m)
	}
	nd.modules[m][dataType] = n.now
	nd.voting[m] = votes
	if nd.up {
		n.give(nd, gossip.Subscribe{Module: m, DataType: dataType, Votes: votes})
	}
}

// Publish announces data at node i in the name of no module.
func (n *Network) Publish(i int, dataType uint16, ttl uint8, payload []byte) {
	n.Announce(i, gossip.Publish{Kind: gossip.KindEvent, DataType: dataType, TTL: ttl, Payload: payload})
}

// Announce has node i publish what ev says, if it is up.
func (n *Network) Announce(i int, ev gossip.Publish) {
	if nd := n.nodes[i]; nd.up {
		n.give(nd, ev)
	}
}

// At plans something for a time from now on, between two events.
func (n *Network) At(after time.Duration, do func()) { n.at(n.now+after, do) }

// Run lets virtual time pass.
func (n *Network) Run(d time.Duration) {
	end := n.now + d
	for len(n.queue.keys) > 0 && n.queue.keys[0].at <= end {
		at, p := n.queue.pop()
		n.now = at
		n.happen(p)
	}
	n.now = end
}

// Now is the virtual time since the beginning.
func (n *Network) Now() time.Duration { return n.now }

// Nodes is how many nodes there are, up or down.
func (n *Network) Nodes() int { return len(n.nodes) }

// Peer is the ID of node i.
func (n *Network) Peer(i int) gossip.PeerID { return n.nodes[i].id }

// Trace is a hash over everything that happened.
func (n *Network) Trace() uint64 { return n.trace }
