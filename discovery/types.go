package discovery

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Each data type has a place of its own in the DHT, where those who take it write
// themselves down, so that the takers of a rare one find each other among any
// number of strangers. It is looked at only while takers are missing.
//
// A DHT cannot take a record back. When a type is no longer taken, and when the
// node leaves, its records are not renewed: the last ones are forgotten within
// kadValidity. Whoever calls this node for such a record learns from it that it
// takes the type no more.

const (
	// kadTypes is how many types are served at a time: a module can ask for
	// thousands, and each costs a look-up of dozens of messages now and then. It
	// is also what others keep of one peer, see kadRecordsPerPeer.
	kadTypes = 64
	// kadTurn is how long a type is served while others wait: written down and
	// looked for often enough, and written down for as long as kadValidity.
	kadTurn = time.Minute
	// kadTypeJobs is how many look-ups for types are under way at a time.
	kadTypeJobs = 3
)

// TypeWish is a data type that this node takes, or has announced.
type TypeWish struct {
	Type uint16
	// Taken says that this node takes it, and others should find it.
	Taken bool
	// Missing says that the node lacks neighbours that take it.
	Missing bool
}

// SetTypes tells which data types matter now, in place of what was told before.
// It returns at once.
func (d *Discovery) SetTypes(wishes []TypeWish) {
	if d.kad != nil {
		d.kad.types.set(wishes)
	}
}

// typePlace is a type that is being served.
type typePlace struct {
	TypeWish
	since    time.Time // when its turn began
	advertAt time.Time
	again    time.Duration // between the last advert and the next
	searchAt time.Time
	wait     time.Duration
	busy     bool
}

// typeFinder serves types, in turns if there are many.
type typeFinder struct {
	network   string
	advertise func(ctx context.Context, place string) error
	search    func(ctx context.Context, place string) (<-chan peer.AddrInfo, error)
	found     func(info peer.AddrInfo, dataType uint16)

	mu      sync.Mutex
	served  map[uint16]*typePlace // at most kadTypes
	waiting []TypeWish            // the others; whose turn is next comes first
	wake    chan struct{}         // closed when something may be due
}

func newTypeFinder(network string) *typeFinder {
	return &typeFinder{network: network, served: make(map[uint16]*typePlace), wake: make(chan struct{})}
}

// place is where the takers of a type write themselves down.
func (f *typeFinder) place(t uint16) string {
	return "/hearsay/" + f.network + "/type/" + strconv.Itoa(int(t))
}

// set takes over new wishes. What was served goes on being served, what waited
// keeps its turn.
func (f *typeFinder) set(wishes []TypeWish) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := make(map[uint16]TypeWish, len(wishes))
	for _, w := range wishes {
		now[w.Type] = w
	}
	changed := false
	for t, p := range f.served {
		w, ok := now[t]
		if !ok {
			delete(f.served, t)
			continue
		}
		if w.Missing && !p.Missing {
			p.searchAt, p.wait = time.Time{}, kadFirstPause
			changed = true
		}
		if w.Taken && !p.Taken {
			p.advertAt, p.again = time.Time{}, kadFirstAdvert
			changed = true
		}
		p.TypeWish = w
		delete(now, t)
	}
	kept := f.waiting[:0]
	for _, w := range f.waiting {
		if w, ok := now[w.Type]; ok {
			kept = append(kept, w)
			delete(now, w.Type)
		}
	}
	f.waiting = kept
	for _, w := range wishes {
		if _, fresh := now[w.Type]; fresh {
			f.waiting = append(f.waiting, w)
			delete(now, w.Type)
			changed = true
		}
	}
	if changed {
		close(f.wake)
		f.wake = make(chan struct{})
	}
}

// rotate gives free places to those that wait longest, and places that were had
// for long enough, too.
func (f *typeFinder) rotate(now time.Time) {
	give := func() {
		w := f.waiting[0]
		f.waiting = slices.Delete(f.waiting, 0, 1)
		f.served[w.Type] = &typePlace{TypeWish: w, since: now, again: kadFirstAdvert, wait: kadFirstPause}
	}
	for len(f.waiting) > 0 && len(f.served) < kadTypes {
		give()
	}
	if len(f.waiting) == 0 {
		return
	}
	var over []*typePlace
	for _, p := range f.served {
		if !p.busy && now.Sub(p.since) >= kadTurn {
			over = append(over, p)
		}
	}
	slices.SortFunc(over, func(a, b *typePlace) int { return cmp.Or(a.since.Compare(b.since), cmp.Compare(a.Type, b.Type)) })
	for _, p := range over[:min(len(over), len(f.waiting))] {
		delete(f.served, p.Type)
		f.waiting = append(f.waiting, p.TypeWish)
		give()
	}
}

// typeJob is one thing to do for a type.
type typeJob struct {
	dataType uint16
	advert   bool // else a search
}

// next takes the job that is due longest. Without one it returns how long there
// will be none, and a channel that is closed if that changes.
func (f *typeFinder) next(now time.Time) (job typeJob, ok bool, wait time.Duration, wake <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rotate(now)
	first := now.Add(kadTurn)
	var place *typePlace
	for _, p := range f.served {
		consider := func(at time.Time, advert bool) {
			if at.Before(first) || at.Equal(first) && place != nil && p.Type < place.Type {
				first, place, job = at, p, typeJob{p.Type, advert}
			}
		}
		if p.busy {
			continue
		}
		if p.Taken {
			consider(p.advertAt, true)
		}
		if p.Missing {
			consider(p.searchAt, false)
		}
	}
	if place == nil || first.After(now) {
		return typeJob{}, false, first.Sub(now), f.wake
	}
	place.busy = true
	return job, true, 0, nil
}

// done notes the end of a job, and plans it anew.
func (f *typeFinder) done(job typeJob, err error, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.served[job.dataType]
	if p == nil {
		return // not wanted any more
	}
	p.busy = false
	switch {
	case !job.advert:
		p.searchAt = now.Add(jitter(p.wait))
		p.wait = min(2*p.wait, kadLastPause)
	case err != nil:
		p.advertAt = now.Add(jitter(kadAlonePause))
	default:
		p.advertAt = now.Add(jitter(p.again))
		p.again = min(2*p.again, kadLastAdvert)
	}
	close(f.wake)
	f.wake = make(chan struct{})
}

// moved has everything that is served written down and looked for as if its turn began,
// because this node may have other addresses now, and others around it.
func (f *typeFinder) moved() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.served {
		p.advertAt, p.again = time.Time{}, kadFirstAdvert
		p.searchAt, p.wait = time.Time{}, kadFirstPause
	}
	close(f.wake)
	f.wake = make(chan struct{})
}

// run works until ctx ends. await waits until there is somebody to ask.
func (f *typeFinder) run(ctx context.Context, await func(context.Context) bool, watch *watcher) {
	var wg sync.WaitGroup
	wg.Go(func() {
		_, changed := watch.current()
		watch.heed(ctx, changed, f.moved)
	})
	for range kadTypeJobs {
		wg.Go(func() {
			for await(ctx) {
				job, ok, wait, wake := f.next(time.Now())
				if !ok {
					pause(ctx, wait, wake)
					continue
				}
				err := f.do(ctx, job)
				if err != nil {
					log.Debugw("a data type in the DHT", "type", job.dataType, "advert", job.advert, "error", err)
				}
				f.done(job, err, time.Now())
			}
		})
	}
	wg.Wait()
}

func (f *typeFinder) do(ctx context.Context, job typeJob) error {
	if job.advert {
		return f.advertise(ctx, f.place(job.dataType))
	}
	ctx, cancel := context.WithTimeout(ctx, kadSearchTime)
	defer cancel()
	found, err := f.search(ctx, f.place(job.dataType))
	if err != nil {
		return err
	}
	for info := range found {
		f.found(info, job.dataType)
	}
	return nil
}

// counts is how many types are served, and how many wait.
func (f *typeFinder) counts() (served, waiting int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.served), len(f.waiting)
}
