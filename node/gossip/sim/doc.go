// Package sim runs many gossip cores in one goroutine on a virtual clock.
//
// It is a discrete-event simulator: a heap of things to happen, each with a
// time; the earliest is taken out, given to the core that it concerns, and what
// the core wants done becomes new things to happen. Ten thousand nodes are
// within its reach.
//
// Links are what package transport makes of a connection (links.go): three
// ordered lanes in each direction, which overtake each other, with queues that
// can be full. LinkModel gives them delays of many distributions (delay.go),
// jitter, bandwidth, and lost packets, which on a stream are delays. Frames have
// the size that package wire gives them (size.go).
//
// Nodes can crash, vanish and leave links half open, come back with or without
// their disk, leave, be slow, and have clocks that differ and jump; links can
// break, and the network can split in two, one way, into a ring, or node by node
// (faults.go). Byzantine makes nodes that speak the protocol and lie in it
// (byzantine.go). Config.Wrap puts anything else between the simulator and a
// core; Config.Drop loses messages, as no stream does.
//
// Chance comes from one seed and nothing depends on the order of a map, so a run
// is reproducible bit by bit: Network.Trace is a hash over everything that
// happened, and two runs of one seed must agree in it.
//
// While it runs the simulator watches what must always hold (watch.go): nothing
// is told twice to a module, nothing expired or unsigned is told, nothing that
// its module did not ask for; no origin uses a number twice, and of two rumors
// with one number only one is told; no rumor goes back to where it came from;
// and the books of every core agree, caps included (gossip.State.Check).
// Missing tells, at the end, which deliveries are outstanding: all or nothing
// holds among the nodes that are up. Components tells whether the takers of a
// type can hear each other at all. All of this is tested by breaking what it
// watches.
//
// Stats, Latency and Rumors count what a run cost and how near it came to what
// flooding could do (stats.go, paths.go). README.md has figures.
package sim
