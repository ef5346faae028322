// Package transport carries the messages of the gossip core over libp2p streams.
//
// A neighbour is a link, and a link has up to three lanes in each direction:
//
//	/hearsay/gossip/1.0.0   rumors, receipts, interests, pings, goodbyes
//	/hearsay/sync/1.0.0     anti-entropy: Sync, Want, Fill
//	/hearsay/peers/1.0.0    peer lists
//
// A lane is one stream that only its opener writes to, so that each side has
// one long-lived outbound stream per lane. The kind of a message decides its
// lane; a long catch-up on one does not hold up rumors on another. The gossip
// lanes make the link, the others open when they are first needed and live as
// long as it.
//
// Whoever dials opens its gossip lane with a Hello that has a random session
// number. The other side answers with its own gossip lane, whose Hello names
// that number. If both dial at once, neither names one, and the two streams
// pair all the same. Numbers matter when streams are late: an answer to a
// session that is over is refused, and so is a lane of a link that is over. A
// Hello that answers nothing on a link that is up says that the peer has
// forgotten it (it crashed, or gave the link up), and begins a new one.
//
// A link that fails in one part fails as a whole: it then ends in both
// directions, and the core is told once. So the core may rely on order and on
// receipts by counting. A link that is ended in an orderly way is written out
// first, and both sides see the end of each other's streams: what was queued
// has been read. A peer that breaks the protocol is cut off at once, and the core
// is told, which decides whether it may come again.
//
// Nothing here decides anything about gossip. Events go to Config.Emit, in the
// order LinkUp, Received …, Broke if the peer broke the protocol, LinkDown for
// every link, and one link of a peer after the other. Emit may block: readers then
// wait, streams fill, and the peer feels it. Sending never blocks: queues are
// bounded, and what does not fit is handed back.
package transport
