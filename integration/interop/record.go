package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// peerRecord is what a signed peer record says; see docs/protocol/identity.md.
type peerRecord struct {
	Peer  peer     `json:"peer"`
	Seq   uint64   `json:"seq"`
	Addrs []string `json:"addrs"`
}

// openRecord reads a signed peer record and verifies its signature.
func openRecord(b []byte) (*peerRecord, error) {
	if len(b) > 4096 {
		return nil, errors.New("a record of more than 4096 bytes")
	}
	unknown := maxUnknown
	env, err := fields(b, &unknown, form{1: chunk, 2: chunk, 3: chunk, 5: chunk})
	if err != nil {
		return nil, err
	}
	key, err := readKey(env.bytes(1))
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(env.bytes(2), []byte{3, 1}) {
		return nil, errors.New("not a peer record")
	}
	var signed []byte
	for _, part := range [][]byte{[]byte("libp2p-peer-record"), env.bytes(2), env.bytes(3)} {
		signed = slices.Concat(signed, varint(uint64(len(part))), part)
	}
	if !key.verify(signed, env.bytes(5)) {
		return nil, errors.New("a bad signature")
	}
	rec, err := fields(env.bytes(3), &unknown, form{1: chunk, 2: number, 3: many})
	if err != nil {
		return nil, err
	}
	r := &peerRecord{Peer: rec.bytes(1), Seq: rec.number(2)}
	if !bytes.Equal(key.peerID(), r.Peer) {
		return nil, errors.New("signed by another peer")
	}
	for _, a := range rec.all(3) {
		info, err := fields(a, &unknown, form{1: chunk})
		if err != nil {
			return nil, err
		}
		text, err := addrText(info.bytes(1))
		if err != nil {
			return nil, err
		}
		r.Addrs = append(r.Addrs, text)
	}
	if n := len(r.Addrs); n < 1 || n > 16 {
		return nil, fmt.Errorf("%d addresses", n)
	}
	return r, nil
}

// addrText puts a TCP address into words.
func addrText(b []byte) (string, error) {
	size, name := 0, ""
	switch {
	case len(b) > 0 && b[0] == 0x04:
		size, name = 4, "/ip4/"
	case len(b) > 0 && b[0] == 0x29:
		size, name = 16, "/ip6/"
	}
	if size == 0 || len(b) != 1+size+3 || b[1+size] != 0x06 {
		return "", fmt.Errorf("address %x is not of TCP", b)
	}
	ip, _ := netip.AddrFromSlice(b[1 : 1+size])
	return fmt.Sprintf("%s%s/tcp/%d", name, ip, binary.BigEndian.Uint16(b[1+size+1:])), nil
}
