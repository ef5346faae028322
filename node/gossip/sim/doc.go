// Package sim runs many gossip cores in one goroutine on a virtual clock.
//
// It is a discrete-event simulator: a heap of things to happen, each with a
// time; the earliest is taken out, given to the core that it concerns, and what
// the core wants done becomes new things to happen. Links have latency and keep
// order, as the streams of the real node do; a cut link holds what was sent, as
// TCP would; a crashed node's links break after a moment.
//
// Chance comes from one seed and nothing depends on the order of a map, so a run
// is reproducible bit by bit: Network.Trace is a hash over everything that
// happened, and two runs of one seed must agree in it.
//
// Nodes can crash, come back with or without their disk, leave, and have clocks
// that differ; links can break, and the network can split (faults.go).
// Config.Wrap puts something between the simulator and a core, which makes
// hostile nodes and broken cores; Config.Drop loses messages, as no stream does.
//
// While it runs the simulator watches what must always hold: nothing is told
// twice to a module, nothing expired or unsigned is told, nothing that its
// module did not ask for, and no origin uses a number twice. Missing tells, at
// the end, which deliveries are outstanding: all or nothing holds among the
// nodes that are up. Both are tested by breaking what they watch.
package sim
