package integration_test

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/apibridge"
	"hearsay/integration"
	"hearsay/node"
	"hearsay/node/gossip"
	"hearsay/pow"
)

// The mistakes of the implementation that went before this one, each with the
// test that keeps it from coming back. Those that show only below the level of
// whole nodes have their test in another package:
//
//	one read of 1,024 or 4,096 bytes per connection   here; apibridge TestRegression_OneReadOf1024Bytes
//	the size must be what one read returned           here; apibridge TestRegression_SizeMustEqualReadLength
//	V inverted                                        here; apibridge TestRegression_InvertedValidity
//	subscribers shared one channel                    here; apibridge TestRegression_CompetingConsumers
//	a subscriber that was gone blocked the node       here; apibridge TestRegression_SubscriberGoneBlocksTheNode
//	16-bit message IDs for all connections together   here; apibridge TestRegression_GlobalRandomMessageIDs
//	duplicates dropped before anything was verified   here
//	ambiguous input of the proof of work              pow TestVerifyIsTheDefinition, TestEveryBitMatters: 40 bytes, all of fixed place
//	the hop count in the proof of work, and a new
//	  proof on every hop                              here
//	a proof of work that fits other rumors, too       here
//	join and leave without authentication             here
//	a failed Accept dereferenced                      apibridge TestServer_NoFileDescriptorsLeft, TestRegression_NilDereferenceWhenAcceptFails
//	a port that is taken quietly replaced             here; apibridge TestRegression_FallbackToARandomPort; cmd/hearsay TestAPIPort, TestP2PPort
//	cache and logger without synchronisation          here, under the race detector
//	"random" peers by the order of a map              node/gossip/sim TestSameSeedSameRun
//	a first contact that does not answer was fatal    here
//	control messages among the data types (511–514)   here

func TestPredecessor_SingleReadPerConnection(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 2, unpaced())
	a, b := module(t, c, 0), subscriber(t, c, 1, dataType)
	for i, size := range []int{1016, 1017, 4088, 4089, 60_000} {
		a.send(announce(0, dataType, strings.Repeat(fmt.Sprint(i), size)))
	}
	for i, size := range []int{1016, 1017, 4088, 4089, 60_000} {
		b.vouch(strings.Repeat(fmt.Sprint(i), size))
	}
}

func TestPredecessor_SizeMustEqualReadLength(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 2, unpaced())
	a, b := module(t, c, 0), subscriber(t, c, 1, dataType)
	m := announce(0, dataType, "whole")
	a.send(m, m)
	a.sendPieces(m[:6], m[6:])
	a.sendPieces(m[:9], append(m[9:len(m):len(m)], m...))
	for range 5 {
		b.vouch("whole")
	}
}

func TestPredecessor_InvertedValidity(t *testing.T) {
	t.Parallel()
	_, a, voter, end := relayed(t)
	a.send(announce(0, dataType, "bad"), announce(0, dataType, "good"))
	voter.send(validation(voter.expect("bad").id, 0))
	voter.send(validation(voter.expect("good").id, 1))
	end.expect("good")
}

func TestPredecessor_CompetingConsumers(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 2, unpaced())
	a := module(t, c, 0)
	consumers := []*raw{subscriber(t, c, 1, dataType), subscriber(t, c, 1, dataType), subscriber(t, c, 1, dataType)}
	for i := range 50 {
		a.send(announce(0, dataType, fmt.Sprint(i)))
	}
	for _, m := range consumers {
		for i := range 50 {
			m.vouch(fmt.Sprint(i))
		}
	}
}

// Neither modules that are gone nor modules that do not read hold up what goes on
// between nodes.
func TestPredecessor_SubscriberGoneBlocksTheNode(t *testing.T) {
	t.Parallel()
	c, a, voter, end := relayed(t)
	for i := range 5 {
		gone := subscriber(t, c, 1, dataType+1)
		gone.Close()
		c.AwaitModules(1, 1+i)
		subscriber(t, c, 1, dataType+1) // stays, reads nothing, says nothing
	}
	for i := range 200 {
		a.send(announce(0, dataType+1, strings.Repeat("x", 1000)), announce(0, dataType, fmt.Sprint(i)))
		voter.vouch(fmt.Sprint(i))
		end.vouch(fmt.Sprint(i))
	}
}

// A VALIDATION means what its own connection was told, whatever others were told
// under the same ID.
func TestPredecessor_GlobalMessageIDs(t *testing.T) {
	t.Parallel()
	const n = 600 // random 16-bit numbers repeat among so many more often than not
	c := integration.New(t, 1, unpaced(), settings(func(cfg *node.Config) { cfg.DifficultyBits, cfg.CacheSize = 0, 2*n }))
	a, x := module(t, c, 0), subscriber(t, c, 0, dataType)
	y := subscriber(t, c, 0, dataType+1)
	ids := make(map[uint16]bool)
	for i := range n {
		a.send(announce(0, dataType, fmt.Sprint(i)))
		id := x.expect(fmt.Sprint(i)).id
		if ids[id] {
			t.Fatalf("ID %d stands for two of the first %d rumors", id, i+1)
		}
		ids[id] = true
	}
	for id := range ids {
		y.send(validation(id, 1))
	}
	c.Await("all of them to be ignored", func() bool { return c.Node(0).APIStats().Strays == n })
}

// A forged copy that comes first must not keep the true rumor out.
func TestPredecessor_DedupBeforeVerification(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 1, integration.OverTCP())
	l := c.Listen(0, dataType)
	s := newStranger(t)
	s.link(addressOf(c, 0))
	r := seal(t, s.id, gossip.Header{
		Kind: gossip.KindEvent, Origin: gossip.PeerID(s.id.ID()), Epoch: 1, Seq: 1, DataType: dataType,
	}, []byte("true"), integration.DefaultDifficulty)

	forged := *r
	forged.Signature = bytes.Clone(r.Signature)
	forged.Signature[0] ^= 1
	if v := s.tell(c.Node(0).ID(), &forged); v != gossip.VerdictInvalid {
		t.Errorf("the forged copy got verdict %d", v)
	}
	lazy := *r
	for lazy.Nonce++; pow.Verify(lazy.ID, lazy.Nonce, integration.DefaultDifficulty); lazy.Nonce++ {
	}
	if v := s.tell(c.Node(0).ID(), &lazy); v != gossip.VerdictInvalid {
		t.Errorf("the copy without work got verdict %d", v)
	}
	if v := s.tell(c.Node(0).ID(), r); v != gossip.VerdictNew {
		t.Errorf("the true one got verdict %d", v)
	}
	if got := string(l.Next().Data); got != "true" {
		t.Errorf("heard %q", got)
	}
	if v := s.tell(c.Node(0).ID(), r); v != gossip.VerdictDuplicate {
		t.Errorf("its repetition got verdict %d", v)
	}
}

// The proof of work is the origin's; nodes on the way hand it on as it is, and a
// limited number of hops goes down without it.
func TestPredecessor_ReminingOnEveryHop(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 3, integration.Line(), integration.OverTCP())
	c.Listen(1, dataType)
	c.Listen(2, dataType)
	near, far := newStranger(t, dataType), newStranger(t, dataType)
	near.link(addressOf(c, 0))
	far.link(addressOf(c, 2))
	c.Await("the strangers' interest to be known", func() bool {
		takes := func(i int, id peer.ID) bool {
			for _, p := range c.Node(i).Running().Peers() {
				if p.ID == id {
					return len(p.Interests) == 1
				}
			}
			return false
		}
		return takes(0, near.id.ID()) && takes(2, far.id.ID())
	})
	module(t, c, 0).send(announce(3, dataType, "proven once"))
	is := func(r *gossip.Rumor) bool { return string(r.Payload) == "proven once" }
	a, b := near.awaitRumor("the rumor", is), far.awaitRumor("the rumor", is)
	if !bytes.Equal(a.Signed, b.Signed) || a.Nonce != b.Nonce || !bytes.Equal(a.Signature, b.Signature) {
		t.Errorf("after one link and after three the rumor is not the same: %+v, %+v", a, b)
	}
	if !pow.Verify(a.ID, a.Nonce, integration.DefaultDifficulty) {
		t.Error("the proof of work is none")
	}
}

// A proof of work and a signature are worth nothing with another rumor, origin
// or network.
func TestPredecessor_ProofFitsAnotherRumor(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 1, integration.OverTCP(), settings(func(cfg *node.Config) { cfg.DifficultyBits = 16 }))
	c.Listen(0, dataType, dataType+1)
	s := newStranger(t)
	s.link(addressOf(c, 0))
	h := gossip.Header{Kind: gossip.KindEvent, Origin: gossip.PeerID(s.id.ID()), Epoch: 1, Seq: 1, DataType: dataType}
	proven := seal(t, s.id, h, []byte("proven"), 16)
	for what, change := range map[string]func(h *gossip.Header){
		"number":      func(h *gossip.Header) { h.Seq = 2 },
		"epoch":       func(h *gossip.Header) { h.Epoch = 2 },
		"hops":        func(h *gossip.Header) { h.TTL = 9 },
		"data type":   func(h *gossip.Header) { h.DataType = dataType + 1 },
		"origin":      func(h *gossip.Header) { h.Origin = gossip.PeerID(c.Node(0).ID()) },
		"another net": func(h *gossip.Header) { h.Network = "elsewhere" },
	} {
		h := proven.Header
		change(&h)
		other, err := gossip.NewRumor(h, proven.Payload)
		if err != nil {
			t.Fatal(err)
		}
		other.Nonce, other.Signature = proven.Nonce, proven.Signature
		if v := s.tell(c.Node(0).ID(), other); v != gossip.VerdictInvalid {
			t.Errorf("with another %s it got verdict %d", what, v)
		}
	}
	if v := s.tell(c.Node(0).ID(), proven); v != gossip.VerdictNew {
		t.Errorf("as it was it got verdict %d", v)
	}
}

// Nobody can announce that another node has left, or has come.
func TestPredecessor_JoinAndLeaveOfOthers(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 2, integration.OverTCP())
	s := newStranger(t)
	s.link(addressOf(c, 0))
	c.AwaitMembers(0, 2)
	c.AwaitMembers(1, 2)
	victim := c.Node(1).ID()
	presence := gossip.Header{Kind: gossip.KindPresence, Origin: gossip.PeerID(victim), Epoch: uint64(time.Now().Add(time.Hour).UnixMilli()), Seq: 1}
	left := gossip.Presence{Left: true}
	if v := s.tell(c.Node(0).ID(), seal(t, s.id, presence, left.Append(nil), integration.DefaultDifficulty)); v != gossip.VerdictInvalid {
		t.Errorf("another node's leave got verdict %d", v)
	}
	nobody := newStranger(t)
	presence.Origin = gossip.PeerID(nobody.id.ID())
	here := gossip.Presence{Agent: "made up"}
	if v := s.tell(c.Node(0).ID(), seal(t, s.id, presence, here.Append(nil), integration.DefaultDifficulty)); v != gossip.VerdictInvalid {
		t.Errorf("a made-up node's presence got verdict %d", v)
	}
	// The true thing passes.
	if v := s.tell(c.Node(0).ID(), seal(t, nobody.id, presence, here.Append(nil), integration.DefaultDifficulty)); v != gossip.VerdictNew {
		t.Errorf("a node's own presence got verdict %d", v)
	}
	c.AwaitMembers(1, 3)
	c.AwaitState(0, 1, node.PeerNeighbour)
	for _, p := range c.Node(0).Running().Peers() {
		if p.State == node.PeerGone {
			t.Errorf("%v is taken to have left", p.ID)
		}
	}
}

// A port that is taken is an error, never replaced by another one.
func TestPredecessor_FallbackToARandomPort(t *testing.T) {
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if ln, err := apibridge.Listen(taken.Addr().String(), false); err == nil {
		t.Errorf("the API listens on %v although %v is taken", ln.Addr(), taken.Addr())
		ln.Close()
	}
}

// Everything at once, for the race detector to look at: modules of three nodes
// that come, announce, subscribe, vote and go, while nodes are asked how they are
// and one of them restarts.
func TestPredecessor_UnsynchronisedCache(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 3, settings(func(cfg *node.Config) { cfg.DifficultyBits, cfg.CacheSize, cfg.Replay = 0, 50, time.Minute }))
	var modules sync.WaitGroup
	for i := range 12 {
		api := c.Node(i % 2).API()
		modules.Go(func() {
			for k := range 20 {
				conn, err := net.Dial("tcp4", api)
				if err != nil {
					t.Error(err)
					return
				}
				conn.Write(bytes.Join([][]byte{notify(dataType), announce(0, dataType, fmt.Sprint(i, k))}, nil))
				conn.SetReadDeadline(time.Now().Add(integration.DefaultPatience))
				for range 3 { // there is always something to be told: 50 rumors are kept
					h := make([]byte, 8)
					if _, err := readFull(conn, h); err != nil {
						t.Errorf("module %d, round %d: %v", i, k, err)
						break
					}
					if _, err := readFull(conn, make([]byte, int(h[0])<<8|int(h[1])-8)); err != nil {
						t.Error(err)
					}
					conn.Write(validation(uint16(h[4])<<8|uint16(h[5]), 1))
				}
				conn.Close()
			}
		})
	}
	c.Node(2).Restart()
	for i := range 100 {
		n := c.Node(i % 3).Running()
		n.Status()
		n.Peers()
	}
	modules.Wait()
	c.AwaitModules(0, 0)
	c.AwaitModules(1, 0)
}

// A first contact that does not answer is tried again; meanwhile the node serves
// its modules and takes neighbours from elsewhere.
func TestPredecessor_FirstContactIsFatal(t *testing.T) {
	t.Parallel()
	closed, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := closed.Addr().String()
	closed.Close()
	c := integration.New(t, 3, integration.OverTCP(), integration.Pairs(), unpaced(),
		integration.WithConfig(func(i int, cfg *node.Config) {
			if i == 0 {
				cfg.Contacts = []string{address}
			}
		}))
	a, b := module(t, c, 0), subscriber(t, c, 0, dataType)
	a.send(announce(0, dataType, "alone"))
	b.vouch("alone")
	c.Connect(0, 1)
	far := subscriber(t, c, 1, dataType)
	far.vouch("alone")
	a.send(announce(0, dataType, "together"))
	b.vouch("together")
	far.vouch("together")
}

// All numbers are data types of modules; what nodes say to each other is of a
// kind of its own.
func TestPredecessor_ControlTypesAmongDataTypes(t *testing.T) {
	t.Parallel()
	_, a, voter, end := relayed(t)
	for _, kind := range []uint16{0, 500, 511, 512, 513, 514, 0xffff} {
		voter.send(notify(kind))
		end.send(notify(kind))
		voter.c.AwaitInterest(1, kind)
		voter.c.AwaitInterest(2, kind)
		text := fmt.Sprint("of type ", kind)
		a.send(announce(0, kind, text))
		voter.vouch(text)
		if n := end.expect(text); n.dataType != kind {
			t.Errorf("type %d became %d", kind, n.dataType)
		}
	}
}
