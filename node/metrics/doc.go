// Package metrics shows a node to Prometheus.
//
// Everything is counted elsewhere, by the node, and read when Prometheus asks:
// there is no second book. Only how long things take is kept here, in three
// histograms that are told of each rumor.
//
// Names are hearsay_<thing>_total, _seconds or _bytes, and plain for what goes up
// and down. No label is a peer's, an address or a data type: with those a large
// network would be as many time series as it has pairs. What is dropped is one
// counter with the reason as its label, what is sent and received one with the
// kind of message. A counter of the node's that has no metric of its own is an
// event of hearsay_events_total, so that none is lost when the node learns to
// count something new.
//
// Health is hearsay_health_findings, one series for each code that package
// health knows, 0 while all is well: the same findings as those of doctor and of
// the dashboard. Of a node that stands still there is that, and nothing that would
// have to wait for it.
package metrics
