package envelope

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node/identity"
)

// writeContent lays out and signs what is sealed.
func writeContent(about *About, sender *identity.Identity, recipients []peer.ID, text, commitment []byte) ([]byte, error) {
	b := make([]byte, idSize, idSize+len(text)+4096)
	rand.Read(b)
	b = append(b, byte(len(recipients)))
	for _, r := range recipients {
		b = append(append(b, byte(len(r))), r...)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(text)))
	b = append(b, text...)
	statement, err := contentStatement(about, commitment, b)
	if err != nil {
		return nil, err
	}
	return appendSignature(b, sender, statement)
}

// contentStatement is what the sender signs.
func contentStatement(about *About, commitment, content []byte) ([]byte, error) {
	d, err := about.digest()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(content)
	return slices.Concat([]byte("hearsay envelope v1\x00"), d, commitment, sum[:]), nil
}

// readContent reads what writeContent wrote and was padded, and believes none of
// it before it has seen the signature.
func readContent(about *About, self peer.ID, padded, commitment []byte) (*Message, error) {
	p := parser{rest: padded}
	b := p.take(int(p.u32()))
	if slices.ContainsFunc(p.rest, func(b byte) bool { return b != 0 }) || p.short {
		return nil, fmt.Errorf("%w: content of %d bytes among %d", ErrForm, len(b), len(padded))
	}
	p = parser{rest: b}
	m := &Message{Sender: about.Origin}
	copy(m.ID[:], p.take(idSize))
	n := int(p.u8())
	for range min(n, MaxRecipients) {
		m.Recipients = append(m.Recipients, peer.ID(p.take(int(p.u8()))))
	}
	m.Text = p.take(int(p.u32()))
	signed := b[:len(b)-len(p.rest)]
	public, signature := p.take(int(p.u16())), p.take(int(p.u16()))
	if p.short || len(p.rest) > 0 || n > MaxRecipients || len(m.Text) > MaxText {
		return nil, fmt.Errorf("%w: content of %d bytes", ErrForm, len(b))
	}
	if err := checkRecipients(m.Recipients); err != nil {
		return nil, err
	}
	statement, err := contentStatement(about, commitment, signed)
	if err != nil {
		return nil, err
	}
	if err := checkSignature(about.Origin, public, statement, signature); err != nil {
		return nil, err
	}
	if !slices.Contains(m.Recipients, self) {
		return nil, fmt.Errorf("%w: it was sealed to others", ErrForged)
	}
	return m, nil
}

// checkRecipients reports whether names are as Seal writes them: peer IDs, ascending,
// none twice. A sender can sign anything, and whoever opens it writes the names down
// as text and has to read them again.
func checkRecipients(names []peer.ID) error {
	for i, name := range names {
		if i > 0 && names[i-1] >= name {
			return fmt.Errorf("%w: recipients do not ascend", ErrForm)
		}
		if len(name) > maxPeerID {
			return fmt.Errorf("%w: a recipient's name of %d bytes, at most %d", ErrForm, len(name), maxPeerID)
		}
		// peer.IDFromBytes is not enough: it takes multihashes whose text it does not
		// read as a peer ID.
		if again, err := peer.Decode(name.String()); err != nil || again != name {
			return fmt.Errorf("%w: a recipient, %q, is no peer ID", ErrForm, string(name))
		}
	}
	return nil
}

// appendSignature adds a hostkey, where the peer ID does not embed it, and its
// signature of a statement.
func appendSignature(b []byte, by *identity.Identity, statement []byte) ([]byte, error) {
	signature, err := by.PrivKey().Sign(statement)
	if err != nil {
		return nil, fmt.Errorf("envelope: signing: %w", err)
	}
	public := by.Public()
	b = binary.BigEndian.AppendUint16(b, uint16(len(public)))
	b = append(b, public...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(signature)))
	return append(b, signature...), nil
}

// checkSignature reports whether a signature is that of the peer with this ID.
func checkSignature(by peer.ID, public, statement, signature []byte) error {
	if len(public) > maxPublicKey || len(signature) > maxSignature {
		return fmt.Errorf("%w: a key of %d bytes, a signature of %d", ErrForm, len(public), len(signature))
	}
	key, err := by.ExtractPublicKey()
	if (err == nil) == (len(public) > 0) { // one place for a key, not two
		return fmt.Errorf("%w: the key of %v is not where it belongs", ErrForm, by)
	}
	if err != nil {
		if key, err = crypto.UnmarshalPublicKey(public); err != nil {
			return fmt.Errorf("%w: the key of %v: %w", ErrForm, by, err)
		}
	}
	if ok, err := key.Verify(statement, signature); err != nil || !ok || !by.MatchesPublicKey(key) {
		return fmt.Errorf("%w: the signature is not that of %v", ErrForged, by)
	}
	return nil
}

// parser reads fields and remembers whether it ran out of bytes.
type parser struct {
	rest  []byte
	short bool
}

func (p *parser) take(n int) []byte {
	if n < 0 || len(p.rest) < n {
		p.short, p.rest = true, nil
		return nil
	}
	b := p.rest[:n:n]
	p.rest = p.rest[n:]
	return b
}

func (p *parser) u8() byte {
	if b := p.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (p *parser) u16() uint16 {
	if b := p.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (p *parser) u32() uint32 {
	if b := p.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (p *parser) u64() uint64 {
	if b := p.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}
