package main

import (
	"bufio"
	"bytes"
	"slices"
	"testing"
	"time"

	"hearsay/node/envelope"
	"hearsay/node/gossip"
	"hearsay/node/identity"
	"hearsay/node/transport"
	"hearsay/node/wire"
	"hearsay/pow"

	libpeer "github.com/libp2p/go-libp2p/core/peer"
)

// What is to be refused, and why.
func (m *maker) refused() (list []*vector) {
	add := func(kind, why string, b []byte, given any) {
		v := &vector{What: why, Kind: kind, Bytes: b, Refused: why}
		if given != nil {
			v.Given = m.json(given)
		}
		list = append(list, v)
	}
	frame := func(why string, b ...byte) { add("frame", why, append([]byte{byte(len(b))}, b...), nil) }
	ping := func(b ...byte) []byte { return append([]byte{0x2a, byte(len(b))}, b...) }

	add("frame", "a length of zero", []byte{0}, nil)
	add("frame", "a length that is longer than it need be", []byte{0x84, 0, 0x2a, 2, 8, 1}, nil)
	add("frame", "a frame that ends early", []byte{5, 0x2a, 2, 8, 1}, nil)
	frame("a number that is longer than it need be", ping(8, 0x81, 0)...)
	frame("a number of more than 64 bits", ping(8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2)...)
	frame("a field twice", ping(8, 1, 8, 1)...)
	frame("two kinds in one frame", slices.Concat(ping(8, 1), []byte{0x32, 2, 8, 1})...)
	frame("a field of another wire type", ping(0x0a, 1, 1)...)
	frame("a group", ping(0x0b, 0x0c)...)
	frame("field number 0", ping(0, 1)...)
	frame("interests that do not ascend", 0x12, 4, 0x0a, 2, 2, 1)
	frame("a data type over 65535", 0x12, 5, 0x0a, 3, 0x80, 0x80, 4)
	frame("a verdict that does not exist", 0x22, 3, 0x0a, 1, 8)
	frame("a bye without a reason", 0x3a, 0)
	frame("half a short ID", 0x6a, 6, 0x12, 4, 1, 2, 3, 4)
	frame("a last range that has an end", 0x52, 4, 0x1a, 2, 8, 1)
	frame("an end whose ID has a zero at the end", 0x52, 8, 0x1a, 4, 0x12, 2, 1, 0, 0x1a, 0)
	frame("ends that do not ascend", 0x52, 4, 0x1a, 0, 0x1a, 0)
	frame("a fingerprint range without one", 0x52, 4, 0x1a, 2, 0x18, 1)
	frame("a hello without a session", 0x0a, 5, 8, 1, 0x12, 1, 'n')
	unknown := []byte{}
	for range 65 {
		unknown = append(unknown, 0x78, 1)
	}
	frame("65 unknown fields", append([]byte{0x2a, 0x82, 1}, unknown...)...)
	list[len(list)-1].Bytes = append([]byte{0x85, 1}, list[len(list)-1].Bytes[1:]...)

	r := m.event()
	given := func(r *gossip.Rumor) map[string]any {
		return map[string]any{"nonce": nonceBytes(r.Nonce), "signature": octets(r.Signature), "public_key": octets(r.PublicKey), "difficulty_bits": workBits}
	}
	changed := func(at int, to byte) []byte { b := bytes.Clone(r.Signed); b[at] = to; return b }
	add("rumor", "a rumor of version 2", changed(0, 2), given(r))
	add("rumor", "a network without a name", append([]byte{1, 0}, r.Signed[9:]...), given(r))
	add("rumor", "a kind that does not exist", changed(9, 5), given(r))
	add("rumor", "a rumor that ends early", r.Signed[:80], given(r))
	idle := *r
	for pow.Verify(idle.ID, idle.Nonce, workBits) {
		idle.Nonce++
	}
	add("rumor", "too little work", r.Signed, given(&idle))
	forged := *r
	forged.Signature = must[[]byte](m)(m.bob.Sign(r.ID))
	add("rumor", "signed by another", r.Signed, given(&forged))
	twice := *r
	twice.PublicKey = must[[]byte](m)(m.alice.PrivKey().GetPublic().Raw())
	add("rumor", "a key in two places", r.Signed, given(&twice))

	add("presence", "tags that do not ascend", []byte{4, 0, 1, 'a', 1, 0, 1, 0}, nil)
	add("presence", "a tag twice", []byte{1, 0, 1, 0, 1, 0, 1, 0}, nil)
	add("presence", "half a data type", []byte{3, 0, 3, 0, 1, 0}, nil)
	add("presence", "interests that do not ascend", []byte{3, 0, 4, 0, 2, 0, 1}, nil)
	add("presence", "a field that ends early", []byte{4, 0, 5, 'a'}, nil)
	add("presence", "an accusation of nobody", append([]byte{5, 0, 17}, make([]byte, 17)...), nil)

	rec := m.record(m.alice, 1, "/ip4/192.0.2.7/tcp/6001")
	rec[len(rec)-1] ^= 1
	add("peer record", "a bad signature", rec, nil)
	add("peer record", "no address", m.record(m.alice, 1), nil)

	key := must[*envelope.Key](m)(envelope.ParseKey(privateKey("bob's key")))
	cert := must[*envelope.Certificate](m)(envelope.Certify(m.bob, key, 1, time.UnixMilli(4_000_000_000_000))).Bytes
	cert = bytes.Clone(cert)
	cert[50] ^= 1
	add("certificate", "a key that nobody vouched for", cert, nil)
	return list
}

// TestRefused: the program refuses what the second implementation refuses.
func TestRefused(t *testing.T) {
	for _, v := range all(t)["refused.json"] {
		var err error
		switch v.Kind {
		case "frame":
			var body []byte
			if body, err = wire.ReadFrame(bufio.NewReader(bytes.NewReader(v.Bytes))); err == nil {
				if _, err = wire.DecodeHello(body); err != nil {
					_, err = wire.Decode(body)
				}
			}
		case "rumor":
			err = takeRumor(t, v)
		case "presence":
			_, err = gossip.ParsePresence(v.Bytes)
		case "peer record":
			_, err = transport.VerifyRecord(v.Bytes)
		case "certificate":
			_, err = envelope.ParseCertificate(v.Bytes, time.UnixMilli(moment))
		default:
			t.Errorf("nobody asks the program about a %s", v.Kind)
			continue
		}
		if err == nil {
			t.Errorf("%s: %s: the program accepts it", v.Kind, v.What)
		}
	}
}

func takeRumor(t *testing.T, v *vector) error {
	var given struct {
		Nonce     octets `json:"nonce"`
		Signature octets `json:"signature"`
		PublicKey octets `json:"public_key"`
		Bits      int    `json:"difficulty_bits"`
	}
	if err := strict(v.Given, &given); err != nil {
		t.Fatal(err)
	}
	r, err := gossip.ParseRumor(v.Bytes)
	if err != nil {
		return err
	}
	in := reader{rest: given.Nonce}
	if !pow.Verify(r.ID, in.u64(), given.Bits) {
		return errShort
	}
	return identity.Verify(libpeer.ID(r.Origin), given.PublicKey, r.ID, given.Signature)
}
