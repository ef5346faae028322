package mail

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node/journal"
)

const (
	// maxTold is how many messages are remembered to have been told, of one sender
	// maxToldPeer.
	maxTold     = 16384
	maxToldPeer = 1024
	// maxFloors is how many senders have a floor of their own.
	maxFloors = 1024
)

// told remembers which messages were told, for as long as they could come again.
// Where it has no more room it forgets the message that was made first, and
// remembers instead that nothing made before that is taken any more: from its
// sender if that has more than its share, else from anybody. So what was told once
// is never told again; what is on its way for long, while somebody floods this
// node with messages, may not be told at all.
type told struct {
	of     map[toldKey]toldTimes
	bySend map[peer.ID]int
	floors map[peer.ID]int64 // "" = everybody's; Unix ms
}

type toldKey struct {
	from peer.ID
	id   ID
}

// toldTimes is a message's life in Unix milliseconds.
type toldTimes struct {
	Created int64 `json:"created"`
	Expires int64 `json:"expires"`
}

func newTold() *told {
	return &told{of: make(map[toldKey]toldTimes), bySend: make(map[peer.ID]int), floors: make(map[peer.ID]int64)}
}

// The journal's keys: a message's ID and its sender, or a dash and whose floor.
func (k toldKey) bytes() []byte         { return append(append([]byte{'m'}, k.id[:]...), k.from...) }
func floorKey(of peer.ID) []byte        { return append([]byte{'-'}, of...) }
func toldChange(k []byte, v any) change { return change{Bucket: journal.Told, Key: k, Value: v} }

// floorTimes is how the journal has a floor.
func floorTimes(floor int64) toldTimes {
	return toldTimes{floor, time.UnixMilli(floor).Add(maxLife).UnixMilli()}
}

// records are all that is remembered as the journal has it.
func (t *told) records() map[string]any {
	all := make(map[string]any, len(t.of)+len(t.floors))
	for k, times := range t.of {
		all[string(k.bytes())] = times
	}
	for of, floor := range t.floors {
		all[string(floorKey(of))] = floorTimes(floor)
	}
	return all
}

// load takes in what the journal has.
func (t *told) load(key []byte, value json.RawMessage) error {
	var times toldTimes
	if err := json.Unmarshal(value, &times); err != nil {
		return err
	}
	switch {
	case key[0] == '-':
		t.floors[peer.ID(key[1:])] = times.Created
	case key[0] == 'm' && len(key) > 17:
		k := toldKey{peer.ID(key[17:]), ID(key[1:17])}
		t.of[k] = times
		t.bySend[k.from]++
	default:
		return fmt.Errorf("a told message under the key %q", key)
	}
	return nil
}

// knows reports whether a message was told, or may have been.
func (t *told) knows(from peer.ID, l *letter) (known, tooOld bool) {
	if _, ok := t.of[toldKey{from, l.id}]; ok {
		return true, false
	}
	created := l.created.UnixMilli()
	return false, created < t.floors[""] || created < t.floors[from]
}

// note remembers a message and returns what that changes in the journal.
func (t *told) note(from peer.ID, l *letter) (changes []change) {
	k, times := toldKey{from, l.id}, toldTimes{l.created.UnixMilli(), l.expires.UnixMilli()}
	t.of[k] = times
	t.bySend[from]++
	changes = append(changes, toldChange(k.bytes(), times))
	if t.bySend[from] > maxToldPeer && (t.floors[from] > 0 || len(t.floors) < maxFloors) {
		changes = append(changes, t.raise(from)...)
	} else if len(t.of) > maxTold {
		changes = append(changes, t.raise("")...)
	}
	return changes
}

// raise forgets the first quarter of a sender's messages, or of everybody's, so
// that it need not be done for each.
func (t *told) raise(of peer.ID) (changes []change) {
	times := make([]int64, 0, len(t.of))
	for k, v := range t.of {
		if of == "" || k.from == of {
			times = append(times, v.Created)
		}
	}
	floor := quantile(times, 4) + 1
	t.floors[of] = max(t.floors[of], floor)
	changes = append(changes, toldChange(floorKey(of), floorTimes(t.floors[of])))
	for k, v := range t.of {
		if (of == "" || k.from == of) && v.Created < floor {
			changes = append(changes, t.forget(k))
		}
	}
	return changes
}

func (t *told) forget(k toldKey) change {
	delete(t.of, k)
	if t.bySend[k.from]--; t.bySend[k.from] == 0 {
		delete(t.bySend, k.from)
	}
	return toldChange(k.bytes(), nil)
}

// expire forgets what cannot come again.
func (t *told) expire(now time.Time) (changes []change) {
	for k, v := range t.of {
		if v.Expires+maxSkew.Milliseconds() < now.UnixMilli() {
			changes = append(changes, t.forget(k))
		}
	}
	for of, floor := range t.floors {
		if time.UnixMilli(floor).Add(maxLife + maxSkew).Before(now) {
			delete(t.floors, of)
			changes = append(changes, toldChange(floorKey(of), nil))
		}
	}
	return changes
}
