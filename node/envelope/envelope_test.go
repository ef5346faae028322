package envelope

import (
	"bytes"
	"crypto/hpke"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node/identity"
)

// party is a node that can be written to.
type party struct {
	id   *identity.Identity
	key  *Key
	cert *Certificate
}

func newParty(t testing.TB) party {
	t.Helper()
	id, err := identity.New()
	if err != nil {
		t.Fatal(err)
	}
	return keyed(t, id)
}

func keyed(t testing.TB, id *identity.Identity) party {
	t.Helper()
	key, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := Certify(id, key, 1, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return party{id, key, cert}
}

func parties(t testing.TB, n int) []party {
	t.Helper()
	var all []party
	for range n {
		all = append(all, newParty(t))
	}
	return all
}

func certificates(all []party) (list []*Certificate) {
	for _, p := range all {
		list = append(list, p.cert)
	}
	return list
}

func about(by party) About {
	return About{Network: "test", Origin: by.id.ID(), DataType: 7}
}

func seal(t testing.TB, about About, by party, to []party, text []byte) []byte {
	t.Helper()
	sealed, err := Seal(about, by.id, certificates(to), text)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// TestOpen: every recipient reads the text, and who else reads it; nobody else can.
func TestOpen(t *testing.T) {
	all := parties(t, MaxRecipients+2)
	sender, stranger := all[0], all[1]
	for _, n := range []int{1, 2, 3, 5, MaxRecipients} {
		to := all[2 : 2+n]
		text := bytes.Repeat([]byte("text "), n)
		sealed := seal(t, about(sender), sender, to, text)
		var ids []peer.ID
		for _, p := range to {
			ids = append(ids, p.id.ID())
		}
		slices.Sort(ids)
		messages := make(map[[idSize]byte]bool)
		for i, p := range to {
			m, err := Open(about(sender), p.id.ID(), p.key, sealed)
			if err != nil {
				t.Fatalf("recipient %d of %d: %v", i, n, err)
			}
			if m.Sender != sender.id.ID() || !slices.Equal(m.Recipients, ids) || !bytes.Equal(m.Text, text) {
				t.Errorf("recipient %d of %d reads %+v", i, n, m)
			}
			messages[m.ID] = true
		}
		if len(messages) != 1 {
			t.Errorf("the message has %d IDs", len(messages))
		}
		for _, p := range []party{stranger, sender} {
			if _, err := Open(about(sender), p.id.ID(), p.key, sealed); err != ErrNotForUs {
				t.Errorf("who is no recipient gets %v", err)
			}
		}
		if bytes.Contains(sealed, []byte(to[0].id.ID())) || bytes.Contains(sealed, to[0].cert.Key[:]) || bytes.Contains(sealed, []byte("text")) {
			t.Error("the envelope tells something in clear")
		}
	}
}

// TestRSA: hostkeys that peer IDs do not embed.
func TestRSA(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, identity.MinRSABits)
	if err != nil {
		t.Fatal(err)
	}
	id, err := identity.Parse(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)}))
	if err != nil {
		t.Fatal(err)
	}
	a, b := keyed(t, id), newParty(t)
	if c, err := ParseCertificate(a.cert.Bytes, time.Now()); err != nil || c.Peer != id.ID() {
		t.Errorf("%+v, %v", c, err)
	}
	m, err := Open(about(a), b.id.ID(), b.key, seal(t, about(a), a, []party{b}, []byte("text")))
	if err != nil || string(m.Text) != "text" {
		t.Errorf("%+v, %v", m, err)
	}
}

// TestChanged: not one bit of an envelope can be changed.
func TestChanged(t *testing.T) {
	a, b := newParty(t), newParty(t)
	sealed := seal(t, about(a), a, []party{b}, []byte("text"))
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1 << (i % 8)
		if m, err := Open(about(a), b.id.ID(), b.key, changed); err == nil {
			t.Errorf("with byte %d changed it reads %+v", i, m)
		}
	}
	for _, n := range []int{0, 1, headSize, len(sealed) - 1} {
		if _, err := Open(about(a), b.id.ID(), b.key, sealed[:n]); err == nil {
			t.Errorf("%d bytes of it open", n)
		}
	}
	if _, err := Open(about(a), b.id.ID(), b.key, append(bytes.Clone(sealed), 0)); err == nil {
		t.Error("with a byte more it opens")
	}
}

// TestElsewhere: the same envelope in a rumor of another origin, network, type or
// number does not open.
func TestElsewhere(t *testing.T) {
	a, b, thief := newParty(t), newParty(t), newParty(t)
	there := about(a)
	there.Epoch, there.Seq = 5, 6
	sealed := seal(t, there, a, []party{b}, []byte("text"))
	if _, err := Open(there, b.id.ID(), b.key, sealed); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*About){
		"origin":  func(x *About) { x.Origin = thief.id.ID() },
		"network": func(x *About) { x.Network = "other" },
		"type":    func(x *About) { x.DataType++ },
		"epoch":   func(x *About) { x.Epoch++ },
		"number":  func(x *About) { x.Seq++ },
	} {
		here := there
		change(&here)
		if m, err := Open(here, b.id.ID(), b.key, sealed); err == nil {
			t.Errorf("under another %s it reads %+v", what, m)
		}
	}
	if _, err := Seal(about(a), thief.id, certificates([]party{b}), nil); !errors.Is(err, ErrForged) {
		t.Errorf("in another's name: %v", err)
	}
}

// TestPassedOn: a recipient cannot seal to somebody else what it was sealed, as if
// it came from the sender: neither the signed content, nor a slot for one more.
func TestPassedOn(t *testing.T) {
	a, b, c := newParty(t), newParty(t), newParty(t)
	sealed := seal(t, about(a), a, []party{b}, []byte("text"))
	where := about(a)
	info, err := where.slotInfo()
	if err != nil {
		t.Fatal(err)
	}
	key, err := hpke.Open(b.key.private, kdf, hpke.ChaCha20Poly1305(), info, sealed[headSize:headSize+slotSize])
	if err != nil {
		t.Fatal(err)
	}
	// The same content key and content, in an envelope with a slot for c.
	aead, err := contentCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	head := headSize + slotSize
	padded, err := aead.Open(nil, make([]byte, aead.NonceSize()), sealed[head:], sealed[:head])
	if err != nil {
		t.Fatal(err)
	}
	again := bytes.Clone(sealed[:headSize])
	if again, err = appendSlots(again, 0, certificates([]party{c}), key, info); err != nil {
		t.Fatal(err)
	}
	again = aead.Seal(again, make([]byte, aead.NonceSize()), padded, again)
	if m, err := Open(about(a), c.id.ID(), c.key, again); !errors.Is(err, ErrForged) {
		t.Errorf("c reads %+v, %v", m, err)
	}
	// And under another content key, which the signature does not commit to.
	other := make([]byte, keySize)
	rand.Read(other)
	again = []byte{version, 0}
	if again, err = derive(again, other, "commitment"); err != nil {
		t.Fatal(err)
	}
	if again, err = appendSlots(again, 0, certificates([]party{b}), other, info); err != nil {
		t.Fatal(err)
	}
	if aead, err = contentCipher(other); err != nil {
		t.Fatal(err)
	}
	again = aead.Seal(again, make([]byte, aead.NonceSize()), padded, again)
	if m, err := Open(about(a), b.id.ID(), b.key, again); !errors.Is(err, ErrForged) {
		t.Errorf("under another key b reads %+v, %v", m, err)
	}
}

// TestTwoContents: a slot with another content key than the one committed to is a
// forgery.
func TestTwoContents(t *testing.T) {
	a, b := newParty(t), newParty(t)
	sealed := seal(t, about(a), a, []party{b}, []byte("text"))
	sealed[2] ^= 1
	if _, err := Open(about(a), b.id.ID(), b.key, sealed); !errors.Is(err, ErrForged) {
		t.Errorf("%v", err)
	}
}

// TestSizes: an envelope's size tells no more than its class, and never exceeds
// what a rumor carries.
func TestSizes(t *testing.T) {
	all := parties(t, MaxRecipients+1)
	a := all[0]
	size := func(to, text int) int { return len(seal(t, about(a), a, all[1:1+to], make([]byte, text))) }
	if x, y := size(1, 0), size(1, 50); x != y {
		t.Errorf("texts of 0 and 50 bytes make %d and %d", x, y)
	}
	if n, more := size(1, 124), size(1, 125); n != 386 || more <= n {
		t.Errorf("the least envelope has %d bytes", n)
	}
	if x, y := size(5, 1000), size(6, 1001); x != y {
		t.Errorf("5 and 6 recipients make %d and %d", x, y)
	}
	if n := size(MaxRecipients, MaxText); n > MaxSize {
		t.Errorf("the largest envelope has %d bytes", n)
	}
	for n := 1; n < 1<<20; n += 1 + n/7 {
		if c := sizeClass(n); c < n || c > max(leastPadded, n+n/8) || sizeClass(c) != c {
			t.Errorf("%d bytes are padded to %d", n, c)
		}
	}
}

// TestSlotsLookAlike: slots for nobody are as those for somebody, in an order that
// tells nothing.
func TestSlotsLookAlike(t *testing.T) {
	a, b := newParty(t), parties(t, 3)
	places := make(map[int]bool)
	for range 100 {
		sealed := seal(t, about(a), a, b, nil)
		if sealed[1] != 2 {
			t.Fatalf("3 recipients make slots of class %d", sealed[1])
		}
		for slot := range 4 {
			s := sealed[headSize+slot*slotSize:][:slotSize]
			if s[keySize-1]&0x80 != 0 {
				t.Fatal("an encapsulated key is none")
			}
			where := about(a)
			info, err := where.slotInfo()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := hpke.Open(b[0].key.private, kdf, hpke.ChaCha20Poly1305(), info, s); err == nil {
				places[slot] = true
			}
		}
	}
	if len(places) != 4 {
		t.Errorf("the first recipient's slot was only ever at %v", places)
	}
}

func TestSealRefuses(t *testing.T) {
	all := parties(t, MaxRecipients+2)
	a := all[0]
	for what, to := range map[string][]party{"nobody": nil, "too many": all[1:], "one twice": {all[1], all[2], all[1]}} {
		if _, err := Seal(about(a), a.id, certificates(to), nil); !errors.Is(err, ErrRecipients) {
			t.Errorf("to %s: %v", what, err)
		}
	}
	if _, err := Seal(about(a), a.id, certificates(all[1:2]), make([]byte, MaxText+1)); !errors.Is(err, ErrForm) {
		t.Errorf("too much text: %v", err)
	}
	long := about(a)
	long.Network = strings.Repeat("x", 256)
	if _, err := Seal(long, a.id, certificates(all[1:2]), nil); !errors.Is(err, ErrForm) {
		t.Errorf("a network's name of 256 bytes: %v", err)
	}
}

func TestCertificate(t *testing.T) {
	p := newParty(t)
	now := time.Now()
	c, err := ParseCertificate(p.cert.Bytes, now)
	if err != nil || c.Peer != p.id.ID() || c.Key != p.cert.Key || c.Seq != 1 || c.Expires.UnixMilli() != p.cert.Expires.UnixMilli() {
		t.Fatalf("%+v, %v", c, err)
	}
	if _, err := ParseCertificate(p.cert.Bytes, now.Add(2*time.Hour)); err != ErrExpired {
		t.Errorf("after its expiry: %v", err)
	}
	for i := range p.cert.Bytes {
		changed := bytes.Clone(p.cert.Bytes)
		changed[i] ^= 1
		if c, err := ParseCertificate(changed, now); err == nil {
			t.Errorf("with byte %d changed: %+v", i, c)
		}
	}
	if _, err := ParseCertificate(append(bytes.Clone(p.cert.Bytes), 0), now); !errors.Is(err, ErrForm) {
		t.Errorf("with a byte more: %v", err)
	}
	if _, err := ParseCertificate(make([]byte, MaxCertificate+1), now); !errors.Is(err, ErrForm) {
		t.Errorf("too long: %v", err)
	}
	// Somebody else's key in one's own name is for its owner to open, not for the
	// thief; in another's name it cannot be certified.
	thief := newParty(t)
	forged := bytes.Clone(p.cert.Bytes)
	copy(forged[2+len(p.id.ID()):], thief.cert.Key[:])
	if _, err := ParseCertificate(forged, now); !errors.Is(err, ErrForged) {
		t.Errorf("another key: %v", err)
	}
}

func TestKey(t *testing.T) {
	k, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	b, err := k.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseKey(b)
	if err != nil || !bytes.Equal(again.private.PublicKey().Bytes(), k.private.PublicKey().Bytes()) {
		t.Errorf("%v", err)
	}
	if _, err := ParseKey(b[1:]); !errors.Is(err, ErrForm) {
		t.Errorf("31 bytes: %v", err)
	}
	if shown := fmt.Sprintf("%#v %+v", k, k); bytes.Contains([]byte(shown), b) {
		t.Error("a key is shown when it is printed")
	}
}

// TestContentForm: what the sender signed but does not have the form is refused,
// whatever it is.
func TestContentForm(t *testing.T) {
	a, b := newParty(t), newParty(t)
	where := about(a)
	good, err := writeContent(&where, a.id, []peer.ID{b.id.ID()}, []byte("text"), make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	pad := func(content []byte, length int) []byte {
		return append(append(binary.BigEndian.AppendUint32(nil, uint32(length)), content...), make([]byte, 40)...)
	}
	if m, err := readContent(&where, b.id.ID(), pad(good, len(good)), make([]byte, 32)); err != nil || string(m.Text) != "text" {
		t.Fatalf("%+v, %v", m, err)
	}
	for n := range good {
		if _, err := readContent(&where, b.id.ID(), pad(good[:n], n), make([]byte, 32)); err == nil {
			t.Errorf("%d bytes of %d are read", n, len(good))
		}
	}
	for _, n := range []int{len(good) - 1, len(good) + 1, len(good) + 41, 1 << 31} {
		if _, err := readContent(&where, b.id.ID(), pad(good, n), make([]byte, 32)); err == nil {
			t.Errorf("a length of %d is believed", n)
		}
	}
}
