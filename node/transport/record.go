package transport

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p/core/crypto"
	cryptopb "github.com/libp2p/go-libp2p/core/crypto/pb"
	"github.com/libp2p/go-libp2p/core/peer"
	recordpb "github.com/libp2p/go-libp2p/core/record/pb"
	ma "github.com/multiformats/go-multiaddr"
	"google.golang.org/protobuf/proto"

	"hearsay/node/gossip"
	"hearsay/node/identity"
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
	r, err := readRecord(envelope)
	if err == nil {
		err = r.verify()
	}
	if err != nil {
		return gossip.PeerRecord{}, peer.AddrInfo{}, fmt.Errorf("peer record: %w", err)
	}
	return r.PeerRecord, peer.AddrInfo{ID: peer.ID(r.Peer), Addrs: r.addrs}, nil
}

// ReadRecord is OpenRecord for a record whose signature was looked at before, or that its
// peer signed as part of a presence. The signature is not looked at again.
func ReadRecord(envelope []byte) (peer.AddrInfo, error) {
	r, err := readRecord(envelope)
	if err != nil {
		return peer.AddrInfo{}, fmt.Errorf("peer record: %w", err)
	}
	return peer.AddrInfo{ID: peer.ID(r.Peer), Addrs: r.addrs}, nil
}

// signedRecord is a peer record whose signature was not looked at.
type signedRecord struct {
	gossip.PeerRecord
	addrs  []ma.Multiaddr
	key    crypto.PubKey
	signed identity.Message // without a key, if that is none of Ed25519
}

// readRecord reads an envelope. libp2p's record.ConsumeEnvelope does the same and checks
// the signature at once; of many they are checked together here.
func readRecord(envelope []byte) (r signedRecord, err error) {
	if len(envelope) > gossip.MaxRecord {
		return r, fmt.Errorf("%d bytes, at most %d", len(envelope), gossip.MaxRecord)
	}
	var e recordpb.Envelope
	if err := proto.Unmarshal(envelope, &e); err != nil {
		return r, err
	}
	key, err := crypto.PublicKeyFromProto(e.PublicKey)
	if err != nil {
		return r, err
	}
	if string(e.PayloadType) != string(peer.PeerRecordEnvelopePayloadType) {
		return r, fmt.Errorf("has payload type %x, not %x", e.PayloadType, peer.PeerRecordEnvelopePayloadType)
	}
	var pr peer.PeerRecord
	if err := pr.UnmarshalRecord(e.Payload); err != nil {
		return r, err
	}
	switch {
	case len(pr.PeerID) > gossip.MaxPeerID:
		return r, fmt.Errorf("peer ID of %d bytes, at most %d", len(pr.PeerID), gossip.MaxPeerID)
	case !pr.PeerID.MatchesPublicKey(key):
		return r, errors.New("signed by another peer")
	case len(pr.Addrs) == 0 || len(pr.Addrs) > MaxRecordAddrs:
		return r, fmt.Errorf("%d addresses, allowed are 1 to %d", len(pr.Addrs), MaxRecordAddrs)
	}
	text := make([]byte, 0, 3*binary.MaxVarintLen16+len(peer.PeerRecordEnvelopeDomain)+len(e.PayloadType)+len(e.Payload))
	for _, field := range [][]byte{[]byte(peer.PeerRecordEnvelopeDomain), e.PayloadType, e.Payload} {
		text = append(binary.AppendUvarint(text, uint64(len(field))), field...)
	}
	r = signedRecord{
		PeerRecord: gossip.PeerRecord{Peer: gossip.PeerID(pr.PeerID), Seq: pr.Seq, Bytes: envelope},
		addrs:      pr.Addrs, key: key, signed: identity.Message{Text: text, Signature: e.Signature},
	}
	if key.Type() == cryptopb.KeyType_Ed25519 {
		r.signed.Key, err = key.Raw()
	}
	return r, err
}

// batchable reports whether the signature can be in a batch.
func (r *signedRecord) batchable() bool { return len(r.signed.Key) > 0 }

// verify checks the signature: of an Ed25519 key by ZIP-215, as in a batch.
func (r *signedRecord) verify() error {
	var good bool
	var err error
	if r.batchable() {
		good = identity.VerifyMessages([]identity.Message{r.signed})
	} else {
		good, err = r.key.Verify(r.signed.Text, r.signed.Signature)
	}
	if err == nil && !good {
		err = errors.New("the signature is not of its peer")
	}
	return err
}
