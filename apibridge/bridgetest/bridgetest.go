// Package bridgetest has a node without a network: what modules on one machine
// see of each other through a Gossip API. It is for tests of modules and of
// the bridge.
package bridgetest

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"sync"
)

// Event is one call that the bridge made. Kind says which of the other fields
// have a meaning.
type Event struct {
	Kind     Kind
	Session  uint64
	TTL      uint8
	DataType uint16
	Data     []byte
	Rumor    [32]byte // of Announced and Voted
	Valid    bool
}

// Kind is the kind of an Event.
type Kind string

// The kinds of events, with the fields that they set besides Session.
const (
	Opened     Kind = "opened"
	Closed     Kind = "closed"
	Announced  Kind = "announced"  // TTL, DataType, Data, Rumor
	Subscribed Kind = "subscribed" // DataType
	Voted      Kind = "voted"      // Rumor, Valid
)

// Gossip implements apibridge.Gossip in memory: an announcement is told to all
// sessions that take its type, but for the announcer's own. It replays nothing
// and counts no votes; it records them. Use New. Safe for concurrent use.
type Gossip struct {
	// Check, when not nil, is asked before each Announce; its error is
	// returned to the bridge. Set it before the first use. It may block.
	Check func(ctx context.Context, e Event) error
	// CountOnly leaves events out of the record but keeps counting them, for
	// tests with a great many.
	CountOnly bool

	mu       sync.Mutex
	sessions map[uint64]*session
	order    []uint64 // of sessions, oldest first
	serial   uint64
	events   []Event
	counts   map[Kind]int
	changed  chan struct{} // closed at the next event
}

type session struct {
	deliver func(id [32]byte, dataType uint16, data []byte)
	types   map[uint16]bool
}

// New returns a node without sessions.
func New() *Gossip {
	return &Gossip{sessions: make(map[uint64]*session), counts: make(map[Kind]int), changed: make(chan struct{})}
}

// Open implements apibridge.Gossip.
func (g *Gossip) Open(deliver func(id [32]byte, dataType uint16, data []byte)) (uint64, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.serial++
	g.sessions[g.serial] = &session{deliver, make(map[uint16]bool)}
	g.order = append(g.order, g.serial)
	g.note(Event{Kind: Opened, Session: g.serial})
	return g.serial, nil
}

// Close implements apibridge.Gossip.
func (g *Gossip) Close(id uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.sessions[id] == nil {
		return
	}
	delete(g.sessions, id)
	g.order = slices.DeleteFunc(g.order, func(o uint64) bool { return o == id })
	g.note(Event{Kind: Closed, Session: id})
}

// Announce implements apibridge.Gossip.
func (g *Gossip) Announce(ctx context.Context, id uint64, ttl uint8, dataType uint16, data []byte) error {
	e := Event{Kind: Announced, Session: id, TTL: ttl, DataType: dataType, Data: data}
	if g.Check != nil {
		if err := g.Check(ctx, e); err != nil {
			return err
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	e.Rumor = g.tell(id, dataType, data)
	g.note(e)
	return nil
}

// Subscribe implements apibridge.Gossip.
func (g *Gossip) Subscribe(id uint64, dataType uint16) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.sessions[id]
	if s == nil {
		return errors.New("bridgetest: no such session")
	}
	s.types[dataType] = true
	g.note(Event{Kind: Subscribed, Session: id, DataType: dataType})
	return nil
}

// Vote implements apibridge.Gossip.
func (g *Gossip) Vote(id uint64, rumor [32]byte, valid bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.note(Event{Kind: Voted, Session: id, Rumor: rumor, Valid: valid})
}

// Receive tells all sessions that take the type of data as if they had come
// from another peer, and returns the rumor's id.
func (g *Gossip) Receive(dataType uint16, data []byte) [32]byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.tell(0, dataType, data)
}

// tell makes a new rumor even of bytes that there was one of already.
func (g *Gossip) tell(from uint64, dataType uint16, data []byte) [32]byte {
	g.serial++
	id := sha256.Sum256(binary.BigEndian.AppendUint64(nil, g.serial))
	for _, to := range g.order {
		if s := g.sessions[to]; to != from && s.types[dataType] {
			s.deliver(id, dataType, data)
		}
	}
	return id
}

func (g *Gossip) note(e Event) {
	if !g.CountOnly {
		g.events = append(g.events, e)
	}
	g.counts[e.Kind]++
	close(g.changed)
	g.changed = make(chan struct{})
}

// Events returns what has happened so far, of the given kinds or, without any,
// of all.
func (g *Gossip) Events(kinds ...Kind) []Event {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(kinds) == 0 {
		return slices.Clone(g.events)
	}
	return slices.DeleteFunc(slices.Clone(g.events), func(e Event) bool { return !slices.Contains(kinds, e.Kind) })
}

// Take returns what Events would, and removes it from the record.
func (g *Gossip) Take() []Event {
	g.mu.Lock()
	defer g.mu.Unlock()
	taken := g.events
	g.events = nil
	return taken
}

// Count returns how often a kind of event has happened.
func (g *Gossip) Count(kind Kind) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.counts[kind]
}

// Await returns when a kind of event has happened n times since the start, or
// with the context's error.
func (g *Gossip) Await(ctx context.Context, kind Kind, n int) error {
	for {
		g.mu.Lock()
		enough, changed := g.counts[kind] >= n, g.changed
		g.mu.Unlock()
		if enough {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
