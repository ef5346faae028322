package envelope

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hpke"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node/identity"
)

// Limits, in bytes unless the name says otherwise.
const (
	// MaxRecipients is how many nodes an envelope can be sealed to.
	MaxRecipients = 64
	// MaxText bounds a text: with all else at its limit it fits into MaxSize.
	MaxText = 48 << 10
	// MaxSize bounds an envelope: what one rumor carries (gossip.MaxPayload).
	MaxSize = 65527

	maxPeerID    = 64
	maxPublicKey = 1100
	maxSignature = 1024
)

// Sizes of the format, see the package comment.
const (
	version        = 1
	keySize        = 32
	tagSize        = 16
	slotSize       = keySize + keySize + tagSize
	commitmentSize = sha256.Size
	headSize       = 2 + commitmentSize
	idSize         = 16
	leastPadded    = 256
)

// Why an envelope does not open, or cannot be made.
var (
	// ErrForm is wrapped by every error about the form or size of something.
	ErrForm = errors.New("envelope: malformed")
	// ErrNotForUs: no slot opens with this key. That is so for most envelopes.
	ErrNotForUs = errors.New("envelope: it is not for this key")
	// ErrForged: the envelope was changed, is about something else, names others
	// as its recipients, or does not have its sender's signature.
	ErrForged = errors.New("envelope: it is not what its sender sealed")
	// ErrRecipients: nobody, too many, or the same node twice.
	ErrRecipients = errors.New("envelope: recipients")
)

// About is what an envelope is bound to: it opens only where all of it is the same
// as where it was sealed.
type About struct {
	Network  string  // of the rumor that carries it, up to 255 bytes
	Origin   peer.ID // of that rumor, and the envelope's sender
	DataType uint16  // of that rumor
	// Epoch and Seq are the rumor's number, or both 0: mostly it is not known yet
	// when its payload is made.
	Epoch, Seq uint64
}

// digest is over everything, with no two ways to be written.
func (a *About) digest() ([]byte, error) {
	if len(a.Network) > 255 || a.Origin == "" || len(a.Origin) > maxPeerID {
		return nil, fmt.Errorf("%w: a network of %d bytes and an origin of %d", ErrForm, len(a.Network), len(a.Origin))
	}
	b := append([]byte{byte(len(a.Network))}, a.Network...)
	b = append(append(b, byte(len(a.Origin))), a.Origin...)
	b = binary.BigEndian.AppendUint16(b, a.DataType)
	b = binary.BigEndian.AppendUint64(b, a.Epoch)
	b = binary.BigEndian.AppendUint64(b, a.Seq)
	sum := sha256.Sum256(b)
	return sum[:], nil
}

func (a *About) slotInfo() ([]byte, error) {
	d, err := a.digest()
	return append([]byte("hearsay envelope v1 slot\x00"), d...), err
}

// Message is what an opened envelope says.
type Message struct {
	ID         [idSize]byte // random, the same for all recipients
	Sender     peer.ID
	Recipients []peer.ID // ascending, none twice, the opener among them
	Text       []byte
}

var (
	kem = hpke.DHKEM(ecdh.X25519())
	kdf = hpke.HKDFSHA256()
)

// Seal makes an envelope that those whose certificates these are can open. The
// certificates' expiry is looked at when they are parsed and not here. It costs two
// multiplications on the curve for each slot: see the benchmarks.
func Seal(about About, sender *identity.Identity, to []*Certificate, text []byte) ([]byte, error) {
	if about.Origin != sender.ID() {
		return nil, fmt.Errorf("%w: the sender is %v, the origin is to be %v", ErrForged, sender.ID(), about.Origin)
	}
	if len(text) > MaxText {
		return nil, fmt.Errorf("%w: a text of %d bytes, at most %d", ErrForm, len(text), MaxText)
	}
	info, err := about.slotInfo()
	if err != nil {
		return nil, err
	}
	names, err := nameAll(to)
	if err != nil {
		return nil, err
	}
	var contentKey [keySize]byte
	rand.Read(contentKey[:])
	class := bits.Len(uint(len(to) - 1))
	b := append(make([]byte, 0, MaxSize), version, byte(class))
	if b, err = derive(b, contentKey[:], "commitment"); err != nil {
		return nil, err
	}
	if b, err = appendSlots(b, class, to, contentKey[:], info); err != nil {
		return nil, err
	}
	content, err := writeContent(&about, sender, names, text, b[2:headSize])
	if err != nil {
		return nil, err
	}
	aead, err := contentCipher(contentKey[:])
	if err != nil {
		return nil, err
	}
	room := MaxSize - len(b) - tagSize
	if len(content)+4 > room {
		return nil, fmt.Errorf("%w: %d bytes of content, %d fit", ErrForm, len(content), room-4)
	}
	padded := make([]byte, min(room, sizeClass(len(content)+4)))
	binary.BigEndian.PutUint32(padded, uint32(len(content)))
	copy(padded[4:], content)
	return aead.Seal(b, make([]byte, aead.NonceSize()), padded, b), nil
}

// nameAll are the recipients in ascending order.
func nameAll(to []*Certificate) ([]peer.ID, error) {
	if len(to) == 0 || len(to) > MaxRecipients {
		return nil, fmt.Errorf("%w: %d, allowed are 1 to %d", ErrRecipients, len(to), MaxRecipients)
	}
	var names []peer.ID
	for _, c := range to {
		names = append(names, c.Peer)
	}
	slices.Sort(names)
	if len(slices.Compact(slices.Clone(names))) != len(names) {
		return nil, fmt.Errorf("%w: one is named twice", ErrRecipients)
	}
	return names, nil
}

// appendSlots seals the content key to all recipients, and as many other secrets
// to keys that nobody has as it takes to fill the slots, in random order.
func appendSlots(b []byte, class int, to []*Certificate, contentKey, info []byte) ([]byte, error) {
	slots := make([][]byte, 1<<class)
	for i := range slots {
		var public hpke.PublicKey
		var err error
		secret := contentKey
		if i < len(to) {
			public, err = kem.NewPublicKey(to[i].Key[:])
		} else {
			var nobody hpke.PrivateKey
			if nobody, err = kem.GenerateKey(); err == nil {
				public, secret = nobody.PublicKey(), make([]byte, keySize)
			}
		}
		if err == nil {
			slots[i], err = hpke.Seal(public, kdf, hpke.ChaCha20Poly1305(), info, secret)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: sealing to recipient %d: %w", ErrForm, i, err)
		}
	}
	shuffle(slots)
	return append(b, slices.Concat(slots...)...), nil
}

// shuffle puts slots in an order that nobody can guess (Fisher and Yates).
func shuffle(slots [][]byte) {
	var chance [8]byte
	for i := len(slots) - 1; i > 0; i-- {
		rand.Read(chance[:])
		j := int(binary.BigEndian.Uint64(chance[:]) % uint64(i+1)) // off from even by 2^-58
		slots[i], slots[j] = slots[j], slots[i]
	}
}

// Open opens an envelope that is for self, whose key this is, and checks that
// about.Origin sealed it for this place. The error is ErrNotForUs if it is
// somebody else's, else it wraps ErrForm or ErrForged. It tries each slot.
func Open(about About, self peer.ID, key *Key, sealed []byte) (*Message, error) {
	if len(sealed) > MaxSize || len(sealed) < headSize || sealed[0] != version || sealed[1] > 6 {
		return nil, fmt.Errorf("%w: %d bytes that begin with % x", ErrForm, len(sealed), sealed[:min(2, len(sealed))])
	}
	slots := sealed[headSize:]
	n := slotSize << sealed[1]
	if len(slots) < n+leastPadded+tagSize {
		return nil, fmt.Errorf("%w: %d bytes are too few for %d slots", ErrForm, len(sealed), 1<<sealed[1])
	}
	slots = slots[:n]
	info, err := about.slotInfo()
	if err != nil {
		return nil, err
	}
	var contentKey []byte
	for ; len(slots) > 0 && contentKey == nil; slots = slots[slotSize:] {
		contentKey, _ = hpke.Open(key.private, kdf, hpke.ChaCha20Poly1305(), info, slots[:slotSize])
	}
	if contentKey == nil {
		return nil, ErrNotForUs
	}
	commitment, err := derive(nil, contentKey, "commitment")
	if err != nil || string(commitment) != string(sealed[2:headSize]) {
		return nil, fmt.Errorf("%w: another content key was committed to", ErrForged)
	}
	aead, err := contentCipher(contentKey)
	if err != nil {
		return nil, err
	}
	head := sealed[:headSize+n]
	padded, err := aead.Open(nil, make([]byte, aead.NonceSize()), sealed[len(head):], head)
	if err != nil {
		return nil, fmt.Errorf("%w: the content was changed", ErrForged)
	}
	return readContent(&about, self, padded, commitment)
}

// derive appends what a content key is worth for a purpose.
func derive(b, contentKey []byte, purpose string) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, contentKey, nil, "hearsay envelope v1 "+purpose, 32)
	return append(b, key...), err
}

func contentCipher(contentKey []byte) (cipher.AEAD, error) {
	key, err := derive(nil, contentKey, "content")
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// sizeClass rounds a size up, to a number with few significant bits (Padmé).
func sizeClass(n int) int {
	n = max(n, leastPadded)
	exponent := bits.Len(uint(n)) - 1
	low := exponent - bits.Len(uint(exponent))
	mask := 1<<low - 1
	return (n + mask) &^ mask
}
