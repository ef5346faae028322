package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Frames; see docs/protocol/transport.md and node/wire/hearsay.proto.

// The streams that frames belong to.
const (
	gossipStream = "/hearsay/gossip/1.0.0"
	syncStream   = "/hearsay/sync/1.0.0"
	peersStream  = "/hearsay/peers/1.0.0"
)

const (
	maxFrame    = 263168
	maxGroup    = 65538
	maxIDs      = 4096
	maxSigned   = 65918
	maxMillis   = 1<<63 - 1
	maxDataType = 65535
)

// frame is a frame in words.
type frame struct {
	Kind    string    `json:"kind"` // as in hearsay.proto; "" for one that is not known
	Stream  string    `json:"stream,omitempty"`
	Says    any       `json:"says"`
	Skipped []skipped `json:"skipped"` // fields that are not known
}

// kindOfFrame is what there is under a number of Frame.
type kindOfFrame struct {
	name   string
	stream string // "" = any, as the first
	form   form
	read   func(*message, *int) (any, error)
}

var kinds = map[uint64]kindOfFrame{
	1:  {"hello", "", form{1: number, 2: chunk, 3: chunk, 4: fixed, 5: fixed, 6: number, 7: number}, readHello},
	2:  {"interests", gossipStream, form{1: chunk, 2: number}, readInterests},
	3:  {"push", gossipStream, form{1: chunk, 2: fixed, 3: chunk, 4: chunk, 5: number, 6: number, 7: fixed}, readPush},
	4:  {"receipt", gossipStream, form{1: chunk}, readReceipt},
	5:  {"ping", gossipStream, form{1: number}, readNumber("number", 0, 1<<64-1)},
	6:  {"pong", gossipStream, form{1: number}, readNumber("number", 0, 1<<64-1)},
	7:  {"bye", gossipStream, form{1: number}, readNumber("reason", 1, 255)},
	8:  {"peers_request", peersStream, form{1: many}, readRecords(16)},
	9:  {"peer_list", peersStream, form{1: many}, readRecords(64)},
	10: {"sync", syncStream, form{1: number, 2: number, 3: many}, readSync},
	11: {"want", syncStream, form{1: number, 2: chunk}, readWant},
	12: {"fill", syncStream, form{1: chunk, 2: fixed, 3: chunk, 4: chunk, 5: number}, readPush},
	13: {"have", gossipStream, form{1: number, 2: chunk, 3: chunk, 4: number, 5: chunk}, readHave},
	14: {"graft", gossipStream, form{1: number, 2: chunk, 3: chunk}, readGraft},
}

// decodeFrameVector reads a frame with its length.
func decodeFrameVector(v *vector) (any, error) {
	n, body, err := takeVarint(v.Bytes)
	switch {
	case err != nil:
		return nil, err
	case n == 0 || n > maxFrame:
		return nil, fmt.Errorf("a length of %d", n)
	case n != uint64(len(body)):
		return nil, fmt.Errorf("a length of %d for %d bytes", n, len(body))
	}
	return readFrame(body)
}

// readFrame reads the body of a frame.
func readFrame(body []byte) (*frame, error) {
	all := form{}
	for field := range kinds {
		all[field] = chunk
	}
	unknown := maxUnknown
	outer, err := fields(body, &unknown, all)
	if err != nil {
		return nil, err
	}
	f := &frame{Skipped: outer.skipped}
	for field, kind := range kinds {
		if !outer.has(field) {
			continue
		}
		if f.Kind != "" {
			return nil, errors.New("two kinds in one frame")
		}
		inner, err := fields(outer.bytes(field), &unknown, kind.form)
		if err != nil {
			return nil, err
		}
		f.Kind, f.Stream = kind.name, kind.stream
		f.Skipped = append(f.Skipped, inner.skipped...)
		if f.Says, err = kind.read(inner, &unknown); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// nonceBytes are a fixed number as it is hashed, most significant byte first.
func nonceBytes(n uint64) octets { return binary.BigEndian.AppendUint64(nil, n) }

func readHello(m *message, _ *int) (any, error) {
	h := struct {
		Version uint64 `json:"version"`
		Network string `json:"network"`
		Agent   string `json:"agent"`
		Session octets `json:"session"`
		Answers octets `json:"answers"`
		Time    uint64 `json:"time,omitempty"`
		Work    uint64 `json:"work,omitempty"`
	}{m.number(1), string(m.bytes(2)), string(m.bytes(3)), nonceBytes(m.number(4)), nonceBytes(m.number(5)), m.number(6), m.number(7)}
	switch {
	case h.Version == 0 || h.Version >= 1<<32:
		return nil, errors.New("a version out of its limits")
	case h.Network == "" || len(h.Network) > 32 || !utf8.ValidString(h.Network):
		return nil, errors.New("a network out of its limits")
	case len(h.Agent) > 64 || !utf8.ValidString(h.Agent):
		return nil, errors.New("an agent out of its limits")
	case m.number(4) == 0:
		return nil, errors.New("no session")
	case h.Work > 257:
		return nil, errors.New("more work than a hash has bits")
	}
	return h, nil
}

func readInterests(m *message, _ *int) (any, error) {
	types := []uint64{}
	for b := m.bytes(1); len(b) > 0; {
		n, rest, err := takeVarint(b)
		if err != nil {
			return nil, err
		}
		if b = rest; n > maxDataType || len(types) == 1024 {
			return nil, errors.New("interests out of their limits")
		}
		types = append(types, n)
	}
	if !ascend(types) {
		return nil, errors.New("interests do not ascend")
	}
	if m.number(2) > 1 {
		return nil, errors.New("interests that carry more than everything")
	}
	return map[string]any{"types": types, "carries": m.number(2) == 1}, nil
}

func readPush(m *message, _ *int) (any, error) {
	p := struct {
		Rumor     *rumor `json:"rumor"`
		Nonce     octets `json:"nonce"`
		Signature octets `json:"signature"`
		PublicKey octets `json:"public_key"`
		Hops      uint64 `json:"hops"`
		Rooted    bool   `json:"rooted"`
		Landmark  octets `json:"landmark,omitempty"`
		Zero      int    `json:"zero_bits"`
	}{nil, nonceBytes(m.number(2)), m.bytes(3), m.bytes(4), m.number(5), m.number(6) == 1, nil, 0}
	if len(m.bytes(1)) > maxSigned || len(p.Signature) > 1024 || len(p.PublicKey) > 1100 || p.Hops > 255 || m.number(6) > 1 {
		return nil, errors.New("a rumor out of its limits")
	}
	var err error
	if p.Rumor, err = readRumor(m.bytes(1)); err != nil {
		return nil, err
	}
	p.Zero = work(p.Rumor.ID, m.number(2))
	if m.number(7) != 0 {
		p.Landmark = nonceBytes(m.number(7))
	}
	return p, p.Rumor.signedBy(p.PublicKey, p.Signature)
}

func readReceipt(m *message, _ *int) (any, error) {
	verdicts := []int{}
	for _, v := range m.bytes(1) {
		if v > 7 {
			return nil, fmt.Errorf("verdict %d", v)
		}
		verdicts = append(verdicts, int(v))
	}
	if len(verdicts) > 4096 {
		return nil, errors.New("too many verdicts")
	}
	return verdicts, nil
}

func readNumber(name string, least, most uint64) func(*message, *int) (any, error) {
	return func(m *message, _ *int) (any, error) {
		n := m.number(1)
		if n < least || n > most {
			return nil, fmt.Errorf("%s %d", name, n)
		}
		return map[string]uint64{name: n}, nil
	}
}

func readRecords(most int) func(*message, *int) (any, error) {
	return func(m *message, _ *int) (any, error) {
		records := []*peerRecord{}
		for _, b := range m.all(1) {
			r, err := openRecord(b)
			if err != nil {
				return nil, err
			}
			records = append(records, r)
		}
		if len(records) > most {
			return nil, errors.New("too many records")
		}
		return records, nil
	}
}

// split cuts IDs of a size apart, of which there may be so many.
func split(b []byte, size, most int) ([]octets, error) {
	if len(b)%size != 0 || len(b)/size > most {
		return nil, fmt.Errorf("%d bytes of IDs", len(b))
	}
	ids := []octets{}
	for ; len(b) > 0; b = b[size:] {
		ids = append(ids, b[:size])
	}
	return ids, nil
}

// groupIDs reads a group, and IDs of a size in field 2.
func groupIDs(m *message, size int) (group uint64, ids []octets, err error) {
	if group = m.number(1); group > maxGroup {
		return 0, nil, fmt.Errorf("group %d", group)
	}
	ids, err = split(m.bytes(2), size, maxIDs)
	return group, ids, err
}

func readWant(m *message, _ *int) (any, error) {
	g, ids, err := groupIDs(m, 32)
	return map[string]any{"group": g, "ids": ids}, err
}

func readHave(m *message, _ *int) (any, error) {
	g, ids, err := groupIDs(m, 8)
	if err != nil {
		return nil, err
	}
	held := []uint64{}
	times := reader{rest: m.bytes(3)}
	for len(times.rest) > 0 {
		held = append(held, times.u16())
	}
	if times.short || len(held) > 0 && len(held) != len(ids) || m.number(4) > 1 {
		return nil, errors.New("times out of form")
	}
	says := map[string]any{"group": g, "ids": ids, "held": held, "ask": m.number(4) == 1}
	near := []any{}
	for b := m.bytes(5); len(b) > 0; b = b[15:] {
		if len(b) < 15 || b[14] > 1 || len(near) == 64 {
			return nil, errors.New("distances out of form")
		}
		near = append(near, map[string]any{"landmark": octets(b[:8]), "number": uint64(b[8])<<24 | uint64(b[9])<<16 | uint64(b[10])<<8 | uint64(b[11]),
			"distance": uint64(b[12])<<8 | uint64(b[13]), "next_hop": b[14] == 1})
	}
	if len(near) > 0 {
		says["near"] = near
	}
	return says, nil
}

func readGraft(m *message, _ *int) (any, error) {
	g, ids, err := groupIDs(m, 8)
	if err != nil {
		return nil, err
	}
	origins, err := split(m.bytes(3), 8, maxIDs-len(ids))
	return map[string]any{"group": g, "ids": ids, "origins": origins}, err
}
