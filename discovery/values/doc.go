// Package values keeps values in the network's distributed hash table: anybody
// puts a value under a 256-bit key, anybody gets it, and it lives at many nodes
// until it expires, whatever becomes of the one that put it.
//
// The routing table is Kademlia's (go-libp2p-kad-dht), the protocol for values is
// our own, /hearsay/<network>/values/1.0.0. kad-dht's own one keeps a single
// record per key, tells nobody that a record was refused, and asks a silent node
// for 10 s; DESIGN.md has the comparison.
//
// # A record
//
// A value travels as a [Record], signed by the node that put it: version,
// network, key, sequence number, times of creation and expiry, signer, value. It
// is checked wherever it arrives ([Record.Check]), and is dead at its expiry to
// the millisecond: no node answers with it or takes it. An expiry is at most 12 h
// after the creation. Of two records of one signer for one key the one with the
// higher sequence number counts, and between equal ones the one with the smaller
// digest ([Record.Newer]): a total order, so all nodes agree.
//
// # Where it lies
//
// A key has three places in the key space, hashes of the key that are in different
// quarters of it, and a record lies at the eight nodes nearest to each. So who
// wants to keep a key from being found needs identities around three places and
// not one: a look-up searches at all three at the same time, and each has one vote,
// however quick its nodes are.
//
// # Several signers
//
// Nothing in the module API says whose a key is. So a node keeps one record per
// key and signer, for up to eight signers, in the order in which they came, and a
// later one displaces none: a record stands until it expires or its own signer
// replaces it. A look-up returns, in this order:
//
//  1. what this node has put itself;
//  2. what the key vouches for: the value whose SHA-256 the key is, then the
//     value of the node the SHA-256 of whose peer ID the key is;
//  3. what most of the holders nearest to its places had first; each place has one
//     vote, which they share.
//
// The third rule says that the first to come owns a key as long as it keeps its
// record alive. The other one, "the newest wins", would let anybody hide anybody's
// value by putting its own a second later. Times in records do not decide about
// it: who signs can write any. Each holder goes by the order in which records
// came to it, hands them on in that order, and the majority counts. [Service.All]
// returns everybody's.
//
// # How it stays there
//
// Who put a value spreads it at once, and again every ten minutes; when there was
// nobody to spread it to, within seconds of the first node that comes. Holders
// hand on what they have not heard of for about ten minutes, so that nodes that
// came meanwhile have it and nodes that left are replaced. They offer first: a
// record that is known already costs 120 bytes.
//
// # What it costs at most
//
// Records are in memory: 1 MiB of a signer's, 64 MiB in all ([MaxBytes]). When
// all is full, a record that is nearer to this node displaces one that is
// farther, and one that this node puts displaces any of others'. What a peer may
// store per second is bounded, every request has a deadline of 2 s and a look-up one
// of 8 s. There is no proof of work: DESIGN.md says why.
package values
