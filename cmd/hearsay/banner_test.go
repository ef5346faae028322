package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node"
)

func TestBanner(t *testing.T) {
	b := &banner{ID: "12D3KooWx", Network: "hearsay", Addrs: []string{"/ip4/192.0.2.1/tcp/6001/p2p/12D3KooWx", "/ip6/2001:db8::1/tcp/6001/p2p/12D3KooWx"},
		program: "hearsay", API: "127.0.0.1:40001", Control: "127.0.0.1:40002", StateDir: "/home/a/.local/state/hearsay-2",
		Notes: []string{"Port 7001 is taken, so the API is at another."}, flags: " --state-dir /home/a/.local/state/hearsay-2"}
	var out bytes.Buffer
	b.write(&out, false)
	want := `This node is 12D3KooWx
  network  hearsay
  address  /ip4/192.0.2.1/tcp/6001/p2p/12D3KooWx
           /ip6/2001:db8::1/tcp/6001/p2p/12D3KooWx
  API      127.0.0.1:40001
  state    /home/a/.local/state/hearsay-2
Port 7001 is taken, so the API is at another.
In another terminal, talk to whoever is here, or look at everything in a browser:
  hearsay --state-dir /home/a/.local/state/hearsay-2 chat
  hearsay --state-dir /home/a/.local/state/hearsay-2 dashboard
Ctrl-C ends it.
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", &out, want)
	}

	b.Addrs = nil
	for i := range 10 {
		b.Addrs = append(b.Addrs, fmt.Sprintf("/ip4/192.0.2.%d/tcp/6001", i))
	}
	b.API, b.Control, b.flags, b.program = "", "", "", "./hearsay"
	out.Reset()
	b.write(&out, true)
	for _, want := range []string{"\x1b[1m12D3KooWx\x1b[0m", "and 4 more: ./hearsay id\n", "API      off\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "another terminal") {
		t.Errorf("without control API other commands are no use:\n%s", &out)
	}
}

func TestShowEvents(t *testing.T) {
	var out bytes.Buffer
	a := &app{stdout: &out}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local)
	events := make(chan node.PeerEvent, 10)
	for _, e := range []node.PeerEvent{
		{Peer: "\x00\x01a", What: "joined"},
		{Peer: "\x00\x01a", What: "linked", Addr: "/ip4/192.0.2.1/tcp/1"},
		{Peer: "\x00\x01b", What: "linked", Addr: "\x1b[31m"},
		{Peer: "\x00\x01a", What: "unlinked"},
		{Peer: "\x00\x01a", What: "left"},
	} {
		e.Time = at
		events <- e
	}
	close(events)
	if err := a.showEvents(events, nil, ""); err != nil {
		t.Error(err)
	}
	one, two := peer.ID("\x00\x01a").String(), peer.ID("\x00\x01b").String()
	want := "03:04:05 + " + one + " at /ip4/192.0.2.1/tcp/1 (1 neighbour)\n" +
		"03:04:05 + " + two + ` at \x1b[31m (2 neighbours)` + "\n" +
		"03:04:05 - " + one + " (1 neighbour)\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", &out, want)
	}

	done := make(chan struct{})
	close(done)
	if err := a.showEvents(make(chan node.PeerEvent), done, ""); err != nil {
		t.Error(err)
	}

	full := make(chan node.PeerEvent, 2)
	full <- node.PeerEvent{Peer: "\x00\x01a", What: "linked"}
	full <- node.PeerEvent{Peer: "\x00\x01b", What: "linked"}
	close(full)
	a.stdout = brokenWriter{}
	if err := a.showEvents(full, nil, ""); !errors.Is(err, errBroken) || len(full) != 1 {
		t.Errorf("what cannot be written gives %v, and %d more events wait, want 1", err, len(full))
	}
}

// Who finds nobody for half a minute is told how to learn why, once, and nobody else
// is.
func TestNobodyYet(t *testing.T) {
	for _, test := range []struct {
		name   string
		json   bool
		doctor string
		comes  bool
		lasts  time.Duration
		want   string
	}{
		{"alone", false, "./hearsay -c x doctor", false, time.Hour, "looking for others …\nnobody yet: ./hearsay -c x doctor says why\n"},
		{"not yet", false, "hearsay doctor", false, alonePause - time.Second/2, "looking for others …\n"},
		{"alone, and not to be asked", false, "", false, time.Hour, "looking for others …\n"},
		{"alone, with --json", true, "hearsay doctor", false, time.Hour, ""},
		{"in company", false, "hearsay doctor", true, time.Hour, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var err bytes.Buffer
				a := &app{stdout: io.Discard, stderr: &err, json: test.json}
				events, done := make(chan node.PeerEvent, 1), make(chan struct{})
				if test.comes {
					events <- node.PeerEvent{Peer: "\x00\x01a", What: "linked"}
				}
				time.AfterFunc(test.lasts, func() { close(done) })
				a.showEvents(events, done, test.doctor)
				if err.String() != test.want {
					t.Errorf("got %q, want %q", &err, test.want)
				}
			})
		})
	}
	b := &banner{program: "./hearsay", flags: " -c x"}
	if got := b.doctor(); got != "" {
		t.Errorf("without control API: %q", got)
	}
	if b.Control = "127.0.0.1:1"; b.doctor() != "./hearsay -c x doctor" {
		t.Errorf("%q", b.doctor())
	}
}
