package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"math/bits"
	"os"
	"path/filepath"
	"testing"

	libcrypto "github.com/libp2p/go-libp2p/core/crypto"
	libpeer "github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/record"
	"github.com/multiformats/go-multiaddr"

	"hearsay/node/gossip"
	"hearsay/node/identity"
	"hearsay/pow"
)

// What test vectors are made of, by the program's own packages.

// maker makes vectors, and fails its test instead of returning errors.
type maker struct {
	testing.TB
	alice, bob, rsa, rsa4096 *identity.Identity
}

func newMaker(t testing.TB) *maker {
	m := &maker{TB: t}
	m.alice, m.bob = m.ed25519("alice"), m.ed25519("bob")
	m.rsa, m.rsa4096 = m.file("rsa2048-pkcs1.pem"), m.file("rsa4096-pkcs1.pem")
	return m
}

func must[T any](m *maker) func(T, error) T {
	return func(v T, err error) T {
		m.Helper()
		if err != nil {
			m.Fatal(err)
		}
		return v
	}
}

// secret is 32 bytes that everybody knows.
func secret(name string) []byte {
	sum := sha256.Sum256([]byte("hearsay test vector " + name))
	return sum[:]
}

func (m *maker) ed25519(name string) *identity.Identity {
	der := must[[]byte](m)(x509.MarshalPKCS8PrivateKey(ed25519.NewKeyFromSeed(secret(name))))
	return must[*identity.Identity](m)(identity.Parse(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
}

func (m *maker) file(name string) *identity.Identity {
	text := must[[]byte](m)(os.ReadFile(filepath.Join("../../node/identity/testdata/test-only-keys", name)))
	return must[*identity.Identity](m)(identity.Parse(text))
}

func (m *maker) json(v any) json.RawMessage { return must[[]byte](m)(json.Marshal(v)) }

// The moment of all vectors, Unix milliseconds: 14 November 2023.
const moment = 1_700_000_000_000

const workBits = 16

// seal gives a rumor work and signature; the nonce is the first that will do.
func (m *maker) seal(by *identity.Identity, h gossip.Header, payload []byte) *gossip.Rumor {
	h.Network, h.Origin = "hearsay", gossip.PeerID(by.ID())
	if h.Created == 0 {
		h.Created = moment
	}
	if h.Expires == 0 {
		h.Expires = h.Created + 3_600_000
	}
	r := must[*gossip.Rumor](m)(gossip.NewRumor(h, payload))
	for !pow.Verify(r.ID, r.Nonce, workBits) {
		r.Nonce++
	}
	r.Signature = must[[]byte](m)(by.Sign(r.ID))
	r.PublicKey = by.Public()
	return r
}

// zeros is how many zero bits a rumor's work has.
func zeros(r *gossip.Rumor) int {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(r.ID[:], r.Nonce))
	return bits.LeadingZeros64(binary.BigEndian.Uint64(sum[:]))
}

// record signs addresses.
func (m *maker) record(by *identity.Identity, seq uint64, addrs ...string) []byte {
	rec := &libpeer.PeerRecord{PeerID: by.ID(), Seq: seq}
	for _, a := range addrs {
		rec.Addrs = append(rec.Addrs, multiaddr.StringCast(a))
	}
	env := must[*record.Envelope](m)(record.Seal(rec, by.PrivKey()))
	return must[[]byte](m)(env.Marshal())
}

func recordSays(by *identity.Identity, seq uint64, addrs ...string) map[string]any {
	return map[string]any{"peer": by.ID().String(), "seq": seq, "addrs": addrs}
}

// rumorSays is a rumor in words.
func rumorSays(r *gossip.Rumor) map[string]any {
	return map[string]any{"network": r.Network, "kind": r.Kind, "origin": libpeer.ID(r.Origin).String(), "epoch": r.Epoch, "seq": r.Seq,
		"data_type": r.DataType, "key": octets(r.Key), "created": r.Created, "expires": r.Expires, "ttl": r.TTL,
		"payload": octets(r.Payload), "id": octets(r.ID[:])}
}

func (m *maker) keys() (list []*vector) {
	message := []byte("what is signed")
	for _, k := range []struct {
		what string
		id   *identity.Identity
		seed []byte
		bits int
	}{
		{"Ed25519: the peer ID embeds the key", m.alice, secret("alice"), 256},
		{"another", m.bob, secret("bob"), 256},
		{"RSA with 2048 bits: the peer ID is a hash", m.rsa, nil, 2048},
		{"RSA with 4096 bits", m.rsa4096, nil, 4096},
	} {
		signature := must[[]byte](m)(k.id.PrivKey().Sign(message))
		given := map[string]any{"message": octets(message), "signature": octets(signature)}
		if k.seed != nil {
			given["seed"] = octets(k.seed)
		}
		list = append(list, &vector{What: k.what, Kind: "key", Bytes: must[[]byte](m)(libcrypto.MarshalPublicKey(k.id.PrivKey().GetPublic())),
			Given: m.json(given),
			Is:    m.json(map[string]any{"type": k.id.Kind(), "bits": k.bits, "peer_id": octets(k.id.ID()), "peer_id_text": k.id.ID().String()})})
	}
	return list
}

func (m *maker) records() []*vector {
	one := []string{"/ip4/192.0.2.7/tcp/6001"}
	two := []string{"/ip4/198.51.100.20/tcp/6001", "/ip6/2001:db8::1/tcp/65535"}
	return []*vector{
		{What: "one address", Kind: "peer record", Bytes: m.record(m.alice, moment*1_000_000, one...), Is: m.json(recordSays(m.alice, moment*1_000_000, one...))},
		{What: "two addresses, signed with RSA", Kind: "peer record", Bytes: m.record(m.rsa, 7, two...), Is: m.json(recordSays(m.rsa, 7, two...))},
	}
}

func (m *maker) rumorVector(what string, r *gossip.Rumor) *vector {
	is := rumorSays(r)
	is["difficulty_bits"], is["zero_bits"] = workBits, zeros(r)
	return &vector{What: what, Kind: "rumor", Bytes: r.Signed, Is: m.json(is), Given: m.json(map[string]any{
		"nonce": nonceBytes(r.Nonce), "signature": octets(r.Signature), "public_key": octets(r.PublicKey), "difficulty_bits": workBits})}
}

func (m *maker) rumors() []*vector {
	return []*vector{
		m.rumorVector("an event", m.event()),
		m.rumorVector("an event with every number at another limit, signed with RSA", m.seal(m.rsa,
			gossip.Header{Kind: gossip.KindEvent, Epoch: 1<<64 - 1, Seq: 1, DataType: 65535, TTL: 255, Expires: moment + 86_400_000}, nil)),
		m.rumorVector("a state", m.seal(m.bob,
			gossip.Header{Kind: gossip.KindState, Epoch: moment, Seq: 2, DataType: 7, Key: "mood"}, []byte("curious"))),
		m.rumorVector("a state with an empty key", m.seal(m.bob, gossip.Header{Kind: gossip.KindState, Epoch: moment, Seq: 3, DataType: 7}, []byte{0, 255})),
		m.rumorVector("a presence", m.presenceRumor()),
		m.rumorVector("a private message, of which a carrier knows no more than this", m.seal(m.alice,
			gossip.Header{Kind: gossip.KindPrivate, Epoch: moment, Seq: 4, DataType: 9}, secret("stands for an envelope"))),
		m.rumorVector("an event whose signature is good only by the equation with the factor 8", m.oddlySigned()),
	}
}

func (m *maker) event() *gossip.Rumor {
	return m.seal(m.alice, gossip.Header{Kind: gossip.KindEvent, Epoch: moment, Seq: 1, DataType: 1000, TTL: 3}, []byte("so I was told"))
}

func (m *maker) presenceRumor() *gossip.Rumor {
	p := gossip.Presence{Interests: []uint16{7, 1000}, Agent: "hearsay/1.0", Record: m.record(m.alice, 1, "/ip4/192.0.2.7/tcp/6001")}
	return m.seal(m.alice, gossip.Header{Kind: gossip.KindPresence, Epoch: moment, Seq: 5, Expires: moment + 210_000}, p.Append(nil))
}

func (m *maker) presences() []*vector {
	says := func(p *gossip.Presence, flags int, record any) map[string]any {
		is := map[string]any{"flags": flags, "left": p.Left, "refutes": p.Refutes, "record": record, "interests": nil, "agent": p.Agent, "lost": nil, "key": nil, "ports": nil, "unknown": nil}
		if len(p.Interests) > 0 {
			is["interests"] = p.Interests
		}
		var accused []any
		for _, l := range p.Lost {
			accused = append(accused, map[string]any{"peer": libpeer.ID(l.Peer).String(), "epoch": l.Epoch, "seq": l.Seq})
		}
		if accused != nil {
			is["lost"] = accused
		}
		return is
	}
	addrs := []string{"/ip4/192.0.2.7/tcp/6001"}
	plain := &gossip.Presence{Interests: []uint16{0, 7, 65535}, Agent: "hearsay/1.0", Record: m.record(m.alice, 1, addrs...)}
	left := &gossip.Presence{Left: true}
	// Ascending by the binary form: an RSA ID begins with 12, an Ed25519 one with 00.
	accusing := &gossip.Presence{Agent: "hearsay/1.0", Refutes: true, Lost: []gossip.Lost{
		{Peer: gossip.PeerID(m.bob.ID()), Epoch: moment, Seq: 9}, {Peer: gossip.PeerID(m.rsa.ID()), Epoch: 1, Seq: 1}}}
	cert, _ := m.certify(m.alice, "alice's key")
	reachable := &gossip.Presence{Agent: "hearsay/1.0", Key: cert.Bytes}
	reachableIs := says(reachable, 0, nil)
	reachableIs["key"] = certificateSays(cert)
	open := &gossip.Presence{Agent: "hearsay/1.0", Ports: []gossip.Port{{App: 500}, {App: 650, Port: 7401}}}
	openIs := says(open, 0, nil)
	openIs["ports"] = []any{map[string]any{"application": 500, "port": 0}, map[string]any{"application": 650, "port": 7401}}
	later := append(plain.Append(nil), 200, 0, 3, 'n', 'e', 'w')
	laterIs := says(plain, 0, recordSays(m.alice, 1, addrs...))
	laterIs["unknown"] = []any{map[string]any{"tag": 200, "value": octets("new")}}
	return []*vector{
		{What: "a node with an address that takes three types", Kind: "presence", Bytes: plain.Append(nil), Is: m.json(says(plain, 0, recordSays(m.alice, 1, addrs...)))},
		{What: "a leave", Kind: "presence", Bytes: left.Append(nil), Is: m.json(says(left, 1, nil))},
		{What: "a refutation that accuses two others", Kind: "presence", Bytes: accusing.Append(nil), Is: m.json(says(accusing, 2, nil))},
		{What: "one to whom private messages can be sent", Kind: "presence", Bytes: reachable.Append(nil), Is: m.json(reachableIs)},
		{What: "one whose modules can be reached", Kind: "presence", Bytes: open.Append(nil), Is: m.json(openIs)},
		{What: "one that says nothing", Kind: "presence", Bytes: nil, Is: m.json(says(&gossip.Presence{}, 0, nil))},
		{What: "a tag of a later version is skipped", Kind: "presence", Bytes: later, Is: m.json(laterIs)},
		{What: "bits of a flag that are not known are ignored", Kind: "presence", Bytes: []byte{1, 0, 1, 0x81}, Is: m.json(says(left, 0x81, nil))},
	}
}
