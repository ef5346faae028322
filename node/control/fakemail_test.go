package control

import (
	"context"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node/mail"
	"hearsay/node/shared"
)

// fakeMail is the private messages and the shared state of a fake node: it takes
// what is sent as if everybody but bob could be reached straight, and tells its
// readers what a test puts in.
type fakeMail struct {
	sendErr error
	noKey   bool // a key that it has not got is waited for

	mu     sync.Mutex
	events []mail.Event
	more   chan struct{}
	sent   map[mail.ID]mail.Sent
	last   mail.Options
	once   sync.Once
	state  *shared.State
}

func (f *fakeMail) Send(ctx context.Context, to []peer.ID, data []byte, o mail.Options) (mail.Sent, error) {
	if f.sendErr != nil {
		return mail.Sent{}, f.sendErr
	}
	if f.noKey {
		select {
		case <-time.After(o.Patience):
		case <-ctx.Done():
		}
	}
	if err := o.Begin(); err != nil {
		return mail.Sent{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := mail.Sent{ID: mail.ID{byte(len(f.sent) + 1)}, Created: at, Expires: at.Add(time.Hour)}
	for _, p := range to {
		d := mail.Delivery{Peer: p, Way: mail.Direct, Arrived: at}
		if p == bob || o.Relay {
			d = mail.Delivery{Peer: p, Way: mail.Relayed, Problem: "it cannot be reached straight"}
		}
		s.Deliveries = append(s.Deliveries, d)
	}
	if f.sent == nil {
		f.sent = map[mail.ID]mail.Sent{}
	}
	f.sent[s.ID], f.last = s, o
	return s, nil
}

func (f *fakeMail) Sent(id mail.ID) (mail.Sent, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.sent[id]
	return s, ok
}

// acknowledge is a receipt of bob's.
func (f *fakeMail) acknowledge(id mail.ID) {
	f.mu.Lock()
	s := f.sent[id]
	for i := range s.Deliveries {
		s.Deliveries[i].Arrived = s.Created.Add(time.Second)
	}
	f.mu.Unlock()
	f.put(mail.Event{Receipt: &mail.Receipt{ID: id, By: bob, Time: s.Created.Add(time.Second)}})
}

func (f *fakeMail) put(e mail.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e.Seq = uint64(len(f.events) + 1)
	f.events = append(f.events, e)
	if f.more != nil {
		close(f.more)
		f.more = nil
	}
}

func (f *fakeMail) Inbox(after uint64) MailReader { return &fakeReader{f, int(after)} }

func (f *fakeMail) InboxNew() MailReader {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &fakeReader{f, len(f.events)}
}

type fakeReader struct {
	f    *fakeMail
	next int
}

func (r *fakeReader) Next(ctx context.Context) (mail.Event, error) {
	for {
		r.f.mu.Lock()
		if r.next < len(r.f.events) {
			r.next++
			defer r.f.mu.Unlock()
			return r.f.events[r.next-1], nil
		}
		if r.f.more == nil {
			r.f.more = make(chan struct{})
		}
		more := r.f.more
		r.f.mu.Unlock()
		select {
		case <-more:
		case <-ctx.Done():
			return mail.Event{}, ctx.Err()
		}
	}
}

// shared is a real one that tells nobody else.
func (f *fakeMail) shared() *shared.State {
	f.once.Do(func() {
		f.state, _ = shared.New(shared.Config{Self: alice, Lifetime: time.Hour,
			Publish: func(context.Context, string, []byte, time.Duration) error { return nil }})
	})
	return f.state
}

func (f *fakeMail) SetState(ctx context.Context, key string, value []byte) error {
	return f.shared().Set(ctx, key, value)
}

func (f *fakeMail) DeleteState(ctx context.Context, key string) error {
	return f.shared().Delete(ctx, key)
}

func (f *fakeMail) State(of peer.ID, key string) []shared.Entry { return f.shared().Get(of, key) }

func (f *fakeMail) WatchState() StateWatcher { return f.shared().Watch() }
