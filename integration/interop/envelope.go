package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Private messages; see docs/protocol/private.md.

// certificate is a certificate in words.
type certificate struct {
	Peer     peer   `json:"peer"`
	Key      octets `json:"key"`
	Sequence uint64 `json:"sequence"`
	Expires  uint64 `json:"expires"`
}

// readCertificate reads and verifies a certificate.
func readCertificate(b []byte) (*certificate, error) {
	in := reader{rest: b}
	if v := in.u8(); v != 1 {
		return nil, fmt.Errorf("version %d", v)
	}
	c := &certificate{Peer: in.short8(), Key: in.take(32), Sequence: in.u64(), Expires: in.u64()}
	signed := slices.Concat([]byte("hearsay envelope key v1\x00"), b[:len(b)-len(in.rest)])
	public, signature := in.short16(), in.short16()
	if in.short || len(in.rest) > 0 || len(c.Peer) == 0 || len(c.Peer) > 64 || c.Expires > 1<<62 {
		return nil, errors.New("a certificate out of form")
	}
	key, err := keyOf(c.Peer, public)
	if err != nil {
		return nil, err
	}
	if !key.verify(signed, signature) {
		return nil, errors.New("a bad signature")
	}
	return c, nil
}

// about is what an envelope is bound to.
type about struct {
	Network  string `json:"network"`
	Origin   peer   `json:"origin"`
	DataType uint16 `json:"data_type"`
	Epoch    uint64 `json:"epoch"`
	Seq      uint64 `json:"seq"`
}

func (a *about) digest() []byte {
	b := slices.Concat([]byte{byte(len(a.Network))}, []byte(a.Network), []byte{byte(len(a.Origin))}, a.Origin)
	b = binary.BigEndian.AppendUint16(b, a.DataType)
	b = binary.BigEndian.AppendUint64(b, a.Epoch)
	b = binary.BigEndian.AppendUint64(b, a.Seq)
	sum := sha256.Sum256(b)
	return sum[:]
}

// sealedMessage is an envelope in words.
type sealedMessage struct {
	Slots      int    `json:"slots"`
	Padded     int    `json:"padded_size"` // length, content and padding
	ID         octets `json:"message_id"`
	Recipients []peer `json:"recipients"`
	Text       string `json:"text"`
}

func derive(contentKey []byte, purpose string) []byte {
	key, err := hkdf.Key(sha256.New, contentKey, nil, "hearsay envelope v1 "+purpose, 32)
	if err != nil {
		panic(err) // 32 bytes can be had
	}
	return key
}

// decodeEnvelopeVector opens an envelope.
func decodeEnvelopeVector(v *vector) (any, error) {
	var given struct {
		About about  `json:"about"`
		Self  peer   `json:"self"`
		Key   octets `json:"key"` // X25519, private
	}
	if err := strict(v.Given, &given); err != nil {
		return nil, err
	}
	return openEnvelope(v.Bytes, &given.About, given.Self, given.Key)
}

func openEnvelope(b []byte, about *about, self peer, private []byte) (*sealedMessage, error) {
	in := reader{rest: b}
	version, class, commitment := in.u8(), in.u8(), in.take(32)
	if in.short || version != 1 || class > 6 || len(b) > 65527 {
		return nil, errors.New("an envelope out of form")
	}
	slots := in.take(80 << class)
	head, sealed := b[:len(b)-len(in.rest)], in.rest
	if in.short || len(sealed) < 256+16 {
		return nil, errShort
	}
	m := &sealedMessage{Slots: 1 << class}
	contentKey, err := unseal(slots, about, private)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(derive(contentKey, "commitment"), commitment) {
		return nil, errors.New("another content key")
	}
	block, err := aes.NewCipher(derive(contentKey, "content"))
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	padded, err := aead.Open(nil, make([]byte, 12), sealed, head)
	if err != nil {
		return nil, err
	}
	m.Padded = len(padded)
	in = reader{rest: padded}
	content := in.take(int(in.u32()))
	if in.short || len(bytes.Trim(in.rest, "\x00")) > 0 {
		return nil, errors.New("padding that is not zero")
	}
	return m, m.read(content, about, self, commitment)
}

// unseal tries a key on each slot.
func unseal(slots []byte, about *about, private []byte) ([]byte, error) {
	// X25519 ignores five bits of a private key. Vectors have the form that it uses.
	if len(private) != 32 || private[0]&7 != 0 || private[31]&0xc0 != 0x40 {
		return nil, errors.New("a private key that is not clamped")
	}
	key, err := hpke.DHKEM(ecdh.X25519()).NewPrivateKey(private)
	if err != nil {
		return nil, err
	}
	info := append([]byte("hearsay envelope v1 slot\x00"), about.digest()...)
	for ; len(slots) > 0; slots = slots[80:] {
		if contentKey, err := hpke.Open(key, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), info, slots[:80]); err == nil {
			return contentKey, nil
		}
	}
	return nil, errors.New("no slot is for this key")
}

// read reads the content and checks its signature.
func (m *sealedMessage) read(content []byte, about *about, self peer, commitment []byte) error {
	in := reader{rest: content}
	m.ID = in.take(16)
	named := false
	for range in.u8() {
		p := peer(in.short8())
		if n := len(m.Recipients); n > 0 && string(m.Recipients[n-1]) >= string(p) {
			return errors.New("recipients do not ascend")
		}
		m.Recipients = append(m.Recipients, p)
		named = named || bytes.Equal(p, self)
	}
	text := in.take(int(in.u32()))
	m.Text = string(text)
	sum := sha256.Sum256(content[:len(content)-len(in.rest)])
	public, signature := in.short16(), in.short16()
	if in.short || len(in.rest) > 0 || len(m.Recipients) > 64 || len(text) > 49152 {
		return errors.New("content out of form")
	}
	key, err := keyOf(about.Origin, public)
	if err != nil {
		return err
	}
	if !key.verify(slices.Concat([]byte("hearsay envelope v1\x00"), about.digest(), commitment, sum[:]), signature) {
		return errors.New("a bad signature")
	}
	if !named {
		return errors.New("it was sealed to others")
	}
	return nil
}
