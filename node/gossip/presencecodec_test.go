package gossip

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func samePresence(a, b *Presence) bool {
	return a.Left == b.Left && bytes.Equal(a.Record, b.Record) && slices.Equal(a.Interests, b.Interests) && a.Agent == b.Agent &&
		a.Refutes == b.Refutes && bytes.Equal(a.Key, b.Key) && slices.Equal(a.Lost, b.Lost) && slices.Equal(a.Ports, b.Ports)
}

// somePorts are of n applications.
func somePorts(n int) (list []Port) {
	for i := range n {
		list = append(list, Port{App: uint16(500 + i), Port: uint16(6000 + i)})
	}
	return list
}

func TestPresenceRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &Presence{
			Left:   rapid.Bool().Draw(t, "left"),
			Record: rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "record"),
			Agent:  string(rapid.SliceOfN(rapid.Byte(), 0, maxAgent).Draw(t, "agent")),
		}
		p.Interests = rapid.SliceOfNDistinct(rapid.Uint16(), 0, MaxPresenceInterests, rapid.ID[uint16]).Draw(t, "interests")
		slices.Sort(p.Interests)
		p.Key = rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "key")
		p.Refutes = rapid.Bool().Draw(t, "refutes")
		for _, id := range rapid.SliceOfNDistinct(rapid.StringN(1, MaxPeerID, MaxPeerID), 0, MaxLost, rapid.ID[string]).Draw(t, "lost") {
			p.Lost = append(p.Lost, Lost{PeerID(id), rapid.Uint64().Draw(t, "epoch"), rapid.Uint64().Draw(t, "seq")})
		}
		slices.SortFunc(p.Lost, func(a, b Lost) int { return strings.Compare(string(a.Peer), string(b.Peer)) })
		p.Ports = somePorts(rapid.IntRange(0, MaxPorts).Draw(t, "ports"))
		b := p.Append([]byte("before"))
		read, err := ParsePresence(b[len("before"):])
		if err != nil || !samePresence(p, read) {
			t.Errorf("wrote %+v, read %+v (%v)", p, read, err)
		}
		// A later version may say more, behind what this one knows.
		more := append(slices.Clone(b[len("before"):]), 200, 0, 3, 'n', 'e', 'w')
		read, err = ParsePresence(more)
		if err != nil || !samePresence(p, read) {
			t.Errorf("with an unknown field: %+v (%v)", read, err)
		}
	})
}

func TestPresenceLimits(t *testing.T) {
	field := func(tag byte, v string) string {
		return string([]byte{tag, byte(len(v) >> 8), byte(len(v))}) + v
	}
	interests := func(n int) string {
		var b []byte
		for i := range n {
			b = append(b, byte(i>>8), byte(i))
		}
		return string(b)
	}
	lost := func(peers ...string) string {
		var b []byte
		for i, p := range peers {
			b = append(append(b, byte(len(p))), p...)
			b = append(b, "\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00"...)
			b = append(b, byte(i))
		}
		return string(b)
	}
	var many []string
	for i := range MaxLost + 1 {
		many = append(many, string(rune('a'+i)))
	}
	cases := []struct {
		name string
		b    string
		ok   bool
	}{
		{"nothing", "", true},
		{"left", field(tagFlags, "\x01"), true},
		{"not left", field(tagFlags, "\x00"), true},
		{"unknown flags", field(tagFlags, "\xfe"), true},
		{"no flags", field(tagFlags, ""), false},
		{"two bytes of flags", field(tagFlags, "\x01\x01"), false},
		{"record at its limit", field(tagRecord, strings.Repeat("r", MaxRecord)), true},
		{"record one over", field(tagRecord, strings.Repeat("r", MaxRecord+1)), false},
		{"most interests", field(tagInterests, interests(MaxPresenceInterests)), true},
		{"interests one over", field(tagInterests, interests(MaxPresenceInterests+1)), false},
		{"half an interest", field(tagInterests, "\x00\x01\x02"), false},
		{"an interest twice", field(tagInterests, "\x00\x01\x00\x01"), false},
		{"interests descending", field(tagInterests, "\x00\x02\x00\x01"), false},
		{"agent at its limit", field(tagAgent, strings.Repeat("a", maxAgent)), true},
		{"agent one over", field(tagAgent, strings.Repeat("a", maxAgent+1)), false},
		{"none lost", field(tagLost, ""), true},
		{"most lost", field(tagLost, lost(many[:MaxLost]...)), true},
		{"lost one over", field(tagLost, lost(many...)), false},
		{"lost twice", field(tagLost, lost("a", "a")), false},
		{"lost descending", field(tagLost, lost("b", "a")), false},
		{"nobody lost", field(tagLost, lost("")), false},
		{"lost at its limit", field(tagLost, lost(strings.Repeat("p", MaxPeerID))), true},
		{"lost name one over", field(tagLost, lost(strings.Repeat("p", MaxPeerID+1))), false},
		{"lost cut off", field(tagLost, lost("a", "b")[:30]), false},
		{"key at its limit", field(tagKey, strings.Repeat("k", MaxKeyCertificate)), true},
		{"key one over", field(tagKey, strings.Repeat("k", MaxKeyCertificate+1)), false},
		{"no ports", field(tagPorts, ""), true},
		{"a port", field(tagPorts, "\x02\x30\x18\x9d"), true},
		{"half a port", field(tagPorts, "\x02\x30\x18"), false},
		{"most ports", string((&Presence{Ports: somePorts(MaxPorts)}).Append(nil)), true},
		{"ports one over", string((&Presence{Ports: somePorts(MaxPorts + 1)}).Append(nil)), false},
		{"ports of one application twice", field(tagPorts, "\x02\x30\x18\x9d\x02\x30\x18\x9e"), false},
		{"ports descending", field(tagPorts, "\x02\x30\x18\x9d\x02\x08\x18\x9e"), false},
		{"all unknown", field(99, "x") + field(100, ""), true},
		{"tag 0", field(0, ""), false},
		{"a field twice", field(tagAgent, "a") + field(tagAgent, "b"), false},
		{"fields descending", field(tagAgent, "a") + field(tagFlags, "\x01"), false},
		{"stray byte", "\x01", false},
		{"no length", "\x01\x00", false},
		{"past the end", "\x04\x00\x02a", false},
	}
	for _, c := range cases {
		p, err := ParsePresence([]byte(c.b))
		if c.ok && err != nil || !c.ok && (!errors.Is(err, ErrPresence) || p != nil) {
			t.Errorf("%s: read %+v, error %v", c.name, p, err)
		}
	}
	for flags, want := range map[string][2]bool{"\xfd": {true, false}, "\xfe": {false, true}, "\xfc": {false, false}} {
		if p, err := ParsePresence([]byte(field(tagFlags, flags))); err != nil || p.Left != want[0] || p.Refutes != want[1] {
			t.Errorf("flags %x: %+v (%v)", flags, p, err)
		}
	}
	p, err := ParsePresence([]byte(field(tagLost, lost("a", "bc"))))
	if err != nil || !slices.Equal(p.Lost, []Lost{{"a", 1, 0}, {"bc", 1, 1}}) {
		t.Errorf("read %+v (%v)", p, err)
	}
}

func FuzzParsePresence(f *testing.F) {
	f.Add([]byte{})
	f.Add((&Presence{Left: true}).Append(nil))
	f.Add((&Presence{Record: []byte("record"), Interests: []uint16{1, 7, 65535}, Agent: "hearsay 1"}).Append(nil))
	f.Add((&Presence{Agent: "hearsay 1", Lost: []Lost{{"A", 1, 2}, {"B", 1 << 40, 1 << 60}}, Refutes: true}).Append(nil))
	f.Add((&Presence{Agent: "hearsay 1", Ports: []Port{{500, 6001}, {560, 6301}}}).Append(nil))
	f.Add([]byte{tagLost, 0, 2, 1, 'A'})
	f.Add([]byte{9, 0, 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParsePresence(b)
		if err != nil {
			if !errors.Is(err, ErrPresence) || p != nil {
				t.Fatalf("presence %v, error %v", p, err)
			}
			return
		}
		if len(p.Record) > MaxRecord || len(p.Interests) > MaxPresenceInterests || len(p.Agent) > maxAgent || len(p.Lost) > MaxLost || len(p.Ports) > MaxPorts {
			t.Fatalf("over a limit: %+v", p)
		}
		again, err := ParsePresence(p.Append(nil))
		if err != nil || !samePresence(p, again) {
			t.Fatalf("read %+v, written and read again %+v (%v)", p, again, err)
		}
	})
}
