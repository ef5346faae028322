package envelope

import (
	"bytes"
	"errors"
	"testing"
	"time"
)

// FuzzOpen: nothing that anybody may send opens, except what was sealed, and
// every refusal is one of the errors that are told apart.
func FuzzOpen(f *testing.F) {
	a, b := newParty(f), newParty(f)
	sealed := seal(f, about(a), a, []party{b}, []byte("text"))
	f.Add(sealed)
	f.Add(seal(f, about(a), a, parties(f, 5), []byte("to others")))
	f.Add(sealed[:headSize])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, x []byte) {
		m, err := Open(about(a), b.id.ID(), b.key, x)
		switch {
		case err == nil && !bytes.Equal(x, sealed):
			t.Errorf("it reads %+v", m)
		case err != nil && err != ErrNotForUs && !errors.Is(err, ErrForm) && !errors.Is(err, ErrForged):
			t.Errorf("refused with %v", err)
		}
	})
}

// FuzzContent: what a sender signs can be anything, and is read without harm.
func FuzzContent(f *testing.F) {
	a, b := newParty(f), newParty(f)
	where := about(a)
	f.Add([]byte("text"), uint8(1), uint32(4))
	f.Add([]byte{}, uint8(255), uint32(1<<31))
	f.Fuzz(func(t *testing.T, content []byte, recipients uint8, length uint32) {
		x := append(make([]byte, idSize), recipients)
		x = append(x, content...)
		statement, err := contentStatement(&where, make([]byte, 32), x)
		if err != nil {
			t.Fatal(err)
		}
		if x, err = appendSignature(x, a.id, statement); err != nil {
			t.Fatal(err)
		}
		padded := append([]byte{byte(length >> 24), byte(length >> 16), byte(length >> 8), byte(length)}, x...)
		m, err := readContent(&where, b.id.ID(), padded, make([]byte, 32))
		if err == nil && (len(m.Recipients) > MaxRecipients || len(m.Text) > MaxText) {
			t.Errorf("%d recipients, %d bytes of text", len(m.Recipients), len(m.Text))
		}
	})
}

// FuzzCertificate: only what its peer signed is a certificate.
func FuzzCertificate(f *testing.F) {
	p := newParty(f)
	now := time.Now()
	f.Add(p.cert.Bytes)
	f.Add([]byte{})
	f.Add([]byte{1, 38})
	f.Fuzz(func(t *testing.T, x []byte) {
		c, err := ParseCertificate(x, now)
		if err == nil && !bytes.Equal(c.Bytes, x) {
			t.Errorf("%x is read as %+v", x, c)
		}
		if err == nil && c.Peer == p.id.ID() && !bytes.Equal(x, p.cert.Bytes) {
			t.Errorf("%x is taken for a certificate of %v", x, c.Peer)
		}
	})
}
