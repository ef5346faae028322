package gossip

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Presence is the payload of a presence rumor.
type Presence struct {
	// Left says that the node is shutting down.
	Left bool
	// Record is the node's signed peer record, empty if it does not tell.
	Record []byte
	// Interests are the data types that its modules take, ascending, at most
	// MaxPresenceInterests of them.
	Interests []uint16
	// Agent is the name and version of its software.
	Agent string
	// Lost are the neighbours whose link broke and that could not be reached
	// again, ascending by peer, at most MaxLost of them.
	Lost []Lost
	// Key is a certificate by the node's hostkey of the key to which private messages
	// to it are sealed (package envelope), at most MaxKeyCertificate bytes; empty if
	// it takes none. The core does not look into it.
	Key []byte
	// Refutes says that this presence answers one that named the node as lost.
	Refutes bool
	// Ports are where the node's modules can be reached by those of other nodes,
	// ascending by application, at most MaxPorts of them.
	Ports []Port
}

// Port says where an application can be reached on a node's machine. What the
// numbers of applications mean is the business of modules: those of the course
// number them as their messages, 560 is Onion.
type Port struct {
	App  uint16
	Port uint16 // 0 = at the node's own P2P port
}

// Lost names a node that does not answer any more. It is about one presence of
// it: by any newer one that node shows that it lives.
type Lost struct {
	Peer  PeerID
	Epoch uint64 // of the presence
	Seq   uint64
}

func (l Lost) version() version { return version{l.Epoch, l.Seq} }

const (
	// MaxPresenceInterests bounds the data types that a presence lists.
	MaxPresenceInterests = 256
	// MaxLost bounds the nodes that a presence names as lost.
	MaxLost = 16
	// MaxKeyCertificate bounds the certificate in a presence: that of an RSA hostkey
	// of 8192 bits has 2,180 bytes, that of an Ed25519 one 164.
	MaxKeyCertificate = 2304
	// MaxPorts bounds the ports that a presence tells.
	MaxPorts = 16
	maxAgent = 64
	// MaxPresence bounds an encoded presence, what later versions add included.
	MaxPresence = 8192
)

// Tags of the fields of an encoded presence: tag u8 · length u16 · value, in
// ascending order, each at most once. Unknown tags are skipped, so that later
// versions can say more.
const (
	tagFlags     = 1 // one byte: flagLeft, flagRefutes, and bits that are not known yet
	tagRecord    = 2
	tagInterests = 3 // u16 each
	tagAgent     = 4
	tagLost      = 5 // length u8 · peer · epoch u64 · seq u64 each
	tagKey       = 6
	tagPorts     = 7 // application u16 · port u16 each
)

const (
	flagLeft    = 1
	flagRefutes = 2
)

// Append lays p out behind b.
func (p *Presence) Append(b []byte) []byte {
	field := func(tag byte, n int) {
		b = append(b, tag)
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	}
	flags := byte(0)
	if p.Left {
		flags |= flagLeft
	}
	if p.Refutes {
		flags |= flagRefutes
	}
	if flags != 0 {
		field(tagFlags, 1)
		b = append(b, flags)
	}
	if len(p.Record) > 0 {
		field(tagRecord, len(p.Record))
		b = append(b, p.Record...)
	}
	if len(p.Interests) > 0 {
		field(tagInterests, 2*len(p.Interests))
		for _, t := range p.Interests {
			b = binary.BigEndian.AppendUint16(b, t)
		}
	}
	if p.Agent != "" {
		field(tagAgent, len(p.Agent))
		b = append(b, p.Agent...)
	}
	if len(p.Lost) > 0 {
		n := 0
		for _, l := range p.Lost {
			n += 1 + len(l.Peer) + 16
		}
		field(tagLost, n)
		for _, l := range p.Lost {
			b = append(b, byte(len(l.Peer)))
			b = append(b, l.Peer...)
			b = binary.BigEndian.AppendUint64(b, l.Epoch)
			b = binary.BigEndian.AppendUint64(b, l.Seq)
		}
	}
	if len(p.Key) > 0 {
		field(tagKey, len(p.Key))
		b = append(b, p.Key...)
	}
	if len(p.Ports) > 0 {
		field(tagPorts, 4*len(p.Ports))
		for _, at := range p.Ports {
			b = binary.BigEndian.AppendUint16(b, at.App)
			b = binary.BigEndian.AppendUint16(b, at.Port)
		}
	}
	return b
}

// ErrPresence is wrapped by every error about the form of a presence.
var ErrPresence = errors.New("malformed presence")

// ParsePresence reads what Append wrote. The record's bytes are shared with b.
func ParsePresence(b []byte) (*Presence, error) {
	if len(b) > MaxPresence {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrPresence, len(b), MaxPresence)
	}
	p := new(Presence)
	for last := 0; len(b) > 0; {
		if len(b) < 3 {
			return nil, fmt.Errorf("%w: %d stray bytes", ErrPresence, len(b))
		}
		tag, n := int(b[0]), int(binary.BigEndian.Uint16(b[1:]))
		if tag <= last || len(b) < 3+n {
			return nil, fmt.Errorf("%w: field %d of %d bytes is out of place", ErrPresence, tag, n)
		}
		last = tag
		v := b[3 : 3+n]
		b = b[3+n:]
		ok := true
		switch tag {
		case tagFlags:
			ok = n == 1
			p.Left = ok && v[0]&flagLeft != 0
			p.Refutes = ok && v[0]&flagRefutes != 0
		case tagRecord:
			ok = n <= MaxRecord
			p.Record = v
		case tagInterests:
			ok = n%2 == 0 && n <= 2*MaxPresenceInterests
			for i := 0; ok && i < n; i += 2 {
				t := binary.BigEndian.Uint16(v[i:])
				ok = i == 0 || t > p.Interests[len(p.Interests)-1]
				p.Interests = append(p.Interests, t)
			}
		case tagAgent:
			ok = n <= maxAgent
			p.Agent = string(v)
		case tagLost:
			p.Lost, ok = parseLost(v)
		case tagKey:
			ok = n <= MaxKeyCertificate
			p.Key = v
		case tagPorts:
			p.Ports, ok = parsePorts(v)
		}
		if !ok {
			return nil, fmt.Errorf("%w: field %d of %d bytes is out of form", ErrPresence, tag, n)
		}
	}
	return p, nil
}

func parseLost(b []byte) (list []Lost, ok bool) {
	for len(b) > 0 {
		n := int(b[0])
		if n == 0 || n > MaxPeerID || len(b) < 1+n+16 || len(list) == MaxLost {
			return nil, false
		}
		l := Lost{PeerID(b[1 : 1+n]), binary.BigEndian.Uint64(b[1+n:]), binary.BigEndian.Uint64(b[1+n+8:])}
		if len(list) > 0 && l.Peer <= list[len(list)-1].Peer {
			return nil, false
		}
		list = append(list, l)
		b = b[1+n+16:]
	}
	return list, true
}

func parsePorts(b []byte) (list []Port, ok bool) {
	if len(b)%4 != 0 || len(b) > 4*MaxPorts {
		return nil, false
	}
	for ; len(b) > 0; b = b[4:] {
		at := Port{binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])}
		if len(list) > 0 && at.App <= list[len(list)-1].App {
			return nil, false
		}
		list = append(list, at)
	}
	return list, true
}
