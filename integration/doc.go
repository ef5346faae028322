// Package integration runs whole networks of real nodes inside one Go test, for
// tests of modules: programs that speak the module API, in whatever language.
//
//	c := integration.New(t, 3)                  // three nodes, all neighbours
//	startMyModule(t, c.Node(0).API())           // "127.0.0.1:40123"
//	startMyModule(t, c.Node(2).API())
//	c.AwaitInterest(2, myType)                  // it has subscribed, and others know
//
// Each node of a [Cluster] is all of a node: core, links, proof of work,
// signatures, and the Gossip API on a loopback port of its own. Only the network
// between nodes is replaced: by default by a libp2p mock network inside the
// process, which can be cut and healed; with [OverTCP] nodes use real sockets.
// What a node would find by itself (mDNS, Kademlia, peer exchange) is off, so
// that it knows those neighbours that the test gives it and no others.
//
// Time is real, unless the cluster is made [WithoutAPI] in a bubble of
// testing/synctest. Nothing here sleeps: whoever waits, waits for a condition, and
// if it does not come true in time the test fails with what was awaited, how
// every node was then, and what had happened to the links before. [WithTrace] keeps
// every message between nodes.
//
// The tests of this package use it to hold nodes to what modules rely on: one
// test for each rule of the API and each habit of existing modules
// (TestConformance_…), the guarantees on delivery and restart, the mistakes
// of an earlier implementation (TestPredecessor_…), and the tests of a course on
// gossip, restated (TestPeerster_…). README.md has their figures.
package integration
