package envelope

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"math/bits"
	"slices"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
)

// sealNames seals as Seal does, and names whom it likes as its recipients.
func sealNames(t *testing.T, by party, to []party, names []peer.ID) []byte {
	t.Helper()
	where := about(by)
	info, err := where.slotInfo()
	if err != nil {
		t.Fatal(err)
	}
	key := make([]byte, keySize)
	rand.Read(key)
	class := bits.Len(uint(len(to) - 1))
	b := []byte{version, byte(class)}
	if b, err = derive(b, key, "commitment"); err != nil {
		t.Fatal(err)
	}
	if b, err = appendSlots(b, class, certificates(to), key, info); err != nil {
		t.Fatal(err)
	}
	content, err := writeContent(&where, by.id, names, []byte("text"), b[2:headSize])
	if err != nil {
		t.Fatal(err)
	}
	aead, err := contentCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	padded := make([]byte, sizeClass(len(content)+4))
	binary.BigEndian.PutUint32(padded, uint32(len(content)))
	copy(padded[4:], content)
	return aead.Seal(b, make([]byte, aead.NonceSize()), padded, b)
}

// TestHostileRecipients: an envelope whose sender named something else than peer IDs
// in their order does not open, though its signature is good: whoever opens it
// writes the names down and has to read them again.
func TestHostileRecipients(t *testing.T) {
	a, b, c := newParty(t), newParty(t), newParty(t)
	self := b.id.ID()
	with := func(name string) []peer.ID {
		names := []peer.ID{self, peer.ID(name)}
		slices.Sort(names)
		return names
	}
	open := func(names []peer.ID) (*Message, error) {
		return Open(about(a), self, b.key, sealNames(t, a, []party{b}, names))
	}
	for _, names := range [][]peer.ID{{self}, with(string(c.id.ID()))} {
		m, err := open(names)
		if err != nil || !slices.Equal(m.Recipients, names) {
			t.Fatalf("to %q: %+v, %v", names, m, err)
		}
		checkNames(t, m.Recipients)
	}
	descending := with(string(c.id.ID()))
	slices.Reverse(descending)
	for what, names := range map[string][]peer.ID{
		"an empty name":             with(""),
		"one byte":                  with("x"),
		"half a peer ID":            with(string(c.id.ID()[:20])),
		"a peer ID and a byte":      with(string(c.id.ID()) + "x"),
		"a peer ID in text":         with(c.id.ID().String()),
		"another hash":              with("\x13\x20" + strings.Repeat("x", 32)),
		"a short hash":              with("\x12\x04abcd"),
		"a name of more than 64":    with("\x00\x3f" + strings.Repeat("x", 63)),
		"a name of 255 bytes":       with(strings.Repeat("x", 255)),
		"itself twice":              {self, self},
		"recipients in other order": descending,
	} {
		if m, err := open(names); !errors.Is(err, ErrForm) {
			t.Errorf("%s: %+v, %v", what, m, err)
		}
	}
}
