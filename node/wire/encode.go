package wire

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"hearsay/node/gossip"
)

// AppendFrame appends m as a frame to dst, which it may grow. It fails, with
// dst as it was, on what Decode would refuse: lists over their limits or out of
// order, values out of range.
func AppendFrame(dst []byte, m gossip.Message) ([]byte, error) {
	switch m := m.(type) {
	case *gossip.Interests:
		if err := checkInterests(m); err != nil {
			return dst, err
		}
		return appendFrame(dst, fieldInterests, 0, func(b []byte) []byte {
			if len(m.Types) > 0 {
				b = appendMessage(b, 1, 0, func(b []byte) []byte {
					for _, t := range m.Types {
						b = protowire.AppendVarint(b, uint64(t))
					}
					return b
				})
			}
			if m.Carries {
				b = appendNumber(b, 2, 1)
			}
			return b
		}), nil
	case *gossip.Push:
		return appendRumor(dst, fieldPush, m.Rumor, m.Hops, m.Rooted, m.Landmark)
	case *gossip.Fill:
		return appendRumor(dst, fieldFill, m.Rumor, m.Hops, false, 0)
	case *gossip.Receipt:
		if err := checkReceipt(m); err != nil {
			return dst, err
		}
		return appendFrame(dst, fieldReceipt, 0, func(b []byte) []byte {
			if len(m.Verdicts) == 0 {
				return b
			}
			b = protowire.AppendTag(b, 1, protowire.BytesType)
			b = protowire.AppendVarint(b, uint64(len(m.Verdicts)))
			for _, v := range m.Verdicts {
				b = append(b, byte(v))
			}
			return b
		}), nil
	case *gossip.Ping:
		return appendFrame(dst, fieldPing, 0, func(b []byte) []byte { return appendNumber(b, 1, m.Number) }), nil
	case *gossip.Pong:
		return appendFrame(dst, fieldPong, 0, func(b []byte) []byte { return appendNumber(b, 1, m.Number) }), nil
	case *gossip.Bye:
		if err := checkBye(m); err != nil {
			return dst, err
		}
		return appendFrame(dst, fieldBye, 0, func(b []byte) []byte { return appendNumber(b, 1, uint64(m.Reason)) }), nil
	case *gossip.PeersRequest:
		return appendRecords(dst, fieldPeersRequest, m.Records, gossip.MaxOffered)
	case *gossip.PeerList:
		return appendRecords(dst, fieldPeerList, m.Records, gossip.MaxRecords)
	case *gossip.Sync:
		if err := checkSync(m); err != nil {
			return dst, err
		}
		return appendFrame(dst, fieldSync, 0, func(b []byte) []byte { return appendSync(b, m) }), nil
	case *gossip.Want:
		return appendGroupIDs(dst, fieldWant, m.Group, m.IDs)
	case *gossip.Have:
		return appendHave(dst, m)
	case *gossip.Graft:
		return appendGraft(dst, m)
	}
	return dst, fmt.Errorf("wire: no frame for a %T", m)
}

// appendGroupIDs writes the messages that are a group and IDs of rumors in it.
func appendGroupIDs(dst []byte, kind protowire.Number, g gossip.Group, ids []gossip.RumorID) ([]byte, error) {
	if !g.Valid() || len(ids) > gossip.MaxIDs {
		return dst, malformed("%d IDs (at most %d) in group %d", len(ids), gossip.MaxIDs, g)
	}
	return appendFrame(dst, kind, len(ids)*idSize, func(b []byte) []byte {
		return appendIDs(appendNumber(b, 1, uint64(g)), 2, ids)
	}), nil
}

func appendRumor(dst []byte, kind protowire.Number, r *gossip.Rumor, hops uint8, rooted bool, landmark uint64) ([]byte, error) {
	switch {
	case r == nil:
		return dst, malformed("no rumor")
	case len(r.Signed) > gossip.MaxSigned || len(r.Signature) > gossip.MaxSignature || len(r.PublicKey) > gossip.MaxPublicKey:
		return dst, malformed("rumor of %d bytes, signature of %d, key of %d: at most %d, %d and %d",
			len(r.Signed), len(r.Signature), len(r.PublicKey), gossip.MaxSigned, gossip.MaxSignature, gossip.MaxPublicKey)
	}
	size := len(r.Signed) + len(r.Signature) + len(r.PublicKey) + 24
	return appendFrame(dst, kind, size, func(b []byte) []byte {
		b = appendChunk(b, 1, r.Signed)
		b = appendFixed(b, 2, r.Nonce)
		b = appendChunk(b, 3, r.Signature)
		b = appendChunk(b, 4, r.PublicKey)
		b = appendNumber(b, 5, uint64(hops))
		if rooted {
			b = appendNumber(b, 6, 1)
		}
		return appendFixed(b, 7, landmark)
	}), nil
}

func checkInterests(m *gossip.Interests) error {
	if len(m.Types) > gossip.MaxInterests {
		return malformed("%d interests, at most %d", len(m.Types), gossip.MaxInterests)
	}
	for i := 1; i < len(m.Types); i++ {
		if m.Types[i-1] >= m.Types[i] {
			return malformed("interests do not ascend: %d, %d", m.Types[i-1], m.Types[i])
		}
	}
	return nil
}

func checkReceipt(m *gossip.Receipt) error {
	if len(m.Verdicts) > gossip.MaxVerdicts {
		return malformed("%d verdicts, at most %d", len(m.Verdicts), gossip.MaxVerdicts)
	}
	for _, v := range m.Verdicts {
		if !v.Valid() {
			return malformed("verdict %d does not exist", v)
		}
	}
	return nil
}

func checkBye(m *gossip.Bye) error {
	if m.Reason == 0 {
		return malformed("bye without a reason")
	}
	return nil
}

// appendRecords writes the messages that are peer records, at most so many.
func appendRecords(dst []byte, kind protowire.Number, records []gossip.PeerRecord, most int) ([]byte, error) {
	if len(records) > most {
		return dst, malformed("%d records, at most %d", len(records), most)
	}
	for i := range records {
		if n := len(records[i].Bytes); n == 0 || n > gossip.MaxRecord {
			return dst, malformed("record of %d bytes, allowed are 1 to %d", n, gossip.MaxRecord)
		}
	}
	return appendFrame(dst, kind, 0, func(b []byte) []byte {
		for i := range records {
			b = appendTagged(b, 1, records[i].Bytes)
		}
		return b
	}), nil
}

// appendFrame appends a frame with one kind, whose message fill appends. The
// message has about size bytes: a good guess saves moving it, see appendLength.
func appendFrame(dst []byte, kind protowire.Number, size int, fill func([]byte) []byte) []byte {
	dst = slices.Grow(dst, size+16)
	return appendLength(dst, size+4, func(b []byte) []byte { return appendMessage(b, kind, size, fill) })
}

// appendMessage appends a field that is a message of about size bytes.
func appendMessage(b []byte, field protowire.Number, size int, fill func([]byte) []byte) []byte {
	return appendLength(protowire.AppendTag(b, field, protowire.BytesType), size, fill)
}

// appendLength appends what fill appends, after its length. Room for the length
// is left by a guess; if that was wrong the content moves.
func appendLength(b []byte, size int, fill func([]byte) []byte) []byte {
	var room [10]byte
	start := len(b)
	guess := protowire.SizeVarint(uint64(size))
	b = fill(append(b, room[:guess]...))
	n := len(b) - start - guess
	if need := protowire.SizeVarint(uint64(n)); need != guess {
		b = append(b, room[:max(0, need-guess)]...)
		copy(b[start+need:], b[start+guess:start+guess+n])
		b = b[:start+need+n]
	}
	protowire.AppendVarint(b[:start], uint64(n))
	return b
}

// appendNumber appends a number field unless it is zero, which is what its
// absence says.
func appendNumber(b []byte, field protowire.Number, n uint64) []byte {
	if n == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), n)
}

// appendFixed is appendNumber for numbers that are mostly large.
func appendFixed(b []byte, field protowire.Number, n uint64) []byte {
	if n == 0 {
		return b
	}
	return protowire.AppendFixed64(protowire.AppendTag(b, field, protowire.Fixed64Type), n)
}

// appendChunk appends a field of bytes unless it is empty.
func appendChunk[T []byte | string](b []byte, field protowire.Number, v T) []byte {
	if len(v) == 0 {
		return b
	}
	b = protowire.AppendVarint(protowire.AppendTag(b, field, protowire.BytesType), uint64(len(v)))
	return append(b, v...)
}

// appendTagged appends a field of bytes, empty or not.
func appendTagged(b []byte, field protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), v)
}

func appendIDs(b []byte, field protowire.Number, ids []gossip.RumorID) []byte {
	if len(ids) == 0 {
		return b
	}
	b = protowire.AppendVarint(protowire.AppendTag(b, field, protowire.BytesType), uint64(len(ids)*idSize))
	for i := range ids {
		b = append(b, ids[i][:]...)
	}
	return b
}
