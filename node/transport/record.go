package transport

import (
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/record"

	"hearsay/node/gossip"
)

// MaxRecordAddrs bounds the addresses in one peer record.
const MaxRecordAddrs = 16

// VerifyRecord checks a signed peer record as libp2p defines it (RFC 0002 and
// 0003 of its specifications): a signature over the peer record domain by the
// key of the peer that it is about, at least one address and no more than
// MaxRecordAddrs. The envelope is kept, not copied.
func VerifyRecord(envelope []byte) (gossip.PeerRecord, error) {
	r, _, err := OpenRecord(envelope)
	return r, err
}

// OpenRecord is VerifyRecord and gives the addresses, too.
func OpenRecord(envelope []byte) (gossip.PeerRecord, peer.AddrInfo, error) {
	none := func(err error) (gossip.PeerRecord, peer.AddrInfo, error) {
		return gossip.PeerRecord{}, peer.AddrInfo{}, fmt.Errorf("peer record: %w", err)
	}
	if len(envelope) > gossip.MaxRecord {
		return none(fmt.Errorf("%d bytes, at most %d", len(envelope), gossip.MaxRecord))
	}
	env, rec, err := record.ConsumeEnvelope(envelope, peer.PeerRecordEnvelopeDomain)
	if err != nil {
		return none(err)
	}
	pr, ok := rec.(*peer.PeerRecord)
	switch {
	case !ok:
		return none(fmt.Errorf("is a %T", rec))
	case len(pr.PeerID) > gossip.MaxPeerID:
		return none(fmt.Errorf("peer ID of %d bytes, at most %d", len(pr.PeerID), gossip.MaxPeerID))
	case !pr.PeerID.MatchesPublicKey(env.PublicKey):
		return none(errors.New("signed by another peer"))
	case len(pr.Addrs) == 0 || len(pr.Addrs) > MaxRecordAddrs:
		return none(fmt.Errorf("%d addresses, allowed are 1 to %d", len(pr.Addrs), MaxRecordAddrs))
	}
	return gossip.PeerRecord{Peer: gossip.PeerID(pr.PeerID), Seq: pr.Seq, Bytes: envelope},
		peer.AddrInfo{ID: pr.PeerID, Addrs: pr.Addrs}, nil
}
