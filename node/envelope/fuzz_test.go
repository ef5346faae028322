package envelope

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
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
	named := func(names ...peer.ID) {
		content, err := writeContent(&where, a.id, names, []byte("text"), make([]byte, 32))
		if err != nil {
			f.Fatal(err)
		}
		const signature = 2 + 2 + 64 // is made below
		f.Add(content[idSize+1:len(content)-signature], uint8(len(names)), uint32(len(content)))
	}
	named(b.id.ID())
	named("", b.id.ID())
	named(b.id.ID(), b.id.ID())
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
		if err != nil {
			return
		}
		if len(m.Recipients) > MaxRecipients || len(m.Text) > MaxText {
			t.Errorf("%d recipients, %d bytes of text", len(m.Recipients), len(m.Text))
		}
		checkNames(t, m.Recipients)
	})
}

// checkNames fails unless names ascend and are the same after they were written down.
func checkNames(t *testing.T, names []peer.ID) {
	t.Helper()
	text, err := json.Marshal(names)
	var again []peer.ID
	if err == nil {
		err = json.Unmarshal(text, &again)
	}
	if err != nil || !slices.Equal(again, names) {
		t.Errorf("%q are written as %s, and read as %q, %v", names, text, again, err)
	}
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("%q do not ascend", names)
	}
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
