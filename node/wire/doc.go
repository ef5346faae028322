// Package wire turns the messages of the gossip core into frames and back.
//
// A frame is a length and a Protocol Buffers message, Frame of hearsay.proto
// beside this file:
//
//	uvarint length (1 to MaxFrame, shortest form) · Frame
//
// The codec is written by hand over protowire, for one reason: a generated
// decoder first builds whatever the bytes claim and lets its caller look at the
// size afterwards. Here every cap holds while the bytes are read, so that a
// frame makes a node allocate no more than about its own size, and nothing
// before its bytes have come.
//
// A frame has one meaning. Where protobuf is lenient this package refuses: a
// field twice, two kinds in one frame, a number longer than it need be, a list
// over its limit, a value out of range. Where protobuf allows growth it is
// lenient too: fields that this version does not know are skipped, up to
// maxUnknown of them, and a frame of an unknown kind decodes to nil, so that a
// later version may say more to an earlier one.
//
// The package knows nothing of streams. It does not verify peer records either:
// Decode gives PeerList and PeersRequest their signed envelopes, and the
// transport, which has libp2p at hand, fills in the rest.
package wire
