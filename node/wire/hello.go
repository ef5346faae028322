package wire

import (
	"unicode/utf8"

	"hearsay/node/gossip"
)

// Version is what this package speaks, told in Hello. The protocol IDs of the
// streams carry what peers must agree on; this number only informs.
const Version = 1

// MaxAgent bounds Hello's agent, in bytes.
const MaxAgent = 64

// MaxWork bounds Hello's Work: no SHA-256 has more zero bits.
const MaxWork = 257

// Hello is the first frame of every stream, and comes nowhere else. It is the
// adapter's business: the core hears of a peer after it.
type Hello struct {
	Version uint32 // from 1
	Network string // 1 to gossip.MaxNetwork bytes
	Agent   string // up to MaxAgent bytes of UTF-8, not to be printed unquoted
	// Session is a number that the sender chose by chance for this link, not 0:
	// all its streams of the link have it, and of no other link.
	Session uint64
	// Answers is the receiver's session that this stream makes a link with, 0
	// if the sender knew of none. A stream that comes late is told from the
	// one that is meant by it.
	Answers uint64
	// Time is the sender's clock when it wrote this, in Unix ms, 0 = not told.
	// Nothing but health depends on it: it is how a wrong clock is noticed.
	Time uint64
	// Work is one more than the leading zero bits that the sender asks of a
	// rumor's proof of work, 0 = not told. For health, too.
	Work uint32
}

func (h Hello) check() error {
	switch {
	case h.Version == 0:
		return malformed("hello of version 0, versions count from 1")
	case h.Session == 0:
		return malformed("hello without a session")
	case h.Network == "" || len(h.Network) > gossip.MaxNetwork:
		return malformed("network name of %d bytes, allowed are 1 to %d", len(h.Network), gossip.MaxNetwork)
	case len(h.Agent) > MaxAgent:
		return malformed("agent name of %d bytes, at most %d", len(h.Agent), MaxAgent)
	case h.Work > MaxWork:
		return malformed("proof of work of %d bits, and a hash has 256", h.Work-1)
	case !utf8.ValidString(h.Network) || !utf8.ValidString(h.Agent):
		return malformed("network or agent name is not UTF-8")
	}
	return nil
}

// AppendHello appends h as a frame. It fails on fields out of their limits.
func AppendHello(dst []byte, h Hello) ([]byte, error) {
	if err := h.check(); err != nil {
		return dst, err
	}
	return appendFrame(dst, fieldHello, 0, func(b []byte) []byte {
		b = appendNumber(b, 1, uint64(h.Version))
		b = appendChunk(b, 2, h.Network)
		b = appendChunk(b, 3, h.Agent)
		b = appendFixed(b, 4, h.Session)
		b = appendFixed(b, 5, h.Answers)
		b = appendNumber(b, 6, h.Time)
		return appendNumber(b, 7, uint64(h.Work))
	}), nil
}

// DecodeHello reads the body of a frame that must be a Hello. It keeps nothing
// of body.
func DecodeHello(body []byte) (Hello, error) {
	field, s, err := open(body)
	if err != nil {
		return Hello{}, err
	}
	if field != fieldHello {
		return Hello{}, malformed("the first frame is no hello")
	}
	var h Hello
	for s.next() {
		switch s.field {
		case 1:
			h.Version = uint32(s.upTo(1<<32 - 1))
		case 2:
			h.Network = string(s.within(1, gossip.MaxNetwork))
		case 3:
			h.Agent = string(s.within(0, MaxAgent))
		case 4:
			h.Session = s.number
		case 5:
			h.Answers = s.number
		case 6:
			h.Time = s.number
		case 7:
			h.Work = uint32(s.upTo(MaxWork))
		}
	}
	if s.err == nil {
		s.err = h.check()
	}
	if s.err != nil {
		return Hello{}, s.err
	}
	return h, nil
}
