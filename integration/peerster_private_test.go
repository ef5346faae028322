package integration_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/integration"
	"hearsay/node"
	"hearsay/node/envelope"
	"hearsay/node/gossip"
	"hearsay/node/mail"
	"hearsay/node/transport"
)

// readers read what is private at all nodes of a cluster, from the beginning.
func readers(c *integration.Cluster) (all []*mail.Reader) {
	for i := range c.Len() {
		all = append(all, c.Node(i).Running().Inbox(0))
	}
	return all
}

// readAll is what came for a reader by now. What it is told twice is in it twice.
func readAll(t *testing.T, r *mail.Reader) (letters []*mail.Letter, receipts []*mail.Receipt) {
	t.Helper()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for {
		e, err := r.Next(over)
		switch {
		case err != nil:
			return letters, receipts
		case e.Missed:
			t.Error("a reader missed something")
		case e.Letter != nil:
			letters = append(letters, e.Letter)
		default:
			receipts = append(receipts, e.Receipt)
		}
	}
}

// expectLetters fails unless each reader got exactly these texts.
func expectLetters(t *testing.T, all []*mail.Reader, want ...[]string) {
	t.Helper()
	for i, r := range all {
		var got []string
		letters, _ := readAll(t, r)
		for _, l := range letters {
			got = append(got, string(l.Text))
		}
		if !slices.Equal(got, want[i]) {
			t.Errorf("node %d reads %q, want %q", i, got, want[i])
		}
	}
}

func ids(c *integration.Cluster, nodes ...int) (to []peer.ID) {
	for _, i := range nodes {
		to = append(to, c.Node(i).ID())
	}
	return to
}

// privateRumors are the different private rumors that a node was sent.
func privateRumors(c *integration.Cluster, at int) (all []*gossip.Rumor) {
	seen := make(map[gossip.RumorID]bool)
	for _, f := range c.Frames(func(f integration.Frame) bool { return f.Node == at && f.Dir == transport.In }) {
		if r := f.Rumor(); r != nil && r.Kind == gossip.KindPrivate && !seen[r.ID] {
			seen[r.ID] = true
			all = append(all, r)
		}
	}
	return all
}

// A → B → C → D, a private message for B and D, by a rumor: C relays it and cannot
// read it, nor is A told, who wrote it. In a Peerster all can read what they relay.
// A learns that it arrived at B and D. Whoever says the same bytes again in its own
// name is understood by nobody.
func TestPeerster_1_11_PrivateBroadcast(t *testing.T) {
	virtually(t, func(t *testing.T) {
		c := peersters(t, 4, nil)
		all := readers(c)
		for i := range 3 {
			addPeer(c, i, i+1)
		}
		pass(10 * time.Second)
		sent, err := c.Node(0).Running().Send(t.Context(), ids(c, 1, 3), []byte("for B and D"), mail.Options{Relay: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range sent.Deliveries {
			if d.Way != mail.Relayed || !d.Arrived.IsZero() {
				t.Errorf("at once the delivery is %+v", d)
			}
		}
		pass(10 * time.Second)
		expectLetters(t, all[1:], []string{"for B and D"}, nil, []string{"for B and D"})
		letters, receipts := readAll(t, all[0])
		if len(letters) > 0 || len(receipts) != 2 {
			t.Errorf("A reads %d messages and %d receipts, want 0 and 2", len(letters), len(receipts))
		}
		if sent, ok := c.Node(0).Running().Sent(sent.ID); !ok || sent.Arrived() != 2 {
			t.Errorf("A knows of it %+v", sent)
		}

		rumors := privateRumors(c, 2)
		if len(rumors) == 0 {
			t.Fatal("C carried nothing")
		}
		again := seal(t, c.Node(2).Identity(), gossip.Header{Kind: gossip.KindPrivate, Origin: gossip.PeerID(c.Node(2).ID()), Epoch: 1 << 60, Seq: 1}, rumors[0].Payload, 0)
		s := guest(t, c, nil)
		s.link(addressOf(c, 3))
		s.tell(c.Node(3).ID(), again)
		pass(2 * time.Second)
		expectLetters(t, all[1:], nil, nil, nil)
	})
}

// A → B, A → C, and a message for C is sent straight to B: B does not process it,
// and says so; nobody else is told either.
func TestPeerster_1_12_PrivateUnicast(t *testing.T) {
	virtually(t, func(t *testing.T) {
		c := peersters(t, 3, nil)
		all := readers(c)
		addPeer(c, 0, 1)
		addPeer(c, 0, 2)
		pass(10 * time.Second)
		sent, err := c.Node(0).Running().Send(t.Context(), ids(c, 2), []byte("for C"), mail.Options{Relay: true})
		if err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Second)
		expectLetters(t, all[1:], nil, []string{"for C"})

		// What A said to C, brought to B by A itself.
		misdirected := privateRumors(c, 1)[0].Payload
		if answer := straight(t, c, 0, 1, misdirected); answer != 2 {
			t.Errorf("B answers %d to what is for C, want 2", answer)
		}
		// And to C, for whom it is: it has it already, by the other way.
		if answer := straight(t, c, 0, 2, misdirected); answer != 1 {
			t.Errorf("C answers %d to what it was told, want 1", answer)
		}
		// Somebody else's words are not taken from B, even where they are meant for.
		if answer := straight(t, c, 1, 2, misdirected); answer != 2 {
			t.Errorf("C answers %d to A's message from B, want 2", answer)
		}
		pass(2 * time.Second)
		expectLetters(t, all[1:], nil, nil)
		if sent, _ := c.Node(0).Running().Sent(sent.ID); sent.Arrived() != 1 {
			t.Errorf("A knows of it %+v", sent)
		}
	})
}

// straight writes an envelope on a direct stream from one node's host to another,
// and returns the answer.
func straight(t *testing.T, c *integration.Cluster, from, to int, sealed []byte) byte {
	t.Helper()
	s, err := c.Node(from).Running().Host().NewStream(t.Context(), c.Node(to).ID(), "/hearsay/direct/1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Reset()
	n := len(sealed)
	s.Write(append([]byte{byte(n)&0x7f | 0x80, byte(n >> 7)}, sealed...)) // a varint of two bytes: up to 16,383
	s.CloseWrite()
	answer := make([]byte, 1)
	if _, err := s.Read(answer); err != nil {
		t.Fatal(err)
	}
	return answer[0]
}

// Neighbours are written to straight, and the answer comes at once; nothing of it
// is carried by others.
func TestPrivateStraight(t *testing.T) {
	virtually(t, func(t *testing.T) {
		c := peersters(t, 3, nil)
		all := readers(c)
		addPeer(c, 0, 1)
		addPeer(c, 0, 2)
		pass(10 * time.Second)
		sent, err := c.Node(0).Running().Send(t.Context(), ids(c, 1, 2), []byte("hello"), mail.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range sent.Deliveries {
			if d.Way != mail.Direct || d.Arrived.IsZero() {
				t.Errorf("the delivery is %+v", d)
			}
		}
		pass(2 * time.Second)
		letters, _ := readAll(t, all[1])
		if len(letters) != 1 || string(letters[0].Text) != "hello" || letters[0].From != c.Node(0).ID() || len(letters[0].To) != 2 || letters[0].Way != mail.Direct {
			t.Errorf("B reads %+v", letters)
		}
		for i := range 3 {
			if n := len(privateRumors(c, i)); n > 0 {
				t.Errorf("node %d was sent %d private rumors", i, n)
			}
		}
	})
}

// A carrier that keeps everything learns neither what is said nor to whom: it
// cannot open what it carries, finds no name in it, and what differs in text and
// recipients looks the same.
func TestPrivateCarrierLearnsNothing(t *testing.T) {
	virtually(t, func(t *testing.T) {
		c := peersters(t, 6, nil)
		// A and the recipients 2 to 5 know each other only over B, the carrier.
		for i := range 6 {
			if i != 1 {
				addPeer(c, 1, i)
			}
		}
		pass(10 * time.Second)
		texts := []string{"attack at dawn", "retreat at once", "dinner at eight"}
		for i, to := range [][]int{{2, 3}, {4, 5}, {3, 5}} {
			if _, err := c.Node(0).Running().Send(t.Context(), ids(c, to...), []byte(texts[i]), mail.Options{Relay: true, NoReceipt: true}); err != nil {
				t.Fatal(err)
			}
		}
		pass(10 * time.Second)
		rumors := privateRumors(c, 1)
		if len(rumors) != len(texts) {
			t.Fatalf("the carrier has %d private rumors, want %d", len(rumors), len(texts))
		}
		for _, r := range rumors {
			if len(r.Payload) != len(rumors[0].Payload) || r.Payload[1] != rumors[0].Payload[1] || r.DataType != 0 || r.Key != "" {
				t.Errorf("a rumor of %d bytes, slots %d, type %d, among such of %d bytes", len(r.Payload), r.Payload[1], r.DataType, len(rumors[0].Payload))
			}
			for i := range c.Len() {
				if id := c.Node(i).ID(); i != 0 && (bytes.Contains(r.Signed, []byte(id)) || bytes.Contains(r.Signed, []byte(id.String()))) {
					t.Errorf("node %d is named in what is carried", i)
				}
			}
			for _, text := range texts {
				if bytes.Contains(r.Signed, []byte(text)) {
					t.Errorf("%q is in what is carried", text)
				}
			}
		}
		// The same message sealed again shares nothing with it: there is nothing to
		// compare by which one could guess a text and check.
		for i, r := range rumors {
			for _, other := range rumors[i+1:] {
				if n := inCommon(r.Payload[2:], other.Payload[2:]); n > 8 {
					t.Errorf("two envelopes share %d bytes in a row", n)
				}
			}
		}
		if letters, _ := readAll(t, c.Node(1).Running().Inbox(0)); len(letters) > 0 {
			t.Errorf("the carrier reads %q", letters[0].Text)
		}
		if n := c.Node(1).Running().Status().Counters["mail_unread"]; n != uint64(len(texts)) {
			t.Errorf("the carrier tried in vain %d times, want %d", n, len(texts))
		}
		for i, want := range map[int]int{2: 1, 3: 2, 4: 1, 5: 2} {
			if letters, _ := readAll(t, c.Node(i).Running().Inbox(0)); len(letters) != want {
				t.Errorf("node %d reads %d messages, want %d", i, len(letters), want)
			}
		}
	})
}

// inCommon is the length of the longest string of bytes that two have in common.
func inCommon(a, b []byte) (most int) {
	at := make(map[string]bool)
	const n = 9
	for i := 0; i+n <= len(a); i++ {
		at[string(a[i:i+n])] = true
	}
	for i := 0; i+n <= len(b); i++ {
		if at[string(b[i:i+n])] {
			return n
		}
	}
	return 0
}

// Who was not there when a message was sent gets it later, by comparison; whoever
// was, and comes back from a restart, is not told again.
func TestPrivateLateAndRestarted(t *testing.T) {
	virtually(t, func(t *testing.T) {
		c := peersters(t, 3, nil, integration.WithStateDir())
		addPeer(c, 0, 1)
		addPeer(c, 1, 2)
		pass(10 * time.Second)
		c.Node(2).Stop()
		pass(time.Second)
		sent, err := c.Node(0).Running().Send(t.Context(), ids(c, 2), []byte("for when you are back"), mail.Options{})
		if err != nil || sent.Deliveries[0].Way != mail.Relayed {
			t.Fatalf("to one that left: %+v, %v", sent, err)
		}
		pass(time.Second)
		for range 2 {
			c.Node(2).Start()
			addPeer(c, 1, 2)
			pass(30 * time.Second)
			if letters, _ := readAll(t, c.Node(2).Running().Inbox(0)); len(letters) != 1 {
				t.Errorf("C reads %d messages, want 1", len(letters))
			}
			c.Node(2).Stop()
		}
		if sent, _ := c.Node(0).Running().Sent(sent.ID); sent.Arrived() != 1 {
			t.Errorf("A knows of it %+v", sent)
		}
	})
}

// Who has been away for so long that nobody has a presence of it any more can be written
// to, though it never was before, gets the message when back, and says so; whether it
// left or was cut off.
func TestPrivateWhileAway(t *testing.T) {
	for name, away := range map[string]struct {
		goes  func(*integration.Cluster)
		comes func(*integration.Cluster)
	}{
		"left":    {func(c *integration.Cluster) { c.Stop(2) }, func(c *integration.Cluster) { c.Node(2).Start() }},
		"cut off": {func(c *integration.Cluster) { c.Partition([]int{2}) }, func(c *integration.Cluster) { c.Heal() }},
	} {
		t.Run(name, func(t *testing.T) {
			virtually(t, func(t *testing.T) {
				c := peersters(t, 3, nil, integration.WithStateDir())
				addPeer(c, 0, 1)
				addPeer(c, 1, 2)
				pass(10 * time.Second)
				away.goes(c)
				pass(30 * time.Minute)
				for _, p := range c.Node(0).Running().Peers() {
					if p.ID == c.Node(2).ID() && p.State != node.PeerKnown && p.State != node.PeerDown {
						t.Fatalf("A still has a presence of C: %+v", p)
					}
				}
				sent, err := c.Node(0).Running().Send(t.Context(), ids(c, 2), []byte("for when you are back"), mail.Options{})
				if err != nil || sent.Deliveries[0].Way != mail.Relayed {
					t.Fatalf("to one that is away: %+v, %v", sent, err)
				}
				pass(30 * time.Minute)
				away.comes(c)
				addPeer(c, 1, 2)
				pass(30 * time.Second)
				if letters, _ := readAll(t, c.Node(2).Running().Inbox(0)); len(letters) != 1 {
					t.Errorf("C reads %d messages, want 1", len(letters))
				}
				if sent, _ := c.Node(0).Running().Sent(sent.ID); sent.Arrived() != 1 {
					t.Errorf("A knows of it %+v", sent)
				}
			})
		})
	}
}

// A node that lost its key cannot read what was sealed to it, and the sender is
// told nothing; as soon as its new presence is there, the new key counts.
func TestPrivateKeyLost(t *testing.T) {
	virtually(t, func(t *testing.T) {
		c := peersters(t, 3, nil) // without a state folder every start makes a new key
		addPeer(c, 0, 1)
		addPeer(c, 1, 2)
		pass(10 * time.Second)
		c.Node(2).Stop()
		pass(time.Second)
		lost, err := c.Node(0).Running().Send(t.Context(), ids(c, 2), []byte("to the old key"), mail.Options{})
		if err != nil {
			t.Fatal(err)
		}
		c.Node(2).Start()
		addPeer(c, 1, 2)
		pass(30 * time.Second)
		if _, err := c.Node(0).Running().Send(t.Context(), ids(c, 2), []byte("to the new key"), mail.Options{}); err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Second)
		expectLetters(t, []*mail.Reader{c.Node(2).Running().Inbox(0)}, []string{"to the new key"})
		if lost, _ := c.Node(0).Running().Sent(lost.ID); lost.Arrived() != 0 {
			t.Errorf("A thinks that it arrived: %+v", lost)
		}
	})
}

// What cannot be sent is refused with a reason.
func TestPrivateRefused(t *testing.T) {
	virtually(t, func(t *testing.T) {
		c := peersters(t, 2, nil)
		addPeer(c, 0, 1)
		pass(10 * time.Second)
		n := c.Node(0).Running()
		stranger := guest(t, c, nil).id.ID()
		var many []peer.ID
		for range envelope.MaxRecipients + 1 {
			many = append(many, guest(t, c, nil).id.ID())
		}
		for name, try := range map[string]struct {
			to   []peer.ID
			size int
			want error
		}{
			"nobody":       {nil, 1, mail.ErrRecipients},
			"itself":       {ids(c, 0), 1, mail.ErrRecipients},
			"twice":        {ids(c, 1, 1), 1, mail.ErrRecipients},
			"too many":     {many, 1, mail.ErrRecipients},
			"no peer ID":   {[]peer.ID{""}, 1, mail.ErrRecipients},
			"too long":     {ids(c, 1), mail.MaxText + 1, mail.ErrText},
			"a stranger":   {[]peer.ID{stranger}, 1, mail.ErrNobody},
			"as long as":   {ids(c, 1), mail.MaxText, nil},
			"nothing":      {ids(c, 1), 0, nil},
			"one of those": {append(ids(c, 1), stranger), 1, nil},
		} {
			sent, err := n.Send(t.Context(), try.to, bytes.Repeat([]byte("x"), try.size), mail.Options{})
			if !errors.Is(err, try.want) || try.want == nil && err != nil {
				t.Errorf("%s: %v, want %v", name, err, try.want)
			}
			if name == "one of those" && (sent.Deliveries[0].Way != mail.Direct || sent.Deliveries[1].Way != mail.Nowhere || sent.Deliveries[1].Problem == "") {
				t.Errorf("%s: %+v", name, sent)
			}
		}
	})
}
