package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
)

// valueRecord is a record of the distributed hash table; see docs/protocol/dht.md.
type valueRecord struct {
	Network  string   `json:"network"`
	Key      octets   `json:"key"`
	Sequence uint64   `json:"sequence"`
	Created  uint64   `json:"created"`
	Expires  uint64   `json:"expires"`
	Signer   peer     `json:"signer"`
	Value    octets   `json:"value"`
	Digest   octets   `json:"digest"`
	Places   []octets `json:"places"`
}

// readValue reads and verifies a record.
func readValue(b []byte) (*valueRecord, error) {
	in := reader{rest: b}
	signed := in.take(int(in.u32()))
	public, signature := in.short16(), in.rest
	if in.short || len(b) > 68567 || len(public) > 1200 || len(signature) > 1024 {
		return nil, errors.New("a record out of form")
	}
	in = reader{rest: signed}
	if v := in.u8(); v != 1 {
		return nil, fmt.Errorf("version %d", v)
	}
	r := &valueRecord{Network: string(in.short8()), Key: in.take(32), Sequence: in.u64(), Created: in.u64(), Expires: in.u64(), Signer: in.short8(), Value: in.rest}
	switch {
	case in.short || len(r.Signer) == 0 || len(r.Signer) > 64 || len(r.Value) == 0 || len(r.Value) > 65495:
		return nil, errors.New("a record out of form")
	case r.Created > maxMillis || r.Expires <= r.Created || r.Expires-r.Created > 12*3600*1000:
		return nil, errors.New("a record that lives too long")
	}
	key, err := keyOf(r.Signer, public)
	if err != nil {
		return nil, err
	}
	if !key.verify(slices.Concat([]byte("hearsay/value/1\x00"), signed), signature) {
		return nil, errors.New("a bad signature")
	}
	digest := sha256.Sum256(b)
	r.Digest = digest[:]
	for i := range byte(3) {
		place := sha256.Sum256(slices.Concat([]byte("hearsay/place"), []byte{i}, r.Key))
		if i > 0 {
			place[0] = place[0]%64 + 64*(r.Places[0][0]/64^i)
		}
		r.Places = append(r.Places, place[:])
	}
	return r, nil
}

// valueAnswer is what a node says to find and get.
type valueAnswer struct {
	Nodes   []valueNode    `json:"nodes"`
	Records []*valueRecord `json:"records"`
}

type valueNode struct {
	Peer  peer     `json:"peer"`
	Addrs []string `json:"addrs"`
}

// readValueAnswer reads the answer to find or get.
func readValueAnswer(b []byte) (*valueAnswer, error) {
	a := new(valueAnswer)
	in := reader{rest: b}
	for range in.u8() {
		n := valueNode{Peer: bytes.Clone(in.short8())}
		count := in.u8()
		for range count {
			addr := in.short16()
			text, err := addrText(addr)
			if err != nil || len(addr) > 128 {
				return nil, errors.New("an address out of form")
			}
			n.Addrs = append(n.Addrs, text)
		}
		if a.Nodes = append(a.Nodes, n); len(a.Nodes) > 8 || count > 4 || len(n.Peer) == 0 || len(n.Peer) > 64 {
			return nil, errors.New("too much of nodes")
		}
	}
	for range in.u8() {
		r, err := readValue(in.take(int(in.u32())))
		if err != nil {
			return nil, err
		}
		if a.Records = append(a.Records, r); len(a.Records) > 8 {
			return nil, errors.New("too many records")
		}
	}
	if in.short || len(in.rest) > 0 {
		return nil, errors.New("an answer out of form")
	}
	return a, nil
}

// valueRequest is what one node asks of another.
type valueRequest struct {
	Asks     string       `json:"asks"`
	Place    octets       `json:"place,omitempty"`
	Key      octets       `json:"key,omitempty"`
	Record   *valueRecord `json:"record,omitempty"`
	Sequence uint64       `json:"sequence,omitempty"`
	Digest   octets       `json:"digest,omitempty"`
	Signer   peer         `json:"signer,omitempty"`
}

// readValueRequest reads a request.
func readValueRequest(b []byte) (r *valueRequest, err error) {
	in := reader{rest: b}
	switch kind := in.u8(); kind {
	case 1:
		r = &valueRequest{Asks: "find", Place: in.take(32)}
	case 2:
		r = &valueRequest{Asks: "get", Place: in.take(32), Key: in.take(32)}
	case 3:
		r = &valueRequest{Asks: "put"}
		if r.Record, err = readValue(in.take(len(in.rest))); err != nil {
			return nil, err
		}
	case 4:
		r = &valueRequest{Asks: "offer", Key: in.take(32), Sequence: in.u64(), Digest: in.take(32), Signer: in.take(len(in.rest))}
		if len(r.Signer) == 0 || len(r.Signer) > 64 {
			return nil, errors.New("an offer of nobody's")
		}
	default:
		return nil, fmt.Errorf("a request of kind %d", kind)
	}
	if in.short || len(in.rest) > 0 {
		return nil, errors.New("a request out of form")
	}
	return r, nil
}
