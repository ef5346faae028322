package maelstrom

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"hearsay/node/gossip"
	"hearsay/node/wire"
)

// topologyPatience is how long a topology request may wait for the links that it
// asks for. It is less than the five seconds after which clients give up.
const topologyPatience = 3 * time.Second

// Node is one node of a Maelstrom test: the driver of a core. It is not safe
// for concurrent use and has no clock of its own: whoever owns it gives it lines
// and the time, as [Serve] and [Run] do.
type Node struct {
	cfg  Config
	send func(line []byte)
	now  time.Time

	id      string        // what lines call it, and from init on its name
	core    *gossip.State // nil until init
	links   map[string]*link
	order   []*link // of links, by peer
	events  []gossip.Event
	dropped []gossip.Event // go before events
	out     gossip.Actions
	busy    bool // events are being handled

	seen    map[int64]bool
	values  []int64 // in the order of their coming
	tickets map[uint64]asked
	ticket  uint64

	topology asked // a request that waits for links
	wanted   []string
	patience time.Time // until when it waits, zero = there is none

	stats Stats
}

// asked is a request that has not been answered.
type asked struct {
	client string
	id     *int64
}

// Stats are what a node sent to other nodes. They only grow.
type Stats struct {
	Datagrams uint64 // messages, as Maelstrom counts them
	Acks      uint64 // of them: with nothing but an acknowledgement
	Repeats   uint64 // of them: sent again, or opening a link
	Closes    uint64 // of them: ending one
	// Frames counts the core's messages by kind; several share a datagram.
	Frames map[string]uint64
	// Core is what the core counted.
	Core gossip.Counters
}

// trusting is the verifier of a test whose nodes trust each other.
type trusting struct{}

func (trusting) Work(gossip.RumorID, uint64) bool { return true }
func (trusting) Signature(*gossip.Rumor) bool     { return true }

// NewNode makes a node that waits for its init request. It hands each line that
// it says to send, without a line break; the bytes are send's to keep.
func NewNode(cfg Config, send func(line []byte)) *Node {
	if cfg.Rand == nil {
		cfg.Rand = rand.New(rand.NewPCG(cfg.Epoch, 1))
	}
	if cfg.Log == nil {
		cfg.Log = func(error) {}
	}
	return &Node{
		cfg:     cfg,
		send:    send,
		links:   make(map[string]*link),
		seen:    make(map[int64]bool),
		tickets: make(map[uint64]asked),
		stats:   Stats{Frames: make(map[string]uint64)},
	}
}

// Values returns the values that the node has seen, in the order of their
// coming. They are the node's: do not change them.
func (n *Node) Values() []int64 { return n.values }

// Stats returns what the node has sent so far.
func (n *Node) Stats() Stats {
	st := n.stats
	if n.core != nil {
		st.Core = n.core.Status().Counters
	}
	return st
}

// Handle takes in one line.
func (n *Node) Handle(now time.Time, line []byte) {
	n.now = now
	env, req, err := parseLine(line)
	switch {
	case env == nil:
		n.cfg.Log(err)
		return
	case n.core == nil:
		n.id = env.Dest
		if err == nil {
			err = n.onRequest(env, req)
		}
	case err == nil && req.Type == typeGossip:
		if err = n.onDatagram(env); err != nil {
			n.cfg.Log(err)
		}
	case err == nil:
		err = n.onRequest(env, req)
	}
	if r := new(refusal); errors.As(err, &r) {
		n.reply(asked{env.Src, req.ID}, reply{Type: "error", Code: &r.code, Text: r.text})
	}
	n.flush()
}

// Tick lets time pass. It is due at Deadline.
func (n *Node) Tick(now time.Time) {
	n.now = now
	if n.core == nil {
		return
	}
	for _, l := range n.order {
		if l.phase == dialling && !now.Before(l.since.Add(dialPatience)) {
			l.end()
			n.handle(gossip.DialFailed{Peer: gossip.PeerID(l.peer)})
		}
	}
	n.handle(gossip.Tick{})
	n.flush()
}

// Deadline is when the node needs a Tick if no line comes before; the zero time
// means never.
func (n *Node) Deadline() time.Time {
	if n.core == nil {
		return time.Time{}
	}
	first := n.core.Deadline()
	sooner := func(t time.Time) {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	sooner(n.patience)
	for _, l := range n.order {
		sooner(l.deadline())
		if l.phase == dialling {
			sooner(l.since.Add(dialPatience))
		}
	}
	return first
}

// onRequest answers a client, now or later.
func (n *Node) onRequest(env *envelope, req *request) error {
	from := asked{env.Src, req.ID}
	switch {
	case req.Type == "init":
		if err := n.onInit(req); err != nil {
			return err
		}
		n.reply(from, reply{Type: "init_ok"})
		return nil
	case n.core == nil:
		return refuse(Unavailable, "the node has not been initialised")
	}
	switch req.Type {
	case "topology":
		return n.onTopology(from, req)
	case "broadcast":
		v, err := req.value()
		if err != nil {
			return err
		}
		if n.seen[v] {
			n.reply(from, reply{Type: "broadcast_ok"})
			return nil
		}
		n.ticket++
		n.tickets[n.ticket] = from
		n.handle(gossip.Publish{Ticket: n.ticket, Kind: gossip.KindEvent, DataType: dataType, Payload: strconv.AppendInt(nil, v, 10)})
		return nil
	case "read":
		values := append([]int64{}, n.values...)
		n.reply(from, reply{Type: "read_ok", Messages: &values})
		return nil
	}
	return refuse(NotSupported, "there is no request %.40q", req.Type)
}

func (n *Node) onInit(req *request) error {
	switch {
	case n.core != nil:
		return refuse(PreconditionFailed, "the node is %s already", n.id)
	case req.NodeID == "" || !slices.Contains(req.NodeIDs, req.NodeID):
		return refuse(Malformed, "init: node_id %.40q is not among node_ids", req.NodeID)
	}
	cfg := n.cfg.Core
	cfg.Self = gossip.PeerID(req.NodeID)
	cfg.Epoch = n.cfg.Epoch
	cfg.Rand = n.cfg.Rand
	cfg.Verifier = trusting{}
	core, err := gossip.New(cfg)
	if err != nil {
		return refuse(Malformed, "%v", err)
	}
	n.id, n.core = req.NodeID, core
	for _, peer := range req.NodeIDs {
		if peer != n.id && n.links[peer] == nil {
			l := &link{peer: peer}
			n.links[peer] = l
			n.order = append(n.order, l)
		}
	}
	n.handle(gossip.Subscribe{Module: 1, DataType: dataType})
	return nil
}

// onTopology dials the neighbours that the node is to have. The request is
// answered when they are there, so that clients who wait for it begin when the
// network is one.
func (n *Node) onTopology(from asked, req *request) error {
	if req.Topology == nil {
		return refuse(Malformed, "topology without a topology")
	}
	var wanted []string
	for _, peer := range req.Topology[n.id] {
		if n.links[peer] == nil {
			return refuse(Malformed, "topology: there is no node %.40q", peer)
		}
		wanted = append(wanted, peer)
	}
	if !n.patience.IsZero() {
		n.reply(n.topology, reply{Type: "topology_ok"})
	}
	n.topology, n.wanted, n.patience = from, wanted, n.now.Add(topologyPatience)
	for _, peer := range wanted {
		n.handle(gossip.Candidate{Peer: gossip.PeerID(peer), Source: gossip.SourceLAN})
	}
	return nil
}

// linked answers the topology request when its links are there, or do not come.
func (n *Node) linked() {
	if n.patience.IsZero() {
		return
	}
	missing := slices.ContainsFunc(n.wanted, func(peer string) bool { return n.links[peer].got == 0 })
	if !missing || !n.now.Before(n.patience) {
		n.patience = time.Time{}
		n.reply(n.topology, reply{Type: "topology_ok"})
	}
}

// onDatagram takes in what another node sent.
func (n *Node) onDatagram(env *envelope) error {
	l := n.links[env.Src]
	if l == nil {
		return fmt.Errorf("maelstrom: a datagram of %.40q, which is no other node", env.Src)
	}
	d := new(datagram)
	if err := json.Unmarshal(env.Body, d); err != nil {
		return fmt.Errorf("maelstrom: a datagram of %s that cannot be read: %s", l.peer, jsonCause(err))
	}
	if d.Link == 0 {
		return fmt.Errorf("maelstrom: a datagram of %s without a link", l.peer)
	}
	switch {
	case d.Link < l.number:
		return nil // of a link that is past
	case d.Link == l.number && l.phase == closed:
		if !d.Close {
			n.datagram(l, &datagram{Type: typeGossip, Link: l.number, Close: true})
		}
		return nil
	case d.Close:
		n.down(l, d.Link)
		return nil
	case d.Link > l.number:
		n.down(l, d.Link)
		l.begin(d.Link, open, n.now)
		n.handle(gossip.LinkUp{Peer: gossip.PeerID(l.peer)})
	case l.phase == dialling:
		l.begin(d.Link, open, n.now)
		n.handle(gossip.LinkUp{Peer: gossip.PeerID(l.peer), Dialled: true})
	}
	if l.phase != open || l.number != d.Link {
		return nil // the core did not want it
	}
	err := l.acknowledged(d.Ack, n.now, n.cfg.Retransmit)
	var frames [][]byte
	if err == nil {
		frames, err = l.receive(d, n.now, n.cfg.AckDelay)
	}
	for _, frame := range frames {
		var m gossip.Message
		if m, err = wire.Decode(frame); err != nil {
			break
		}
		if l.phase == open && l.number == d.Link && m != nil {
			n.handle(gossip.Received{From: gossip.PeerID(l.peer), Msg: m})
		}
	}
	if err != nil {
		n.datagram(l, &datagram{Type: typeGossip, Link: l.number, Close: true})
		n.down(l, l.number)
	}
	return err
}

// down ends the link to a peer, if there is one, because of what the peer said
// about the link of the given number.
func (n *Node) down(l *link, number uint64) {
	was := l.phase
	l.end()
	l.number = number
	switch was {
	case open:
		n.handle(gossip.LinkDown{Peer: gossip.PeerID(l.peer)})
	case dialling:
		n.handle(gossip.DialFailed{Peer: gossip.PeerID(l.peer)})
	}
}

// handle gives an event to the core and carries out what it wants done. An
// event that comes of carrying out waits for its turn.
func (n *Node) handle(ev gossip.Event) {
	n.events = append(n.events, ev)
	if n.busy {
		return
	}
	n.busy = true
	for len(n.events)+len(n.dropped) > 0 {
		from := &n.events
		if len(n.dropped) > 0 {
			from = &n.dropped
		}
		ev, *from = (*from)[0], (*from)[1:]
		n.out = n.out[:0]
		n.core.Handle(n.now, ev, &n.out)
		for _, a := range n.out {
			n.carryOut(a)
		}
	}
	n.events, n.dropped = n.events[:0], n.dropped[:0]
	n.busy = false
}

func (n *Node) carryOut(a gossip.Action) {
	switch a := a.(type) {
	case gossip.Send:
		l := n.links[string(a.To)]
		if l == nil || l.phase != open {
			return
		}
		frame, err := wire.AppendFrame(nil, a.Msg)
		if err != nil {
			n.cfg.Log(err) // cannot be: the core keeps to its limits
			return
		}
		if !l.queue(frame, n.now, n.cfg.Gather) {
			n.dropped = append(n.dropped, gossip.SendDropped{To: a.To, Msg: a.Msg})
			return
		}
		n.stats.Frames[fmt.Sprintf("%T", a.Msg)[len("*gossip."):]]++
	case gossip.Deliver:
		if v, err := strconv.ParseInt(string(a.Rumor.Payload), 10, 64); err == nil && !n.seen[v] {
			n.seen[v] = true
			n.values = append(n.values, v)
		}
	case gossip.Seal:
		n.handle(gossip.Sealed{Rumor: a.Rumor})
	case gossip.Published:
		n.reply(n.tickets[a.Ticket], reply{Type: "broadcast_ok"})
		delete(n.tickets, a.Ticket)
	case gossip.Refused:
		code := Unavailable
		n.reply(n.tickets[a.Ticket], reply{Type: "error", Code: &code, Text: a.Err.Error()})
		delete(n.tickets, a.Ticket)
	case gossip.RaiseEpoch:
		n.handle(gossip.EpochRaised{Epoch: max(a.Above+1, uint64(n.now.UnixMilli()))})
	case gossip.Dial:
		l := n.links[string(a.Peer)]
		switch {
		case l == nil:
			n.handle(gossip.DialFailed{Peer: a.Peer})
		case l.phase == closed:
			l.begin(l.number+1, dialling, n.now)
			l.again = n.now
		}
	case gossip.Hangup:
		if l := n.links[string(a.Peer)]; l != nil && l.phase == open {
			if !a.Now {
				n.flushLink(l)
			}
			n.datagram(l, &datagram{Type: typeGossip, Link: l.number, Close: true})
			l.end()
		}
	case gossip.Farewell, gossip.PeerEvent:
	}
}

// flush sends what is due on all links, and what it waited for.
func (n *Node) flush() {
	for _, l := range n.order {
		n.flushLink(l)
	}
	n.linked()
}

func (n *Node) flushLink(l *link) {
	for {
		d, repeats := l.due(n.now, n.cfg.Retransmit)
		switch {
		case d == nil:
			return
		case repeats:
			n.stats.Repeats++
		case len(d.Frames) == 0:
			n.stats.Acks++
		}
		n.datagram(l, d)
	}
}

func (n *Node) datagram(l *link, d *datagram) {
	n.stats.Datagrams++
	if d.Close {
		n.stats.Closes++
	}
	n.line(l.peer, d)
}

func (n *Node) reply(to asked, r reply) {
	if to.client == "" {
		return
	}
	r.To = to.id
	n.line(to.client, r)
}

func (n *Node) line(dest string, body any) {
	b, err := json.Marshal(body)
	if err == nil {
		b, err = json.Marshal(envelope{n.id, dest, b})
	}
	if err != nil {
		n.cfg.Log(err) // cannot be: both are plain data
		return
	}
	n.send(b)
}

// String says what the messages were, most frequent frames first.
func (s Stats) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d messages, of them %d acknowledgements alone, %d repeats and openings, %d closings; in them frames:\n", s.Datagrams, s.Acks, s.Repeats, s.Closes)
	kinds := slices.SortedFunc(maps.Keys(s.Frames), func(a, b string) int {
		return cmp.Or(cmp.Compare(s.Frames[b], s.Frames[a]), cmp.Compare(a, b))
	})
	for _, kind := range kinds {
		fmt.Fprintf(&b, "%9d  %s\n", s.Frames[kind], kind)
	}
	return b.String()
}
