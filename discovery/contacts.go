package discovery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

const (
	// Pauses between attempts to meet a contact. They double from the first to
	// the last, each give or take a quarter, begin anew when the network
	// changes, and never end: the node may have been switched on before its
	// contact.
	contactFirstPause = time.Second
	contactLastPause  = time.Minute
	// contactCheck is how often a contact is looked after while all is well.
	contactCheck = 5 * time.Second
	// contactLookup and contactAsk bound the question for a name's addresses
	// and the one for the peer ID at an address.
	contactLookup = 5 * time.Second
	contactAsk    = 7 * time.Second // longer than the 5 s that a handshake may take
)

// ContactState says how far a contact has come.
type ContactState string

const (
	ContactWaiting     ContactState = "waiting"     // not tried yet
	ContactUnreachable ContactState = "unreachable" // LastError says why; tried again at NextTry
	ContactFound       ContactState = "found"       // a candidate, not connected yet
	ContactConnected   ContactState = "connected"
	ContactSelf        ContactState = "self" // an address of this very node
)

// ContactStatus is how a contact is doing.
type ContactStatus struct {
	Address string // as it was given
	State   ContactState
	// ID is the contact's peer ID, "" while it is unknown. It was given by the
	// user if Pinned, else learnt at the address.
	ID     peer.ID
	Pinned bool
	// FormerID is the ID that answered at the address before, if another one
	// does now.
	FormerID  peer.ID
	LastError string // of the last attempt, "" if it succeeded
	Foreign   bool   // the last attempt failed with ErrHandshake
	Attempts  int    // since the contact was connected last
	NextTry   time.Time
}

// contactLoop keeps trying to meet one contact.
//
// Without a configured ID it trusts on first use, and says so when another ID
// answers later, but it takes the new one: a contact is merely an introduction.
// Whoever answers can keep us from others at worst, as could anybody on the
// way; it cannot speak for them, since rumors are signed by their origins. A
// phone that was set up anew must be found by those who know its address. Who
// wants to be strict gives the ID with the address.
type contactLoop struct {
	Contact
	contactWorld

	mu     sync.Mutex
	status ContactStatus
}

// contactWorld is what a contactLoop knows of the world around it.
type contactWorld struct {
	self      peer.ID
	watch     *watcher
	connected func(peer.ID) bool
	lookup    lookupFunc
	ask       func(context.Context, ma.Multiaddr) (peer.ID, error)
	found     func(peer.AddrInfo)
	learnt    func(address string, id peer.ID) // nil: nobody wants to know
}

// newContactLoop takes the ID that was learnt in an earlier run, "" if none.
func newContactLoop(c Contact, learnt peer.ID, world contactWorld) *contactLoop {
	l := &contactLoop{Contact: c, contactWorld: world}
	l.status = ContactStatus{Address: c.text, State: ContactWaiting, ID: learnt}
	if c.id != "" {
		l.status.ID, l.status.Pinned = c.id, true
	}
	return l
}

func (l *contactLoop) snapshot() ContactStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.status
}

func (l *contactLoop) update(change func(*ContactStatus)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.status)
}

func (l *contactLoop) run(ctx context.Context) {
	wait := contactFirstPause
	for ctx.Err() == nil {
		around, changed := l.watch.current()
		state, err := l.attempt(ctx, around)
		if ctx.Err() != nil {
			return // what failed, failed because of that
		}
		next := jitter(wait)
		switch state {
		case ContactConnected:
			next, wait = contactCheck, contactFirstPause
		case ContactSelf:
			next = contactLastPause
		default:
			wait = min(2*wait, contactLastPause)
		}
		l.update(func(s *ContactStatus) {
			s.State, s.LastError, s.NextTry = state, "", time.Now().Add(next)
			s.Attempts++
			s.Foreign = errors.Is(err, ErrHandshake)
			if err != nil {
				s.LastError = err.Error()
			}
			if state == ContactConnected {
				s.Attempts = 0
			}
		})
		if pause(ctx, next, changed) {
			wait = contactFirstPause
		}
	}
}

// attempt does what can be done now. An error comes with ContactUnreachable only.
func (l *contactLoop) attempt(ctx context.Context, around surroundings) (ContactState, error) {
	id := l.snapshot().ID
	if id == l.self {
		return ContactSelf, nil
	}
	if id != "" && l.connected(id) {
		return ContactConnected, nil
	}
	addrs, err := l.addresses(ctx)
	if err != nil {
		return ContactUnreachable, err
	}
	addrs = slices.DeleteFunc(addrs, func(a ma.Multiaddr) bool { return ma.Contains(around.listen, a) })
	if len(addrs) == 0 {
		return ContactSelf, nil
	}
	if l.id == "" {
		if id, addrs, err = l.askAll(ctx, addrs); err != nil {
			return ContactUnreachable, err
		}
		if id == l.self {
			return ContactSelf, nil
		}
		l.learn(id)
		if l.connected(id) {
			return ContactConnected, nil
		}
	}
	l.found(peer.AddrInfo{ID: id, Addrs: addrs})
	return ContactFound, nil
}

func (l *contactLoop) addresses(ctx context.Context) ([]ma.Multiaddr, error) {
	ctx, cancel := context.WithTimeout(ctx, contactLookup)
	defer cancel()
	return l.resolve(ctx, l.lookup)
}

// askAll asks at one address after the other until a peer tells its ID, and
// returns the addresses with that one first: they have one name, and so should
// be one machine's.
func (l *contactLoop) askAll(ctx context.Context, addrs []ma.Multiaddr) (peer.ID, []ma.Multiaddr, error) {
	var errs []error
	for i, a := range addrs {
		ctx, cancel := context.WithTimeout(ctx, contactAsk)
		id, err := l.ask(ctx, a)
		cancel()
		if err == nil {
			return id, slices.Concat(addrs[i:], addrs[:i]), nil
		}
		errs = append(errs, fmt.Errorf("nobody tells an ID at %s: %w", a, err))
	}
	return "", nil, errors.Join(errs...)
}

// learn notes which ID answers at the address.
func (l *contactLoop) learn(id peer.ID) {
	former := l.snapshot().ID
	if former == id {
		return
	}
	if former != "" {
		log.Warnw("another identity answers at a contact's address; it is taken for the contact from now on",
			"address", l.text, "was", former, "is", id)
	}
	l.update(func(s *ContactStatus) { s.ID, s.FormerID = id, former })
	if l.learnt != nil {
		l.learnt(l.text, id)
	}
}
