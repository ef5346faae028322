package apimsg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"reflect"
	"runtime"
	"testing"
	"testing/iotest"
)

// endless repeats a frame for ever.
type endless struct {
	frame []byte
	off   int
}

func (e *endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		c := copy(p[n:], e.frame[e.off:])
		n += c
		e.off = (e.off + c) % len(e.frame)
	}
	return n, nil
}

// chunks hands out its data in pieces of the given lengths, then one by one.
// Some Reads may give nothing, but not so many in a row that the Reader would
// be right to give up.
type chunks struct {
	data  []byte
	cuts  []byte
	empty int
}

func (c *chunks) Read(p []byte) (int, error) {
	if len(c.data) == 0 {
		return 0, io.EOF
	}
	n := 1
	if len(c.cuts) > 0 {
		n, c.cuts = int(c.cuts[0])*17, c.cuts[1:]
	}
	if n > 0 {
		c.empty = 0
	} else if c.empty++; c.empty == maxEmptyReads {
		n, c.empty = 1, 0
	}
	n = copy(p, c.data[:min(n, len(c.data))])
	c.data = c.data[n:]
	return n, nil
}

// naive parses everything at once, the obvious way. It shares no code with
// Reader but the layouts themselves.
func naive(b []byte, accept []Type) (frames [][]byte, verdict string) {
	for len(b) > 0 {
		if len(b) < 4 {
			return frames, "truncated"
		}
		size, t := int(binary.BigEndian.Uint16(b)), Type(binary.BigEndian.Uint16(b[2:]))
		if size < 4 {
			return frames, BadSize.String()
		}
		known, ok := false, false
		switch t {
		case 500, 502:
			known, ok = true, size >= 8
		case 501, 503:
			known, ok = true, size == 8
		case 520, 540:
			known, ok = true, size == 4
		case 521:
			known, ok = true, size == 12
		case 541:
			known, ok = true, size >= 12
		case 650:
			known, ok = true, size > 40
		case 652:
			known, ok = true, size > 36 && size < 65532
		case 651, 653:
			known, ok = true, size == 36
		}
		if !known {
			return frames, BadType.String()
		}
		if !ok {
			return frames, BadLength.String()
		}
		for i, a := range accept {
			if a == t {
				break
			}
			if i == len(accept)-1 {
				return frames, BadDirection.String()
			}
		}
		if len(b) < size {
			return frames, "truncated"
		}
		if t == 541 {
			least := 8 + 4*int(b[6]) + 4
			if b[7]%2 == 1 {
				least += 12
			}
			if size < least {
				return frames, BadLength.String()
			}
		}
		frames = append(frames, b[:size])
		b = b[size:]
	}
	return frames, "end"
}

// read takes all messages off a Reader and encodes them again.
func read(t *testing.T, r *Reader) (frames [][]byte, verdict string) {
	t.Helper()
	for {
		m, err := r.Next()
		var v *Violation
		switch {
		case err == nil:
		case err == io.EOF:
			return frames, "end"
		case err == io.ErrUnexpectedEOF:
			return frames, "truncated"
		case errors.As(err, &v):
			if _, again := r.Next(); again != err {
				t.Errorf("after %v the Reader went on: %v", err, again)
			}
			return frames, v.Kind.String()
		default:
			t.Fatal(err)
		}
		if p, isPeer := m.(*RPSPeer); isPeer && len(p.Ports) == 0 { // taken, never sent
			frame := make([]byte, p.Size())
			frames = append(frames, frame)
			continue
		}
		frame, err := Append(nil, m)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		frames = append(frames, frame)
	}
}

// sameButReserved compares an original frame with its re-encoding.
func sameButReserved(original, again []byte) bool {
	if len(original) != len(again) {
		return false
	}
	o := bytes.Clone(original)
	switch Type(binary.BigEndian.Uint16(o[2:])) {
	case TypeAnnounce:
		o[5] = 0
	case TypeNotify:
		o[4], o[5] = 0, 0
	case TypeValidation:
		o[6], o[7] = 0, o[7]&1
	case TypePut:
		o[7] = 0
	case TypeRPSPeer:
		o[7] &= 1
		if o[6] == 0 {
			return true
		}
	}
	return bytes.Equal(o, again)
}

// compare reads b in the given way and through naive.
func compare(t *testing.T, how string, b []byte, src io.Reader, accept ...Type) {
	t.Helper()
	wantFrames, wantVerdict := naive(b, accept)
	frames, verdict := read(t, NewReader(src, accept...))
	if verdict != wantVerdict || len(frames) != len(wantFrames) {
		t.Fatalf("%s: %d messages, then %q; want %d, then %q", how, len(frames), verdict, len(wantFrames), wantVerdict)
	}
	for i := range frames {
		if !sameButReserved(wantFrames[i], frames[i]) {
			t.Fatalf("%s: message %d is %x, want %x", how, i, frames[i], wantFrames[i])
		}
	}
}

func compareAllWays(t *testing.T, b, cuts []byte, accept ...Type) {
	t.Helper()
	compare(t, "whole", b, bytes.NewReader(b), accept...)
	compare(t, "chunks", b, &chunks{data: b, cuts: cuts}, accept...)
	compare(t, "end with data", b, iotest.DataErrReader(bytes.NewReader(b)), accept...)
	if len(b) < 1<<14 {
		compare(t, "bytes", b, iotest.OneByteReader(bytes.NewReader(b)), accept...)
	}
}

// stream is every golden message and some large ones in a row.
func stream(t testing.TB) []byte {
	var b []byte
	for _, g := range golden {
		b = append(b, unhex(t, g.hex)...)
	}
	for _, n := range []int{1000, 1024, 4096 - 8, 4096, 5000, MaxData} {
		b, _ = Append(b, &Announce{DataType: uint16(n), Data: bytes.Repeat([]byte{byte(n)}, n)})
		b, _ = Append(b, &Notify{DataType: 9})
	}
	return b
}

func TestReaderChunking(t *testing.T) {
	b := stream(t)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		cuts := make([]byte, rng.IntN(2000))
		for i := range cuts {
			cuts[i] = byte(rng.IntN(256))
		}
		compareAllWays(t, b, cuts)
	}
	compare(t, "bytes", b, iotest.OneByteReader(bytes.NewReader(b)))
	compare(t, "halves", b, iotest.HalfReader(bytes.NewReader(b)))
}

// Every prefix of a stream ends in the way that a naive parser says.
func TestReaderEveryPrefix(t *testing.T) {
	b := stream(t)[:700]
	for n := range b {
		compareAllWays(t, b[:n], []byte{1})
	}
}

func TestReaderManyInOneRead(t *testing.T) {
	var b []byte
	for i := range 1000 {
		b, _ = Append(b, &Announce{DataType: uint16(i), Data: []byte("x")})
	}
	r := NewReader(bytes.NewReader(b))
	for i := range 1000 {
		m, err := r.Next()
		if err != nil || m.(*Announce).DataType != uint16(i) {
			t.Fatalf("message %d: %v, %v", i, m, err)
		}
	}
	if _, err := r.Next(); err != io.EOF {
		t.Fatal(err)
	}
}

// A violation is known from the header alone: no body has to come.
func TestReaderJudgesTheHeaderAtOnce(t *testing.T) {
	for _, c := range []struct {
		header []byte
		kind   Kind
	}{
		{[]byte{0, 3, 1, 0xf4}, BadSize},
		{[]byte("POST"), BadType},
		{[]byte{0, 9, 1, 0xf5}, BadLength},
		{[]byte{0xff, 0xff, 1, 0xf6}, BadDirection},
		{[]byte{0, 4, 2, 0x1c}, BadDirection},
	} {
		stalled := iotest.ErrReader(errors.New("the Reader waited for a body"))
		r := NewReader(io.MultiReader(bytes.NewReader(c.header), stalled), TypeAnnounce, TypeNotify, TypeValidation)
		_, err := r.Next()
		var v *Violation
		if !errors.As(err, &v) || v.Kind != c.kind {
			t.Errorf("%x: %v, want %v", c.header, err, c.kind)
		}
	}
}

// The stream's own errors lose nothing: a deadline may pass between any two bytes.
func TestReaderGoesOnAfterADeadline(t *testing.T) {
	b := stream(t)[:500]
	want, _ := naive(b, nil)
	passed := fmt.Errorf("read: %w", os.ErrDeadlineExceeded)
	i := 0
	src := readerFunc(func(p []byte) (int, error) {
		if i++; i%2 == 0 {
			return 0, passed
		}
		if i/2 == len(b) {
			return 0, io.EOF
		}
		p[0] = b[i/2]
		return 1, nil
	})
	r := NewReader(src)
	got, stops, partial := 0, 0, 0
	for {
		_, err := r.Next()
		if err == io.ErrUnexpectedEOF || err == io.EOF {
			break
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			stops++
			if r.Partial() {
				partial++
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		got++
	}
	if got != len(want) || stops < 400 || partial < 400 || partial == stops {
		t.Errorf("%d messages of %d, %d stops, %d of them within a message", got, len(want), stops, partial)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestReaderBadSources(t *testing.T) {
	r := NewReader(readerFunc(func([]byte) (int, error) { return 0, nil }))
	if _, err := r.Next(); err != io.ErrNoProgress {
		t.Errorf("a source that never gives anything: %v", err)
	}
	for _, n := range []int{-1, 1 << 20} {
		r := NewReader(readerFunc(func([]byte) (int, error) { return n, nil }))
		if _, err := r.Next(); err == nil {
			t.Errorf("a source that says it read %d bytes was believed", n)
		}
	}
}

// A header that claims 65,535 bytes costs 4 KiB until they come.
func TestReaderDoesNotAllocateByClaim(t *testing.T) {
	claim := []byte{0xff, 0xff, 0x01, 0xf4, 0, 0, 0, 0}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const readers = 100
	for range readers {
		NewReader(bytes.NewReader(claim)).Next()
	}
	runtime.ReadMemStats(&after)
	if per := (after.TotalAlloc - before.TotalAlloc) / readers; per > 6<<10 {
		t.Errorf("%d bytes allocated for a claim", per)
	}
}

// The slices that a Reader hands out end where the message does: an append to
// one cannot write into the next message.
func TestReaderSlicesAreClipped(t *testing.T) {
	b, _ := Append(nil, &Announce{Data: []byte("one")})
	b, _ = Append(b, &Announce{Data: []byte("two")})
	r := NewReader(bytes.NewReader(b))
	m, _ := r.Next()
	_ = append(m.(*Announce).Data, "XXXXXXXX"...)
	m, err := r.Next()
	if err != nil || !reflect.DeepEqual(m, &Announce{Data: []byte("two")}) {
		t.Errorf("%v, %v", m, err)
	}
}
