// Package health puts into words how a node is: findings, each with a code that
// never changes, what was seen, and what to do about it. What doctor, the
// control API, the dashboard and the metrics show of a node's health are the
// findings of one Monitor, so that they never differ.
//
// The model are the health warnings of Tailscale: a condition is looked at again
// and again, and becomes a finding when it has lasted as long as its kind's delay,
// so that what passes by itself alarms nobody; and the user is told a cause and a
// cure, not a symptom.
//
// The package knows no node. Who runs one fills in Facts, Judge names the
// conditions that follow from them, and a Monitor remembers since when they hold.
// All three are functions of their arguments: no clock, no socket, no file. What
// has to be asked of the machine is in machine.go, for whoever fills in Facts.
//
// Three severities:
//
//	info     good to know; the node is healthy all the same
//	warning  the node works, but not as well as it should, or something is amiss
//	error    the node does not do what it is there for
package health
