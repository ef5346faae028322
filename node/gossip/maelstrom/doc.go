// Package maelstrom puts the gossip core behind the broadcast workload of
// Maelstrom (https://github.com/jepsen-io/maelstrom), a workbench that runs
// nodes as processes, carries their messages over a simulated network and
// judges what clients saw.
//
// A [Node] speaks Maelstrom's protocol: requests of clients (init, topology,
// broadcast, read) and datagrams to other nodes come as lines of JSON and go as
// lines of JSON. [Serve] runs one on standard input and output, so that the real
// checker can judge it; [Run] runs a whole test of many nodes in virtual time,
// with the checker's own definitions (setfull.go), so that it can be judged
// anywhere, a hundred times in a minute.
//
// The core expects links that are ordered and reliable. Maelstrom's network
// loses messages while it is partitioned and may reorder them. Between the two
// lies link.go: frames have numbers, acknowledgements ride on what goes the other
// way, and what is not acknowledged is sent again. Each datagram counts as a
// message for Maelstrom, so one carries all frames that are ready to go.
//
// Nodes of a Maelstrom test trust each other: rumors have neither signature nor
// proof of work here, and no presence is announced. All else is the core as it
// is, with the settings of [Config.Core].
package maelstrom
