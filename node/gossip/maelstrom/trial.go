package maelstrom

import (
	"bytes"
	"container/heap"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// Trial is a test of the broadcast workload as Maelstrom runs it: clients of
// every node broadcast numbers and read, then the network heals, rests for ten
// seconds, and every node is read once more.
type Trial struct {
	// Seed decides everything that chance decides.
	Seed uint64
	// Nodes is how many there are.
	Nodes int
	// Topology is what the nodes are told: grid, line, total, tree2, tree3, tree4.
	Topology string
	// Latency is the one-way delay between nodes; clients have none. Spread, if
	// not 0, is added in a random part, so that messages overtake each other.
	Latency, Spread time.Duration
	// Loss is the probability that a message between nodes is lost.
	Loss float64
	// Rate is how many operations begin in a second, half of them broadcasts.
	Rate float64
	// Duration is how long operations begin.
	Duration time.Duration
	// Cuts are the partitions.
	Cuts []Cut
	// Node makes the settings of all nodes; nil is LowLatency.
	Node func() Config
	// Tap, unless nil, is shown every line as it is sent.
	Tap func(at time.Duration, line []byte)
}

// Cut is a partition for a while: what would arrive between nodes for which
// Apart says so is lost.
type Cut struct {
	From, To time.Duration // since the first operation
	Apart    func(a, b int) bool
}

// Report is what came of a trial.
type Report struct {
	Verdict
	// Operations is how many were begun, the last reads among them.
	Operations int `json:"operations"`
	// Messages is how many went between nodes.
	Messages int `json:"messages"`
	// PerOperation is the quotient of the two.
	PerOperation float64 `json:"per_operation"`
	// Sent says what the messages were.
	Sent Stats `json:"sent"`
	// Failed counts the operations that a node refused.
	Failed int `json:"failed"`
}

// recovery is how long Maelstrom waits before it reads for the last time.
const recovery = 10 * time.Second

// StandardTrial is the one that profiles are measured with: 25 nodes, 100 ms,
// 100 operations a second for 20 s.
func StandardTrial(topology string, node func() Config) Trial {
	return Trial{Seed: 1, Nodes: 25, Topology: topology, Latency: 100 * time.Millisecond, Rate: 100, Duration: 20 * time.Second, Node: node}
}

// Halves parts even nodes from odd ones, One the first node from all others, and
// Ring has every node see only those within a quarter of the ring on either side,
// so that majorities overlap.
func Halves(int) func(a, b int) bool { return func(a, b int) bool { return a%2 != b%2 } }

// One is described at Halves.
func One(int) func(a, b int) bool { return func(a, b int) bool { return a == 0 || b == 0 } }

// Ring is described at Halves.
func Ring(nodes int) func(a, b int) bool {
	return func(a, b int) bool {
		d := (a - b + nodes) % nodes
		return min(d, nodes-d) > nodes/4+1
	}
}

// world is a trial while it runs.
type world struct {
	Trial
	ctx     context.Context
	rng     *rand.Rand
	now     time.Time
	begin   time.Time // of the first operation
	queue   agenda
	order   uint64
	nodes   []*Node
	wake    []time.Time // the tick in the agenda for each node, zero = none
	history history
	calls   map[int64]func(body json.RawMessage) // by msg_id
	lastID  int64
	report  Report
}

// start is an arbitrary moment; it is fixed so that stamps repeat.
var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Run runs a trial in virtual time. Equal trials give equal reports. The error is what is
// wrong with the trial, or that of ctx, which can end it.
func Run(ctx context.Context, t Trial) (Report, error) {
	if t.Node == nil {
		t.Node = LowLatency
	}
	if t.Nodes < 1 || t.Rate <= 0 || t.Duration <= 0 || t.Latency < 0 || t.Spread < 0 {
		return Report{}, fmt.Errorf("maelstrom: %d nodes, %v operations a second for %v: each must be positive", t.Nodes, t.Rate, t.Duration)
	}
	topology, err := neighbours(t.Topology, t.Nodes)
	if err != nil {
		return Report{}, err
	}
	w := &world{
		Trial: t,
		ctx:   ctx,
		rng:   rand.New(rand.NewPCG(t.Seed, 2)),
		now:   start,
		wake:  make([]time.Time, t.Nodes),
		calls: make(map[int64]func(json.RawMessage)),
	}
	for i := range t.Nodes {
		cfg := t.Node()
		cfg.Epoch = uint64(start.UnixMilli())
		cfg.Rand = rand.New(rand.NewPCG(t.Seed, uint64(i)<<32|1))
		cfg.Log = func(err error) { panic(fmt.Sprintf("node %d: %v", i, err)) }
		w.nodes = append(w.nodes, NewNode(cfg, func(line []byte) { w.sent(i, line) }))
	}
	// Every node is initialised before the first client speaks to it, and has
	// answered about the topology before the first operation begins.
	w.ask("init", func(i int) map[string]any { return map[string]any{"node_id": name(i), "node_ids": w.names()} })
	w.run(func() bool { return len(w.calls) == 0 })
	w.ask("topology", func(int) map[string]any { return map[string]any{"topology": named(topology)} })
	w.run(func() bool { return len(w.calls) == 0 })
	w.begin = w.now
	end := w.begin.Add(t.Duration)
	for at := w.begin; at.Before(end) && ctx.Err() == nil; at = at.Add(w.pause()) {
		w.at(at, w.operation)
	}
	w.run(func() bool { return !w.now.Before(end) })
	w.Cuts = nil
	w.run(func() bool { return !w.now.Before(end.Add(recovery)) })
	if err := ctx.Err(); err != nil {
		return Report{}, err
	}
	for i := range w.nodes {
		w.read(i)
	}
	w.report.Verdict = w.history.judge()
	w.report.Operations = len(w.history.adds) + len(w.history.reads) + w.report.Failed
	w.report.PerOperation = float64(w.report.Messages) / float64(w.report.Operations)
	w.report.Sent = w.stats()
	return w.report, nil
}

// pause is the time between two operations: any up to twice the mean (Jepsen's
// stagger).
func (w *world) pause() time.Duration {
	return time.Duration(w.rng.Float64() * 2 * float64(time.Second) / w.Rate)
}

func (w *world) operation() {
	i := w.rng.IntN(len(w.nodes))
	if w.rng.IntN(2) == 0 {
		w.read(i)
	} else {
		w.broadcast(i)
	}
}

func (w *world) broadcast(i int) {
	h := &w.history
	v := int64(len(h.adds))
	h.adds = append(h.adds, add{value: v})
	h.next++
	w.call(i, "broadcast", map[string]any{"message": v}, func(body json.RawMessage) {
		a := &h.adds[v]
		a.completed = w.succeeded(body, "broadcast_ok")
		a.index, a.at = h.next, w.now.Sub(start)
		h.next++
	})
}

func (w *world) read(i int) {
	h := &w.history
	r := observation{invoked: w.now.Sub(start), invocation: h.next}
	h.next++
	w.call(i, "read", nil, func(body json.RawMessage) {
		var ok struct{ Messages []int64 }
		if w.succeeded(body, "read_ok") && json.Unmarshal(body, &ok) == nil {
			r.completed, r.completion, r.values = w.now.Sub(start), h.next, ok.Messages
			h.reads = append(h.reads, r)
		}
		h.next++
	})
}

// succeeded says whether a reply is the one that was hoped for.
func (w *world) succeeded(body json.RawMessage, want string) bool {
	var got struct{ Type string }
	ok := json.Unmarshal(body, &got) == nil && got.Type == want
	if !ok {
		w.report.Failed++
	}
	return ok
}

// ask sends one request to every node.
func (w *world) ask(kind string, body func(i int) map[string]any) {
	for i := range w.nodes {
		w.call(i, kind, body(i), func(json.RawMessage) {})
	}
}

// call sends a request to node i and has the reply taken in.
func (w *world) call(i int, kind string, body map[string]any, done func(json.RawMessage)) {
	w.lastID++
	w.calls[w.lastID] = done
	if body == nil {
		body = make(map[string]any)
	}
	body["type"], body["msg_id"] = kind, w.lastID
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // plain data
	}
	line, err := json.Marshal(envelope{client(i), name(i), text})
	if err != nil {
		panic(err)
	}
	w.tap(line)
	w.deliver(i, line)
}

func (w *world) tap(line []byte) {
	if w.Tap != nil {
		w.Tap(w.now.Sub(start), line)
	}
}

// sent takes in a line that node i sends.
func (w *world) sent(i int, line []byte) {
	w.tap(line)
	var env envelope
	if err := json.Unmarshal(line, &env); err != nil || bytes.ContainsRune(line, '\n') || env.Src != name(i) {
		panic(fmt.Sprintf("node %d sends %q", i, line))
	}
	if strings.HasPrefix(env.Dest, "c") {
		var body struct {
			To int64 `json:"in_reply_to"`
		}
		if err := json.Unmarshal(env.Body, &body); err != nil || w.calls[body.To] == nil {
			panic(fmt.Sprintf("node %d answers what nobody asked: %s", i, line))
		}
		done := w.calls[body.To]
		delete(w.calls, body.To)
		done(env.Body)
		return
	}
	to, err := strconv.Atoi(strings.TrimPrefix(env.Dest, "n"))
	if err != nil || to < 0 || to >= len(w.nodes) {
		panic(fmt.Sprintf("node %d sends to nobody: %s", i, line))
	}
	w.report.Messages++
	delay := w.Latency
	if w.Spread > 0 {
		delay += time.Duration(w.rng.Int64N(int64(w.Spread)))
	}
	if w.Loss > 0 && w.rng.Float64() < w.Loss {
		return
	}
	w.at(w.now.Add(delay), func() {
		if !w.apart(i, to) {
			w.deliver(to, line)
		}
	})
}

func (w *world) apart(a, b int) bool {
	for _, c := range w.Cuts {
		since := w.now.Sub(w.begin)
		if !w.begin.IsZero() && since >= c.From && since < c.To && c.Apart(a, b) {
			return true
		}
	}
	return false
}

func (w *world) deliver(i int, line []byte) {
	w.nodes[i].Handle(w.now, line)
	w.plan(i)
}

// plan sees to the node's next tick.
func (w *world) plan(i int) {
	d := w.nodes[i].Deadline()
	if d.IsZero() || !w.wake[i].IsZero() && !d.Before(w.wake[i]) {
		return
	}
	if d.Before(w.now) {
		d = w.now
	}
	w.wake[i] = d
	w.at(d, func() {
		if w.wake[i].Equal(d) {
			w.wake[i] = time.Time{}
			w.nodes[i].Tick(w.now)
			w.plan(i)
		}
	})
}

// run does what is on the agenda until it is enough, or ctx ends.
func (w *world) run(enough func() bool) {
	for !enough() && w.ctx.Err() == nil {
		e := heap.Pop(&w.queue).(entry)
		w.now = e.at
		e.do()
	}
}

func (w *world) stats() Stats {
	sum := Stats{Frames: make(map[string]uint64)}
	for _, n := range w.nodes {
		st := n.Stats()
		sum.Datagrams += st.Datagrams
		sum.Acks += st.Acks
		sum.Repeats += st.Repeats
		sum.Closes += st.Closes
		for kind, count := range st.Frames {
			sum.Frames[kind] += count
		}
		sum.Core.Grafts += st.Core.Grafts
		sum.Core.Prunes += st.Core.Prunes
		sum.Core.Duplicates += st.Core.Duplicates
		sum.Core.LateReceipts += st.Core.LateReceipts
	}
	return sum
}

func name(i int) string   { return "n" + strconv.Itoa(i) }
func client(i int) string { return "c" + strconv.Itoa(i) }

func (w *world) names() []string {
	var all []string
	for i := range w.nodes {
		all = append(all, name(i))
	}
	return all
}

func named(neighbours [][]int) map[string][]string {
	all := make(map[string][]string)
	for i, list := range neighbours {
		all[name(i)] = []string{}
		for _, j := range list {
			all[name(i)] = append(all[name(i)], name(j))
		}
	}
	return all
}

// entry is something that happens at a time; equal times keep their order.
type entry struct {
	at    time.Time
	order uint64
	do    func()
}

type agenda []entry

func (q agenda) Len() int { return len(q) }
func (q agenda) Less(i, j int) bool {
	if c := q[i].at.Compare(q[j].at); c != 0 {
		return c < 0
	}
	return q[i].order < q[j].order
}
func (q agenda) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *agenda) Push(x any)   { *q = append(*q, x.(entry)) }
func (q *agenda) Pop() any {
	old := *q
	e := old[len(old)-1]
	old[len(old)-1] = entry{}
	*q = old[:len(old)-1]
	return e
}

func (w *world) at(t time.Time, do func()) {
	w.order++
	heap.Push(&w.queue, entry{t, w.order, do})
}
