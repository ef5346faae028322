package integration_test

import (
	"testing"
	"time"

	"hearsay/integration"
	"hearsay/node"
	"hearsay/node/envelope"
	"hearsay/node/gossip"
	"hearsay/node/identity"
)

// reader is a node's user, to whom private messages are written.
type reader struct {
	l     *node.Listener
	id    *identity.Identity
	key   *envelope.Key
	cert  *envelope.Certificate
	told  int      // rumors
	reads []string // what of them was for it
}

func newReader(t *testing.T, id *identity.Identity, l *node.Listener) *reader {
	t.Helper()
	key, err := envelope.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := envelope.Certify(id, key, 1, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return &reader{l: l, id: id, key: key, cert: cert}
}

// read opens what has come by now.
func (r *reader) read(t *testing.T) {
	t.Helper()
	for {
		select {
		case rumor := <-r.l.C():
			r.told++
			if !rumor.Private {
				t.Errorf("%q is not marked as private", rumor.Data)
			}
			about := envelope.About{Network: testNetwork, Origin: rumor.Origin, DataType: rumor.DataType}
			m, err := envelope.Open(about, r.id.ID(), r.key, rumor.Data)
			switch {
			case err == nil:
				r.reads = append(r.reads, string(m.Text))
			case err != envelope.ErrNotForUs:
				t.Errorf("%v", err)
			}
		default:
			return
		}
	}
}

// sealed is a private message in an envelope.
func sealed(t *testing.T, by *identity.Identity, text string, to ...*reader) []byte {
	t.Helper()
	var certs []*envelope.Certificate
	for _, r := range to {
		certs = append(certs, r.cert)
	}
	b, err := envelope.Seal(envelope.About{Network: testNetwork, Origin: by.ID(), DataType: dataType}, by, certs, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// readers are the users of all nodes of a cluster.
func readers(t *testing.T, c *integration.Cluster) (all []*reader) {
	t.Helper()
	for i := range c.Len() {
		all = append(all, newReader(t, c.Node(i).Identity(), listen(t, c, i, dataType)))
	}
	return all
}

// expectReads fails unless each reader was told so many rumors, and could read
// its own.
func expectReads(t *testing.T, all []*reader, told int, want ...string) {
	t.Helper()
	for i, r := range all {
		r.read(t)
		got := ""
		for _, text := range r.reads {
			got += text
		}
		if r.told != told || got != want[i] {
			t.Errorf("reader %d was told %d rumors, want %d, and reads %q, want %q", i, r.told, told, got, want[i])
		}
	}
}

// A → B → C → D, a private message for B and D: C relays it and cannot read it,
// nor can A, who wrote it. In a Peerster all can read what they relay. Whoever
// says the same bytes again in its own name is understood by nobody.
func TestPeerster_1_11_PrivateBroadcast(t *testing.T) {
	virtually(t, func(t *testing.T) {
		c := peersters(t, 4, nil)
		all := readers(t, c)
		for i := range 3 {
			addPeer(c, i, i+1)
		}
		pass(10 * time.Second)
		payload := sealed(t, c.Node(0).Identity(), "for B and D", all[1], all[3])
		private := node.Announcement{DataType: dataType, Data: payload, Private: true}
		if _, err := c.Node(0).Running().Announce(t.Context(), private); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Second)
		expectReads(t, all, 1, "", "for B and D", "", "for B and D")

		if _, err := c.Node(2).Running().Announce(t.Context(), private); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Second)
		expectReads(t, all, 2, "", "for B and D", "", "for B and D") // nobody reads it again
	})
}

// A → B, A → C, and a message for C is sent to B: B does not process it, but hands
// it on to C, who does. Nobody is addressed on the way, so B cannot know.
func TestPeerster_1_12_PrivateUnicast(t *testing.T) {
	virtually(t, func(t *testing.T) {
		c := peersters(t, 2, nil)
		all := readers(t, c)
		a := guest(t, c, nil, dataType)
		a.link(addressOf(c, 0))
		a.link(addressOf(c, 1))
		addPeer(c, 0, 1)
		pass(10 * time.Second)
		r := seal(t, a.id, gossip.Header{Kind: gossip.KindPrivate, DataType: dataType, Origin: gossip.PeerID(a.id.ID()), Epoch: 1, Seq: 1},
			sealed(t, a.id, "for C", all[1]), 0)
		if v := a.tell(c.Node(0).ID(), r); v != gossip.VerdictNew {
			t.Errorf("B's verdict is %d", v)
		}
		pass(2 * time.Second)
		expectReads(t, all, 1, "", "for C")
	})
}
