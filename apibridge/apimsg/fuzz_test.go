package apimsg

import (
	"bytes"
	"reflect"
	"testing"
)

// FuzzReader: arbitrary bytes, cut arbitrarily, get the verdict of a parser
// that has them all at once, for every choice of accepted types.
func FuzzReader(f *testing.F) {
	for _, g := range golden {
		f.Add(unhex(f, g.hex), []byte{1, 0, 2}, uint8(0))
	}
	f.Add([]byte("POST / HTTP/1.1\r\nHost: 127.0.0.1:7001\r\n\r\n"), []byte{}, uint8(1))
	f.Add(stream(f)[:600], []byte{0, 0, 3, 200, 1}, uint8(0))
	f.Fuzz(func(t *testing.T, b, cuts []byte, side uint8) {
		switch side % 4 {
		case 0:
			compareAllWays(t, b, cuts)
		case 1: // Gossip, the peer's side
			compareAllWays(t, b, cuts, TypeAnnounce, TypeNotify, TypeValidation)
		case 2: // Gossip, the module's side
			compareAllWays(t, b, cuts, TypeNotification)
		case 3:
			compareAllWays(t, b, cuts, TypePut, TypeGet)
		}
	})
}

// FuzzParse: what Parse takes, Append writes again, and it comes back as it was.
func FuzzParse(f *testing.F) {
	for _, g := range golden {
		f.Add(unhex(f, g.hex))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		m, err := Parse(frame)
		if err != nil {
			if m != nil {
				t.Fatalf("a message together with %v", err)
			}
			return
		}
		if m.Size() != len(frame) {
			t.Fatalf("Size %d of a frame of %d bytes", m.Size(), len(frame))
		}
		if p, isPeer := m.(*RPSPeer); isPeer && len(p.Ports) == 0 {
			return // taken, never sent
		}
		again, err := Append(nil, m)
		if err != nil {
			t.Fatalf("cannot write %+v: %v", m, err)
		}
		if !sameButReserved(frame, again) {
			t.Fatalf("%x became %x", frame, again)
		}
		if back, err := Parse(again); err != nil || !reflect.DeepEqual(back, m) {
			t.Fatalf("%+v came back as %+v, %v", m, back, err)
		}
	})
}

// FuzzAppend: every Gossip message made from arbitrary values survives the way
// out and in, and only what is too large is refused.
func FuzzAppend(f *testing.F) {
	f.Add(uint16(0), uint16(0x8000), uint8(200), true, []byte("data"), uint16(0))
	f.Add(uint16(0xffff), uint16(0), uint8(0), false, []byte{}, uint16(256))
	f.Fuzz(func(t *testing.T, id, dataType uint16, ttl uint8, valid bool, data []byte, times uint16) {
		if grown := len(data) * int(times); grown > 0 && grown <= MaxData+100 {
			data = bytes.Repeat(data, int(times))
		}
		for _, m := range []Message{
			&Announce{TTL: ttl, DataType: dataType, Data: data},
			&Notify{DataType: dataType},
			&Notification{ID: id, DataType: dataType, Data: data},
			&Validation{ID: id, Valid: valid},
		} {
			frame, err := Append(nil, m)
			if (err != nil) != (m.Size() > MaxSize) {
				t.Fatalf("%v of %d bytes: %v", m.Type(), m.Size(), err)
			}
			if err != nil {
				continue
			}
			if back, err := Parse(frame); err != nil || !reflect.DeepEqual(back, m) {
				t.Fatalf("%+v came back as %+v, %v", m, back, err)
			}
		}
	})
}
