// Command bench measures Hearsay side by side with what one would use instead,
// and with the limits of what could be:
//
//   - hearsay: the node as it ships, without proof of work;
//   - gossipsub, floodsub: go-libp2p-pubsub with its defaults (everything signed);
//   - flood: every host hands every new message to all its neighbours but the one
//     it came from; the limit of how fast news can be on given links;
//   - tree: the same along a fixed spanning tree, made by breadth first search; the
//     limit of how little it can cost;
//   - memberlist, serf: joining, leaving, finding the dead, user events.
//
// It is a module of its own, so that what it compares with is no dependency of
// Hearsay's.
//
// A cell is one system under one load. Every cell runs in a process of its own,
// since memory and processor time cannot be told apart otherwise, and all
// repetitions of all systems are interleaved, so that a machine that is slow for
// a while is slow for all. Within a cell all hosts live in one process and talk
// over real TCP on loopback; the libp2p systems over identical hosts (Noise,
// yamux, Ed25519) and identical links, a random graph in which all have the same
// number of neighbours. Links can be made slow in user space (delay.go). Wire
// bytes are counted where they are written to and read from the socket, so they
// hold everything: handshakes before the count begins, acknowledgements, pings.
//
// Time is measured from just before the call that publishes to the call that
// delivers, by one clock; what is late by more than drain is lost. All is warmed
// up by the same load before it counts. Results are written as JSON lines, and
// BENCHMARKS.md and its plots are made from these and nothing else.
//
//	go run . run               # everything, several hours of a quiet machine
//	go run . run -quick        # the main table, three repetitions
//	go run . cell -system hearsay -hosts 20
//	go run . report            # BENCHMARKS.md and plots from the results at hand
package main
