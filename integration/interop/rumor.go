package main

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
)

// reader takes fields from bytes and remembers whether there were enough.
type reader struct {
	rest  []byte
	short bool
}

func (r *reader) take(n int) []byte {
	if n > len(r.rest) {
		r.short, r.rest = true, nil
		return make([]byte, min(n, 1<<16))
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) u8() uint64  { return uint64(r.take(1)[0]) }
func (r *reader) u16() uint64 { return uint64(binary.BigEndian.Uint16(r.take(2))) }
func (r *reader) u32() uint64 { return uint64(binary.BigEndian.Uint32(r.take(4))) }
func (r *reader) u64() uint64 { return binary.BigEndian.Uint64(r.take(8)) }

func (r *reader) short8() []byte  { return r.take(int(r.u8())) }
func (r *reader) short16() []byte { return r.take(int(r.u16())) }

// rumor is signed bytes in words; see docs/protocol/rumor.md.
type rumor struct {
	Network  string `json:"network"`
	Kind     uint64 `json:"kind"`
	Origin   peer   `json:"origin"`
	Epoch    uint64 `json:"epoch"`
	Seq      uint64 `json:"seq"`
	DataType uint64 `json:"data_type"`
	Key      octets `json:"key"`
	Created  uint64 `json:"created"`
	Expires  uint64 `json:"expires"`
	TTL      uint64 `json:"ttl"`
	Payload  octets `json:"payload"`
	ID       octets `json:"id"`
}

// readRumor reads signed bytes.
func readRumor(signed []byte) (*rumor, error) {
	in := reader{rest: signed}
	if v := in.u8(); v != 1 {
		return nil, fmt.Errorf("version %d", v)
	}
	r := &rumor{
		Network:  string(in.short8()),
		Kind:     in.u8(),
		Origin:   in.short8(),
		Epoch:    in.u64(),
		Seq:      in.u64(),
		DataType: in.u16(),
		Key:      in.short8(),
		Created:  in.u64(),
		Expires:  in.u64(),
		TTL:      in.u8(),
		Payload:  in.rest,
	}
	switch {
	case in.short:
		return nil, errShort
	case r.Network == "" || len(r.Network) > 32:
		return nil, errors.New("a network's name out of its limits")
	case r.Kind < 1 || r.Kind > 4:
		return nil, errors.New("a kind that does not exist")
	case len(r.Origin) == 0 || len(r.Origin) > 64:
		return nil, errors.New("an origin out of its limits")
	case r.Epoch == 0 || r.Seq == 0:
		return nil, errors.New("numbers count from 1")
	case len(r.Key) > 0 && r.Kind != 2:
		return nil, errors.New("a key that is not a state's")
	case r.Created >= 1<<63 || r.Expires <= r.Created || r.Expires-r.Created > 86_400_000:
		return nil, errors.New("a life out of its limits")
	case len(r.Payload) > 65527:
		return nil, errors.New("too large a payload")
	}
	sum := sha256.Sum256(signed)
	r.ID = sum[:]
	return r, nil
}

// work is how many zero bits the proof of work has.
func work(id []byte, nonce uint64) int {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(slices.Clone(id), nonce))
	zeros := 0
	for _, b := range sum {
		zeros += bits.LeadingZeros8(b)
		if b != 0 {
			break
		}
	}
	return zeros
}

// signedBy checks the signature of a rumor.
func (r *rumor) signedBy(public, signature []byte) error {
	key, err := keyOf(r.Origin, public)
	if err != nil {
		return err
	}
	if !key.verify(slices.Concat([]byte("hearsay rumor v1\x00"), r.ID), signature) {
		return errors.New("a bad signature")
	}
	return nil
}

// decodeRumorVector reads a rumor and checks its work and signature.
func decodeRumorVector(v *vector) (any, error) {
	var given struct {
		Nonce     octets `json:"nonce"` // 8 bytes, as they are hashed
		Signature octets `json:"signature"`
		PublicKey octets `json:"public_key"`
		Bits      int    `json:"difficulty_bits"`
	}
	if err := strict(v.Given, &given); err != nil {
		return nil, err
	}
	r, err := readRumor(v.Bytes)
	if err != nil {
		return nil, err
	}
	if len(given.Nonce) != 8 {
		return nil, errors.New("a nonce has 8 bytes")
	}
	zeros := work(r.ID, binary.BigEndian.Uint64(given.Nonce))
	if zeros < given.Bits {
		return nil, fmt.Errorf("%d zero bits of work", zeros)
	}
	if err := r.signedBy(given.PublicKey, given.Signature); err != nil {
		return nil, err
	}
	return struct {
		*rumor
		Bits int `json:"difficulty_bits"` // as given
		Zero int `json:"zero_bits"`
	}{r, given.Bits, zeros}, nil
}

// presence is the payload of a presence; see docs/protocol/presence.md.
type presence struct {
	Flags     uint64       `json:"flags"`
	Left      bool         `json:"left"`
	Refutes   bool         `json:"refutes"`
	Record    *peerRecord  `json:"record"`
	Interests []uint64     `json:"interests"`
	Agent     string       `json:"agent"`
	Lost      []lost       `json:"lost"`
	Key       *certificate `json:"key"`
	Ports     []portOf     `json:"ports"`
	Unknown   []unknownTag `json:"unknown"`
}

type lost struct {
	Peer  peer   `json:"peer"`
	Epoch uint64 `json:"epoch"`
	Seq   uint64 `json:"seq"`
}

// portOf tells where modules are that others may reach.
type portOf struct {
	App  uint64 `json:"application"`
	Port uint64 `json:"port"` // 0: at the port of the node's P2P address
}

type unknownTag struct {
	Tag   uint64 `json:"tag"`
	Value octets `json:"value"`
}

// readPresence reads a presence, and the record in it.
func readPresence(b []byte) (*presence, error) {
	if len(b) > 8192 {
		return nil, errors.New("a presence of more than 8192 bytes")
	}
	p := new(presence)
	in := reader{rest: b}
	for last := uint64(0); len(in.rest) > 0; {
		tag, value := in.u8(), in.short16()
		if in.short || tag <= last {
			return nil, errors.New("a field out of its place")
		}
		last = tag
		v := reader{rest: value}
		switch tag {
		case 1:
			p.Flags = v.u8()
			p.Left, p.Refutes = p.Flags&1 != 0, p.Flags&2 != 0
		case 2:
			var err error
			if p.Record, err = openRecord(v.take(len(value))); err != nil {
				return nil, err
			}
		case 3:
			for len(v.rest) > 0 {
				p.Interests = append(p.Interests, v.u16())
			}
			if n := len(p.Interests); n > 256 || n == 0 || !ascend(p.Interests) {
				return nil, errors.New("interests out of their limits")
			}
		case 4:
			if p.Agent = string(v.take(len(value))); len(p.Agent) > 64 {
				return nil, errors.New("too long an agent")
			}
		case 5:
			for len(v.rest) > 0 {
				l := lost{v.short8(), v.u64(), v.u64()}
				if n := len(p.Lost); n == 16 || len(l.Peer) == 0 || len(l.Peer) > 64 || n > 0 && string(p.Lost[n-1].Peer) >= string(l.Peer) {
					return nil, errors.New("accusations out of their limits")
				}
				p.Lost = append(p.Lost, l)
			}
		case 6:
			var err error
			if p.Key, err = readCertificate(v.take(len(value))); err != nil {
				return nil, err
			}
		case 7:
			for len(v.rest) > 0 {
				at := portOf{v.u16(), v.u16()}
				if n := len(p.Ports); n == 16 || n > 0 && p.Ports[n-1].App >= at.App {
					return nil, errors.New("ports out of their limits")
				}
				p.Ports = append(p.Ports, at)
			}
		default:
			p.Unknown = append(p.Unknown, unknownTag{tag, v.take(len(value))})
		}
		if v.short || len(v.rest) > 0 {
			return nil, fmt.Errorf("field %d is out of form", tag)
		}
	}
	return p, nil
}

func ascend(list []uint64) bool {
	for i := 1; i < len(list); i++ {
		if list[i-1] >= list[i] {
			return false
		}
	}
	return true
}
