package metrics

import (
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("hearsay_"+name, help, labels, nil)
}

var (
	info       = desc("build_info", "Always 1; the version of the program and the name of the network are labels.", "version", "network")
	started    = desc("start_time_seconds", "When the node was started, in seconds since 1970.")
	neighbours = desc("neighbours", "Peers that are linked.")
	members    = desc("members", "Nodes of the network that are known to be alive, this one included.")
	candidates = desc("candidates", "Peers that are known without their presence, for dialling.")
	rumors     = desc("rumors", "Rumors that are kept.")
	held       = desc("rumors_held", "Rumors that wait for modules' votes.")
	modules    = desc("modules", "Modules and listeners that are attached.")
	dataTypes  = desc("data_types", "Data types that they take.")
	roundTrip  = desc("neighbour_rtt_seconds", "Round trip of the last ping, over all neighbours.", "of")
	findings   = desc("health_findings", "Findings on the node's health by code, 0 = none.", "code", "severity")
	dropped    = desc("rumors_dropped_total", "Rumors that were not taken, by reason.", "reason")
	messages   = desc("messages_total", "Messages between this node and its neighbours.", "direction", "kind")
	traffic    = desc("traffic_bytes_total", "Bytes of these messages.", "direction")
	ended      = desc("links_ended_total", "Links that ended and streams that were refused, by reason.", "reason")
	events     = desc("events_total", "What else the node counts, by its name.", "event")
)

// counted are the node's counters that have a metric of their own.
var counted = map[string]*prometheus.Desc{
	"published":       desc("rumors_published_total", "Rumors of this node's own, sealed and spread."),
	"delivered":       desc("rumors_delivered_total", "Rumors told to modules, counted for each module."),
	"accepted":        desc("rumors_accepted_total", "Rumors of others that were new and verified."),
	"received":        desc("rumors_received_total", "Rumors that came by a push, new or not."),
	"filled":          desc("rumors_filled_total", "Rumors that came by anti-entropy, new or not."),
	"pushed":          desc("rumors_pushed_total", "Rumors sent down links."),
	"dials":           desc("dials_total", "Dials that were attempted."),
	"dials_failed":    desc("dials_failed_total", "Dials that failed."),
	"syncs":           desc("comparisons_total", "Comparisons of stores that were begun."),
	"lost":            desc("members_lost_total", "Members that were taken for dead."),
	"misbehaviour":    desc("neighbours_cut_off_total", "Neighbours that were cut off for breaking the protocol."),
	"queue_full":      desc("messages_dropped_total", "Messages to neighbours for which a queue was full."),
	"late_receipts":   desc("receipts_late_total", "Pushes that were not answered in time."),
	"lags":            desc("lags_total", "Times that the node was late by more than a second."),
	"panics":          desc("panics_total", "Faults that were caught at a stream."),
	"publish_refused": desc("rumors_refused_total", "Rumors of this node's own that came to nothing."),
}

// gauged are what the node has among its counters that goes down, too.
var gauged = map[string]*prometheus.Desc{
	"dht_records": desc("dht_records", "Records of the distributed hash table that are kept here."),
	"dht_bytes":   desc("dht_records_bytes", "Bytes that these are charged."),
	"dht_own":     desc("dht_records_own", "Of them, those that were put here."),
}

// dropReasons are the node's counters that are reasons of rumors_dropped_total.
var dropReasons = []string{"duplicates", "unwanted", "expired", "stale", "skewed", "wrong_network", "bad_work", "bad_signature",
	"no_room", "voted_down", "votes_timed_out"}

// collector asks the node when Prometheus asks.
type collector struct{ source Source }

// Describe tells the descriptions of all metrics.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{info, started, neighbours, members, candidates, rumors, held, modules, dataTypes, roundTrip,
		findings, dropped, messages, traffic, ended, events} {
		ch <- d
	}
	for _, more := range []map[string]*prometheus.Desc{counted, gauged} {
		for _, d := range more {
			ch <- d
		}
	}
}

// Collect tells their values.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	s := c.source.Snapshot()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge(info, 1, s.Version, s.Network)
	gauge(started, float64(s.Started.UnixMilli())/1000)
	series := make(map[Finding]int)
	for _, k := range s.Kinds {
		series[k] = 0
	}
	for k, n := range s.Findings {
		series[k] = n
	}
	for k, n := range series {
		gauge(findings, float64(n), k.Code, k.Severity)
	}
	if s.Stands {
		return
	}
	gauge(neighbours, float64(s.Neighbours))
	gauge(members, float64(s.Members))
	gauge(candidates, float64(s.Candidates))
	gauge(rumors, float64(s.Rumors))
	gauge(held, float64(s.Held))
	gauge(modules, float64(s.Modules))
	gauge(dataTypes, float64(s.DataTypes))
	if rtt := slices.Sorted(slices.Values(s.RoundTrips)); len(rtt) > 0 {
		gauge(roundTrip, rtt[0].Seconds(), "least")
		gauge(roundTrip, rtt[len(rtt)/2].Seconds(), "median")
		gauge(roundTrip, rtt[len(rtt)-1].Seconds(), "most")
	}
	for name, n := range s.Counters {
		switch kind, way := cut(name); {
		case counted[name] != nil:
			count(counted[name], n)
		case gauged[name] != nil:
			gauge(gauged[name], float64(n))
		case slices.Contains(dropReasons, name):
			count(dropped, n, name)
		case kind == "bytes":
			count(traffic, n, way)
		case way == "ended":
			count(ended, n, kind)
		case way != "":
			count(messages, n, way, kind)
		default:
			count(events, n, name)
		}
	}
}

// cut takes apart what the node counts of links: sent_push is the kind push, on
// the way sent. way is "" for other counters.
func cut(name string) (kind, way string) {
	for _, way := range []string{"sent", "received", "ended"} {
		if kind, ok := strings.CutPrefix(name, way+"_"); ok {
			return kind, way
		}
	}
	return name, ""
}
