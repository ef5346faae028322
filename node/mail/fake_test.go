package mail

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node/direct"
	"hearsay/node/identity"
	"hearsay/node/journal"
)

const network = "test"

// post is a network of nodes that carries everything to everybody at once, or
// straight where that is not cut.
type post struct {
	t     *testing.T
	nodes []*person
	// carried is every private rumor that there was.
	carried []carried
	// cut says who cannot be reached straight, and how that shows; nil = everybody can.
	cut func(from, to peer.ID) error
	// late are those to whom messages come straight, and whose answers come too late.
	late map[peer.ID]bool
	// answer is what some answer to whatever is brought straight, and do not take.
	answer map[peer.ID]direct.Answer
	// relay is what is wrong with spreading rumors, nil = nothing.
	relay error
	// lost says which rumors are lost.
	lost func(from peer.ID) bool
	// warn is what all nodes warn their users with, if it is not nil.
	warn func(error)
	mu   sync.Mutex
}

// person is a node of the post.
type person struct {
	*Mail
	id      *identity.Identity
	cfg     Config
	cert    []byte
	away    bool // nobody has a presence of it
	end     func()
	reader  *Reader
	relayed int
}

func (p *post) add(dir string, store Store) *person {
	p.t.Helper()
	id, err := identity.New()
	if err != nil {
		p.t.Fatal(err)
	}
	return p.start(&person{id: id}, dir, store)
}

// start starts a node, or starts it again, with what its folder and store have.
func (p *post) start(who *person, dir string, store Store) *person {
	p.t.Helper()
	keys, err := LoadKeys(dir, who.id, time.Now())
	if err != nil {
		p.t.Fatal(err)
	}
	self := who.id.ID()
	who.cfg = Config{
		Identity: who.id, Network: network, Keys: keys, Lifetime: time.Hour, Store: store,
		Certificate: func(of peer.ID) ([]byte, bool) {
			p.mu.Lock()
			defer p.mu.Unlock()
			for _, n := range p.nodes {
				if n.id.ID() == of && !n.away {
					return n.cert, true
				}
			}
			return nil, false
		},
		Reachable: func(to peer.ID) bool { return p.cut == nil || !errors.Is(p.cut(self, to), errNotReachable) },
		Direct: func(ctx context.Context, to peer.ID, sealed []byte) (direct.Answer, error) {
			if p.cut != nil {
				if err := p.cut(self, to); errors.Is(err, context.DeadlineExceeded) {
					<-ctx.Done()
					return 0, ctx.Err()
				} else if err != nil {
					return 0, err
				}
			}
			if answer, ok := p.answer[to]; ok {
				return answer, nil
			}
			for _, n := range p.nodes {
				if n.id.ID() == to && n.end != nil {
					answer := n.Receive(self, sealed)
					if p.late[to] {
						<-ctx.Done()
						return 0, ctx.Err()
					}
					return answer, nil
				}
			}
			return 0, errors.New("nobody is there")
		},
		Relay: func(_ context.Context, sealed []byte, _ time.Duration) error {
			if p.relay != nil {
				return p.relay
			}
			p.mu.Lock()
			who.relayed++
			p.carried = append(p.carried, carried{self, sealed})
			p.mu.Unlock()
			if p.lost == nil || !p.lost(self) {
				p.tell(carried{self, sealed})
			}
			return nil
		},
		Warn: p.warn,
		Announce: func(certificate []byte) {
			p.mu.Lock()
			defer p.mu.Unlock()
			who.cert = certificate
		},
	}
	if who.Mail, err = New(who.cfg); err != nil {
		p.t.Fatal(err)
	}
	who.reader = who.Read(0)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); who.Run(ctx) }()
	who.end = func() { cancel(); <-done; who.end = nil }
	p.t.Cleanup(func() {
		if who.end != nil {
			who.end()
		}
	})
	for _, n := range p.nodes {
		if n == who {
			synctest.Wait()
			return who
		}
	}
	p.mu.Lock()
	p.nodes = append(p.nodes, who)
	p.mu.Unlock()
	synctest.Wait()
	return who
}

// certificate is the one that the node told last.
func (n *person) certificate() []byte {
	c, _ := n.cfg.Certificate(n.id.ID())
	return c
}

// goAway has a node end, and all others forget its presence.
func (p *post) goAway(n *person) {
	n.end()
	p.mu.Lock()
	defer p.mu.Unlock()
	n.away = true
}

// count is how many keys there are.
func (k *Keys) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.keys)
}

// tell hands a rumor to all nodes that run, but to who said it.
func (p *post) tell(c carried) {
	for _, n := range p.nodes {
		if n.end != nil && n.id.ID() != c.origin {
			n.Carried(c.origin, c.sealed)
		}
	}
}

// got is what a node's reader has not seen yet.
func (n *person) got(t *testing.T) (texts []string, receipts int) {
	t.Helper()
	synctest.Wait()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for {
		e, err := n.reader.Next(over)
		switch {
		case err != nil:
			return texts, receipts
		case e.Letter != nil:
			texts = append(texts, string(e.Letter.Text))
		default:
			receipts++
		}
	}
}

func (p *post) send(from *person, text string, o Options, to ...*person) Sent {
	p.t.Helper()
	var ids []peer.ID
	for _, n := range to {
		ids = append(ids, n.id.ID())
	}
	sent, err := from.Send(p.t.Context(), ids, []byte(text), o)
	if err != nil {
		p.t.Fatal(err)
	}
	synctest.Wait()
	return sent
}

// unreachable cuts everybody off from being reached straight.
func unreachable(peer.ID, peer.ID) error { return errNotReachable }

// withJournal is two that write to each other, of which b has a journal; reopen closes
// that and starts b, which has ended, with what is in it.
func withJournal(t *testing.T) (p *post, a, b *person, j *journal.Journal, reopen func() *journal.Journal) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "journal.db")
	p = &post{t: t}
	j = openJournal(t, path)
	a, b = p.add("", nil), p.add(dir, j)
	return p, a, b, j, func() *journal.Journal {
		j.Close()
		j = openJournal(t, path)
		p.start(b, dir, j)
		return j
	}
}

func openJournal(t *testing.T, path string) *journal.Journal {
	t.Helper()
	j, err := journal.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}
