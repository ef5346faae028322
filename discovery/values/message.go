package values

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// kind is what a request asks for.
type kind uint8

const (
	kindFind  kind = 1 + iota // nodes near a place
	kindGet                   // the same, and the records of a key
	kindPut                   // keep this record
	kindOffer                 // would you keep, or do you have, this record?
)

// verdict is what a node says to a record.
type verdict uint8

const (
	verdictKept    verdict = 1 + iota // it has it now, or had it before
	verdictWanted                     // of an offer: send it
	verdictOlder                      // it has, or had, a newer one of the same signer
	verdictRefused                    // the record is wrong
	verdictFull                       // no room for it
	verdictBusy                       // too much from this peer at once
)

// Sizes of messages.
const (
	maxRequest  = maxRecord + 256
	maxResponse = maxSigners*(maxRecord+4) + maxNear*(maxSigner+maxNearAddrs*(maxAddr+2)+4) + 16

	// maxNear is how many nodes an answer names, with up to maxNearAddrs addresses
	// of up to maxAddr bytes each.
	maxNear      = placeNodes
	maxNearAddrs = 4
	maxAddr      = 128
)

// request is one question; each has a stream of its own.
//
//	u8 kind, then
//	find:  place
//	get:   place, key
//	put:   record
//	offer: key, u64 sequence, digest, signer
type request struct {
	kind     kind
	place    place
	key      Key
	record   *Record // of a put
	sequence uint64
	digest   [32]byte
	signer   peer.ID
}

// response is the answer.
//
//	find, get: u8 n, n × (u8 length, peer ID, u8 m, m × (u16 length, multiaddr)), u8 k, k × (u32 length, record)
//	put, offer: u8 verdict
type response struct {
	near    []peer.AddrInfo
	records []*Record // well-formed, and not checked
	verdict verdict
}

var errMessage = errors.New("malformed message")

func (q *request) encode() []byte {
	b := []byte{byte(q.kind)}
	switch q.kind {
	case kindFind:
		b = append(b, q.place[:]...)
	case kindGet:
		b = append(append(b, q.place[:]...), q.key[:]...)
	case kindPut:
		b = append(b, q.record.raw...)
	case kindOffer:
		b = append(b, q.key[:]...)
		b = binary.BigEndian.AppendUint64(b, q.sequence)
		b = append(append(b, q.digest[:]...), q.signer...)
	}
	return b
}

func decodeRequest(b []byte) (*request, error) {
	in := cutter{rest: b}
	q := &request{kind: kind(in.u8())}
	switch q.kind {
	case kindFind:
		copy(q.place[:], in.take(len(q.place)))
	case kindGet:
		copy(q.place[:], in.take(len(q.place)))
		copy(q.key[:], in.take(KeySize))
	case kindPut:
		r, err := ParseRecord(in.take(len(in.rest)))
		if err != nil {
			return nil, err
		}
		q.record = r
	case kindOffer:
		copy(q.key[:], in.take(KeySize))
		q.sequence = in.u64()
		copy(q.digest[:], in.take(len(q.digest)))
		q.signer = peer.ID(in.take(len(in.rest)))
		if len(q.signer) == 0 || len(q.signer) > maxSigner {
			return nil, errMessage
		}
	default:
		return nil, errMessage
	}
	if in.short || len(in.rest) != 0 {
		return nil, errMessage
	}
	return q, nil
}

func (p *response) encode() []byte {
	if p.verdict != 0 {
		return []byte{byte(p.verdict)}
	}
	b := []byte{byte(len(p.near))}
	for _, info := range p.near {
		b = append(append(b, byte(len(info.ID))), info.ID...)
		b = append(b, byte(len(info.Addrs)))
		for _, a := range info.Addrs {
			b = binary.BigEndian.AppendUint16(b, uint16(len(a.Bytes())))
			b = append(b, a.Bytes()...)
		}
	}
	b = append(b, byte(len(p.records)))
	for _, r := range p.records {
		b = binary.BigEndian.AppendUint32(b, uint32(len(r.raw)))
		b = append(b, r.raw...)
	}
	return b
}

// decodeResponse reads the answer to a request of this kind, and keeps nothing of
// b. What exceeds a limit makes all of it worthless: no honest node sends it.
func decodeResponse(k kind, b []byte) (*response, error) {
	p := new(response)
	in := cutter{rest: b}
	if k == kindPut || k == kindOffer {
		p.verdict = verdict(in.u8())
		if in.short || len(in.rest) != 0 || p.verdict < verdictKept || p.verdict > verdictBusy {
			return nil, errMessage
		}
		return p, nil
	}
	n := int(in.u8())
	if n > maxNear {
		return nil, errMessage
	}
	for range n {
		info, ok := in.near()
		if !ok {
			return nil, errMessage
		}
		p.near = append(p.near, info)
	}
	n = int(in.u8())
	if n > maxSigners {
		return nil, errMessage
	}
	for range n {
		// A copy: what is kept of one record does not keep the answer with eight.
		r, err := ParseRecord(bytes.Clone(in.take(int(in.u32()))))
		if in.short || err != nil {
			return nil, errMessage
		}
		p.records = append(p.records, r)
	}
	if in.short || len(in.rest) != 0 {
		return nil, errMessage
	}
	return p, nil
}

// near reads one node and its addresses.
func (c *cutter) near() (info peer.AddrInfo, ok bool) {
	id, err := peer.IDFromBytes(c.take(int(c.u8())))
	m := int(c.u8())
	if c.short || err != nil || len(id) > maxSigner || m > maxNearAddrs {
		return info, false
	}
	info.ID = id
	for range m {
		b := c.take(int(c.u16()))
		if c.short || len(b) > maxAddr {
			return info, false
		}
		a, err := ma.NewMultiaddrBytes(b)
		if err != nil {
			return info, false
		}
		info.Addrs = append(info.Addrs, a)
	}
	return info, true
}
