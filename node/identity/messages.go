package identity

import "github.com/oasisprotocol/curve25519-voi/primitives/ed25519"

// Message is what [VerifyMessages] is asked about: text of any kind and length that an
// Ed25519 key signed. What belongs to which use of a key the text itself has to say.
type Message struct {
	Key       []byte // 32 bytes
	Text      []byte
	Signature []byte // 64 bytes
}

// VerifyMessages reports whether each is a signature by its key, false for none at all.
// Like [Verifier.All], whose rule and odds it has, it tests one equation and does not
// say which is bad; unlike it, it keeps nothing. It may be called by many at a time.
func VerifyMessages(batch []Message) bool {
	v := ed25519.NewBatchVerifierWithCapacity(len(batch))
	for i := range batch {
		m := &batch[i]
		v.AddWithOptions(m.Key, m.Text, m.Signature, zip215)
	}
	return v.VerifyBatchOnly(nil)
}
