package wire

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"hearsay/node/gossip"
)

// largest are the largest messages of every kind that the caps of the core allow.
func largest(t testing.TB) []gossip.Message {
	t.Helper()
	full := func(b byte, n int) []byte { return bytes.Repeat([]byte{b}, n) }
	r, err := gossip.NewRumor(gossip.Header{
		Network: string(full('n', gossip.MaxNetwork)), Kind: gossip.KindState, Origin: gossip.PeerID(full('o', gossip.MaxPeerID)),
		Epoch: math.MaxUint64, Seq: math.MaxUint64, DataType: math.MaxUint16, Key: string(full('k', gossip.MaxKey)),
		Created: 1, Expires: 2, TTL: 255,
	}, full('p', gossip.MaxPayload))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Signed) != gossip.MaxSigned {
		t.Fatalf("the largest rumor has %d bytes, gossip.MaxSigned is %d", len(r.Signed), gossip.MaxSigned)
	}
	r.Nonce, r.Signature, r.PublicKey = math.MaxUint64, full('s', gossip.MaxSignature), full('k', gossip.MaxPublicKey)

	interests := &gossip.Interests{}
	for i := range gossip.MaxInterests {
		interests.Types = append(interests.Types, uint16(math.MaxUint16-gossip.MaxInterests+1+i))
	}
	id := gossip.RumorID(full(0xff, idSize))
	sync := &gossip.Sync{Group: gossip.GroupPresence, Floor: math.MaxInt64}
	for i := range gossip.MaxRanges {
		// Created deltas as large as so many can be, and all IDs in one range,
		// where their number takes most bytes.
		end := gossip.Point{Created: int64(i+1) * (math.MaxInt64 / gossip.MaxRanges), ID: id}
		sync.Ranges = append(sync.Ranges, gossip.Range{End: end, Mode: gossip.RangeFingerprint, Fingerprint: gossip.Fingerprint(full(1, 16))})
	}
	last := &sync.Ranges[gossip.MaxRanges-1]
	*last = gossip.Range{Mode: gossip.RangeIDs}
	want := &gossip.Want{Group: gossip.GroupPresence}
	for range gossip.MaxIDs {
		last.IDs = append(last.IDs, id)
		want.IDs = append(want.IDs, id)
	}
	list := &gossip.PeerList{}
	for range gossip.MaxRecords {
		list.Records = append(list.Records, gossip.PeerRecord{Bytes: full('r', gossip.MaxRecord)})
	}
	offer := &gossip.PeersRequest{Records: slices.Clone(list.Records[:gossip.MaxOffered])}
	return []gossip.Message{
		interests, &gossip.Push{Rumor: r, Hops: 255, Rooted: true, Landmark: math.MaxUint64}, &gossip.Fill{Rumor: r, Hops: 255},
		&gossip.Receipt{Verdicts: make([]gossip.Verdict, gossip.MaxVerdicts)},
		&gossip.Ping{Number: math.MaxUint64}, &gossip.Pong{Number: math.MaxUint64}, &gossip.Bye{Reason: 255},
		offer, list, sync, want,
		&gossip.Have{Group: want.Group, IDs: make([]gossip.ShortID, gossip.MaxIDs), Held: make([]uint16, gossip.MaxIDs), Ask: true, Near: make([]gossip.Near, gossip.MaxNear)},
		&gossip.Graft{Group: want.Group, IDs: make([]gossip.ShortID, gossip.MaxIDs/2), Origins: make([]gossip.ShortID, gossip.MaxIDs/2)},
	}
}

// TestLargest: the chain of limits holds, from the largest announcement of the
// module API (gossip.MaxPayload) to a rumor to a frame.
func TestLargest(t *testing.T) {
	for _, m := range largest(t) {
		frame, err := AppendFrame(nil, m)
		if err != nil {
			t.Errorf("%T: %v", m, err)
			continue
		}
		body, err := ReadFrame(bufio.NewReader(bytes.NewReader(frame)))
		if err != nil {
			t.Errorf("%T: %v", m, err)
			continue
		}
		if got, err := Decode(body); err != nil || !same(got, m) {
			t.Errorf("%T does not come back: %v", m, err)
		}
		t.Logf("%T: %d bytes", m, len(frame))
	}
}

// TestTooLarge: one more than the largest is not sent. TestReceiverRefuses has
// the other side.
func TestTooLarge(t *testing.T) {
	one := make([]byte, 1)
	for _, m := range largest(t) {
		switch m := m.(type) {
		case *gossip.Interests:
			m.Types = append([]uint16{0}, m.Types...)
		case *gossip.Push:
			m.Rumor.Signature = append(m.Rumor.Signature, one...)
		case *gossip.Fill:
			m.Rumor.PublicKey = append(m.Rumor.PublicKey, one...)
		case *gossip.Receipt:
			m.Verdicts = append(m.Verdicts, gossip.VerdictNew)
		case *gossip.PeersRequest:
			m.Records = append(m.Records, gossip.PeerRecord{Bytes: one})
		case *gossip.PeerList:
			m.Records = append(m.Records, gossip.PeerRecord{Bytes: one})
		case *gossip.Sync:
			last := &m.Ranges[len(m.Ranges)-1]
			last.IDs = append(last.IDs, gossip.RumorID{1})
		case *gossip.Want:
			m.IDs = append(m.IDs, gossip.RumorID{1})
		case *gossip.Have:
			m.IDs, m.Held = append(m.IDs, gossip.ShortID{1}), nil
		case *gossip.Graft:
			m.IDs = append(m.IDs, gossip.ShortID{1})
		default:
			continue
		}
		dst := []byte("as it was")
		if got, err := AppendFrame(dst, m); !errors.Is(err, ErrFrame) || string(got) != "as it was" {
			t.Errorf("%T one over its limit gives %d bytes, %v", m, len(got), err)
		}
	}
}

// TestSenderRefuses: what a receiver would refuse is not sent.
func TestSenderRefuses(t *testing.T) {
	for _, m := range []gossip.Message{
		nil,
		&gossip.Interests{Types: []uint16{1, 1}},
		&gossip.Interests{Types: []uint16{2, 1}},
		&gossip.Receipt{Verdicts: []gossip.Verdict{gossip.VerdictKnown + 1}},
		&gossip.Push{},
		&gossip.Push{Rumor: &gossip.Rumor{Signed: make([]byte, gossip.MaxSigned+1)}},
		&gossip.Bye{},
		&gossip.PeersRequest{Records: []gossip.PeerRecord{{}}},
		&gossip.PeersRequest{Records: []gossip.PeerRecord{{Bytes: make([]byte, gossip.MaxRecord+1)}}},
		&gossip.PeerList{Records: []gossip.PeerRecord{{}}},
		&gossip.PeerList{Records: []gossip.PeerRecord{{Bytes: make([]byte, gossip.MaxRecord+1)}}},
		&gossip.Want{Group: gossip.MaxGroup + 1},
		&gossip.Have{Group: gossip.MaxGroup + 1},
		&gossip.Graft{Group: gossip.MaxGroup + 1},
		&gossip.Have{IDs: make([]gossip.ShortID, 2), Held: make([]uint16, 1)},
		&gossip.Have{Near: make([]gossip.Near, gossip.MaxNear+1)},
		&gossip.Sync{Group: gossip.MaxGroup + 1},
		&gossip.Sync{Floor: -1},
		&gossip.Sync{Ranges: make([]gossip.Range, gossip.MaxRanges+1)},
		&gossip.Sync{Ranges: []gossip.Range{{End: gossip.Point{Created: 1}}}},
		&gossip.Sync{Ranges: []gossip.Range{{}, {}}},
		&gossip.Sync{Ranges: []gossip.Range{{End: gossip.Point{Created: -1}}, {}}},
		&gossip.Sync{Ranges: []gossip.Range{{End: gossip.Point{Created: 2}}, {End: gossip.Point{Created: 1}}, {}}},
		&gossip.Sync{Ranges: []gossip.Range{{Mode: gossip.RangeIDs + 1}}},
		&gossip.Sync{Ranges: []gossip.Range{{Mode: gossip.RangeSkip, IDs: make([]gossip.RumorID, 1)}}},
		&gossip.Sync{Ranges: []gossip.Range{{Mode: gossip.RangeIDs, Fingerprint: gossip.Fingerprint{1}}}},
	} {
		if got, err := AppendFrame(nil, m); err == nil || len(got) != 0 {
			t.Errorf("%+v is sent as %x", m, got)
		}
	}
	for _, h := range []Hello{
		{Network: "n", Session: 1},
		{Version: 1, Session: 1},
		{Version: 1, Network: "n"},
		{Version: 1, Session: 1, Network: strings.Repeat("n", gossip.MaxNetwork+1)},
		{Version: 1, Session: 1, Network: "n", Agent: strings.Repeat("a", MaxAgent+1)},
		{Version: 1, Session: 1, Network: "n\xff"},
		{Version: 1, Session: 1, Network: "n", Agent: "\xff"},
		{Version: 1, Session: 1, Network: "n", Work: MaxWork + 1},
	} {
		if got, err := AppendHello(nil, h); err == nil || len(got) != 0 {
			t.Errorf("%+v is sent as %x", h, got)
		}
	}
}

// field puts content into a frame or message as its field n.
func field(n protowire.Number, content ...byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, n, protowire.BytesType), content)
}

// TestReceiverRefuses: hostile bodies that would cost more than their size, or
// mean two things.
func TestReceiverRefuses(t *testing.T) {
	repeat := func(n int, b ...byte) []byte { return bytes.Repeat(b, n) }
	ascending := func(n int) (b []byte) { // ranges with an end each, the last without
		for range n - 1 {
			b = append(b, field(3, 0x08, 0x01)...)
		}
		return append(b, field(3)...)
	}
	for name, body := range map[string][]byte{
		"empty":                       {},
		"over the limit":              field(100, make([]byte, MaxFrame)...),
		"tag alone":                   {0x2a},
		"field 0":                     {0x02, 0x00},
		"field number over 2^29":      {0x82, 0x80, 0x80, 0x80, 0x10, 0x00},
		"length beyond the end":       {0x2a, 0x7f},
		"length of 2^63":              {0x2a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01},
		"varint of 11 bytes":          field(5, append([]byte{0x08}, repeat(11, 0x80)...)...),
		"varint over 2^64":            field(5, 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02),
		"kind as a number":            {0x28, 0x01},
		"the same kind twice":         append(field(5), field(5)...),
		"65 unknown fields":           append(field(5), repeat(65, 0xa0, 0x06, 0x00)...),
		"65 unknown fields inside":    field(5, repeat(65, 0xa0, 0x06, 0x00)...),
		"65 unknown in both":          append(field(5, repeat(60, 0xa0, 0x06, 0x00)...), repeat(5, 0xa0, 0x06, 0x00)...),
		"65 unknown in ranges":        field(10, bytes.Repeat(field(3, 0x08, 0x01, 0xa0, 0x06, 0x00), 65)...),
		"1025 interests":              field(2, field(1, repeat(1025, 0x01)...)...),
		"interest over 65535":         field(2, field(1, 0x80, 0x80, 0x04)...),
		"interests end early":         field(2, field(1, 0x80)...),
		"interests in two parts":      field(2, append(field(1, 1), field(1, 2)...)...),
		"4097 verdicts":               field(4, field(1, repeat(4097, 0)...)...),
		"bye 0":                       field(7),
		"bye 256":                     field(7, 0x08, 0x80, 0x02),
		"65 records":                  field(9, bytes.Repeat(field(1, 'r'), 65)...),
		"empty record":                field(9, field(1)...),
		"record of 4097":              field(9, field(1, make([]byte, 4097)...)...),
		"4097 ids that it has":        field(13, field(2, make([]byte, 4097*32)...)...),
		"4097 ids to graft":           field(14, field(2, make([]byte, 4097*32)...)...),
		"group over 65538":            field(11, 0x08, 0x83, 0x80, 0x04),
		"4097 ids":                    field(11, field(2, make([]byte, 4097*32)...)...),
		"half an id":                  field(11, field(2, make([]byte, 48)...)...),
		"floor over 2^63":             field(10, 0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01),
		"1025 ranges":                 field(10, ascending(1025)...),
		"100,000 empty ranges":        field(10, bytes.Repeat(field(3), 100_000)...),
		"fingerprint of 15":           field(10, field(3, append([]byte{0x18, 1}, field(4, make([]byte, 15)...)...)...)...),
		"fingerprint missing":         field(10, field(3, 0x18, 1)...),
		"fingerprint without mode":    field(10, field(3, field(4, make([]byte, 16)...)...)...),
		"ids without mode":            field(10, field(3, field(5, make([]byte, 32)...)...)...),
		"mode 3":                      field(10, field(3, 0x18, 3)...),
		"created beyond 2^63":         field(10, append(field(3, 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f), append(field(3, 0x08, 1), field(3)...)...)...),
		"prefix that ends in zero":    field(10, append(field(3, field(2, 1, 0)...), field(3)...)...),
		"prefix of 33":                field(10, append(field(3, field(2, repeat(33, 1)...)...), field(3)...)...),
		"signed over the limit":       field(3, field(1, make([]byte, gossip.MaxSigned+1)...)...),
		"signature over the limit":    field(3, field(3, make([]byte, gossip.MaxSignature+1)...)...),
		"key over the limit":          field(3, field(4, make([]byte, gossip.MaxPublicKey+1)...)...),
		"256 hops":                    field(3, 0x28, 0x80, 0x02),
		"nonce as a varint":           field(3, 0x10, 0x01),
		"hello":                       field(1, append(field(2, 'n'), 0x08, 1)...),
		"fixed32 that ends early":     {0xa5, 0x06, 1, 2, 3},
		"fixed64 that ends early":     {0xa1, 0x06, 1, 2, 3, 4, 5, 6, 7},
		"end of a group":              {0xa4, 0x06},
		"reserved wire type":          {0xa6, 0x06},
		"4097 ids in two ranges":      field(10, append(field(3, append([]byte{0x08, 1, 0x18, 2}, field(5, make([]byte, 4096*32)...)...)...), field(3, append([]byte{0x18, 2}, field(5, make([]byte, 32)...)...)...)...)...),
		"prefix twice":                field(10, append(field(3, append(field(2, 1), field(2, 1)...)...), field(3)...)...),
		"unknown field with bad size": field(100, 1)[:2],
	} {
		m, err := Decode(body)
		if !errors.Is(err, ErrFrame) || m != nil {
			t.Errorf("%s: %v, %v", name, m, err)
		}
	}
	m, err := Decode(field(3, field(1, []byte("no rumor")...)...))
	if m != nil || !errors.Is(err, gossip.ErrRumor) {
		t.Errorf("a malformed rumor gives %v, %v", m, err)
	}
	for name, body := range map[string][]byte{
		"another kind":  field(5),
		"no session":    field(1, append(field(2, 'n'), 0x08, 1)...),
		"version twice": field(1, 0x08, 1, 0x08, 1),
		"version 2^32":  field(1, 0x08, 0x80, 0x80, 0x80, 0x80, 0x10),
		"long network":  field(1, field(2, repeat(33, 'n')...)...),
		"long agent":    field(1, field(3, repeat(65, 'n')...)...),
		"unknown kind":  field(100),
		"nothing":       {},
	} {
		if h, err := DecodeHello(body); !errors.Is(err, ErrFrame) || h != (Hello{}) {
			t.Errorf("hello, %s: %+v, %v", name, h, err)
		}
	}
}

// TestReceiverAccepts: the other side of some of those limits.
func TestReceiverAccepts(t *testing.T) {
	for name, body := range map[string][]byte{
		"64 unknown fields":       append(field(5), bytes.Repeat([]byte{0xa0, 0x06, 0x00}, 64)...),
		"a large unknown field":   append(field(100, make([]byte, 200_000)...), field(5)...),
		"unknown fixed fields":    append(field(5), 0xa5, 0x06, 1, 2, 3, 4, 0xa9, 0x06, 1, 2, 3, 4, 5, 6, 7, 8),
		"explicit zero":           field(5, 0x08, 0x00),
		"explicitly no interests": field(2, field(1)...),
	} {
		if m, err := Decode(body); m == nil || err != nil {
			t.Errorf("%s: %v, %v", name, m, err)
		}
	}
}

// TestRumorKeepsNoFrame: a small rumor in a large frame does not keep it, a
// rumor in a frame of its own size is not copied.
func TestRumorKeepsNoFrame(t *testing.T) {
	frame := benchFrame(t, 1024)
	body, err := ReadFrame(bufio.NewReader(bytes.NewReader(frame)))
	if err != nil {
		t.Fatal(err)
	}
	inside := func(part, whole []byte) bool {
		part[0] ^= 0xff
		defer func() { part[0] ^= 0xff }()
		return bytes.Contains(whole, part)
	}
	m, err := Decode(body)
	if err != nil {
		t.Fatal(err)
	}
	if r := m.(*gossip.Push).Rumor; !inside(r.Signed, body) || !inside(r.Signature, body) {
		t.Error("the rumor was copied")
	}
	large := append(bytes.Clone(body), field(100, make([]byte, 100_000)...)...)
	if m, err = Decode(large); err != nil {
		t.Fatal(err)
	}
	if r := m.(*gossip.Push).Rumor; inside(r.Signed, large) || inside(r.Signature, large) {
		t.Error("the rumor keeps a frame of a hundred times its size")
	}
}

// allocated is what f allocates, in bytes: the least of three runs, since others
// allocate now and then, too.
func allocated(f func()) uint64 {
	least := uint64(math.MaxUint64)
	for range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return least
}

// TestLyingLength: a length is believed as far as bytes have come.
func TestLyingLength(t *testing.T) {
	for _, n := range []int{5000, 65536, MaxFrame} {
		head := protowire.AppendVarint(nil, uint64(n))
		for _, come := range []int{0, 1, 3000, 4097} {
			stream := append(head[:len(head):len(head)], make([]byte, come)...)
			var err error
			got := allocated(func() {
				_, err = ReadFrame(bufio.NewReaderSize(iotest.OneByteReader(bytes.NewReader(stream)), 16))
			})
			if err != io.ErrUnexpectedEOF {
				t.Errorf("%d of %d bytes: %v", come, n, err)
			}
			if limit := uint64(2*come + firstStep + 4096); got > limit {
				t.Errorf("%d of %d bytes have come, and %d are allocated, at most %d", come, n, got, limit)
			}
		}
	}
}

// TestReadFrame: every length from 1 to the limit is read whole in whatever
// pieces it comes, and the buffer is not larger than the frame.
func TestReadFrame(t *testing.T) {
	content := make([]byte, MaxFrame)
	for i := range content {
		content[i] = byte(i * 7)
	}
	for _, n := range []int{1, 127, 128, 4095, 4096, 4097, 8192, 16383, 16384, 100_000, MaxFrame} {
		stream := append(protowire.AppendVarint(nil, uint64(n)), content[:n]...)
		for name, r := range map[string]io.Reader{
			"whole":  bytes.NewReader(stream),
			"halves": iotest.HalfReader(bytes.NewReader(stream)),
			"bytes":  iotest.OneByteReader(bytes.NewReader(stream)),
		} {
			for _, size := range []int{16, 4096, 1 << 20} {
				br := bufio.NewReaderSize(r, size)
				body, err := ReadFrame(br)
				if err != nil || !bytes.Equal(body, content[:n]) {
					t.Fatalf("%d bytes as %s: %d bytes, %v", n, name, len(body), err)
				}
				if cap(body) != n {
					t.Errorf("%d bytes as %s: capacity %d", n, name, cap(body))
				}
				if _, err := ReadFrame(br); err != io.EOF {
					t.Errorf("after the last frame: %v", err)
				}
				break // the reader is used up
			}
		}
	}
}

// TestReadFrameBreaks: a stream that ends or fails within a frame says so.
func TestReadFrameBreaks(t *testing.T) {
	stream := append(protowire.AppendVarint(nil, 300), make([]byte, 300)...)
	for n := 1; n < len(stream); n++ {
		if _, err := ReadFrame(bufio.NewReader(bytes.NewReader(stream[:n]))); err != io.ErrUnexpectedEOF {
			t.Fatalf("%d of %d bytes: %v", n, len(stream), err)
		}
		broken := io.MultiReader(bytes.NewReader(stream[:n]), iotest.ErrReader(io.ErrClosedPipe))
		if _, err := ReadFrame(bufio.NewReader(broken)); err != io.ErrClosedPipe {
			t.Fatalf("%d of %d bytes, then an error: %v", n, len(stream), err)
		}
	}
}

// TestReady: true exactly when a frame, or an error, can be had from the buffer.
func TestReady(t *testing.T) {
	stream := append(protowire.AppendVarint(nil, 300), make([]byte, 300)...)
	for n := range len(stream) + 1 {
		r := bufio.NewReaderSize(bytes.NewReader(stream[:n]), 1024)
		r.Peek(1)
		if got, want := Ready(r), n == len(stream); got != want {
			t.Fatalf("%d of %d bytes: %v", n, len(stream), got)
		}
	}
	for _, bad := range []string{"\x81\x88\x10", "\xff\xff\xff\xff", "\x00"} {
		r := bufio.NewReader(strings.NewReader(bad))
		r.Peek(1)
		if !Ready(r) {
			t.Errorf("%x is an error already", bad)
		}
	}
}

// TestBombs: the dearest bodies that are accepted, or refused late, are cheap.
func TestBombs(t *testing.T) {
	ranges := []byte{}
	for range gossip.MaxRanges - 1 {
		ranges = append(ranges, field(3, 0x08, 0x01)...)
	}
	for name, body := range map[string][]byte{
		"ranges of two bytes": field(10, append(ranges, field(3)...)...),
		"too many ranges":     field(10, bytes.Repeat(field(3), 100_000)...),
		"too many unknown":    bytes.Repeat([]byte{0xa0, 0x06, 0x00}, MaxFrame/3),
		"too many records":    field(9, bytes.Repeat(field(1, 'r'), MaxFrame/3-10)...),
		"too many interests":  field(2, field(1, make([]byte, MaxFrame-20)...)...),
	} {
		start := time.Now()
		const rounds = 20
		got := allocated(func() {
			for range rounds {
				Decode(body)
			}
		}) / rounds
		each := time.Since(start) / rounds
		t.Logf("%s: %d bytes, %d allocated, %v", name, len(body), got, each)
		if limit := uint64(2*len(body) + 96*gossip.MaxRanges + 2048); got > limit {
			t.Errorf("%s: %d bytes allocate %d, at most %d", name, len(body), got, limit)
		}
		if each > 100*time.Millisecond { // fifty times the goal, for busy machines and -race
			t.Errorf("%s: %v", name, each)
		}
	}
}
