package shared

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	logging "github.com/ipfs/go-log/v2"
	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node/journal"
)

var log = logging.Logger("hearsay/shared")

const (
	// MaxKey bounds a key, in bytes of UTF-8.
	MaxKey = 128
	// MaxValue bounds a value, in bytes.
	MaxValue = 4096
	// MaxKeys is how many keys a node may have, deleted ones included.
	MaxKeys = 64

	maxEntries     = 8192
	maxPeerEntries = 128
)

const (
	payloadVersion = 1
	payloadHead    = 1 + 1 + 8
	flagDeleted    = 1
)

// Errors that a value can be refused with.
var (
	ErrKey   = fmt.Errorf("shared state: a key is 1 to %d bytes of printable UTF-8", MaxKey)
	ErrValue = fmt.Errorf("shared state: a value has at most %d bytes", MaxValue)
	ErrKeys  = fmt.Errorf("shared state: a node has at most %d keys, those counted that were deleted a while ago; delete some and wait, or use one for several things", MaxKeys)
	ErrNoKey = errors.New("shared state: this node has set no such key")
)

// Entry is what a node says under a key.
type Entry struct {
	Peer    peer.ID
	Key     string
	Value   []byte    // not to be modified
	Set     time.Time // by the node's clock
	Expires time.Time // unless it is said again before
}

// Change is something that happened to a key.
type Change struct {
	Entry        // with no Value if it is gone
	Deleted bool // the node deleted it
	Expired bool // the node did not say it again, or there was no room for it here
}

// Store is the part of the journal that shared state uses.
type Store interface {
	SaveValues(changes ...journal.Change) error
	Values(bucket journal.Bucket, visit func(key []byte, value json.RawMessage) error) error
}

// Config is what State is made with.
type Config struct {
	Self     peer.ID
	Lifetime time.Duration
	// Store keeps this node's own values; nil = only while it runs.
	Store Store
	// Publish says a value to everybody. It returns when that is on its way.
	Publish func(ctx context.Context, key string, payload []byte, lifetime time.Duration) error
}

// State is the shared state as one node knows it. It is safe for concurrent use.
type State struct {
	cfg   Config
	again chan struct{} // holds one element if something own has to be said

	writing sync.Mutex      // around changes of own, so that nobody waits for the disk with mu
	dead    map[string]bool // own keys that are forgotten and still on the disk; with writing

	mu       sync.Mutex
	own      map[string]*own
	entries  map[name]*entry
	byPeer   map[peer.ID]int
	watchers map[*Watcher]struct{}

	ignored, forgotten atomic.Uint64
}

// own is a value of this node's on the disk, and what Run knows about it.
type own struct {
	Value   []byte `json:"value,omitempty"`
	Deleted bool   `json:"deleted,omitempty"`
	Set     int64  `json:"set"`     // Unix ms
	Expires int64  `json:"expires"` // of what was said last, Unix ms

	due time.Time // when it is said again
}

type name struct {
	peer peer.ID
	key  string
}

// entry is a value of any node's, this one's too.
type entry struct {
	epoch, seq uint64
	value      []byte
	deleted    bool
	set        int64
	expires    int64
}

// New reads this node's own values. Nothing is said before Run.
func New(cfg Config) (*State, error) {
	s := &State{
		cfg:      cfg,
		again:    make(chan struct{}, 1),
		dead:     make(map[string]bool),
		own:      make(map[string]*own),
		entries:  make(map[name]*entry),
		byPeer:   make(map[peer.ID]int),
		watchers: make(map[*Watcher]struct{}),
	}
	if cfg.Store == nil {
		return s, nil
	}
	err := cfg.Store.Values(journal.OwnState, func(key []byte, value json.RawMessage) error {
		o := new(own)
		if err := json.Unmarshal(value, o); err != nil {
			return err
		}
		if o.Deleted && o.Expires <= time.Now().UnixMilli() {
			s.dead[string(key)] = true
			return nil
		}
		s.own[string(key)] = o
		s.put(name{cfg.Self, string(key)}, &entry{value: o.Value, deleted: o.Deleted, set: o.Set, expires: max(o.Expires, time.Now().Add(cfg.Lifetime).UnixMilli())})
		return nil
	})
	if err == nil {
		s.bury()
	}
	return s, err
}

// CheckKey reports what is wrong with a key.
func CheckKey(key string) error {
	if key == "" || len(key) > MaxKey || !utf8.ValidString(key) {
		return ErrKey
	}
	for _, r := range key {
		if !unicode.IsPrint(r) {
			return ErrKey
		}
	}
	return nil
}

// Set says a value under a key of this node's. It returns when it is on the disk and
// on its way.
func (s *State) Set(ctx context.Context, key string, value []byte) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	if len(value) > MaxValue {
		return fmt.Errorf("%w, and this one has %d", ErrValue, len(value))
	}
	return s.change(ctx, key, &own{Value: slices.Clone(value)})
}

// Delete takes a key of this node's back. It returns when that is on the disk and on
// its way.
func (s *State) Delete(ctx context.Context, key string) error {
	return s.change(ctx, key, &own{Deleted: true})
}

func (s *State) change(ctx context.Context, key string, o *own) error {
	if err := s.note(key, o); err != nil {
		return err
	}
	if err := s.cfg.Publish(ctx, key, o.encode(), s.cfg.Lifetime); err != nil {
		s.retry(key, o)
		return fmt.Errorf("shared state: it is said as soon as it can be: %w", err)
	}
	return nil
}

// note puts a change on the disk and takes it for the newest.
func (s *State) note(key string, o *own) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	now := time.Now()
	s.forgetDeleted(now)
	s.mu.Lock()
	before, keys := s.own[key], len(s.own)
	s.mu.Unlock()
	switch {
	case o.Deleted && (before == nil || before.Deleted):
		return ErrNoKey
	case before == nil && keys >= MaxKeys:
		return ErrKeys
	}
	o.Set = now.UnixMilli()
	if before != nil {
		o.Set = max(o.Set, before.Set+1) // a change is told even if the clock stands still
	}
	o.Expires = now.Add(s.cfg.Lifetime).UnixMilli()
	o.due = now.Add(s.cfg.Lifetime / 2)
	if s.cfg.Store != nil {
		if err := s.cfg.Store.SaveValues(journal.Change{Bucket: journal.OwnState, Key: []byte(key), Value: o}); err != nil {
			return fmt.Errorf("shared state: it cannot be written down: %w", err)
		}
		delete(s.dead, key)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.own[key] = o
	s.put(name{s.cfg.Self, key}, &entry{value: o.Value, deleted: o.Deleted, set: o.Set, expires: o.Expires})
	s.wake() // for its renewal
	return nil
}

func (o *own) encode() []byte {
	b := []byte{payloadVersion, 0}
	if o.Deleted {
		b[1] = flagDeleted
	}
	return append(binary.BigEndian.AppendUint64(b, uint64(o.Set)), o.Value...)
}

// forgetDeleted forgets own keys that were deleted so long ago that nobody has an
// older value. s.writing is held.
func (s *State) forgetDeleted(now time.Time) {
	s.mu.Lock()
	for key, o := range s.own {
		if o.Deleted && o.Expires <= now.UnixMilli() {
			delete(s.own, key)
			s.dead[key] = true
		}
	}
	s.mu.Unlock()
	s.bury()
}

// bury takes dead keys off the disk, which has room for so many. What cannot be done
// now is done next time. s.writing is held, or nobody else has s yet.
func (s *State) bury() {
	if s.cfg.Store != nil && len(s.dead) > 0 {
		var changes []journal.Change
		for key := range s.dead {
			changes = append(changes, journal.Change{Bucket: journal.OwnState, Key: []byte(key)})
		}
		if err := s.cfg.Store.SaveValues(changes...); err != nil {
			log.Warnf("forgetting deleted keys: %v", err)
			return
		}
	}
	clear(s.dead)
}

// Rumor is what Take needs of a state rumor.
type Rumor struct {
	Origin     peer.ID
	Epoch, Seq uint64
	Key        string
	Expires    time.Time
	Payload    []byte
}

// Take takes in what another node says. It does not block.
func (s *State) Take(r Rumor) {
	p := r.Payload
	if r.Origin == s.cfg.Self {
		return
	}
	if CheckKey(r.Key) != nil || len(p) < payloadHead || p[0] != payloadVersion || len(p) > payloadHead+MaxValue {
		s.ignored.Add(1)
		return
	}
	e := &entry{epoch: r.Epoch, seq: r.Seq, deleted: p[1]&flagDeleted != 0, value: p[payloadHead:],
		set: int64(binary.BigEndian.Uint64(p[2:]) & (1<<52 - 1)), expires: r.Expires.UnixMilli()}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := name{r.Origin, r.Key}
	if old := s.entries[n]; old != nil && (old.epoch > e.epoch || old.epoch == e.epoch && old.seq >= e.seq) {
		return
	}
	s.put(n, e)
	s.wake() // for its expiry
}

// put notes an entry and tells the watchers if it is news. s.mu is held.
func (s *State) put(n name, e *entry) {
	old := s.entries[n]
	if old == nil {
		s.makeRoom(n.peer)
		s.byPeer[n.peer]++
	}
	s.entries[n] = e
	if old != nil && old.set == e.set && old.deleted == e.deleted || old == nil && e.deleted {
		return
	}
	s.tell(n, Change{Entry: e.told(n), Deleted: e.deleted})
}

func (e *entry) told(n name) Entry {
	return Entry{n.peer, n.key, e.value, time.UnixMilli(e.set), time.UnixMilli(e.expires)}
}

// makeRoom forgets what a node, or whoever has most, set first, if there is no room
// for one more of the node's. s.mu is held.
func (s *State) makeRoom(p peer.ID) {
	switch {
	case s.byPeer[p] >= maxPeerEntries:
	case len(s.entries) < maxEntries:
		return
	default:
		for q, n := range s.byPeer {
			if q != s.cfg.Self && (p == s.cfg.Self || n > s.byPeer[p]) {
				p = q
			}
		}
	}
	var first name
	for n, e := range s.entries {
		if n.peer == p && (first.peer == "" || e.set < s.entries[first].set) {
			first = n
		}
	}
	if first.peer != "" {
		s.forgotten.Add(1)
		s.drop(first)
	}
}

// drop forgets an entry that its node did not take back, and tells the watchers.
// s.mu is held.
func (s *State) drop(n name) {
	e := s.entries[n]
	delete(s.entries, n)
	if s.byPeer[n.peer]--; s.byPeer[n.peer] == 0 {
		delete(s.byPeer, n.peer)
	}
	if !e.deleted {
		gone := e.told(n)
		gone.Value = nil
		s.tell(n, Change{Entry: gone, Expired: true})
	}
}

// Get lists what nodes say, by node and key: of one node unless of is empty, and
// under one key unless key is empty.
func (s *State) Get(of peer.ID, key string) []Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.list(of, key)
}

// list is Get. s.mu is held.
func (s *State) list(of peer.ID, key string) []Entry {
	list := []Entry{}
	now := time.Now()
	for n, e := range s.entries {
		if (of == "" || of == n.peer) && (key == "" || key == n.key) && !e.deleted && !s.over(n, e, now) {
			list = append(list, e.told(n))
		}
	}
	slices.SortFunc(list, func(a, b Entry) int { return cmp.Or(cmp.Compare(a.Peer, b.Peer), cmp.Compare(a.Key, b.Key)) })
	return list
}

// Counters tell what was not taken, by name.
func (s *State) Counters() map[string]uint64 {
	return map[string]uint64{"state_ignored": s.ignored.Load(), "state_forgotten": s.forgotten.Load()}
}
