package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"runtime/pprof"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/connmgr"
)

// system is hosts that spread messages.
type system interface {
	// publish has a host publish a message, and returns when it has taken it.
	publish(host int, payload []byte) error
	// kill ends a host as a crash does.
	kill(host int)
	close()
}

// copyCounter is a system that tells how many whole copies came to hosts that
// had the message.
type copyCounter interface{ duplicates() uint64 }

// linkCounter is a system that tells how many times a message went down a link
// that had carried it before, either way.
type linkCounter interface{ carriedTwice() uint64 }

// setting is what a system is made in.
type setting struct {
	cell
	graph   [][]int
	traffic *traffic
	// deliver is to be called once for each message that comes to a host other
	// than its publisher. It may be called by several goroutines.
	deliver func(host int, payload []byte)
	// gater, unless nil, says whom the hosts may be linked with.
	gater connmgr.ConnectionGater
}

// spreaders makes each system; it returns when all hosts are linked.
var spreaders = map[string]func(*setting) (system, error){
	"hearsay":   newHearsay,
	"gossipsub": newGossipSub,
	"floodsub":  newFloodSub,
	"flood":     newFlood,
	"tree":      newTree,
	"serf":      newSerf,
}

// headerSize is what a payload begins with: the number of the message.
const headerSize = 8

// ledger is what was published when, and what came when.
type ledger struct {
	hosts   int
	began   []atomic.Int64 // by message: nanoseconds since epoch of this ledger, 0 = not published
	from    []int
	arrived []atomic.Int64 // by message and host
	twice   atomic.Uint64
	got     atomic.Int64
	epoch   time.Time
}

func newLedger(messages, hosts int) *ledger {
	return &ledger{hosts: hosts, began: make([]atomic.Int64, messages), from: make([]int, messages),
		arrived: make([]atomic.Int64, messages*hosts), epoch: time.Now()}
}

func (l *ledger) now() int64 { return int64(time.Since(l.epoch)) }

func (l *ledger) deliver(host int, payload []byte) {
	if len(payload) < headerSize {
		return
	}
	m := binary.BigEndian.Uint64(payload)
	if m >= uint64(len(l.began)) {
		return
	}
	if !l.arrived[int(m)*l.hosts+host].CompareAndSwap(0, l.now()) {
		l.twice.Add(1)
		return
	}
	l.got.Add(1)
}

// runSpread measures how messages spread.
func runSpread(c cell) (map[string]float64, error) {
	make, ok := spreaders[c.System]
	if !ok {
		return nil, fmt.Errorf("system %q is not known", c.System)
	}
	rng := rand.New(rand.NewPCG(c.Seed, 0))
	warm := int(math.Ceil(c.Rate * c.Warm.Seconds()))
	total := warm + int(math.Ceil(c.Rate*c.For.Seconds()))
	book := newLedger(total, c.Hosts)
	s := &setting{cell: c, graph: regular(c.Hosts, c.Links, rng), traffic: new(traffic), deliver: book.deliver}
	idle := runtime.NumGoroutine()
	sys, err := make(s)
	if err != nil {
		return nil, err
	}
	defer sys.close()

	origins := c.Origins
	if origins == 0 {
		origins = c.Hosts
	}
	alive := newCrowd(c.Hosts)
	p := publisher{cell: c, sys: sys, book: book, rng: rng, origins: origins, alive: alive}
	if err := p.run(0, warm, 0); err != nil {
		return nil, err
	}
	book.await(0, warm, alive, c.Drain)

	if err := startProfile(); err != nil {
		return nil, err
	}
	before := soFar(sys, s.traffic)
	if err := p.run(warm, total, c.Kill); err != nil {
		return nil, err
	}
	published := time.Since(before.at)
	book.await(warm, total, alive, c.Drain)
	after := soFar(sys, s.traffic)
	pprof.StopCPUProfile()
	late := p.late

	figures := book.figures(warm, total, alive)
	deliveries := figures["deliveries"]
	if deliveries == 0 {
		return nil, errors.New("nothing was delivered")
	}
	figures["published_per_s"] = figures["published"] / published.Seconds()
	figures["publish_late_ms"] = float64(late) / 1e6
	figures["wire_bytes_per_payload_byte"] = float64(after.bytes-before.bytes) / (deliveries * float64(c.Payload))
	if _, ok := sys.(copyCounter); ok {
		figures["duplicates_per_delivery"] = float64(after.duplicates-before.duplicates) / deliveries
	}
	if l, ok := sys.(linkCounter); ok && c.Payload >= largePayload {
		figures["carried_twice"] = float64(l.carriedTwice())
	}
	figures["cpu_s_per_1000"] = (after.cpu - before.cpu).Seconds() / deliveries * 1000
	resident, heap := memory()
	if err := heapProfile(); err != nil {
		return nil, err
	}
	figures["resident_mb"], figures["heap_mb"] = resident/1e6, heap/1e6
	figures["goroutines_per_host"] = float64(runtime.NumGoroutine()-idle) / float64(c.Hosts)
	return figures, nil
}

// counts is what has been used up to some moment.
type counts struct {
	at         time.Time
	bytes      int64
	duplicates uint64
	cpu        time.Duration
}

func soFar(sys system, t *traffic) counts {
	c := counts{at: time.Now(), bytes: t.bytes.Load(), cpu: cpuTime()}
	if s, ok := sys.(copyCounter); ok {
		c.duplicates = s.duplicates()
	}
	return c
}

// crowd is who has not been killed.
type crowd struct {
	mu   sync.Mutex
	dead map[int]bool
	all  int
}

func newCrowd(n int) *crowd { return &crowd{dead: make(map[int]bool), all: n} }

func (c *crowd) has(i int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.dead[i]
}

func (c *crowd) kill(i int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dead[i] = true
}

// publisher publishes at a fixed rate, whatever becomes of it (an open loop).
// What a host could not publish within Drain it never does.
type publisher struct {
	cell
	sys     system
	book    *ledger
	rng     *rand.Rand
	origins int
	alive   *crowd
	late    time.Duration // most that a publication came after its time
}

// run publishes messages [first, last), and ends kill hosts, that are not among
// the origins where these are few, when half of them are out.
func (p *publisher) run(first, last, kill int) error {
	pause := time.Duration(float64(time.Second) / p.Rate)
	began := time.Now()
	due := func(m int) time.Time { return began.Add(time.Duration(m-first) * pause) }
	var failed atomic.Pointer[error]
	lanes := make(map[int]chan int) // by origin: what it is to publish, in order
	var wg sync.WaitGroup
	lane := func(i int) chan int {
		if lanes[i] == nil {
			lanes[i] = make(chan int, last-first)
			wg.Go(func() {
				for m := range lanes[i] {
					if time.Since(due(m)) > p.Drain {
						continue // no longer: the system takes less than it is given
					}
					payload := numbered(m, p.Payload, p.Seed)
					p.book.from[m] = i
					p.book.began[m].Store(p.book.now())
					if err := p.sys.publish(i, payload); err != nil && p.alive.has(i) {
						failed.CompareAndSwap(nil, &err)
					}
				}
			})
		}
		return lanes[i]
	}
	for m := first; m < last; m++ {
		if wait := time.Until(due(m)); wait > 0 {
			time.Sleep(wait)
		} else if m > first {
			p.late = max(p.late, -wait)
		}
		if kill > 0 && m == first+(last-first)/2 {
			for _, i := range p.rng.Perm(p.Hosts) {
				if kill > 0 && (i >= p.origins || p.origins == p.Hosts) {
					kill--
					p.alive.kill(i)
					wg.Go(func() { p.sys.kill(i) })
				}
			}
		}
		i := p.rng.IntN(p.origins)
		for !p.alive.has(i) {
			i = p.rng.IntN(p.origins)
		}
		lane(i) <- m
	}
	for _, c := range lanes {
		close(c)
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return fmt.Errorf("publishing: %w", *err)
	}
	return nil
}

// numbered is a payload that begins with the message's number; the rest cannot be
// compressed.
func numbered(m, size int, seed uint64) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, size), uint64(m))
	fill := rand.New(rand.NewPCG(seed, uint64(m)))
	for len(b)+8 <= size {
		b = binary.BigEndian.AppendUint64(b, fill.Uint64())
	}
	return append(b, make([]byte, size-len(b))...)
}

// await waits until all of [first, last) is at everybody alive.
func (l *ledger) await(first, last int, alive *crowd, patience time.Duration) {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if l.missing(first, last, alive) == 0 {
			return
		}
	}
}

func (l *ledger) missing(first, last int, alive *crowd) int {
	n := 0
	for m := first; m < last; m++ {
		if l.began[m].Load() == 0 {
			continue
		}
		for i := range l.hosts {
			if i != l.from[m] && alive.has(i) && l.arrived[m*l.hosts+i].Load() == 0 {
				n++
			}
		}
	}
	return n
}

// figures sums up messages [first, last) at those who live.
func (l *ledger) figures(first, last int, alive *crowd) map[string]float64 {
	var each, lasts []float64
	published, expected, inTime := 0, 0, 0
	for m := first; m < last; m++ {
		if l.began[m].Load() == 0 {
			continue
		}
		published++
		if !alive.has(l.from[m]) {
			continue // its publisher may have died with it
		}
		latest := 0.0
		for i := range l.hosts {
			if i == l.from[m] || !alive.has(i) {
				continue
			}
			expected++
			if at := l.arrived[m*l.hosts+i].Load(); at != 0 {
				ms := float64(at-l.began[m].Load()) / 1e6
				each, latest = append(each, ms), max(latest, ms)
				if ms <= 1000 {
					inTime++
				}
			}
		}
		lasts = append(lasts, latest)
	}
	slices.Sort(each)
	slices.Sort(lasts)
	return map[string]float64{
		"published":       float64(published),
		"deliveries":      float64(len(each)),
		"delivered":       float64(len(each)) / float64(max(expected, 1)),
		"delivered_in_1s": float64(inTime) / float64(max(expected, 1)),
		"twice":           float64(l.twice.Load()),
		"p50_ms":          quantile(each, 0.50),
		"p95_ms":          quantile(each, 0.95),
		"p99_ms":          quantile(each, 0.99),
		"max_ms":          quantile(each, 1),
		"last_p50_ms":     quantile(lasts, 0.50),
		"last_p99_ms":     quantile(lasts, 0.99),
	}
}

// quantile of sorted values, by the nearest rank.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}
