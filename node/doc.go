// Package node is a running Hearsay node.
//
// It puts the pure core (package gossip) on real ground: a libp2p host, the
// streams of package transport, peers found by package discovery, proof of work
// and signatures, a journal on disk. Everything that is decided is decided by
// the core, in one goroutine, the loop; everything that waits (for the network,
// for the disk, for a proof of work) does so in goroutines of its own and tells
// the loop by an event.
//
//	           ┌────────── discovery ──── candidates ─┐
//	modules ── Open/Subscribe/Announce/Vote ──► loop ◄┴─ events ── transport
//	              ▲                              │ │                  ▲
//	              └───────── deliveries ─────────┘ └──── actions ─────┘
//
// The loop never waits for anybody: queues towards links and modules are
// bounded, and what does not fit is dropped there, counted, and made good by
// anti-entropy. Who brings events waits for the loop instead.
//
// A Node satisfies the interfaces of the packages around it (apibridge.Gossip,
// control.Node) by its methods; it imports none of them.
package node
