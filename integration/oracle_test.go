package integration_test

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"hearsay/integration"
	"hearsay/node/identity"
)

// An oracle is a second implementation of the protocol, as simple as it can be,
// made from its specification alone: hearsay.proto and what the packages say
// about the signed bytes, the proof of work and the presence. It shares no code
// with package wire, gossip or transport. It floods, knows no trees, no views and
// no fingerprints, and does not forget. If nodes and oracles understand each
// other, the specification says what nodes do.
type oracle struct {
	t     testing.TB
	host  host.Host
	key   ed25519.PrivateKey
	takes []uint64
	jam   jam           // what it writes waits in it
	delay time.Duration // of what it writes, besides

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu    sync.Mutex
	seq   uint64
	epoch uint64
	links map[peer.ID]*oracleLink
	seen  map[[32]byte]*oracleRumor
	told  []string
	via   map[string]peer.ID // by origin
}

// oracleRumor is a rumor as the origin signed it, and the fields of its frame.
type oracleRumor struct {
	id       [32]byte
	signed   []byte
	nonce    uint64
	sig      []byte
	hops     uint64
	kind     byte
	origin   string
	epoch    uint64
	seq      uint64
	dataType uint64
	payload  []byte
}

// oracleLink is the streams with one neighbour.
type oracleLink struct {
	session uint64 // this side's
	gossip  *oracleWriter
	sync    *oracleWriter // nil = not opened
	takes   map[uint64]bool
	paired  bool // the neighbour's gossip stream is here
}

const (
	oracleGossip protocol.ID = "/hearsay/gossip/1.0.0"
	oracleSync   protocol.ID = "/hearsay/sync/1.0.0"
	oraclePeers  protocol.ID = "/hearsay/peers/1.0.0"

	oraclePresences = 65536 // the group
)

func newOracle(t testing.TB, c *integration.Cluster, jam jam, delay time.Duration, takes ...uint64) *oracle {
	t.Helper()
	if _, err := oracleFrame(); err != nil {
		t.Fatal(err)
	}
	id, err := identity.New()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := id.PrivKey().(*crypto.Ed25519PrivateKey).Raw()
	if err != nil {
		t.Fatal(err)
	}
	o := &oracle{t: t, host: c.Guest(id), key: raw, takes: takes, jam: jam, delay: delay, epoch: uint64(time.Now().UnixMilli()),
		links: make(map[peer.ID]*oracleLink), seen: make(map[[32]byte]*oracleRumor), via: make(map[string]peer.ID)}
	o.ctx, o.cancel = context.WithCancel(context.Background())
	o.host.SetStreamHandler(oracleGossip, func(s network.Stream) { o.wg.Go(func() { o.serve(s, o.onGossip) }) })
	o.host.SetStreamHandler(oracleSync, func(s network.Stream) { o.wg.Go(func() { o.serve(s, o.onSync) }) })
	o.host.SetStreamHandler(oraclePeers, func(s network.Stream) { s.Reset() })
	o.publish(3, 0, o.presence(), 10*time.Minute)
	return o
}

// stop ends everything at once.
func (o *oracle) stop() {
	o.cancel()
	o.host.Close()
	o.wg.Wait()
}

// presence is the payload of the rumor that says that a node is here: interests
// in field 3, two bytes each, and the program's name in field 4.
func (o *oracle) presence() []byte {
	b := []byte{3, 0, byte(2 * len(o.takes))}
	for _, t := range o.takes {
		b = binary.BigEndian.AppendUint16(b, uint16(t))
	}
	return append(append(b, 4, 0, 6), "oracle"...)
}

// publish makes a rumor of its own and floods it.
func (o *oracle) publish(kind byte, dataType uint64, payload []byte, life time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seq++
	now := uint64(time.Now().UnixMilli())
	self := string(o.host.ID())
	b := []byte{1, byte(len(testNetwork))}
	b = append(b, testNetwork...)
	b = append(b, kind, byte(len(self)))
	b = append(b, self...)
	b = binary.BigEndian.AppendUint64(b, o.epoch)
	b = binary.BigEndian.AppendUint64(b, o.seq)
	b = binary.BigEndian.AppendUint16(b, uint16(dataType))
	b = append(b, 0) // no key
	b = binary.BigEndian.AppendUint64(b, now)
	b = binary.BigEndian.AppendUint64(b, now+uint64(life.Milliseconds()))
	b = append(b, 0) // any number of hops
	b = append(b, payload...)
	r := &oracleRumor{id: sha256.Sum256(b), signed: b, kind: kind, origin: self, epoch: o.epoch, seq: o.seq, dataType: dataType, payload: payload}
	for !oracleWork(r.id, r.nonce) {
		r.nonce++
	}
	r.sig = ed25519.Sign(o.key, append([]byte("hearsay rumor v1\x00"), r.id[:]...))
	o.keep(r, "")
}

// oracleWork reports whether SHA-256 of ID and nonce begins with enough zeros.
func oracleWork(id [32]byte, nonce uint64) bool {
	h := sha256.Sum256(binary.BigEndian.AppendUint64(id[:], nonce))
	return bits.LeadingZeros64(binary.BigEndian.Uint64(h[:])) >= integration.DefaultDifficulty
}

// parse reads the fields of a Push or Fill, and fails on what is not to be
// believed.
func (o *oracle) parse(m protoreflect.Message) (r *oracleRumor, err error) {
	defer func() {
		if recover() != nil {
			err = io.ErrUnexpectedEOF
		}
	}()
	r = &oracleRumor{signed: field(m, "signed").Bytes(), nonce: field(m, "nonce").Uint(), sig: field(m, "signature").Bytes(), hops: field(m, "hops").Uint()}
	b := r.signed
	take := func(n int) (v []byte) { v, b = b[:n], b[n:]; return v }
	text := func() string { return string(take(int(take(1)[0]))) }
	if v := take(1)[0]; v != 1 {
		return nil, fmt.Errorf("version %d", v)
	}
	if n := text(); n != testNetwork {
		return nil, fmt.Errorf("network %q", n)
	}
	r.kind = take(1)[0]
	r.origin = text()
	r.epoch, r.seq = binary.BigEndian.Uint64(take(8)), binary.BigEndian.Uint64(take(8))
	r.dataType = uint64(binary.BigEndian.Uint16(take(2)))
	text() // key
	take(8)
	if expires := binary.BigEndian.Uint64(take(8)); expires <= uint64(time.Now().UnixMilli()) {
		return nil, fmt.Errorf("expired at %d", expires)
	}
	take(1) // TTL
	r.payload = b
	r.id = sha256.Sum256(r.signed)
	const prefix = "\x00\x24\x08\x01\x12\x20" // the peer ID of an Ed25519 key has the key in it
	if len(r.origin) != len(prefix)+ed25519.PublicKeySize || r.origin[:len(prefix)] != prefix {
		return nil, fmt.Errorf("origin %x", r.origin)
	}
	if !oracleWork(r.id, r.nonce) || !ed25519.Verify([]byte(r.origin[len(prefix):]), append([]byte("hearsay rumor v1\x00"), r.id[:]...), r.sig) {
		return nil, fmt.Errorf("no proof for rumor %x", r.id)
	}
	return r, nil
}

// keep stores a rumor that is new, tells its user, and floods it. It reports
// whether it was new. o.mu is held.
func (o *oracle) keep(r *oracleRumor, from peer.ID) bool {
	if o.seen[r.id] != nil {
		return false
	}
	o.seen[r.id] = r
	if from != "" {
		o.via[r.origin] = from
	}
	if r.kind == 1 && o.taken(r.dataType) {
		o.told = append(o.told, string(r.payload))
	}
	for p, l := range o.links {
		if p != from && string(p) != r.origin && l.paired && (r.kind == 3 || l.takes[r.dataType]) {
			l.gossip.say(r.message("push"))
		}
	}
	return true
}

func (o *oracle) taken(dataType uint64) bool {
	for _, t := range o.takes {
		if t == dataType {
			return true
		}
	}
	return false
}

func (r *oracleRumor) message(kind protoreflect.Name) proto.Message {
	return frameOf(kind, func(m protoreflect.Message) {
		set(m, "signed", protoreflect.ValueOfBytes(r.signed))
		set(m, "nonce", protoreflect.ValueOfUint64(r.nonce))
		set(m, "signature", protoreflect.ValueOfBytes(r.sig))
		set(m, "hops", protoreflect.ValueOfUint32(uint32(r.hops+1)))
	})
}

// dial makes a link with a peer.
func (o *oracle) dial(p peer.AddrInfo) {
	o.t.Helper()
	if err := o.host.Connect(o.ctx, p); err != nil {
		o.t.Fatal(err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.links[p.ID] == nil {
		o.links[p.ID] = o.offer(p.ID, 0)
	}
}

// offer opens a gossip stream, as an answer to the peer's if there is one. o.mu
// is held.
func (o *oracle) offer(p peer.ID, answers uint64) *oracleLink {
	l := &oracleLink{session: rand.Uint64() | 1, takes: make(map[uint64]bool)}
	l.gossip = o.open(p, oracleGossip, l.session, answers)
	return l
}

// open opens a stream, whose first frame is a hello.
func (o *oracle) open(p peer.ID, id protocol.ID, session, answers uint64) *oracleWriter {
	w := &oracleWriter{wake: make(chan struct{}, 1)}
	w.say(frameOf("hello", func(m protoreflect.Message) {
		set(m, "version", protoreflect.ValueOfUint32(1))
		set(m, "network", protoreflect.ValueOfString(testNetwork))
		set(m, "agent", protoreflect.ValueOfString("oracle"))
		set(m, "session", protoreflect.ValueOfUint64(session))
		set(m, "answers", protoreflect.ValueOfUint64(answers))
	}))
	o.wg.Go(func() { o.write(w, p, id) })
	return w
}

// serve reads a stream of a peer's: a hello, and then what handle is for.
func (o *oracle) serve(s network.Stream, handle func(peer.ID, protoreflect.Message)) {
	defer s.Reset()
	p, r := s.Conn().RemotePeer(), bufio.NewReader(s)
	for first := true; ; first = false {
		m, err := readFrame(r)
		if err != nil {
			return
		}
		kind, body := unframe(m)
		if first != (kind == "hello") {
			o.t.Errorf("%v began with %s", p, kind)
			return
		}
		if first {
			if n := field(body, "network").String(); n != testNetwork {
				return
			}
			if s.Protocol() == oracleGossip {
				o.greeted(p, body)
			}
			continue
		}
		handle(p, m)
	}
}

// greeted pairs a peer's gossip stream with one of its own, and begins to talk.
func (o *oracle) greeted(p peer.ID, hello protoreflect.Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := o.links[p]
	if answers := field(hello, "answers").Uint(); l == nil || l.paired || answers != 0 && answers != l.session {
		l = o.offer(p, field(hello, "session").Uint())
		o.links[p] = l
	}
	l.paired = true
	l.gossip.say(frameOf("interests", func(m protoreflect.Message) {
		list := m.Mutable(m.Descriptor().Fields().ByName("types")).List()
		for _, t := range o.takes {
			list.Append(protoreflect.ValueOfUint32(uint32(t)))
		}
	}))
	for _, r := range o.seen {
		if r.kind == 3 && r.origin == string(o.host.ID()) {
			l.gossip.say(r.message("push"))
		}
	}
}
