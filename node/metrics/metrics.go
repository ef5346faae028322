package metrics

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Snapshot is what a node knows of itself at one moment.
type Snapshot struct {
	Version string // of the program
	Network string
	Started time.Time

	Neighbours, Members int
	Candidates          int               // peers that are known and no members
	Rumors, Held        int               // kept, and waiting for modules' votes
	Modules, DataTypes  int               // attached, and taken by them
	RoundTrips          []time.Duration   // of the neighbours that answered a ping
	Counters            map[string]uint64 // as node.Status has them
	Findings            map[Finding]int   // how many there are of each
	Kinds               []Finding         // all that there may be

	// Stands says that the node stands still. Then nothing is known but what is above
	// Neighbours, Findings and Kinds.
	Stands bool
}

// Finding is a kind of health finding.
type Finding struct{ Code, Severity string }

// Source is the node.
type Source interface {
	Snapshot() Snapshot
}

// Metrics are the metrics of one node.
type Metrics struct {
	registry *prometheus.Registry
	delay    prometheus.Histogram
	hops     prometheus.Histogram
	votes    prometheus.Histogram
}

// New makes the metrics of a node.
func New(source Source) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		delay: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "hearsay_rumor_delay_seconds",
			Help:    "Time from the making of a rumor, by its origin's clock, to its arrival by a push.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}),
		hops: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "hearsay_rumor_hops",
			Help:    "Links over which rumors came that arrived by a push.",
			Buckets: []float64{1, 2, 3, 4, 5, 6, 8, 12, 16},
		}),
		votes: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "hearsay_validation_seconds",
			Help:    "Time from telling modules of a rumor to their verdict.",
			Buckets: []float64{.0001, .001, .005, .01, .05, .1, .5, 1, 5, 30},
		}),
	}
	m.registry.MustRegister(collector{source}, m.delay, m.hops, m.votes,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler serves the metrics in the text format of Prometheus.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		MaxRequestsInFlight: 4, // each asks the node for everything
		DisableCompression:  true,
		Timeout:             4 * time.Second,
	})
}

// Arrived notes that another's rumor arrived by a push, over so many links and
// after so long a time.
func (m *Metrics) Arrived(hops int, delay time.Duration) {
	m.hops.Observe(float64(hops))
	m.delay.Observe(max(0, delay.Seconds())) // clocks differ
}

// Decided notes how long the verdict on a rumor took.
func (m *Metrics) Decided(took time.Duration) { m.votes.Observe(took.Seconds()) }
