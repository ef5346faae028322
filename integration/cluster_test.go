package integration_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	manet "github.com/multiformats/go-multiaddr/net"

	"hearsay/integration"
	"hearsay/node"
	"hearsay/node/gossip"
)

// networks runs a test on the mock network and over TCP.
func networks(t *testing.T, test func(t *testing.T, opts ...integration.Option)) {
	t.Run("mock", func(t *testing.T) {
		t.Parallel()
		test(t)
	})
	t.Run("tcp", func(t *testing.T) {
		t.Parallel()
		test(t, integration.OverTCP())
	})
}

// neighbours says who is linked with whom: "01 12".
func neighbours(c *integration.Cluster) string {
	var links []string
	for i := range c.Len() {
		for _, p := range c.Node(i).Running().Peers() {
			for j := i + 1; j < c.Len(); j++ {
				if p.ID == c.Node(j).ID() && p.State == node.PeerNeighbour {
					links = append(links, fmt.Sprintf("%d–%d", i, j))
				}
			}
		}
	}
	slices.Sort(links)
	return strings.Join(links, ", ")
}

func TestTopologies(t *testing.T) {
	t.Parallel()
	networks(t, func(t *testing.T, opts ...integration.Option) {
		for _, test := range []struct {
			n     int
			shape []integration.Option
			want  string
		}{
			{1, nil, ""},
			{3, nil, "0–1, 0–2, 1–2"},
			{4, []integration.Option{integration.Line()}, "0–1, 1–2, 2–3"},
			{4, []integration.Option{integration.Pairs([2]int{3, 0}, [2]int{1, 2})}, "0–3, 1–2"},
			{2, []integration.Option{integration.Pairs()}, ""},
		} {
			c := integration.New(t, test.n, append(test.shape, opts...)...)
			if got := neighbours(c); got != test.want {
				t.Errorf("links %s, want %s", got, test.want)
			}
		}
	})
}

// A rumor gets across a partition only after it has healed.
func TestPartitionAndHeal(t *testing.T) {
	t.Parallel()
	networks(t, func(t *testing.T, opts ...integration.Option) {
		c := integration.New(t, 3, opts...)
		far, near := c.Listen(2, 7), c.Listen(1, 7)
		c.Partition([]int{0, 1}, []int{2})
		c.Announce(0, 7, []byte("during"))
		if got := string(near.Next().Data); got != "during" {
			t.Fatalf("heard %q", got)
		}
		c.Announce(2, 7, []byte("alone"))
		if got := string(far.Next().Data); got != "alone" {
			t.Fatalf("heard %q across the partition", got)
		}
		c.Heal()
		if got := string(far.Next().Data); got != "during" {
			t.Fatalf("heard %q after it", got)
		}
		c.Partition([]int{1}) // against all others together
		c.AwaitLinked(0, 2)
	})
}

// Nothing is left of a cluster, not even streams that a mock network opens on a
// connection that is closed.
func TestNoStreamOutlivesItsCluster(t *testing.T) {
	t.Parallel()
	var late network.Stream
	t.Run("cluster", func(t *testing.T) {
		c := integration.New(t, 2)
		conn := c.Node(0).Running().Host().Network().ConnsToPeer(c.Node(1).ID())[0]
		conn.Close()
		var err error
		if late, err = conn.NewStream(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := late.Write([]byte("a")); err != nil {
			t.Fatalf("the mock network has learnt to close its streams: %v", err)
		}
	})
	if _, err := late.Write([]byte("b")); err == nil {
		t.Error("a stream is open after the end of its network")
	}
}

// A connection of another program may have a stopped node's port for a while.
func TestRestartAwaitsItsPort(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 1, integration.OverTCP())
	had := c.Node(0).Running().Host().Addrs()[0]
	c.Node(0).Stop()
	if other, err := manet.Listen(had); err == nil { // else somebody has it already
		time.AfterFunc(200*time.Millisecond, func() { other.Close() })
	}
	c.Node(0).Restart()
	if got := c.Node(0).Running().Host().Addrs()[0]; !got.Equal(had) {
		t.Errorf("restarted at %v, had %v", got, had)
	}
}

func TestStopKillRestart(t *testing.T) {
	t.Parallel()
	networks(t, func(t *testing.T, opts ...integration.Option) {
		c := integration.New(t, 3, append(opts, integration.WithStateDir())...)
		id, api := c.Node(2).ID(), c.Node(2).API()
		c.AwaitMembers(0, 3) // who is not known yet cannot leave
		c.AwaitMembers(1, 3)

		c.Node(2).Stop()
		c.AwaitState(0, 2, node.PeerGone)
		c.AwaitState(1, 2, node.PeerGone)
		c.Node(2).Restart()
		c.AwaitMembers(0, 3)
		c.AwaitMembers(1, 3)

		c.Node(2).Kill()
		c.AwaitUnlinked(0, 2)
		c.AwaitUnlinked(1, 2)
		c.AwaitState(0, 2, node.PeerLost) // not gone: nobody has said so
		c.AwaitState(1, 2, node.PeerLost)
		c.Node(2).Restart()

		if c.Node(2).ID() != id || c.Node(2).API() != api {
			t.Error("a restarted node has another ID or API address")
		}
		l := c.Listen(2, 7)
		c.Announce(0, 7, []byte("welcome back"))
		if got := string(l.Next().Data); got != "welcome back" {
			t.Errorf("heard %q", got)
		}
	})
}

// A guest is cut off from a node that is killed as nodes are: it hears no goodbye and
// gets no connection any more, though it dials in the moment in which one ends. A node
// that comes back is there for it, too.
func TestKillCutsOffGuests(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 1)
	s := guest(t, c, nil)
	s.link(addressOf(c, 0))
	from, to := s.seen(), addressOf(c, 0)
	again := make(chan error, 100)
	dialling := &network.NotifyBundle{DisconnectedF: func(network.Network, network.Conn) {
		go func() { again <- s.host.Connect(t.Context(), to) }()
	}}
	s.host.Network().Notify(dialling)
	c.Node(0).Kill()
	if err := <-again; err == nil {
		t.Error("connected to a node while it was killed")
	}
	s.host.Network().StopNotify(dialling)
	if err := s.host.Connect(t.Context(), to); err == nil {
		t.Error("connected to a node that was killed")
	}
	s.awaitUnlinked(to.ID, from)
	s.mu.Lock()
	for _, ev := range s.events {
		if r, ok := ev.(gossip.Received); ok {
			if bye, ok := r.Msg.(*gossip.Bye); ok {
				t.Errorf("it said goodbye: %v", bye)
			}
		}
	}
	s.mu.Unlock()
	c.Node(0).Start()
	s.link(addressOf(c, 0))
}

// The API is a module's: what it announces and asks for goes all the way.
func TestDial(t *testing.T) {
	t.Parallel()
	c := integration.New(t, 2)
	a, b := c.Dial(0), c.Dial(1)
	ctx := c.Context()
	if err := b.Notify(ctx, 7); err != nil {
		t.Fatal(err)
	}
	c.AwaitInterest(1, 7)
	c.AwaitModules(1, 1)
	if err := a.Announce(ctx, 0, 7, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	n, err := b.Next(ctx)
	if err != nil || string(n.Data) != "hello" {
		t.Fatalf("told %q, %v", n.Data, err)
	}
	if s := c.Node(0).APIStats(); s.Announces != 1 {
		t.Errorf("%d announcements counted", s.Announces)
	}
}

// recorder is a TB whose failure can be looked at.
type recorder struct {
	testing.TB
	failure string
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.failure = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// Who waits in vain is told for what, how every node is, and what went before.
func TestFailureTellsTheStateOfEveryNode(t *testing.T) {
	t.Parallel()
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c := integration.New(r, 3, integration.Line(), integration.WithPatience(3*time.Second))
		c.Listen(1, 4711)
		c.Node(2).Kill()
		c.AwaitUnlinked(1, 2)
		c.AwaitLinked(1, 2)
	}()
	<-done
	for _, want := range []string{
		"waited 3s for nodes 1 and 2 to be neighbours",
		"node 0 ", "node 1 ", "node 2 ", "does not run", "API 127.0.0.1:",
		"sees node 0 as neighbour", "takes [4711]", "sees node 2 as down", "last error: ",
		"node 1: linked node 0", "node 1: unlinked node 2",
	} {
		if !strings.Contains(r.failure, want) {
			t.Errorf("the failure does not say %q:\n%s", want, r.failure)
		}
	}
}
