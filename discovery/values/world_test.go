package values

import (
	"context"
	crand "crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	kbucket "github.com/libp2p/go-libp2p-kbucket"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	pstore "github.com/libp2p/go-libp2p/p2p/host/peerstore"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a network in virtual time: real services over real Kademlia routing
// tables, between which requests travel without sockets. It runs in a synctest
// bubble. A table is kept as kad-dht keeps it: who asks and who answers is added,
// and every ten minutes those that do not answer are dropped and a look-up of the
// own place and of another one is made.
type world struct {
	t     testing.TB
	mu    sync.Mutex // of nodes
	rng   seeded     // the test's, so no goroutine of a node draws from it
	nodes map[peer.ID]*simNode
	order []*simNode // alive, oldest first
	ctx   context.Context
}

// answering answers a request that a node sent.
type answering func(from peer.ID, request []byte) []byte

// says has the node answer otherwise than it should.
func (n *simNode) says(answer answering) { n.answer.Store(&answer) }

// claim is the answer of who takes everything, has only lie, which may be nil, and knows
// only some.
func claim(lie *Record, some []*simNode) answering {
	return func(_ peer.ID, message []byte) []byte {
		q, err := decodeRequest(message)
		if err != nil {
			return nil
		}
		p := new(response)
		switch {
		case q.kind == kindPut || q.kind == kindOffer:
			p.verdict = verdictKept
			return p.encode()
		case q.kind == kindGet && lie != nil:
			p.records = []*Record{lie}
		}
		for _, s := range some {
			p.near = append(p.near, peer.AddrInfo{ID: s.id})
		}
		return p.encode()
	}
}

type simNode struct {
	*Service
	w     *world
	id    peer.ID
	key   crypto.PrivKey
	table *kbucket.RoutingTable
	// answer, when not nil, replaces the service's: nil = says nothing at all.
	answer atomic.Pointer[answering]
	// beside makes it answer in a millisecond, as if it were beside whoever asks.
	beside atomic.Bool
	stop   context.CancelFunc
	ended  chan struct{}
}

const (
	simLatency = 30 * time.Millisecond // one way, give or take a half
	simRefresh = 10 * time.Minute
)

// newWorld is a network that has no nodes yet. The seed fixes who comes, whom each knows
// first and what the test draws, but not what the nodes draw, nor which of two is faster.
func newWorld(t testing.TB, seed uint64) *world {
	ctx, cancel := context.WithCancel(t.Context())
	w := &world{t: t, rng: seeded{rand.New(rand.NewPCG(seed, 1))}, nodes: make(map[peer.ID]*simNode), ctx: ctx}
	t.Cleanup(func() {
		for len(w.order) > 0 {
			w.kill(w.order[0])
		}
		cancel()
	})
	return w
}

// seeded is chance, and a source of bytes for keys, for one goroutine.
type seeded struct{ *rand.Rand }

func (r seeded) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return len(b), nil
}

// A seed means one network, whatever the nodes do meanwhile.
func TestSeed(t *testing.T) {
	var first []peer.ID
	for range 3 {
		var drawn []peer.ID
		bubble(t, 1, func(w *world) {
			w.populate(20)
			for _, n := range w.order {
				drawn = append(drawn, n.id, w.any().id)
			}
		})
		if first == nil {
			first = drawn
		}
		if !slices.Equal(drawn, first) {
			t.Error("the same seed gave another network")
		}
	}
}

// at is the node with this ID, nil if it does not live.
func (w *world) at(id peer.ID) *simNode {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.nodes[id]
}

func (w *world) newKey() (crypto.PrivKey, peer.ID) { return w.keyFrom(w.rng) }

// stranger makes a key that no seed gives, for what nodes do meanwhile.
func (w *world) stranger() (crypto.PrivKey, peer.ID) { return w.keyFrom(crand.Reader) }

func (w *world) keyFrom(source io.Reader) (crypto.PrivKey, peer.ID) {
	key, _, err := crypto.GenerateEd25519Key(source)
	if err != nil {
		w.t.Fatal(err)
	}
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		w.t.Fatal(err)
	}
	return key, id
}

// join starts a node that knows up to three others.
func (w *world) join() *simNode {
	key, id := w.newKey()
	return w.joinAs(key, id)
}

func (w *world) joinAs(key crypto.PrivKey, id peer.ID) *simNode {
	n := &simNode{w: w, id: id, key: key, ended: make(chan struct{})}
	var err error
	if n.table, err = kbucket.NewRoutingTable(20, kbucket.ConvertPeerID(id), time.Minute, pstore.NewMetrics(), time.Minute, nil); err != nil {
		w.t.Fatal(err)
	}
	n.Service, err = New(Config{Network: "test", Self: id, Key: key, Nearest: n.nearest, Call: n.call})
	if err != nil {
		w.t.Fatal(err)
	}
	for range min(3, len(w.order)) {
		n.meet(w.order[w.rng.IntN(len(w.order))].id)
	}
	w.mu.Lock()
	w.nodes[id] = n
	w.mu.Unlock()
	w.order = append(w.order, n)
	ctx, cancel := context.WithCancel(w.ctx)
	n.stop = cancel
	running := make(chan struct{})
	go func() {
		defer close(running)
		n.Run(ctx)
	}()
	go func() {
		defer close(n.ended)
		for pause := time.Duration(0); ; pause = jitter(simRefresh) {
			select {
			case <-time.After(pause):
				n.refresh(ctx)
			case <-ctx.Done():
				<-running
				return
			}
		}
	}()
	return n
}

// kill ends a node without a word.
func (w *world) kill(n *simNode) {
	w.mu.Lock()
	delete(w.nodes, n.id)
	w.mu.Unlock()
	for i, o := range w.order {
		if o == n {
			w.order = append(w.order[:i:i], w.order[i+1:]...)
		}
	}
	n.stop()
	<-n.ended
	n.table.Close()
}

func (n *simNode) meet(id peer.ID) {
	if id != n.id {
		n.table.TryAddPeer(id, true, true)
	}
}

func (n *simNode) refresh(ctx context.Context) {
	for _, id := range n.table.ListPeers() {
		if ctx.Err() == nil && n.w.at(id) == nil {
			n.table.RemovePeer(id)
		}
	}
	for _, at := range []place{home(n.id), placesOf(testKey(rand.IntN(1 << 30)))[0]} {
		l := &search{s: n.Service, place: at, ask: &request{kind: kindFind, place: at}, take: func(peer.ID, *response) bool { return false }, width: 20}
		l.run(ctx)
	}
}

func (n *simNode) nearest(point [32]byte, count int) (near []peer.AddrInfo) {
	for _, id := range n.table.NearestPeers(point[:], count) {
		near = append(near, peer.AddrInfo{ID: id})
	}
	return near
}

var errGone = errors.New("connection refused")

func (n *simNode) call(ctx context.Context, to peer.AddrInfo, request []byte) ([]byte, error) {
	far := n.w.at(to.ID)
	travel := func() error {
		way := simLatency/2 + rand.N(simLatency)
		if far != nil && far.beside.Load() {
			way = time.Millisecond / 2
		}
		select {
		case <-time.After(way):
			return ctx.Err()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := travel(); err != nil {
		return nil, err
	}
	there := n.w.at(to.ID)
	if there == nil {
		return nil, errGone
	}
	answer := there.Handle
	if other := there.answer.Load(); other != nil {
		answer = *other
	} else {
		there.meet(n.id)
	}
	b := answer(n.id, request)
	if b == nil { // silence
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if err := travel(); err != nil {
		return nil, err
	}
	n.meet(to.ID)
	return b, nil
}

func testKey(i int) (key Key) {
	return sha256.Sum256(binary.BigEndian.AppendUint64([]byte("test key"), uint64(i)))
}

// populate starts nodes and gives their tables time to fill.
func (w *world) populate(n int) {
	for range n {
		w.join()
	}
	time.Sleep(time.Minute)
	for _, nd := range w.order {
		nd.refresh(w.ctx)
	}
}

func (w *world) any() *simNode { return w.order[w.rng.IntN(len(w.order))] }

func (w *world) put(n *simNode, key Key, value string, ttl time.Duration) int {
	w.t.Helper()
	_, others, err := n.PutNow(w.ctx, key, []byte(value), ttl, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	return others
}

// value is what a node gets, "" for nothing.
func (n *simNode) value(key Key) string {
	if r := n.Get(n.w.ctx, key); r != nil {
		return string(r.Value)
	}
	return ""
}
