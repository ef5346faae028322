package identity

import (
	"slices"
	"testing"
)

// texts is a batch of rumors as what it is: keys, texts and signatures.
func texts(batch []Signed) (list []Message) {
	for _, s := range batch {
		m := message(s.ID)
		list = append(list, Message{Key: []byte(s.Origin[len(ed25519Prefix):]), Text: m[:], Signature: s.Signature})
	}
	return list
}

// VerifyMessages says of the same signatures the same as Verify.
func TestVerifyMessages(t *testing.T) {
	if VerifyMessages(nil) {
		t.Error("none at all are good")
	}
	others := texts(signedBatch(t, 5))
	if !VerifyMessages(others) {
		t.Error("five good ones are not")
	}
	for name, c := range strange(t) {
		one := texts([]Signed{c.Signed})
		for range 8 { // other random numbers each time
			if VerifyMessages(one) != c.valid || VerifyMessages(slices.Insert(slices.Clone(others), 2, one...)) != c.valid {
				t.Errorf("%s: another verdict than alone", name)
			}
		}
	}
	for i := range others {
		for what, change := range map[string]func(*Message){
			"another text":             func(m *Message) { m.Text = append(slices.Clone(m.Text), 0) },
			"no text":                  func(m *Message) { m.Text = nil },
			"another's key":            func(m *Message) { m.Key = others[(i+1)%len(others)].Key },
			"half a key":               func(m *Message) { m.Key = m.Key[:16] },
			"no key":                   func(m *Message) { m.Key = nil },
			"half a signature":         func(m *Message) { m.Signature = m.Signature[:32] },
			"no signature":             func(m *Message) { m.Signature = nil },
			"a signature and one byte": func(m *Message) { m.Signature = append(slices.Clone(m.Signature), 0) },
		} {
			bad := slices.Clone(others)
			change(&bad[i])
			if VerifyMessages(bad) {
				t.Errorf("%s is good", what)
			}
		}
	}
}
