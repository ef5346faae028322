package main

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"time"

	libpeer "github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node/envelope"
	"hearsay/node/identity"
)

// Test vectors of private messages. Sealing takes chance, so envelopes are read
// from the file and opened; those that do not open are made anew with -rewrite.

// privateKey is an X25519 key in the form in which it is used.
func privateKey(name string) []byte {
	k := secret(name)
	k[0] &^= 7
	k[31] = k[31]&^0xc0 | 0x40
	return k
}

func (m *maker) private() (list []*vector) {
	toBob, bobsKey := m.certify(m.bob, "bob's key")
	toRSA, _ := m.certify(m.rsa, "a key beside RSA")
	for _, c := range []struct {
		what string
		cert *envelope.Certificate
	}{{"a certificate", toBob}, {"one signed with RSA", toRSA}} {
		list = append(list, &vector{What: c.what, Kind: "certificate", Bytes: c.cert.Bytes, Is: m.json(certificateSays(c.cert))})
	}
	for _, e := range []struct {
		what   string
		sender *identity.Identity
		to     []*envelope.Certificate
		text   string
		about  envelope.About
	}{
		{"to one", m.alice, []*envelope.Certificate{toBob}, "just between us", envelope.About{DataType: 7}},
		{"to two, from a sender with RSA", m.rsa4096, []*envelope.Certificate{toRSA, toBob}, "for both of you", envelope.About{DataType: 65535}},
		{"to three in four slots, bound to a number", m.alice, append(m.crowd(2), toBob), "", envelope.About{DataType: 9, Epoch: moment, Seq: 42}},
	} {
		e.about.Network, e.about.Origin = "hearsay", e.sender.ID()
		sealed := m.kept("private.json", e.what)
		if _, err := envelope.Open(e.about, m.bob.ID(), bobsKey, sealed); err != nil && *rewrite {
			sealed = must[[]byte](m)(envelope.Seal(e.about, e.sender, e.to, []byte(e.text)))
		}
		message := must[*envelope.Message](m)(envelope.Open(e.about, m.bob.ID(), bobsKey, sealed))
		slots := 1 << sealed[1]
		var recipients []string
		for _, c := range e.to {
			recipients = append(recipients, string(c.Peer))
		}
		slices.Sort(recipients)
		for i, r := range recipients {
			recipients[i] = libpeer.ID(r).String()
		}
		list = append(list, &vector{What: e.what, Kind: "envelope", Bytes: sealed,
			Given: m.json(map[string]any{
				"about": map[string]any{"network": e.about.Network, "origin": e.about.Origin.String(), "data_type": e.about.DataType, "epoch": e.about.Epoch, "seq": e.about.Seq},
				"self":  m.bob.ID().String(), "key": octets(privateKey("bob's key"))}),
			Is: m.json(map[string]any{"slots": slots, "padded_size": len(sealed) - 34 - 80*slots - 16, "message_id": octets(message.ID[:]),
				"recipients": recipients, "text": e.text})})
	}
	return append(append(list, m.letters(bobsKey, toBob)...), m.values()...)
}

// certify makes a certificate of a key that everybody knows.
func (m *maker) certify(id *identity.Identity, name string) (*envelope.Certificate, *envelope.Key) {
	key := must[*envelope.Key](m)(envelope.ParseKey(privateKey(name)))
	return must[*envelope.Certificate](m)(envelope.Certify(id, key, moment, time.UnixMilli(4_000_000_000_000))), key
}

func certificateSays(c *envelope.Certificate) map[string]any {
	return map[string]any{"peer": c.Peer.String(), "key": octets(c.Key[:]), "sequence": c.Seq, "expires": c.Expires.UnixMilli()}
}

// crowd are certificates of others.
func (m *maker) crowd(n int) (certs []*envelope.Certificate) {
	for i := range n {
		id := m.ed25519("one of a crowd " + hex.EncodeToString([]byte{byte(i)}))
		cert, _ := m.certify(id, id.ID().String())
		certs = append(certs, cert)
	}
	return certs
}

// kept is what a file has already, nil if that is nothing.
func (m *maker) kept(file, what string) []byte {
	path := filepath.Join(folder, file)
	if _, err := os.Stat(path); err != nil {
		return nil
	}
	for _, v := range must[[]*vector](m)(load(path)) {
		if v.What == what {
			return v.Bytes
		}
	}
	return nil
}
