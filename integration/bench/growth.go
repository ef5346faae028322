package main

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"hearsay/node/gossip"
	"hearsay/node/gossip/sim"
)

// joining is within which virtual time the nodes of a simulation join, each by
// way of contacts of its own.
const (
	joining  = 10 * time.Second
	contacts = 3
	quietFor = 10 * time.Second
	// spreading is for how long is waited for the last rumor.
	spreading = 2 * time.Second
)

// aboutRumors are the kinds of messages that spread rumors and repair that. The
// periodic comparisons and, where nodes announce themselves, the receipts for
// presences are in them.
var aboutRumors = []string{"push", "receipt", "have", "graft", "sync", "want", "fill"}

// runGrowth measures what a node costs in a simulated network of many: Hearsay's
// core on a virtual clock (package sim). Messages, bytes and latency are exact,
// one seed gives them again. System "announcing" has every node announce its
// presence to all others, as they ship; "quiet" none, which leaves what does not
// grow with their number by design.
//
// Time: all join within joining; after Warm, in which exchanges of peers come down
// to their pace, nothing is said for quietFor, which gives the idle traffic; then
// Rate rumors a second are published for For at random nodes while trees form,
// and for For again, which counts. What a delivery cost is all messages about
// rumors (aboutRumors) that were sent meanwhile.
func runGrowth(c cell) (map[string]float64, error) {
	quiet := c.System == "quiet"
	if !quiet && c.System != "announcing" {
		return nil, fmt.Errorf("system %q: growth has announcing and quiet", c.System)
	}
	before := heap()
	cpu := cpuTime()
	core := gossip.DefaultConfig()
	core.Degree = c.Links
	n := sim.New(sim.Config{Seed: c.Seed, Nodes: c.Hosts, Core: core, Latency: slowLinks, Contacts: contacts,
		Silent: func(int) bool { return quiet }, Check: -1})
	const module = 1
	for i := range c.Hosts {
		n.Subscribe(i, module, dataType, true)
		n.Start(i, time.Duration(i)*min(joining/time.Duration(c.Hosts), joining/100))
	}
	n.Run(joining + c.Warm)
	joined := n.Stats()
	links := 0
	for i := range c.Hosts {
		links += len(n.Neighbours(i))
	}
	n.Run(quietFor)
	idle := n.Stats().Sub(joined)

	memory := heap() // before the simulator's books of who has what
	rng := rand.New(rand.NewPCG(c.Seed, 0))
	rumors := int(c.Rate * c.For.Seconds())
	publish := func(first int) {
		for m := range rumors {
			n.Publish(rng.IntN(c.Hosts), dataType, 0, numbered(first+m, c.Payload, c.Seed))
			n.Run(c.For / time.Duration(rumors))
		}
	}
	publish(0) // trees form
	n.Run(spreading)
	began := n.Stats()
	publish(rumors)
	n.Run(spreading)
	load := n.Stats().Sub(began)
	// What a push did not bring a comparison does.
	for end := n.Now() + 2*core.AntiEntropy; n.Now() < end && len(n.Missing()) > 0; {
		n.Run(time.Second)
	}
	told := n.Stats().Sub(began)
	missing := len(n.Missing())

	nodes, seconds := float64(c.Hosts), quietFor.Seconds()
	deliveries := float64(told.Deliveries - told.Published) // an origin's own module is told, too
	latency := n.Latency(began.Time)
	var about sim.Count
	for _, kind := range aboutRumors {
		about.Messages += load.Kinds[kind].Messages
		about.Bytes += load.Kinds[kind].Bytes
	}
	return map[string]float64{
		"links":                        float64(links) / nodes,
		"join_bytes_per_node":          float64(joined.Total.Bytes) / nodes,
		"join_messages_per_node":       float64(joined.Total.Messages) / nodes,
		"idle_bytes_per_s_and_node":    float64(idle.Total.Bytes) / nodes / seconds,
		"idle_messages_per_s_and_node": float64(idle.Total.Messages) / nodes / seconds,
		"bytes_per_delivery":           float64(about.Bytes) / deliveries,
		"messages_per_delivery":        float64(about.Messages) / deliveries,
		"duplicates_per_delivery":      float64(told.Duplicates+told.FillDuplicates) / deliveries,
		"carried_twice":                float64(told.Again + told.Crossed),
		"delivered":                    deliveries / (deliveries + float64(missing)),
		"deliveries":                   deliveries,
		"p50_ms":                       latency.P50.Seconds() * 1000,
		"p99_ms":                       latency.P99.Seconds() * 1000,
		"max_ms":                       latency.Max.Seconds() * 1000,
		"heap_kib_per_node":            (memory - before) / nodes / 1024,
		"simulating_cpu_s":             (cpuTime() - cpu).Seconds(),
		"events":                       float64(n.Stats().Events),
	}, nil
}

// heap is what is reachable, in bytes.
func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
