package transport

import (
	"bytes"
	"fmt"
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

// TestRecordCache: a record that is known is the same, and one that only
// resembles it is verified like any other.
func TestRecordCache(t *testing.T) {
	c := newRecordCache()
	want := selfRecord(t, newHost(t))
	first, err := c.verify(want.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.verify(bytes.Clone(want.Bytes))
	if err != nil || again.Peer != want.Peer || again.Seq != want.Seq || &again.Bytes[0] != &first.Bytes[0] {
		t.Errorf("the second time %+v, %v", again, err)
	}
	for range 2 {
		if _, err := c.verify(damaged(want.Bytes)); err == nil {
			t.Error("a damaged record is taken")
		}
	}
	if _, err := c.verify(make([]byte, gossip.MaxRecord+1)); err == nil {
		t.Error("a record that is too long is taken")
	}
	if c.good.Len() != 1 {
		t.Errorf("%d records are remembered", c.good.Len())
	}
}

// BenchmarkRecord is a peer record of an Ed25519 key with three addresses, the
// first time and when it is known.
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
			if _, err := c.verify(r.Bytes); err != nil {
				b.Fatal(err)
			}
		}
	})
}
