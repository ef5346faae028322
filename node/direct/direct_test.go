package direct

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"go.uber.org/goleak"
	"golang.org/x/time/rate"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/ipfs/go-log/v2/writer.(*MirrorWriter).logRoutine"),
		goleak.IgnoreAnyFunction("github.com/jackpal/go-nat-pmp.(*Client).GetExternalAddress"))
}

func newHost(t *testing.T) host.Host {
	t.Helper()
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.DisableRelay(), libp2p.DisableMetrics(), libp2p.DisableIdentifyAddressDiscovery())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// inbox takes messages and answers as it is told.
type inbox struct {
	mu     sync.Mutex
	from   []peer.ID
	got    [][]byte
	answer Answer
	hold   func() // is called first, unless nil
}

func (i *inbox) receive(from peer.ID, sealed []byte) Answer {
	if i.hold != nil {
		i.hold()
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.from, i.got = append(i.from, from), append(i.got, sealed)
	return i.answer
}

func pair(t *testing.T, in *inbox) (from, to *Direct) {
	t.Helper()
	a, b := newHost(t), newHost(t)
	from, to = New(a, (&inbox{}).receive), New(b, in.receive)
	a.Peerstore().AddAddrs(b.ID(), b.Addrs(), peerstore.PermanentAddrTTL)
	t.Cleanup(from.Close)
	t.Cleanup(to.Close)
	return from, to
}

// told is a stream that tells when something of it was read.
type told struct {
	network.Stream
	once sync.Once
	read chan struct{}
}

func (s *told) Read(p []byte) (int, error) {
	n, err := s.Stream.Read(p)
	s.once.Do(func() { close(s.read) })
	return n, err
}

// Who begins a message and does not go on holds up nobody who closes.
func TestCloseDoesNotWait(t *testing.T) {
	from, to := pair(t, &inbox{})
	read := make(chan struct{})
	to.host.SetStreamHandler(Protocol, func(s network.Stream) { to.serve(&told{Stream: s, read: read}) })
	s, err := from.host.NewStream(t.Context(), to.host.ID(), Protocol)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write([]byte{100, 1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-read:
	case <-time.After(10 * time.Second):
		t.Fatal("the stream does not come")
	}
	closed := make(chan struct{})
	go func() { to.Close(); close(closed) }()
	select {
	case <-closed:
	case <-time.After(frameTime / 2):
		t.Error("it is waited for")
	}
}

// A message gets there whole, from whom it is, and its answer back; whatever the
// size, over a connection that is there or not.
func TestSend(t *testing.T) {
	in := &inbox{}
	from, to := pair(t, in)
	for _, size := range []int{1, 127, 128, 20_000, MaxSize} {
		for _, answer := range []Answer{Told, Known, NotForUs, Busy, Refused} {
			in.answer = answer
			message := bytes.Repeat([]byte{byte(size)}, size)
			got, err := from.Send(t.Context(), to.host.ID(), message)
			if err != nil || got != answer {
				t.Errorf("%d bytes: %v, %v", size, got, err)
			}
			if last := len(in.got) - 1; !bytes.Equal(in.got[last], message) || in.from[last] != from.host.ID() {
				t.Errorf("%d bytes of %v came", len(in.got[last]), in.from[last])
			}
		}
	}
	for _, size := range []int{0, MaxSize + 1} {
		if _, err := from.Send(t.Context(), to.host.ID(), make([]byte, size)); err == nil || !strings.Contains(err.Error(), "1 to 65527") {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	if _, err := from.Send(t.Context(), newHost(t).ID(), []byte("x")); err == nil {
		t.Error("a message arrived at nobody knows where")
	}
	in.answer = answers + 7
	if got, err := from.Send(t.Context(), to.host.ID(), []byte("x")); err != nil || got != Refused {
		t.Errorf("an answer of a later version: %v, %v", got, err)
	}
}

// The sender's patience ends a message that is not answered, and no goroutine stays.
func TestPatience(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	from, to := pair(t, &inbox{hold: func() { cancel(); <-release }}) // when the message is there
	if _, err := from.Send(ctx, to.host.ID(), []byte("x")); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "no answer") {
		t.Errorf("%v", err)
	}
	close(release)
}

// raw writes bytes on a stream of its own and returns the answer, -1 = none.
func raw(t *testing.T, from, to *Direct, text []byte, end bool) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	s, err := from.host.NewStream(ctx, to.host.ID(), Protocol)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Reset()
	s.Write(text)
	if end {
		s.CloseWrite()
	}
	answer, err := io.ReadAll(s)
	if err != nil || len(answer) == 0 {
		return -1
	}
	return int(answer[0])
}

// What is no frame is not taken, and not answered.
func TestMalformed(t *testing.T) {
	in := &inbox{}
	from, to := pair(t, in)
	for name, text := range map[string][]byte{
		"nothing":     {},
		"length 0":    {0},
		"long length": {0x81, 0},
		"too long":    {0xf8, 0xff, 0x03, 'x'},
		"huge":        bytes.Repeat([]byte{0xff}, 10),
		"short":       {5, 'a', 'b'},
	} {
		if got := raw(t, from, to, text, true); got != -1 {
			t.Errorf("%s is answered with %d", name, got)
		}
	}
	if len(in.got) != 0 || to.Stats().Bad != 6 {
		t.Errorf("%d messages, %+v", len(in.got), to.Stats())
	}
	if got := raw(t, from, to, []byte{1, 'x'}, true); got != int(Told) {
		t.Errorf("a good one is answered with %d", got)
	}
}

// A fault of whoever takes messages ends one stream, not the program.
func TestFault(t *testing.T) {
	a, b := newHost(t), newHost(t)
	from := New(a, (&inbox{}).receive)
	to := New(b, func(peer.ID, []byte) Answer { panic("fault") })
	defer from.Close()
	defer to.Close()
	a.Peerstore().AddAddrs(b.ID(), b.Addrs(), peerstore.PermanentAddrTTL)
	if _, err := from.Send(t.Context(), b.ID(), []byte("x")); err == nil {
		t.Error("it is answered")
	}
}

// The limits, on a clock of the test's own: what one peer and all together may send,
// how many streams are served, how many peers remembered.
func TestLimits(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	newLimits := func() *Direct {
		return &Direct{peers: make(map[peer.ID]*sender), all: rate.NewLimiter(overall, overallBurst)}
	}
	d := newLimits()
	for i := range burst + 10 {
		ok, leave := d.admit("flood", now)
		leave()
		if ok != (i < burst) {
			t.Fatalf("message %d of one peer: %v", i, ok)
		}
	}
	if ok, leave := d.admit("honest", now); !ok {
		t.Error("another peer is kept out")
	} else {
		leave()
	}
	if ok, leave := d.admit("flood", now.Add(time.Second)); !ok {
		t.Error("a second later it is still kept out")
	} else {
		leave()
	}

	d = newLimits()
	var open []func()
	for i := range maxPeerStreams + 1 {
		ok, leave := d.admit("slow", now)
		if ok != (i < maxPeerStreams) {
			t.Fatalf("stream %d of one peer: %v", i, ok)
		}
		open = append(open, leave)
	}
	for i := range maxStreams {
		ok, leave := d.admit(peer.ID(string(rune('a'+i))), now)
		if ok != (i < maxStreams-maxPeerStreams) {
			t.Fatalf("stream %d: %v", i+maxPeerStreams, ok)
		}
		open = append(open, leave)
	}
	for _, leave := range open {
		leave()
	}
	if d.streams != 0 {
		t.Errorf("%d streams are left", d.streams)
	}

	d = newLimits()
	admitted := 0
	for i := range overallBurst + 100 {
		ok, leave := d.admit(peer.ID([]byte{byte(i), byte(i >> 8)}), now)
		leave()
		if ok {
			admitted++
		}
	}
	if admitted != overallBurst {
		t.Errorf("%d of all at once, want %d", admitted, overallBurst)
	}
	for i := range 10 * maxPeers {
		_, leave := d.admit(peer.ID([]byte{1, byte(i), byte(i >> 8)}), now.Add(time.Duration(i)*time.Millisecond))
		leave()
		if len(d.peers) > maxPeers {
			t.Fatalf("%d peers are remembered", len(d.peers))
		}
	}
	if ok, leave := d.admit("later", now.Add(time.Hour)); !ok {
		t.Error("an hour later nobody new is taken")
	} else {
		leave()
	}
}

// Who floods is told so, and others go on.
func TestFlood(t *testing.T) {
	in := &inbox{}
	from, to := pair(t, in)
	busy := 0
	for range burst + 20 {
		if got, err := from.Send(t.Context(), to.host.ID(), []byte("x")); err != nil {
			t.Fatal(err)
		} else if got == Busy {
			busy++
		}
	}
	if busy == 0 || to.Stats().Busy != uint64(busy) {
		t.Errorf("%d answered busy, %+v", busy, to.Stats())
	}
	h := newHost(t)
	other := New(h, (&inbox{}).receive)
	defer other.Close()
	h.Peerstore().AddAddrs(to.host.ID(), to.host.Addrs(), peerstore.PermanentAddrTTL)
	if got, err := other.Send(t.Context(), to.host.ID(), []byte("x")); err != nil || got != Told {
		t.Errorf("another: %v, %v", got, err)
	}
	if h.Network().Connectedness(to.host.ID()) != network.Connected {
		t.Error("no connection")
	}
}
