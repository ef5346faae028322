package transport

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/core/record"
	ma "github.com/multiformats/go-multiaddr"

	"hearsay/node/gossip"
)

// sealed is a signed record.
func sealed(t testing.TB, key crypto.PrivKey, rec record.Record) []byte {
	t.Helper()
	env, err := record.Seal(rec, key)
	if err != nil {
		t.Fatal(err)
	}
	b, err := env.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// selfRecord is a host's own record.
func selfRecord(t testing.TB, h host.Host) gossip.PeerRecord {
	t.Helper()
	rec := peer.PeerRecordFromAddrInfo(peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()})
	r := gossip.PeerRecord{Peer: gossip.PeerID(h.ID()), Seq: rec.Seq}
	r.Bytes = sealed(t, h.Peerstore().PrivKey(h.ID()), rec)
	return r
}

func damaged(b []byte) []byte {
	b = bytes.Clone(b)
	b[len(b)-1] ^= 1
	return b
}

// foreign is a record for something else than addresses.
type foreign struct{ *peer.PeerRecord }

func (foreign) Domain() string { return "something else" }

func TestRecord(t *testing.T) {
	h := newHost(t)
	want := selfRecord(t, h)
	got, info, err := OpenRecord(want.Bytes)
	if err != nil || got.Peer != want.Peer || got.Seq != want.Seq || !bytes.Equal(got.Bytes, want.Bytes) {
		t.Fatalf("%+v, %v", got, err)
	}
	if info.ID != h.ID() || len(info.Addrs) != len(h.Addrs()) || !info.Addrs[0].Equal(h.Addrs()[0]) {
		t.Errorf("%+v", info)
	}
	key := h.Peerstore().PrivKey(h.ID())
	for name, envelope := range map[string][]byte{
		"empty":           {},
		"too long":        make([]byte, gossip.MaxRecord+1),
		"other domain":    sealed(t, key, foreign{&peer.PeerRecord{PeerID: h.ID(), Addrs: h.Addrs(), Seq: 1}}),
		"other key":       sealed(t, newKey(t), &peer.PeerRecord{PeerID: h.ID(), Addrs: h.Addrs(), Seq: 1}),
		"no addresses":    sealed(t, key, &peer.PeerRecord{PeerID: h.ID(), Seq: 1}),
		"wrong signature": damaged(want.Bytes),
		"cut":             want.Bytes[:len(want.Bytes)-1],
	} {
		if got, err := VerifyRecord(envelope); err == nil || !strings.HasPrefix(err.Error(), "peer record: ") || got.Peer != "" || got.Bytes != nil {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// TestPeerLists: of what peers tell about others only what is properly signed
// reaches the core, and only if it was asked for.
func TestPeerLists(t *testing.T) {
	a, b := newNode(t, newHost(t)), newNode(t, newHost(t))
	connect(t, a, b)
	good := selfRecord(t, a.host)
	var many []ma.Multiaddr
	for i := range MaxRecordAddrs + 1 {
		many = append(many, ma.StringCast(fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", 1000+i)))
	}
	key := newKey(t)
	id, _ := peer.IDFromPrivateKey(key)
	list := &gossip.PeerList{Records: []gossip.PeerRecord{
		good,
		{Bytes: []byte("rubbish")},
		{Bytes: damaged(good.Bytes)},
		{Bytes: sealed(t, key, &peer.PeerRecord{PeerID: a.host.ID(), Addrs: a.host.Addrs(), Seq: 9})}, // another's key
		{Bytes: sealed(t, key, &peer.PeerRecord{PeerID: id, Addrs: many, Seq: 9})},
		{Bytes: sealed(t, key, &peer.PeerRecord{PeerID: id, Seq: 9})},
		{Bytes: sealed(t, key, &peer.PeerRecord{PeerID: id, Addrs: many[:MaxRecordAddrs], Seq: 9})},
	}}
	a.Send(b.id, list, false)
	got := awaitMsg[*gossip.PeerList](b, a.id).Records
	if len(got) != 2 || got[0].Peer != a.id || got[0].Seq != good.Seq || got[1].Peer != gossip.PeerID(id) || got[1].Seq != 9 {
		t.Errorf("%+v", got)
	}
	if n := b.Stats().BadRecords; n != 5 {
		t.Errorf("%d bad records", n)
	}
	// One list was for free, the next is asked for, the third is not.
	b.Send(a.id, &gossip.PeersRequest{}, false)
	awaitMsg[*gossip.PeersRequest](a, b.id)
	a.Send(b.id, list, false)
	awaitMsg[*gossip.PeerList](b, a.id)
	a.Send(b.id, list, false)
	b.Send(a.id, &gossip.PeersRequest{}, false)
	a.Send(b.id, &gossip.PeersRequest{}, false) // behind the list, on its lane
	awaitMsg[*gossip.PeersRequest](b, a.id)
	if n := b.Stats().Unasked + uint64(received[*gossip.PeerList](b)); n != 3 {
		t.Errorf("%d lists", n)
	}
}

// TestOfferedPeers: what a peer offers with its requests is looked at as rarely
// as the core answers them, and only what is properly signed gets there.
func TestOfferedPeers(t *testing.T) {
	a, b := newNode(t, newHost(t)), newNode(t, newHost(t))
	connect(t, a, b)
	good := selfRecord(t, a.host)
	offer := &gossip.PeersRequest{Records: []gossip.PeerRecord{good, {Bytes: []byte("rubbish")}}}
	a.Send(b.id, offer, false)
	if got := awaitMsg[*gossip.PeersRequest](b, a.id).Records; len(got) != 1 || got[0].Peer != a.id || got[0].Seq != good.Seq {
		t.Errorf("%+v", got)
	}
	a.Send(b.id, offer, false)
	if got := awaitMsg[*gossip.PeersRequest](b, a.id).Records; len(got) != 0 {
		t.Errorf("looked at again at once: %+v", got)
	}
	if n := b.Stats().BadRecords; n != 1 {
		t.Errorf("%d bad records", n)
	}
}

// TestProbe: a probe tells whether a peer is there, and makes no link.
func TestProbe(t *testing.T) {
	a, b := newNode(t, newHost(t)), newNode(t, newHost(t))
	a.host.Peerstore().AddAddrs(b.host.ID(), b.host.Addrs(), peerstore.PermanentAddrTTL)
	a.Probe(b.id)
	a.await("an answer to the probe", func(ev gossip.Event) bool { return ev == gossip.Reached{Peer: b.id} })
	if len(a.Links()) != 0 || len(b.Links()) != 0 {
		t.Errorf("links %+v and %+v", a.Links(), b.Links())
	}
	nobody, err := peer.IDFromPrivateKey(newKey(t))
	if err != nil {
		t.Fatal(err)
	}
	// Its address is b's: who answers there is somebody else.
	a.host.Peerstore().AddAddrs(nobody, b.host.Addrs(), peerstore.PermanentAddrTTL)
	a.Probe(gossip.PeerID(nobody))
	a.awaitFailed(gossip.PeerID(nobody))
	if a.Failure(gossip.PeerID(nobody)).Err == nil {
		t.Error("nothing is said about why")
	}
}

// listOf is what a neighbour tells.
func listOf(envelopes ...[]byte) (list []gossip.PeerRecord) {
	for _, b := range envelopes {
		list = append(list, gossip.PeerRecord{Bytes: b})
	}
	return list
}

// TestRecordCache: a record that is known is the same, and one that only
// resembles it is verified like any other.
func TestRecordCache(t *testing.T) {
	c := newRecordCache()
	want := selfRecord(t, newHost(t))
	first, bad := c.verify(listOf(want.Bytes))
	if len(first) != 1 || bad != nil {
		t.Fatal(first, bad)
	}
	again, bad := c.verify(listOf(bytes.Clone(want.Bytes), bytes.Clone(want.Bytes)))
	if len(again) != 2 || bad != nil {
		t.Fatal(again, bad)
	}
	for _, r := range again {
		if r.Peer != want.Peer || r.Seq != want.Seq || &r.Bytes[0] != &first[0].Bytes[0] {
			t.Errorf("the second time %+v", r)
		}
	}
	for range 2 {
		if good, bad := c.verify(listOf(damaged(want.Bytes), make([]byte, gossip.MaxRecord+1))); len(good) != 0 || len(bad) != 2 {
			t.Errorf("damaged and too long: %v are taken, %v", good, bad)
		}
	}
	if c.good.Len() != 1 {
		t.Errorf("%d records are remembered", c.good.Len())
	}
}

// TestRecordVouched: what a peer signed as part of a presence needs no other signature,
// and is still read. What is no record of that peer is not taken for one.
func TestRecordVouched(t *testing.T) {
	c := newRecordCache()
	good, other := selfRecord(t, newHost(t)), selfRecord(t, newHost(t))
	forged := bytes.Clone(good.Bytes)
	forged[len(forged)-1] ^= 1 // the signature's last byte
	c.vouch(good.Peer, forged)
	c.vouch(good.Peer, other.Bytes)
	c.vouch(good.Peer, []byte("no record"))
	c.vouch(good.Peer, nil)
	c.vouch(good.Peer, make([]byte, gossip.MaxRecord+1))
	for range 2 {
		list, bad := c.verify(listOf(forged, other.Bytes, []byte("no record")))
		if len(list) != 2 || len(bad) != 1 || list[0].Peer != good.Peer || list[0].Seq != good.Seq || list[1].Peer != other.Peer {
			t.Fatalf("%+v, %v", list, bad)
		}
	}
	// Of another's record nobody else has a say.
	c = newRecordCache()
	c.vouch(other.Peer, forged)
	if list, bad := c.verify(listOf(forged)); len(list) != 0 || len(bad) != 1 {
		t.Errorf("%+v, %v", list, bad)
	}
	// A record that was read stays as it is.
	c = newRecordCache()
	first, _ := c.verify(listOf(good.Bytes))
	c.vouch(good.Peer, bytes.Clone(good.Bytes))
	if again, _ := c.verify(listOf(good.Bytes)); len(again) != 1 || &again[0].Bytes[0] != &first[0].Bytes[0] {
		t.Errorf("%+v", again)
	}
}

// What is kept of a record that came in a presence does not keep the presence.
func TestRecordDoesNotKeepItsPresence(t *testing.T) {
	c := newRecordCache()
	good := selfRecord(t, newHost(t))
	want := damaged(good.Bytes) // good only if it is known
	presence := append(bytes.Clone(want), make([]byte, gossip.MaxPresence)...)
	c.vouch(good.Peer, presence[:len(want)])
	clear(presence)
	list, bad := c.verify(listOf(want))
	if len(list) != 1 || bad != nil || !bytes.Equal(list[0].Bytes, want) {
		t.Fatalf("%+v, %v: the record lies in the presence", list, bad)
	}
	if n := cap(list[0].Bytes); n > 2*len(want) {
		t.Errorf("a record of %d bytes takes %d", len(want), n)
	}
}

// recordBy is a record signed by a new key.
func recordBy(t testing.TB, key crypto.PrivKey) []byte {
	t.Helper()
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return sealed(t, key, &peer.PeerRecord{PeerID: id, Seq: 7, Addrs: []ma.Multiaddr{ma.StringCast("/ip4/192.0.2.1/tcp/1")}})
}

// TestRecordsTogether: whichever of a list are bad, and of whatever keys they are, each
// is judged as libp2p judges it alone. (Signatures that libp2p refuses and ZIP-215 takes
// are not had by damage.)
func TestRecordsTogether(t *testing.T) {
	rsa, _, err := crypto.GenerateKeyPair(crypto.RSA, 2048)
	if err != nil {
		t.Fatal(err)
	}
	var all [][]byte
	for range 6 {
		all = append(all, recordBy(t, newKey(t)))
	}
	all = append(all, recordBy(t, rsa))
	rnd := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		var list [][]byte
		var want []string
		for _, b := range all {
			b = bytes.Clone(b)
			if rnd.IntN(4) == 0 {
				b[rnd.IntN(len(b))] ^= 1 << rnd.IntN(8)
			}
			list = append(list, b)
			var r peer.PeerRecord
			if _, err := record.ConsumeTypedEnvelope(b, &r); err == nil {
				want = append(want, string(r.PeerID))
			}
		}
		good, bad := newRecordCache().verify(listOf(list...))
		var got []string
		for _, r := range good {
			got = append(got, string(r.Peer))
		}
		if !slices.Equal(got, want) || len(good)+len(bad) != len(all) {
			t.Fatalf("%d are taken, libp2p takes %d; %d errors: %v", len(good), len(want), len(bad), bad)
		}
	}
}

// FuzzRecord: what is a record of whom, and what is none, is as libp2p has it.
func FuzzRecord(f *testing.F) {
	rsa, _, err := crypto.GenerateKeyPair(crypto.RSA, 2048)
	if err != nil {
		f.Fatal(err)
	}
	key := newKey(f)
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{})
	f.Add(recordBy(f, key))
	f.Add(recordBy(f, rsa))
	f.Add(sealed(f, key, &peer.PeerRecord{PeerID: id, Seq: 1}))
	f.Add(sealed(f, key, foreign{&peer.PeerRecord{PeerID: id, Seq: 1}}))
	f.Fuzz(func(t *testing.T, envelope []byte) {
		if len(envelope) > gossip.MaxRecord {
			return
		}
		env, rec, err := record.ConsumeEnvelope(envelope, peer.PeerRecordEnvelopeDomain)
		want, ok := rec.(*peer.PeerRecord)
		ok = err == nil && ok && len(want.PeerID) <= gossip.MaxPeerID && want.PeerID.MatchesPublicKey(env.PublicKey) &&
			len(want.Addrs) > 0 && len(want.Addrs) <= MaxRecordAddrs
		got, info, err := OpenRecord(envelope)
		if ok != (err == nil) {
			t.Fatalf("libp2p takes it: %v, here: %v", ok, err)
		}
		if ok && (got.Peer != gossip.PeerID(want.PeerID) || got.Seq != want.Seq || len(info.Addrs) != len(want.Addrs) || !bytes.Equal(got.Bytes, envelope)) {
			t.Fatalf("%+v with %v, libp2p: %+v", got, info, want)
		}
	})
}

// BenchmarkRecord is a peer record of an Ed25519 key with three addresses, the
// first time and when it is known, and each of many new ones.
func BenchmarkRecord(b *testing.B) {
	r := selfRecord(b, newHost(b))
	b.Run("new", func(b *testing.B) {
		for b.Loop() {
			if _, err := VerifyRecord(r.Bytes); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("known", func(b *testing.B) {
		c := newRecordCache()
		for b.Loop() {
			if _, bad := c.verify(listOf(r.Bytes)); bad != nil {
				b.Fatal(bad)
			}
		}
	})
	b.Run("each-of-48", func(b *testing.B) {
		var list [][]byte
		for range 48 {
			list = append(list, recordBy(b, newKey(b)))
		}
		for i := 0; i < b.N; i += len(list) {
			if _, bad := newRecordCache().verify(listOf(list...)); bad != nil {
				b.Fatal(bad)
			}
		}
	})
}
