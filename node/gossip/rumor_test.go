package gossip

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// validHeader draws any header that may be encoded.
func validHeader(t *rapid.T) Header {
	text := func(label string, low, high int) string {
		return string(rapid.SliceOfN(rapid.Byte(), low, high).Draw(t, label))
	}
	h := Header{
		Network:  text("network", 1, MaxNetwork),
		Kind:     Kind(rapid.IntRange(int(KindEvent), int(KindPrivate)).Draw(t, "kind")),
		Origin:   PeerID(text("origin", 1, MaxPeerID)),
		Epoch:    rapid.Uint64Min(1).Draw(t, "epoch"),
		Seq:      rapid.Uint64Min(1).Draw(t, "seq"),
		DataType: rapid.Uint16().Draw(t, "data type"),
		Created:  rapid.Int64Range(0, math.MaxInt64-MaxLifetime.Milliseconds()).Draw(t, "created"),
		TTL:      rapid.Uint8().Draw(t, "TTL"),
	}
	if h.Kind == KindState {
		h.Key = text("key", 0, MaxKey)
	}
	h.Expires = h.Created + rapid.Int64Range(1, MaxLifetime.Milliseconds()).Draw(t, "lifetime")
	return h
}

func TestRumorRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := validHeader(t)
		payload := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "payload")
		made, err := NewRumor(h, payload)
		if err != nil {
			t.Fatal(err)
		}
		read, err := ParseRumor(made.Signed)
		if err != nil {
			t.Fatal(err)
		}
		if read.Header != h || !bytes.Equal(read.Payload, payload) || read.ID != made.ID {
			t.Errorf("wrote %+v %x, read %+v %x", h, payload, read.Header, read.Payload)
		}
		if read.ID != sha256.Sum256(made.Signed) {
			t.Error("the ID is not the hash of the signed bytes")
		}
		again, err := Encode(read.Header, read.Payload)
		if err != nil || !bytes.Equal(again, made.Signed) {
			t.Errorf("two encodings of one rumor: %x and %x (%v)", made.Signed, again, err)
		}
	})
}

// largest has every field at its limit.
func largest() (Header, []byte) {
	return Header{
		Network: strings.Repeat("n", MaxNetwork), Kind: KindState, Origin: PeerID(strings.Repeat("o", MaxPeerID)),
		Epoch: math.MaxUint64, Seq: math.MaxUint64, DataType: math.MaxUint16, Key: strings.Repeat("k", MaxKey),
		Created: math.MaxInt64 - MaxLifetime.Milliseconds(), Expires: math.MaxInt64, TTL: math.MaxUint8,
	}, make([]byte, MaxPayload)
}

func TestRumorLimits(t *testing.T) {
	cases := []struct {
		name   string
		change func(h *Header, payload *[]byte)
		ok     bool
	}{
		{"everything at its limit", func(*Header, *[]byte) {}, true},
		{"no payload", func(_ *Header, p *[]byte) { *p = nil }, true},
		{"payload one over", func(_ *Header, p *[]byte) { *p = append(*p, 0) }, false},
		{"network of one byte", func(h *Header, _ *[]byte) { h.Network = "n" }, true},
		{"no network", func(h *Header, _ *[]byte) { h.Network = "" }, false},
		{"network one over", func(h *Header, _ *[]byte) { h.Network += "n" }, false},
		{"origin of one byte", func(h *Header, _ *[]byte) { h.Origin = "o" }, true},
		{"no origin", func(h *Header, _ *[]byte) { h.Origin = "" }, false},
		{"origin one over", func(h *Header, _ *[]byte) { h.Origin += "o" }, false},
		{"kind 0", func(h *Header, _ *[]byte) { h.Kind = 0 }, false},
		{"kind one over", func(h *Header, _ *[]byte) { h.Kind = KindPrivate + 1 }, false},
		{"epoch 1", func(h *Header, _ *[]byte) { h.Epoch = 1 }, true},
		{"epoch 0", func(h *Header, _ *[]byte) { h.Epoch = 0 }, false},
		{"seq 1", func(h *Header, _ *[]byte) { h.Seq = 1 }, true},
		{"seq 0", func(h *Header, _ *[]byte) { h.Seq = 0 }, false},
		{"state without a key", func(h *Header, _ *[]byte) { h.Key = "" }, true},
		{"key one over", func(h *Header, _ *[]byte) { h.Key += "k" }, false},
		{"event with a key", func(h *Header, _ *[]byte) { h.Kind = KindEvent }, false},
		{"presence with a key", func(h *Header, _ *[]byte) { h.Kind = KindPresence }, false},
		{"private with a key", func(h *Header, _ *[]byte) { h.Kind = KindPrivate }, false},
		{"private", func(h *Header, _ *[]byte) { h.Kind, h.Key = KindPrivate, "" }, true},
		{"created at 0", func(h *Header, _ *[]byte) { h.Created, h.Expires = 0, 1 }, true},
		{"created before 1970", func(h *Header, _ *[]byte) { h.Created, h.Expires = -1, 1 }, false},
		{"no life", func(h *Header, _ *[]byte) { h.Expires = h.Created }, false},
		{"life of one millisecond", func(h *Header, _ *[]byte) { h.Expires = h.Created + 1 }, true},
		{"life one over", func(h *Header, _ *[]byte) { h.Created-- }, false},
		{"life of all time", func(h *Header, _ *[]byte) { h.Created, h.Expires = 0, math.MaxInt64 }, false},
		{"expires before 1970", func(h *Header, _ *[]byte) { h.Created, h.Expires = 0, math.MinInt64 }, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h, payload := largest()
			c.change(&h, &payload)
			signed, err := Encode(h, payload)
			if c.ok && err != nil || !c.ok && !errors.Is(err, ErrRumor) {
				t.Fatalf("encoding: %v", err)
			}
			if _, err := NewRumor(h, payload); (err == nil) != c.ok {
				t.Errorf("making: %v", err)
			}
			if !c.ok {
				return
			}
			if len(signed) > MaxSigned {
				t.Errorf("%d bytes, more than MaxSigned", len(signed))
			}
			if _, err := ParseRumor(signed); err != nil {
				t.Errorf("reading: %v", err)
			}
		})
	}
	if signed, _ := Encode(largest()); len(signed) != MaxSigned {
		t.Errorf("the largest rumor has %d bytes, MaxSigned says %d", len(signed), MaxSigned)
	}
}

// The reader has to enforce by itself what Encode cannot be made to write.
func TestParseRumorRefuses(t *testing.T) {
	h, _ := largest()
	h.Network, h.Origin, h.Key = "n", "o", "k"
	good, err := Encode(h, []byte("p"))
	if err != nil {
		t.Fatal(err)
	}
	put := func(at int, b ...byte) []byte {
		return append(append(bytes.Clone(good[:at]), b...), good[at+len(b):]...)
	}
	for name, b := range map[string][]byte{
		"nothing":               nil,
		"version 0":             put(0, 0),
		"version 2":             put(0, 2),
		"network length 0":      put(1, 0),
		"network over":          put(1, MaxNetwork+1),
		"network past the end":  put(1, 255),
		"kind 0":                put(3, 0),
		"kind 5":                put(3, 5),
		"origin length 0":       put(4, 0),
		"origin over":           put(4, MaxPeerID+1),
		"epoch 0":               put(6, 0, 0, 0, 0, 0, 0, 0, 0),
		"seq 0":                 put(14, 0, 0, 0, 0, 0, 0, 0, 0),
		"key past the end":      put(24, 255),
		"created before 1970":   put(26, 0x80),
		"created after expires": put(34, 0),
		"one byte over":         append(bytes.Clone(good), make([]byte, MaxSigned)...),
	} {
		if r, err := ParseRumor(b); !errors.Is(err, ErrRumor) {
			t.Errorf("%s: read %+v, error %v", name, r, err)
		}
	}
	for n := range len(good) - 1 { // the payload's only byte may go
		if _, err := ParseRumor(good[:n]); !errors.Is(err, ErrRumor) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
}

// Whoever changes a signed byte has another rumor, or none.
func TestRumorMutations(t *testing.T) {
	r := rumorOf(t, "origin", 3, "payload", func(h *Header) { h.Kind, h.Key = KindState, "key" })
	for i := range r.Signed {
		for bit := range 8 {
			b := bytes.Clone(r.Signed)
			b[i] ^= 1 << bit
			m, err := ParseRumor(b)
			if err != nil {
				continue
			}
			if m.ID == r.ID {
				t.Errorf("byte %d, bit %d: the same ID", i, bit)
			}
			if m.Header == r.Header && bytes.Equal(m.Payload, r.Payload) {
				t.Errorf("byte %d, bit %d: the same meaning", i, bit)
			}
		}
	}
}

func TestVersions(t *testing.T) {
	order := []version{{1, 1}, {1, 2}, {1, math.MaxUint64}, {2, 1}, {math.MaxUint64, 1}}
	for i, v := range order {
		for j, w := range order {
			if v.newer(w) != (i > j) {
				t.Errorf("%v newer than %v: %v", v, w, v.newer(w))
			}
		}
	}
}

func FuzzParseRumor(f *testing.F) {
	h, _ := largest()
	for _, payload := range []string{"", "hello"} {
		signed, err := Encode(h, []byte(payload))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(signed)
	}
	f.Add(rumorOf(f, "o", 1, "x").Signed)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseRumor(b)
		if err != nil {
			if !errors.Is(err, ErrRumor) || r != nil {
				t.Fatalf("rumor %v, error %v", r, err)
			}
			return
		}
		if again, err := Encode(r.Header, r.Payload); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("read %x, which is written as %x (%v)", b, again, err)
		}
		if r.ID != sha256.Sum256(b) {
			t.Fatal("the ID is not the hash of the signed bytes")
		}
	})
}
