package main

import (
	"context"
	"crypto/ecdh"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	libpeer "github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node/direct"
	"hearsay/node/envelope"
	"hearsay/node/identity"
	"hearsay/node/mail"
	"hearsay/node/shared"
)

// Test vectors of letters and of shared state. Both are dated, so they are made
// and read in a bubble, whose time begins at the same moment each time.

// bubble is the moment at which a bubble begins, Unix milliseconds.
const bubble = 946_684_800_000

func (m *maker) inBubble(f func()) {
	t, ok := m.TB.(*testing.T)
	if !ok {
		m.Fatal("vectors are made by a test")
	}
	synctest.Test(t, func(*testing.T) { f() })
}

// folderWithKey is a state folder with a message key that everybody knows.
func (m *maker) folderWithKey(name string) string {
	key := must[*ecdh.PrivateKey](m)(ecdh.X25519().NewPrivateKey(privateKey(name)))
	block := &pem.Block{Type: "PRIVATE KEY", Bytes: must[[]byte](m)(x509.MarshalPKCS8PrivateKey(key)),
		Headers: map[string]string{"Created": time.Now().UTC().Format(time.RFC3339)}}
	dir := m.TempDir()
	if err := os.WriteFile(filepath.Join(dir, mail.KeyFile), pem.EncodeToMemory(block), 0o600); err != nil {
		m.Fatal(err)
	}
	return dir
}

// mailOf is the mail of a node which relays everything, by way of relay.
func (m *maker) mailOf(id *identity.Identity, keys *mail.Keys, cert []byte, relay func([]byte)) *mail.Mail {
	return must[*mail.Mail](m)(mail.New(mail.Config{
		Identity: id, Network: "hearsay", Keys: keys, Lifetime: time.Hour,
		Certificate: func(libpeer.ID) ([]byte, bool) { return cert, true },
		Reachable:   func(libpeer.ID) bool { return false },
		Direct: func(context.Context, libpeer.ID, []byte) (direct.Answer, error) {
			return 0, errors.New("not here")
		},
		Relay: func(_ context.Context, sealed []byte, _ time.Duration) error {
			if relay != nil {
				relay(sealed)
			}
			return nil
		},
		Announce: func([]byte) {},
	}))
}

// letters are a message of Alice's to Bob, and a receipt of it. Their IDs are drawn
// by chance, so they are those of the file; Bob's program has to take them.
func (m *maker) letters(bobsKey *envelope.Key, toBob *envelope.Certificate) []*vector {
	about := envelope.About{Network: "hearsay", Origin: m.alice.ID()}
	const text = "just between us"
	message, receipt := m.kept("private.json", "a message"), m.kept("private.json", "a receipt for it")
	m.inBubble(func() {
		keys := must[*mail.Keys](m)(mail.LoadKeys(m.folderWithKey("bob's key"), m.bob, time.Now()))
		if message == nil {
			sender := m.mailOf(m.alice, keys, toBob.Bytes, func(sealed []byte) {
				message = must[*envelope.Message](m)(envelope.Open(about, m.bob.ID(), bobsKey, sealed)).Text
			})
			must[mail.Sent](m)(sender.Send(context.Background(), []libpeer.ID{m.bob.ID()}, []byte(text), mail.Options{}))
		}
		bob := m.mailOf(m.bob, keys, nil, nil)
		sealed := must[[]byte](m)(envelope.Seal(about, m.alice, []*envelope.Certificate{toBob}, message))
		if answer := bob.Receive(m.alice.ID(), sealed); answer != direct.Told {
			m.Errorf("the program says of the letter in the file: %v", answer)
		}
		event := must[mail.Event](m)(bob.Read(0).Next(context.Background()))
		if string(event.Letter.Text) != text || string(event.Letter.ID[:]) != string(message[3:19]) {
			m.Errorf("the program reads %+v", event.Letter)
		}
	})
	if receipt == nil {
		receipt = append([]byte{1, 2, 0}, secret("a receipt")[:16]...)
		receipt = append(append(receipt, message[19:35]...), message[3:19]...)
	}
	times := func(is map[string]any) map[string]any {
		is["created"], is["expires"] = bubble, bubble+3_600_000
		return is
	}
	return []*vector{
		{What: "a message", Kind: "letter", Bytes: message, Is: m.json(times(map[string]any{"kind": 1, "flags": 1, "wants_receipt": true, "id": octets(message[3:19]), "text": text}))},
		{What: "a receipt for it", Kind: "letter", Bytes: receipt, Is: m.json(times(map[string]any{"kind": 2, "flags": 0, "wants_receipt": false,
			"id": octets(secret("a receipt")[:16]), "acknowledges": []octets{message[3:19]}}))},
	}
}

// values are what the program says of a key that is set, and that is deleted.
func (m *maker) values() (list []*vector) {
	var said [][]byte
	m.inBubble(func() {
		state := must[*shared.State](m)(shared.New(shared.Config{Self: m.alice.ID(), Lifetime: time.Hour,
			Publish: func(_ context.Context, _ string, payload []byte, _ time.Duration) error {
				said = append(said, payload)
				return nil
			}}))
		if err := errors.Join(state.Set(context.Background(), "mood", []byte("curious")), state.Delete(context.Background(), "mood")); err != nil {
			m.Fatal(err)
		}
	})
	given := m.json(map[string]any{"key": "mood"})
	return []*vector{
		{What: "a value", Kind: "state value", Bytes: said[0], Given: given,
			Is: m.json(map[string]any{"key": "mood", "flags": 0, "deleted": false, "set": bubble, "value": octets("curious")})},
		{What: "a key that was deleted in the same millisecond", Kind: "state value", Bytes: said[1], Given: given,
			Is: m.json(map[string]any{"key": "mood", "flags": 1, "deleted": true, "set": bubble + 1, "value": octets{}})},
	}
}
