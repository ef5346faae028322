package journal

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

func TestPeersSurviveARestart(t *testing.T) {
	folder := t.TempDir()
	j := open(t, folder)
	full := testPeer(1)
	full.Anchor = true
	bare := KnownPeer{ID: "\x12\x20" + testID(2)[:32]} // RSA form, never seen
	if err := j.SavePeers([]KnownPeer{bare, full}); err != nil {
		t.Fatal(err)
	}
	shut(t, j)
	j = open(t, folder)
	if got, want := must(j.Peers()), []KnownPeer{full, bare}; !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if err := j.ForgetPeer(full.ID); err != nil {
		t.Fatal(err)
	}
	if err := j.ForgetPeer(testID(99)); err != nil {
		t.Errorf("forgetting a stranger: %v", err)
	}
	if got := must(j.Peers()); len(got) != 1 || got[0].ID != bare.ID {
		t.Errorf("after forgetting one: %+v", got)
	}
}

func TestPeersAreNewestFirst(t *testing.T) {
	j := open(t, t.TempDir())
	if err := j.SavePeers([]KnownPeer{testPeer(2), testPeer(3), testPeer(1)}); err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, p := range must(j.Peers()) {
		order = append(order, string(p.ID[len(p.ID)-1:]))
	}
	if got := strings.Join(order, ""); got != "321" {
		t.Errorf("order %s", got)
	}
}

func TestSavePeersMerges(t *testing.T) {
	at := func(n int64) time.Time { return time.UnixMilli(1_700_000_000_000 + n) }
	addrs := func(text string) []ma.Multiaddr { return []ma.Multiaddr{ma.StringCast(text)} }
	id := testID(1)
	known := KnownPeer{ID: id, Record: []byte("old"), Addrs: addrs("/ip4/192.0.2.1/tcp/1"), LastSeen: at(10), Anchor: true, Source: "mdns"}
	for _, c := range []struct {
		name       string
		news, want KnownPeer
	}{
		{"newer replaces",
			KnownPeer{ID: id, Record: []byte("new"), Addrs: addrs("/ip4/192.0.2.2/tcp/2"), LastSeen: at(20), Source: "kad"},
			KnownPeer{ID: id, Record: []byte("new"), Addrs: addrs("/ip4/192.0.2.2/tcp/2"), LastSeen: at(20), Source: "kad"}},
		{"of the same age replaces",
			KnownPeer{ID: id, LastSeen: at(10), Source: "kad"},
			KnownPeer{ID: id, Record: []byte("old"), Addrs: addrs("/ip4/192.0.2.1/tcp/1"), LastSeen: at(10), Source: "kad"}},
		{"newer without details keeps them",
			KnownPeer{ID: id, LastSeen: at(20), Anchor: true},
			KnownPeer{ID: id, Record: []byte("old"), Addrs: addrs("/ip4/192.0.2.1/tcp/1"), LastSeen: at(20), Anchor: true, Source: "mdns"}},
		{"older changes nothing",
			KnownPeer{ID: id, Record: []byte("ancient"), Addrs: addrs("/ip4/192.0.2.3/tcp/3"), LastSeen: at(5), Source: "kad"},
			known},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := open(t, t.TempDir())
			if err := j.SavePeers([]KnownPeer{known}); err != nil {
				t.Fatal(err)
			}
			if err := j.SavePeers([]KnownPeer{c.news}); err != nil {
				t.Fatal(err)
			}
			if got := must(j.Peers()); len(got) != 1 || !reflect.DeepEqual(got[0], c.want) {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
	t.Run("older completes", func(t *testing.T) {
		j := open(t, t.TempDir())
		if err := j.SavePeers([]KnownPeer{{ID: id, LastSeen: at(20)}, known}); err != nil {
			t.Fatal(err)
		}
		want := known
		want.LastSeen, want.Anchor = at(20), false
		if got := must(j.Peers()); len(got) != 1 || !reflect.DeepEqual(got[0], want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	})
}

func TestSavePeersForgetsTheLongestUnseen(t *testing.T) {
	j := open(t, t.TempDir())
	peers := testPeers(0, MaxPeers+10)
	for n := range 5 {
		peers[n].Anchor = true // the oldest of all
	}
	if err := j.SavePeers(peers); err != nil {
		t.Fatal(err)
	}
	kept := map[peer.ID]bool{}
	for _, p := range must(j.Peers()) {
		kept[p.ID] = true
	}
	if len(kept) != MaxPeers {
		t.Errorf("%d peers kept, want %d", len(kept), MaxPeers)
	}
	for n, p := range peers {
		if want := n < 5 || n >= 15; kept[p.ID] != want {
			t.Errorf("peer %d kept: %v, want %v", n, kept[p.ID], want)
		}
	}

	// With anchors only, the oldest anchor goes.
	for n := range peers {
		peers[n].Anchor = true
	}
	if err := j.SavePeers(peers); err != nil {
		t.Fatal(err)
	}
	got := must(j.Peers())
	if len(got) != MaxPeers || got[len(got)-1].ID != peers[10].ID {
		t.Errorf("%d peers kept, the oldest %s", len(got), got[len(got)-1].ID)
	}
}

// Peers saved while the clock was ahead must not outlive all others.
func TestPeersFromTheFuture(t *testing.T) {
	c := newClock()
	j := open(t, t.TempDir(), WithClock(c.Now))
	now := c.Now()
	c.add(10 * 365 * 24 * time.Hour)
	p := testPeer(1)
	p.LastSeen = c.Now()
	if err := j.SavePeers([]KnownPeer{p}); err != nil {
		t.Fatal(err)
	}
	c.add(-10 * 365 * 24 * time.Hour)
	if got := must(j.Peers())[0].LastSeen; !got.Equal(now) {
		t.Errorf("last seen %v, and it is %v", got, now)
	}
	c.add(time.Minute)
	p.LastSeen, p.Source = c.Now(), "corrected"
	q := testPeer(2)
	q.LastSeen = c.Now().Add(time.Hour)
	if err := j.SavePeers([]KnownPeer{p, q}); err != nil {
		t.Fatal(err)
	}
	for _, got := range must(j.Peers()) {
		if !got.LastSeen.Equal(c.Now()) || got.ID == p.ID && got.Source != "corrected" {
			t.Errorf("%+v, and it is %v", got, c.Now())
		}
	}
}

func TestSavePeersHoldsToTheLimits(t *testing.T) {
	long := ma.StringCast("/dns/" + strings.Repeat("a", MaxAddrSize) + "/tcp/1")
	for _, c := range []struct {
		name   string
		change func(*KnownPeer)
		reason string
	}{
		{"no ID", func(p *KnownPeer) { p.ID = "" }, "not a peer ID"},
		{"bad ID", func(p *KnownPeer) { p.ID = "hello" }, "not a peer ID"},
		{"long ID", func(p *KnownPeer) { p.ID = peer.ID("\x00\x64" + strings.Repeat("x", 100)) }, "at most 64"},
		{"record", func(p *KnownPeer) { p.Record = make([]byte, MaxRecordSize+1) }, "at most 16384"},
		{"addresses", func(p *KnownPeer) { p.Addrs = make([]ma.Multiaddr, MaxAddrs+1) }, "at most 16"},
		{"empty address", func(p *KnownPeer) { p.Addrs = make([]ma.Multiaddr, 1) }, "an address of 0 bytes"},
		{"long address", func(p *KnownPeer) { p.Addrs = []ma.Multiaddr{long} }, "1 to 256"},
		{"source", func(p *KnownPeer) { p.Source = strings.Repeat("x", MaxSourceSize+1) }, "at most 64"},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := open(t, t.TempDir())
			bad := testPeer(2)
			c.change(&bad)
			err := j.SavePeers([]KnownPeer{testPeer(1), bad, testPeer(3)})
			if err == nil || !strings.Contains(err.Error(), c.reason) {
				t.Errorf("error %v, want %q", err, c.reason)
			}
			if got := must(j.Peers()); len(got) != 2 {
				t.Errorf("%d of the 2 good peers are saved", len(got))
			}
		})
	}
}

// All that the limits let in, twice over: it fits into the file.
func TestLargestJournal(t *testing.T) {
	if !long {
		t.Skip("writes some 100 MB; set HEARSAY_LONG=1")
	}
	addr := ma.StringCast("/dns/" + strings.Repeat("a", MaxAddrSize-10) + "/tcp/1")
	for n := len(addr.Bytes()); n > MaxAddrSize || n < MaxAddrSize-10; {
		t.Fatalf("address of %d bytes", n)
	}
	j := open(t, t.TempDir())
	var peers []KnownPeer
	for n := range MaxPeers {
		p := testPeer(n)
		p.Record = make([]byte, MaxRecordSize)
		for range MaxAddrs - 1 {
			p.Addrs = append(p.Addrs, addr)
		}
		peers = append(peers, p)
	}
	for round := range 2 {
		if err := j.SavePeers(peers); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		for n := range peers {
			peers[n].LastSeen = peers[n].LastSeen.Add(time.Second)
		}
	}
	if got := len(must(j.Peers())); got != MaxPeers {
		t.Errorf("%d peers", got)
	}
}

func TestContacts(t *testing.T) {
	folder, c := t.TempDir(), newClock()
	j := open(t, folder, WithClock(c.Now))
	for _, err := range []error{
		j.SaveContact("node.example:7000", testID(1)),
		j.SaveContact("[2001:db8::1]:7000", testID(2)),
		j.SaveContact("node.example:7000", testID(3)), // it has a new identity
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	shut(t, j)
	j = open(t, folder, WithClock(c.Now))
	want := map[string]peer.ID{"node.example:7000": testID(3), "[2001:db8::1]:7000": testID(2)}
	if got := must(j.Contacts()); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for _, err := range []error{
		j.SaveContact("", testID(1)),
		j.SaveContact(strings.Repeat("x", MaxAddressSize+1), testID(1)),
		j.SaveContact("a", ""),
		j.SaveContact("a", "hello"),
	} {
		if err == nil {
			t.Error("a contact outside the limits is saved")
		}
	}
}

func TestContactsAreBounded(t *testing.T) {
	c := newClock()
	j := open(t, t.TempDir(), WithClock(c.Now))
	for n := range MaxContacts + 3 {
		if n == MaxContacts { // renewed: no longer the oldest
			if err := j.SaveContact("0", testID(0)); err != nil {
				t.Fatal(err)
			}
			c.add(time.Second)
		}
		if err := j.SaveContact(fmt.Sprint(n), testID(n)); err != nil {
			t.Fatal(err)
		}
		c.add(time.Second)
	}
	contacts := must(j.Contacts())
	if len(contacts) != MaxContacts {
		t.Errorf("%d contacts, want %d", len(contacts), MaxContacts)
	}
	for n, want := range map[int]bool{0: true, 1: false, 2: false, 3: false, 4: true, MaxContacts + 2: true} {
		if _, got := contacts[fmt.Sprint(n)]; got != want {
			t.Errorf("contact %d kept: %v, want %v", n, got, want)
		}
	}
}

func TestMillisecondsOfOddTimes(t *testing.T) {
	j := &Journal{now: newClock().Now}
	for _, when := range []time.Time{{}, time.Unix(0, 0), time.Unix(-5, 0), time.Unix(math.MinInt64, 0)} {
		if ms := j.milliseconds(when); ms != 0 {
			t.Errorf("%v is kept as %d", when, ms)
		}
	}
	if ms := j.milliseconds(time.Unix(1<<40, 0)); ms != 1_800_000_000_000 {
		t.Errorf("a time in the far future is kept as %d", ms)
	}
}

// FuzzRecord: whatever a record holds, decoding returns, and takes only what
// carries its checksum.
func FuzzRecord(f *testing.F) {
	key := []byte(testID(1))
	f.Add(must(seal(key, peerRecord{Seen: 1, Addrs: []string{"/ip4/192.0.2.1/tcp/1"}, Record: []byte("x")})), false)
	f.Add(must(seal(key, contactRecord{ID: testID(1).String(), Saved: 1})), false)
	f.Add([]byte(`{"seen":1}`), true)
	f.Add([]byte(`{"seen":"x"}`), true)
	f.Fuzz(func(t *testing.T, record []byte, checksum bool) {
		if checksum { // let the fuzzer past it
			s := sum(key, record)
			record = append([]byte{byte(s >> 24), byte(s >> 16), byte(s >> 8), byte(s)}, record...)
		}
		_, peerErr := decodePeer(key, record)
		_, contactErr := decodeContact(key, record)
		if len(record) < 4 && (peerErr == nil || contactErr == nil) {
			t.Error("a record without checksum passes")
		}
		if len(record) >= 4 && peerErr == nil {
			damaged := bytes.Clone(record)
			damaged[len(damaged)-1] ^= 1
			if _, err := decodePeer(key, damaged); err == nil {
				t.Error("damage passes")
			}
		}
	})
}
