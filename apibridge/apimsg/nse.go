package apimsg

import "encoding/binary"

// NSEQuery (520) asks how large the network is. The answer is NSEEstimate.
type NSEQuery struct{}

// NSEEstimate (521) is an estimate of the number of peers in the network.
type NSEEstimate struct {
	Peers             uint32
	StandardDeviation uint32 // of Peers, in peers
}

// Type returns TypeNSEQuery.
func (*NSEQuery) Type() Type { return TypeNSEQuery }

// Type returns TypeNSEEstimate.
func (*NSEEstimate) Type() Type { return TypeNSEEstimate }

// Size returns 4 bytes.
func (*NSEQuery) Size() int { return HeaderSize }

// Size returns 12 bytes.
func (*NSEEstimate) Size() int { return 12 }

func (*NSEQuery) check() error    { return nil }
func (*NSEEstimate) check() error { return nil }

func (*NSEQuery) appendBody(dst []byte) []byte { return dst }
func (*NSEQuery) decode([]byte) error          { return nil }

func (m *NSEEstimate) appendBody(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, m.Peers)
	return binary.BigEndian.AppendUint32(dst, m.StandardDeviation)
}

func (m *NSEEstimate) decode(frame []byte) error {
	m.Peers = binary.BigEndian.Uint32(frame[4:])
	m.StandardDeviation = binary.BigEndian.Uint32(frame[8:])
	return nil
}
