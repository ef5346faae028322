// Command bench measures Hearsay side by side with what one would use instead,
// and with the limits of what could be:
//
//   - hearsay: the node as it ships, without proof of work;
//   - gossipsub, floodsub: go-libp2p-pubsub with its defaults (everything signed);
//   - flood: every host hands every new message to all its neighbours but the one
//     it came from; the limit of how fast news can be on given links;
//   - tree: the same along a fixed spanning tree, made by breadth first search; the
//     limit of how little it can cost;
//   - memberlist, serf: joining, leaving, finding the dead, user events;
//   - a raw TCP echo and a raw libp2p stream echo, beside the way from ANNOUNCE to
//     NOTIFICATION through the module API;
//   - a loop of bare SHA-256, beside the search for proof of work.
//
// And it measures parts and growth: what is done to one rumor, what a node
// allocates to hand one on, and what a node costs in simulated networks of 10 to
// 10,000.
//
// It is a module of its own, so that what it compares with is no dependency of
// Hearsay's.
//
// # Cells
//
// A cell is one system under one load. Every cell runs in a process of its own,
// since memory and processor time cannot be told apart otherwise. A repetition is
// each cell of the plan once (plan.go), beginning with another system each time:
// a machine that is slow for a while is slow for all. Ratios are taken within a
// repetition.
//
//   - spread: all hosts live in one process and talk over real TCP on loopback;
//     the libp2p systems over identical hosts (Noise, yamux, Ed25519) and identical
//     links, a random graph in which all have the same number of neighbours. Links
//     can be made slow in user space (delay.go). Wire bytes are counted where they
//     are written to and read from the socket once the load counts: they hold
//     everything, acknowledgements and pings too. All is signed; proof of work is
//     off. The others check signatures with crypto/ed25519, one by one. Hearsay's
//     rumors travel on when a module has found them valid: here one that says so at
//     once. None of the others is asked.
//   - saturation: the highest rate at which 99.9 % of all deliveries come within a
//     second is looked for by bisection (climb.go), each rate in a cell of its own.
//   - members: 50 hosts join by way of one at one moment, one leaves, one dies.
//   - api: closed loops, in turns (api.go), until the NOTIFICATION has been read; its
//     VALIDATION, which follows at once, is not timed.
//   - micro: proof of work (work.go), what is done to one rumor (micro.go), and
//     allocations per relayed rumor, of the core alone and of a whole node in a
//     process of its own (relay.go).
//   - growth: the core in package sim, on a virtual clock (growth.go).
//
// Time is measured from just before the call that publishes to the call that
// delivers, by one clock. Messages are published at fixed times whatever becomes
// of them; what is later than Drain is lost. All is warmed up by the same load
// before it counts.
//
// # Results
//
// A result is one line of JSON in results/results.jsonl, with the machine, the
// versions and the cell. A run adds to that file and leaves out what it has, so
// it can be interrupted and goes on where it was. A cell that fails or takes too
// long is a line with an error; it costs the others nothing, is measured again by
// the next run, and is told by the report. BENCHMARKS.md and its plots are made
// from the results, and from reasons.md, which people write.
//
//	go run . run               # everything, 90 minutes of two idle cores
//	go run . run -n            # what that would be
//	go run . run -only main,saturation -repeat 3
//	go run . cell -system hearsay -hosts 20
//	go run . report            # BENCHMARKS.md and plots from the results at hand
package main
