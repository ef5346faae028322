package sim

import (
	"container/heap"
	"encoding/binary"
	"fmt"
	"hash"
	"hash/fnv"
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
	// each link: between half and one and a half times this.
	Latency time.Duration
	// SealTime is how long proof of work and signature take.
	SealTime time.Duration
	// Contacts is how many random nodes each node knows at its start: earlier
	// ones when it starts first, any when it comes back.
	Contacts int
	// Silent, unless nil, says which nodes do not announce their presence. A
	// presence from everybody to everybody is most of what a large network costs.
	Silent func(i int) bool
	// Wrap, unless nil, puts something between the simulator and node i's core,
	// each time it starts: adversaries, and cores that break their promises.
	Wrap func(i int, c Core) Core
	// Drop, unless nil, has links lose the messages for which it says so. Streams
	// do not do that: it is for showing that the simulator notices.
	Drop func(from, to int, msg gossip.Message) bool
}

// Core is what the simulator needs of a gossip.State.
type Core interface {
	Handle(now time.Time, ev gossip.Event, out *gossip.Actions)
	Deadline() time.Time
	Status() gossip.Status
}

// Network is a simulation.
type Network struct {
	cfg   Config
	rng   *rand.Rand
	now   time.Time
	queue queue
	order uint64
	nodes []*node
	byID  map[gossip.PeerID]*node
	links map[pair]*wire
	cut   func(a, b int) bool // nil = no partition

	trace    hash.Hash64
	messages uint64
	rumors   map[gossip.RumorID]*published
	numbers  map[number]gossip.RumorID
	violated []error
}

// published is a rumor and who has been told it.
type published struct {
	r    *gossip.Rumor
	from int
	run  uint64 // of that node
	at   time.Time
	// acked says that its node reported it as published. Before that it may be
	// refused, or numbered anew.
	acked bool
	told  map[module]time.Time
}

// module is a session of a local module. It ends when its node goes down.
type module struct {
	node int
	run  uint64
	id   gossip.ModuleID
}

// number is what an origin may use once.
type number struct {
	origin     gossip.PeerID
	epoch, seq uint64
}

type pair struct{ from, to int }

// wire is one direction of a link.
type wire struct {
	latency time.Duration
	free    time.Time // when the last message arrives: order is kept
	held    []gossip.Message
}

// node is one simulated node.
type node struct {
	index  int
	id     gossip.PeerID
	core   Core
	up     bool
	run    uint64 // counts its starts
	epoch  uint64 // the last one on its disk
	forgot bool   // the disk was lost
	// remembered are the neighbours that it had when it went down last.
	remembered []int
	skew       time.Duration // of its clock
	started    time.Time
	wake       time.Time // of the tick in the queue, zero = none
	linked     map[int]bool
	ending     map[int]bool                             // links whose LinkDown is on its way
	modules    map[gossip.ModuleID]map[uint16]time.Time // since when each type
	voting     map[gossip.ModuleID]bool
	order      []gossip.ModuleID
	actions    gossip.Actions
}

// start is an arbitrary moment; it is fixed so that stamps repeat.
var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// New makes a network whose nodes are all down; Start brings them up.
func New(cfg Config) *Network {
	n := &Network{
		cfg:     cfg,
		rng:     rand.New(rand.NewPCG(cfg.Seed, 1)),
		now:     start,
		byID:    make(map[gossip.PeerID]*node),
		links:   make(map[pair]*wire),
		trace:   fnv.New64a(),
		rumors:  make(map[gossip.RumorID]*published),
		numbers: make(map[number]gossip.RumorID),
	}
	for i := range cfg.Nodes {
		// IDs are scattered, as hashes of keys are, so that their order does
		// not follow the order of joining.
		var b [10]byte
		binary.BigEndian.PutUint64(b[:], n.rng.Uint64())
		binary.BigEndian.PutUint16(b[8:], uint16(i))
		nd := &node{
			index:   i,
			id:      gossip.PeerID(b[:]),
			modules: make(map[gossip.ModuleID]map[uint16]time.Time),
			voting:  make(map[gossip.ModuleID]bool),
		}
		n.nodes = append(n.nodes, nd)
		n.byID[nd.id] = nd
	}
	return n
}

// Start brings node i up after a pause.
func (n *Network) Start(i int, after time.Duration) {
	n.at(n.now.Add(after), func() { n.boot(n.nodes[i]) })
}

func (n *Network) boot(nd *node) {
	nd.run++
	nd.epoch = max(nd.epoch+1, uint64(n.clock(nd).UnixMilli()))
	if nd.forgot {
		nd.epoch, nd.forgot, nd.remembered = nd.run, false, nil
	}
	cfg := n.cfg.Core
	cfg.Self = nd.id
	cfg.Epoch = nd.epoch
	cfg.Rand = rand.New(rand.NewPCG(n.cfg.Seed, uint64(nd.index)<<32|nd.run))
	cfg.Verifier = verifier{}
	core, err := gossip.New(cfg)
	if err != nil {
		panic(err) // the scenario is wrong
	}
	nd.core, nd.up, nd.started, nd.wake = core, true, n.now, time.Time{}
	if n.cfg.Wrap != nil {
		nd.core = n.cfg.Wrap(nd.index, core)
	}
	nd.linked, nd.ending = make(map[int]bool), make(map[int]bool)
	for _, m := range nd.order {
		for _, t := range slices.Sorted(maps.Keys(nd.modules[m])) {
			nd.modules[m][t] = n.now
			n.handle(nd, gossip.Subscribe{Module: m, DataType: t, Votes: nd.voting[m]})
		}
	}
	if n.cfg.Silent == nil || !n.cfg.Silent(nd.index) {
		n.handle(nd, gossip.SelfRecord{Record: gossip.PeerRecord{Peer: nd.id, Seq: cfg.Epoch, Bytes: []byte(nd.id)}})
	}
	earlier := nd.index
	if nd.run > 1 {
		earlier = len(n.nodes)
	}
	for range min(n.cfg.Contacts, earlier) {
		n.handle(nd, gossip.Candidate{Peer: n.nodes[n.rng.IntN(earlier)].id, Source: gossip.SourceContact})
	}
	for _, j := range nd.remembered {
		n.handle(nd, gossip.Candidate{Peer: n.nodes[j].id, Source: gossip.SourceRemembered})
	}
}

// Subscribe makes a module of node i take a data type, from its start if it is
// down; votes says that it validates what it is told, which it does at once.
func (n *Network) Subscribe(i int, m gossip.ModuleID, dataType uint16, votes bool) {
	nd := n.nodes[i]
	if nd.modules[m] == nil {
		nd.modules[m] = make(map[uint16]time.Time)
		nd.order = append(nd.order, m)
	}
	nd.modules[m][dataType] = n.now
	nd.voting[m] = votes
	n.handle(nd, gossip.Subscribe{Module: m, DataType: dataType, Votes: votes})
}

// Publish announces data at node i in the name of no module.
func (n *Network) Publish(i int, dataType uint16, ttl uint8, payload []byte) {
	n.handle(n.nodes[i], gossip.Publish{Kind: gossip.KindEvent, DataType: dataType, TTL: ttl, Payload: payload})
}

// Run lets virtual time pass.
func (n *Network) Run(d time.Duration) {
	end := n.now.Add(d)
	for len(n.queue) > 0 && !n.queue[0].at.After(end) {
		it := heap.Pop(&n.queue).(item)
		n.now = it.at
		it.do()
	}
	n.now = end
}

// Now is the virtual time since the beginning.
func (n *Network) Now() time.Duration { return n.now.Sub(start) }

// Trace is a hash over everything that happened so far.
func (n *Network) Trace() uint64 { return n.trace.Sum64() }

// Messages is how many messages were sent so far.
func (n *Network) Messages() uint64 { return n.messages }

// Violations are the broken promises seen so far.
func (n *Network) Violations() []error { return n.violated }

// Status looks into node i's core; it fails if the node is down.
func (n *Network) Status(i int) (gossip.Status, error) {
	if !n.nodes[i].up {
		return gossip.Status{}, fmt.Errorf("node %d is down", i)
	}
	return n.nodes[i].core.Status(), nil
}

// Missing lists the deliveries that are outstanding: what a node that is up has
// been told, or published, in its present run, every module of every node that
// is up must have been told, if it took the type when the rumor was published
// or ever since its node started. Rumors that have expired, and those with a
// TTL, are not counted.
func (n *Network) Missing() []string {
	var missing []string
	for _, p := range n.rumors {
		if !p.acked || p.r.TTL != 0 || p.r.Expires <= n.now.Add(maxSkew).UnixMilli() || !n.known(p) {
			continue
		}
		for _, nd := range n.nodes {
			for _, id := range nd.order {
				since, takes := nd.modules[id][p.r.DataType]
				_, told := p.told[module{nd.index, nd.run, id}]
				if nd.up && takes && !told && (!since.After(p.at) || since.Equal(nd.started)) {
					missing = append(missing, fmt.Sprintf("rumor %v of node %d at node %d, module %d", p.r.ID, p.from, nd.index, id))
				}
			}
		}
	}
	slices.Sort(missing)
	return missing
}

// known reports whether a node that is up must have a rumor.
func (n *Network) known(p *published) bool {
	if from := n.nodes[p.from]; from.up && from.run == p.run {
		return true
	}
	for m := range p.told {
		if nd := n.nodes[m.node]; nd.up && nd.run == m.run {
			return true
		}
	}
	return false
}

// LastDelivery is the longest time that any rumor took to any module.
func (n *Network) LastDelivery() time.Duration {
	var last time.Duration
	for _, p := range n.rumors {
		for _, at := range p.told {
			last = max(last, at.Sub(p.at))
		}
	}
	return last
}
