package scenario

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"hearsay/node/gossip/sim"
)

// Figures are what a run is judged by. They are about what came after the last
// "measure", or about everything if there was none. Times are in milliseconds.
type Figures struct {
	// Published counts rumors, Deliveries what modules of other nodes were told.
	Published  int `json:"published"`
	Deliveries int `json:"deliveries"`
	// Missing counts the deliveries that are outstanding at the end, of all
	// rumors that are alive.
	Missing int `json:"missing"`
	// Delivery is the share of the deliveries due that were made.
	Delivery float64 `json:"delivery"`
	// Redundancy is how many duplicates were pushed for each delivery.
	Redundancy float64 `json:"redundancy"`
	// BytesPerByte is all bytes on all links for each byte of payload delivered,
	// MessagesPerDelivery the same for messages.
	BytesPerByte        float64 `json:"bytes_per_byte"`
	MessagesPerDelivery float64 `json:"messages_per_delivery"`
	// Stretch is the time of the last delivery, divided by the shortest path to
	// the farthest node over the links that there were (0 without "paths"): the
	// mean over all rumors. Hops is the mean of the most links that a rumor went.
	Stretch float64 `json:"stretch"`
	Hops    float64 `json:"hops"`
	// P50 to Max are the latencies of deliveries.
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
	// Settled is how long it took, from the beginning of the last "settle", until
	// nothing was missing; -1 if something still was at its end, 0 without one.
	Settled float64 `json:"settled"`
	// Components is into how many parts the overlays of the data types fall, less
	// one each: 0 if all are whole.
	Components int `json:"components"`
	// Violations counts broken promises; the first ones are among Result.Failures.
	Violations int `json:"violations"`
}

// figure is one of Figures, and how it compares.
type figure struct {
	name, title string
	value       func(f *Figures) float64
	worse       int     // +1: more is worse, -1: less is, 0: it is the scenario's
	part, least float64 // how far it may lie beyond a baseline's band: by this part of it, or this much
	format      func(float64) string
}

var figures = []figure{
	{"published", "rumors", func(f *Figures) float64 { return float64(f.Published) }, 0, 0.05, 0, whole},
	{"deliveries", "deliveries", func(f *Figures) float64 { return float64(f.Deliveries) }, 0, 0.05, 0, whole},
	{"delivery", "delivered", func(f *Figures) float64 { return f.Delivery }, -1, 0, 0.0005, percent},
	{"missing", "missing", func(f *Figures) float64 { return float64(f.Missing) }, +1, 0, 0, whole},
	{"redundancy", "dup/del", func(f *Figures) float64 { return f.Redundancy }, +1, 0.10, 0.01, two},
	{"bytes_per_byte", "B/B", func(f *Figures) float64 { return f.BytesPerByte }, +1, 0.05, 0.05, two},
	{"messages_per_delivery", "msg/del", func(f *Figures) float64 { return f.MessagesPerDelivery }, +1, 0.10, 0.05, two},
	{"stretch", "stretch", func(f *Figures) float64 { return f.Stretch }, +1, 0.10, 0.05, two},
	{"hops", "hops", func(f *Figures) float64 { return f.Hops }, +1, 0.15, 0.5, one},
	{"p50", "p50", func(f *Figures) float64 { return f.P50 }, +1, 0.10, 5, millis},
	{"p95", "p95", func(f *Figures) float64 { return f.P95 }, +1, 0.15, 10, millis},
	{"p99", "p99", func(f *Figures) float64 { return f.P99 }, +1, 0.20, 20, millis},
	{"max", "max", func(f *Figures) float64 { return f.Max }, +1, 0.30, 50, millis},
	{"settled", "settled", func(f *Figures) float64 { return never(f.Settled) }, +1, 0.25, 1000, millis},
	{"components", "apart", func(f *Figures) float64 { return float64(f.Components) }, +1, 0, 0, whole},
	{"violations", "violations", func(f *Figures) float64 { return float64(f.Violations) }, +1, 0, 0, whole},
}

func figureNamed(name string) (figure, bool) {
	for _, f := range figures {
		if f.name == name {
			return f, true
		}
	}
	return figure{}, false
}

func figureNames() []string {
	var all []string
	for _, f := range figures {
		all = append(all, f.name)
	}
	return all
}

func whole(x float64) string   { return strconv.FormatFloat(x, 'f', 0, 64) }
func one(x float64) string     { return strconv.FormatFloat(x, 'f', 1, 64) }
func two(x float64) string     { return strconv.FormatFloat(x, 'f', 2, 64) }
func percent(x float64) string { return strconv.FormatFloat(math.Floor(x*10000)/100, 'f', 2, 64) + "%" }
func millis(x float64) string {
	switch {
	case x < 0 || math.IsInf(x, 1):
		return "never"
	case x >= 10_000:
		return one(x/1000) + "s"
	}
	return whole(x) + "ms"
}

func toMillis(d time.Duration) float64 {
	return math.Round(float64(d)/float64(time.Microsecond)) / 1000
}

// round keeps four digits behind the point, which is more than means anything.
func round(x float64) float64 { return math.Round(x*10000) / 10000 }

// measured works out the figures of a run since a moment.
func measured(n *sim.Network, types []uint16, since time.Duration, before sim.Stats) Figures {
	f := Figures{Missing: len(n.Missing()), Violations: len(n.Violations())}
	st := n.Stats().Sub(before)
	payload, hops, stretch, compared := 0, 0, 0.0, 0
	for _, s := range n.Rumors() {
		if s.Sent < since {
			continue
		}
		f.Published++
		f.Deliveries += s.Told
		payload += s.Told * s.Payload
		hops += s.Hops
		if s.BestLast > 0 && s.Told > 0 {
			compared++
			stretch += float64(s.Last) / float64(s.BestLast)
		}
	}
	f.Delivery = 1
	if due := f.Deliveries + f.Missing; due > 0 {
		f.Delivery = float64(f.Deliveries) / float64(due)
	}
	f.Redundancy = round(st.Redundancy())
	if payload > 0 {
		f.BytesPerByte = round(float64(st.Total.Bytes) / float64(payload))
	}
	if f.Deliveries > 0 {
		f.MessagesPerDelivery = round(float64(st.Total.Messages) / float64(f.Deliveries))
	}
	if f.Published > 0 {
		f.Hops = round(float64(hops) / float64(f.Published))
	}
	if compared > 0 {
		f.Stretch = round(stretch / float64(compared))
	}
	d := n.Latency(since)
	f.P50, f.P95, f.P99, f.Max = toMillis(d.P50), toMillis(d.P95), toMillis(d.P99), toMillis(d.Max)
	for _, t := range types {
		f.Components += max(0, len(n.Components(t))-1)
	}
	return f
}

// expectation is a bound that a scenario sets to a figure.
type expectation struct {
	figure figure
	op     string
	bound  float64
}

// check tells what is wrong, "" if nothing is.
func (e expectation) check(f *Figures) string {
	got := e.figure.value(f)
	ok := false
	switch e.op {
	case "<=":
		ok = got <= e.bound
	case ">=":
		ok = got >= e.bound
	case "=":
		ok = got == e.bound
	}
	if ok {
		return ""
	}
	return fmt.Sprintf("%s is %s, expected %s %s", e.figure.name, e.figure.format(got), e.op, e.figure.format(e.bound))
}
