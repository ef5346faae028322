// Package direct brings sealed messages straight to a peer and learns at once
// whether they arrived.
//
// The protocol is /hearsay/direct/1.0.0: one stream carries one message. The
// sender opens it, writes one frame (uvarint length in its shortest form, then
// that many bytes: an envelope of package envelope, 1 to [MaxSize] of them) and
// ends its side. The receiver answers with one byte, an [Answer], and ends the
// stream. The connection below proves to each side who the other is, so an answer
// is the peer's own.
//
// # What it costs at most
//
// Anybody who can connect can send. Before anything is read, a stream counts
// against what one peer and what all peers together may send ([perPeer], [burst],
// [overall]); who is over it is answered [Busy]. At most [maxStreams] streams are
// served at once, [maxPeerStreams] of one peer, each with one frame in memory and
// [frameTime] for it. The limits of peers are remembered for [maxPeers]; beyond
// that peers that are not known wait until others have been quiet.
package direct
