package wire

import (
	"bytes"

	"google.golang.org/protobuf/encoding/protowire"

	"hearsay/node/gossip"
)

// Numbers of the kinds in Frame.
const (
	fieldHello protowire.Number = iota + 1
	fieldInterests
	fieldPush
	fieldReceipt
	fieldPing
	fieldPong
	fieldBye
	fieldPeersRequest
	fieldPeerList
	fieldSync
	fieldWant
	fieldFill
	fieldHave
	fieldGraft
)

var (
	rumorSchema = schema{1: chunk, 2: fixed64, 3: chunk, 4: chunk, 5: varint}
	pushSchema  = append(rumorSchema[:len(rumorSchema):len(rumorSchema)], varint, fixed64)
	idsSchema   = schema{1: varint, 2: chunk}
	// schemas has Frame's kinds by their numbers.
	schemas = [...]schema{
		fieldHello:        {1: varint, 2: chunk, 3: chunk, 4: fixed64, 5: fixed64, 6: varint, 7: varint},
		fieldInterests:    {1: chunk, 2: varint},
		fieldPush:         pushSchema,
		fieldReceipt:      {1: chunk},
		fieldPing:         {1: varint},
		fieldPong:         {1: varint},
		fieldBye:          {1: varint},
		fieldPeersRequest: {1: chunk | repeated},
		fieldPeerList:     {1: chunk | repeated},
		fieldSync:         {1: varint, 2: varint, 3: chunk | repeated},
		fieldWant:         idsSchema,
		fieldFill:         rumorSchema,
		fieldHave:         haveSchema,
		fieldGraft:        graftSchema,
	}
	frameSchema = func() schema {
		s := make(schema, len(schemas))
		for i := 1; i < len(s); i++ {
			s[i] = chunk
		}
		return s
	}()
)

// open finds the one kind that a frame has, and a scanner over its message. The
// kind is 0 if this version does not know it.
func open(body []byte) (protowire.Number, scanner, error) {
	if len(body) == 0 || len(body) > MaxFrame {
		return 0, scanner{}, malformed("length %d, allowed are 1 to %d", len(body), MaxFrame)
	}
	unknown := maxUnknown
	frame := scanner{rest: body, schema: frameSchema, unknown: &unknown}
	var kind protowire.Number
	var message []byte
	for frame.next() {
		if kind != 0 {
			return 0, scanner{}, malformed("two kinds in one frame, %d and %d", kind, frame.field)
		}
		kind, message = frame.field, frame.bytes
	}
	if frame.err != nil {
		return 0, scanner{}, frame.err
	}
	return kind, scanner{rest: message, schema: schemas[kind], unknown: &unknown}, nil
}

// Decode reads the body of a frame. It returns nil for a kind that this version
// does not know, and an error for a Hello: that has its place, see DecodeHello.
//
// The rumor of a Push or Fill lies in body, which must not be written to any
// more; nothing else does. Rumors that are malformed give gossip.ErrRumor,
// their proof and signature are not looked at. Peer records have only Bytes,
// unverified.
func Decode(body []byte) (gossip.Message, error) {
	kind, s, err := open(body)
	if err != nil {
		return nil, err
	}
	var m gossip.Message
	switch kind {
	case 0:
		return nil, nil
	case fieldHello:
		return nil, malformed("a hello where none belongs")
	case fieldInterests:
		m = decodeInterests(&s)
	case fieldPush, fieldFill:
		m, err = decodeRumor(kind, &s, body)
	case fieldReceipt:
		m = decodeReceipt(&s)
	case fieldPing:
		m = &gossip.Ping{Number: decodeNumber(&s, 1<<64-1)}
	case fieldPong:
		m = &gossip.Pong{Number: decodeNumber(&s, 1<<64-1)}
	case fieldBye:
		bye := &gossip.Bye{Reason: gossip.ByeReason(decodeNumber(&s, 1<<8-1))}
		if s.err == nil {
			s.err = checkBye(bye)
		}
		m = bye
	case fieldPeersRequest:
		m = &gossip.PeersRequest{Records: decodeRecords(&s, gossip.MaxOffered)}
	case fieldPeerList:
		m = &gossip.PeerList{Records: decodeRecords(&s, gossip.MaxRecords)}
	case fieldSync:
		m = decodeSync(&s)
	case fieldWant:
		want := &gossip.Want{}
		want.Group, want.IDs = decodeGroupIDs(&s)
		m = want
	case fieldHave:
		m = decodeHave(&s)
	case fieldGraft:
		m = decodeGraft(&s)
	}
	if s.err != nil {
		return nil, s.err
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

// decodeNumber reads a message that is one number.
func decodeNumber(s *scanner, limit uint64) (n uint64) {
	for s.next() {
		n = s.upTo(limit)
	}
	return n
}

func decodeInterests(s *scanner) *gossip.Interests {
	m := &gossip.Interests{}
	for s.next() {
		if s.field == 2 {
			m.Carries = s.upTo(1) == 1
			continue
		}
		n := 0 // every number ends in one byte without the continuation bit
		for _, b := range s.bytes {
			if b < 0x80 {
				n++
			}
		}
		if n > gossip.MaxInterests {
			s.err = malformed("%d interests, at most %d", n, gossip.MaxInterests)
			return m
		}
		if n > 0 {
			m.Types = make([]uint16, 0, n)
		}
		for list := (scanner{rest: s.bytes, field: s.field}); len(list.rest) > 0; {
			list.number = list.varint()
			m.Types = append(m.Types, uint16(list.upTo(1<<16-1)))
			if list.err != nil {
				s.err = list.err
				return m
			}
		}
		s.err = checkInterests(m)
	}
	return m
}

func decodeReceipt(s *scanner) *gossip.Receipt {
	m := &gossip.Receipt{}
	for s.next() {
		verdicts := s.within(0, gossip.MaxVerdicts)
		if len(verdicts) == 0 {
			continue
		}
		m.Verdicts = make([]gossip.Verdict, len(verdicts))
		for i, v := range verdicts {
			m.Verdicts[i] = gossip.Verdict(v)
		}
		s.err = checkReceipt(m)
	}
	return m
}

// decodeRumor reads a Push or Fill. The rumor's bytes stay where they are, in
// body, unless body is larger than it needs to be: a store that keeps a small
// rumor must not keep a large frame with it.
func decodeRumor(kind protowire.Number, s *scanner, body []byte) (gossip.Message, error) {
	var signed, signature, key []byte
	var nonce, landmark uint64
	var hops uint8
	rooted := false
	for s.next() {
		switch s.field {
		case 1:
			signed = s.within(0, gossip.MaxSigned)
		case 2:
			nonce = s.number
		case 3:
			signature = s.within(0, gossip.MaxSignature)
		case 4:
			key = s.within(0, gossip.MaxPublicKey)
		case 5:
			hops = uint8(s.upTo(1<<8 - 1))
		case 6:
			rooted = s.upTo(1) == 1
		case 7:
			landmark = s.number
		}
	}
	if s.err != nil {
		return nil, s.err
	}
	if cap(body) > len(signed)+len(signature)+len(key)+rumorSlack {
		signed, signature, key = bytes.Clone(signed), bytes.Clone(signature), bytes.Clone(key)
	}
	r, err := gossip.ParseRumor(signed)
	if err != nil {
		return nil, err
	}
	r.Nonce, r.Signature, r.PublicKey = nonce, signature, key
	if kind == fieldFill {
		return &gossip.Fill{Rumor: r, Hops: hops}, nil
	}
	return &gossip.Push{Rumor: r, Hops: hops, Rooted: rooted, Landmark: landmark}, nil
}

// rumorSlack is what a frame may be larger than the rumor in it, in bytes. An
// honest frame has up to 32 bytes of tags, lengths and numbers;
// gossip.Rumor.Size reckons with 64.
const rumorSlack = 64

// decodeRecords reads a message that is peer records, at most so many.
func decodeRecords(s *scanner, most int) []gossip.PeerRecord {
	var records []gossip.PeerRecord
	for s.next() {
		if len(records) == most {
			s.err = malformed("more than %d records", most)
			return nil
		}
		// A record may be kept for long, so it must not keep the others.
		b := bytes.Clone(s.within(1, gossip.MaxRecord))
		records = append(records, gossip.PeerRecord{Bytes: b})
	}
	return records
}
