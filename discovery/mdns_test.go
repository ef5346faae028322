package discovery

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/zeroconf/v2"
)

func newID(t testing.TB) peer.ID {
	t.Helper()
	_, public, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id, err := peer.IDFromPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestAnnouncementIsUnderstood(t *testing.T) {
	id := newID(t)
	listen := addrs("/ip4/127.0.0.1/tcp/4001", "/ip4/10.0.0.7/tcp/4001", "/ip4/10.0.1.7/tcp/4001", "/ip6/fd00::7/tcp/4001")
	texts, ips, port := announcement(id, listen)
	if fmt.Sprint(ips) != "[10.0.0.7 fd00::7]" || port != 4001 {
		t.Errorf("DNS-SD is told %v, port %d", ips, port)
	}
	infos := announced(texts)
	if len(infos) != 1 || infos[0].ID != id || fmt.Sprint(infos[0].Addrs) != fmt.Sprint(listen[1:]) {
		t.Errorf("understood as %v", infos)
	}
}

func TestAnnouncementFitsOnePacket(t *testing.T) {
	var listen []string
	for i := range 40 {
		listen = append(listen, fmt.Sprintf("/ip6/2001:db8:1111:2222:3333:4444:5555:%x/udp/40001/quic-v1", 0x1000+i))
	}
	texts, _, _ := announcement(newID(t), addrs(listen...))
	size := 0
	for _, text := range texts {
		if len(text) > 255 {
			t.Errorf("a text of %d bytes", len(text))
		}
		size += 1 + len(text)
	}
	if len(texts) == 0 || size > mdnsTextBytes {
		t.Errorf("%d texts of %d bytes", len(texts), size)
	}
}

// A node that listens on loopback only, or nowhere yet, announces nothing.
func TestNothingToAnnounce(t *testing.T) {
	if texts, _, _ := announcement(newID(t), addrs("/ip4/127.0.0.1/tcp/1", "/ip6/::1/tcp/1")); len(texts) != 0 {
		t.Errorf("announced %q", texts)
	}
}

func TestLyingAnnouncements(t *testing.T) {
	self, a, b := newID(t), newID(t), newID(t)
	var got []Candidate
	l := &lan{
		mechanism: &mechanism{source: SourceMDNS, self: self, hand: func(c Candidate) { got = append(got, c) }},
		intake:    newIntake(mdnsNewPeers, mdnsRepeats, mdnsPeriod),
	}
	now := time.Unix(1000, 0)
	text := func(addr string, id peer.ID) string { return mdnsPrefix + addr + "/p2p/" + id.String() }

	l.heard([]string{
		"", "hello", mdnsPrefix, mdnsPrefix + "/ip4/10.0.0.1", mdnsPrefix + "\x00\xff", strings.Repeat("x", 255),
		text("/ip4/10.0.0.1/tcp/1", self),
		text("/ip4/127.0.0.1/tcp/22", a),
		mdnsPrefix + "/p2p/" + a.String(),
		text("/dns4/victim.example/tcp/80", a),
	}, now)
	if len(got) != 0 {
		t.Fatalf("handed over %v", got)
	}

	l.heard([]string{text("/ip4/10.0.0.1/tcp/1", a), text("/ip4/10.0.0.2/tcp/1", b), text("/ip4/10.0.0.3/tcp/1", a)}, now)
	if len(got) != 2 || got[0].Info.ID != a || len(got[0].Info.Addrs) != 2 || got[1].Info.ID != b || got[1].Source != SourceMDNS {
		t.Fatalf("handed over %v", got)
	}

	// 100 announcements of 64 made-up peers each: a minute's share passes.
	got = nil
	for range 100 {
		var texts []string
		for range 64 {
			texts = append(texts, text("/ip4/10.0.0.9/tcp/1", peer.ID("\x00\x08"+rand.Text()[:8])))
		}
		l.heard(texts, now.Add(time.Second))
	}
	if len(got) != mdnsNewPeers-2 {
		t.Errorf("%d made-up peers were handed over, want %d", len(got), mdnsNewPeers-2)
	}
	if s := l.snapshot(); s.Refused != 6_400-(mdnsNewPeers-2) || s.Found != mdnsNewPeers {
		t.Errorf("status says found %d, refused %d", s.Found, s.Refused)
	}

	// More texts than are read.
	var texts []string
	for i := range 10_000 {
		texts = append(texts, text(fmt.Sprintf("/ip4/10.0.0.9/tcp/%d", i+1), a))
	}
	if infos := announced(texts); len(infos) != 1 || len(infos[0].Addrs) != maxAddrs {
		t.Errorf("a long announcement gives %d peers", len(infos))
	}
}

// announcementOf is an announcement as zeroconf hands it over, with so many bytes of text.
func announcementOf(text int) *zeroconf.ServiceEntry {
	name := instanceName()
	e := &zeroconf.ServiceEntry{ServiceRecord: zeroconf.ServiceRecord{Instance: name}, HostName: name + ".local.",
		AddrIPv4: []net.IP{net.IPv4(10, 0, 0, 9)}, AddrIPv6: []net.IP{net.IPv6loopback}}
	for ; text > 0; text -= 100 {
		e.Text = append(e.Text, strings.Repeat("x", min(text, 100)))
	}
	return e
}

// Somebody who announces without end is heard up to a bound, which ends the session,
// and then nobody is for a while, whatever happens on the network.
func TestFloodOfAnnouncements(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lan{mechanism: &mechanism{}, intake: newIntake(mdnsNewPeers, mdnsRepeats, mdnsPeriod)}
		l.working("eth0")
		e, sent := announcementOf(100), 0
		changed := make(chan struct{})
		began := time.Now()
		err := l.listen(t.Context(), changed, func(ctx context.Context, entries chan<- *zeroconf.ServiceEntry) error {
			for ; ctx.Err() == nil; sent++ {
				entries <- e
			}
			time.AfterFunc(mdnsFlooded/10, func() { close(changed) }) // in the pause
			close(entries)
			return nil
		})
		if took := time.Since(began); err != nil || took < mdnsFlooded*3/4 || took > mdnsFlooded*5/4 {
			t.Errorf("listens again after %v: %v", took, err)
		}
		if most := mdnsBytes/weight(e) + 2*mdnsNewPeers; sent > most || sent < mdnsBytes/weight(e) {
			t.Errorf("%d announcements were taken, want up to %d", sent, most)
		}
		if s := l.snapshot(); s.Refused == 0 || s.Running || s.LastError == "" || !s.Flooded {
			t.Errorf("the status is %+v", s)
		}
		l.working("eth0")
		if s := l.snapshot(); s.Flooded {
			t.Errorf("when it is over, the status is %+v", s)
		}
		// A node that ends does not wait for that.
		ctx, cancel := context.WithCancel(t.Context())
		began = time.Now()
		time.AfterFunc(time.Second, cancel)
		l.listen(ctx, nil, func(ctx context.Context, entries chan<- *zeroconf.ServiceEntry) error {
			for ctx.Err() == nil {
				entries <- e
			}
			return nil
		})
		if took := time.Since(began); took != time.Second {
			t.Errorf("ended after %v", took)
		}
	})
}

// 250 nodes with the longest announcements are no flood: each is handed on every two
// minutes for up to 12.5 minutes, and once more under its next session's name.
func TestManyNodesAreNoFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lan{mechanism: &mechanism{}, intake: newIntake(mdnsNewPeers, mdnsRepeats, mdnsPeriod)}
		l.working("eth0")
		e := announcementOf(mdnsTextBytes)
		began := time.Now()
		err := l.listen(t.Context(), nil, func(_ context.Context, entries chan<- *zeroconf.ServiceEntry) error {
			for range 250 * 8 {
				entries <- e
			}
			return nil
		})
		if took := time.Since(began); err != nil || took != 0 || !l.snapshot().Running {
			t.Errorf("%+v after %v, %v", l.snapshot(), took, err)
		}
		if used := 250 * 8 * weight(e); used > mdnsBytes*6/10 {
			t.Errorf("they are %d bytes of %d", used, mdnsBytes)
		}
	})
}

func FuzzAnnounced(f *testing.F) {
	f.Add("dnsaddr=/ip4/10.0.0.1/tcp/1/p2p/12D3KooWHHzSeKaY8xuZVzkLbKFfvNgPPeKhFBGrMbNzbm5akpqu\nx")
	f.Add("dnsaddr=/p2p/12D3KooWHHzSeKaY8xuZVzkLbKFfvNgPPeKhFBGrMbNzbm5akpqu")
	f.Fuzz(func(t *testing.T, lines string) {
		for _, info := range announced(strings.Split(lines, "\n")) {
			if info.ID == "" || len(info.Addrs) == 0 || len(info.Addrs) > maxAddrs {
				t.Errorf("%q gives %v", lines, info)
			}
			if len(linkAddrs(info.Addrs)) != len(info.Addrs) {
				t.Errorf("%q gives addresses that must not be believed: %v", lines, info.Addrs)
			}
		}
	})
}

func TestWithoutLinks(t *testing.T) {
	l := &lan{mechanism: &mechanism{}}
	err := l.sessions(t.Context(), surroundings{}, nil)
	if err == nil || !strings.Contains(err.Error(), "no network interface") {
		t.Errorf("got %v", err)
	}
}
