package shared

import (
	"context"
	"slices"
	"time"
)

const (
	// retryPause is between two attempts to say something that could not be said.
	retryPause = 10 * time.Second
	// lookPause is the longest time without a look at the clock on the wall: no timer
	// tells that the machine slept, or that the clock was set.
	lookPause = time.Minute
	// maxAhead is what a clock may be ahead and still be heard (gossip.MaxSkew).
	maxAhead = time.Minute
)

// Run says this node's own values when it starts and before they expire, and forgets
// others' that have, until ctx ends.
func (s *State) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-s.again:
		case <-ctx.Done():
			return
		}
		now := time.Now()
		s.writing.Lock()
		s.forgetDeleted(now)
		s.writing.Unlock()
		s.mu.Lock()
		var say []string
		for key, o := range s.own {
			if o.isDue(now, s.cfg.Lifetime) {
				say = append(say, key)
			}
		}
		s.mu.Unlock()
		slices.Sort(say)
		for _, key := range say {
			s.say(ctx, key)
		}
		s.mu.Lock()
		next := s.expire(time.Now())
		for _, o := range s.own {
			if next.IsZero() || o.due.Before(next) {
				next = o.due
			}
		}
		s.mu.Unlock()
		if next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(min(max(time.Until(next), 100*time.Millisecond), lookPause))
		}
	}
}

// isDue reports whether an own value is to be said. Others forget it by the clock on the
// wall, so this one counts too: the monotonic one, which due has, stands still while the
// machine sleeps. What was said by a clock that was ahead and is not any more, nobody heard.
func (o *own) isDue(now time.Time, lifetime time.Duration) bool {
	left := time.UnixMilli(o.Expires).Sub(now)
	return !o.due.After(now) || left > lifetime+maxAhead || !o.Deleted && left < lifetime/2
}

// say says an own value again.
func (s *State) say(ctx context.Context, key string) {
	s.mu.Lock()
	o := s.own[key]
	if o == nil {
		s.mu.Unlock()
		return
	}
	now := time.Now()
	said := *o
	lifetime := s.cfg.Lifetime
	if o.Deleted { // its word is not prolonged
		o.Expires = min(o.Expires, now.Add(lifetime).UnixMilli()) // what was dated ahead nobody heard
		lifetime = min(time.UnixMilli(o.Expires).Sub(now), lifetime)
		o.due = time.UnixMilli(o.Expires)
	} else {
		o.Expires, o.due = now.Add(lifetime).UnixMilli(), now.Add(lifetime/2)
	}
	if e := s.entries[name{s.cfg.Self, key}]; e != nil {
		e.expires = o.Expires
	}
	s.mu.Unlock()
	if lifetime <= 0 {
		return
	}
	if err := s.cfg.Publish(ctx, key, said.encode(), lifetime); err != nil && ctx.Err() == nil {
		log.Warnf("the key %q cannot be said again now: %v", key, err)
		s.retry(key, o)
	}
}

// expire forgets what was not said again and returns when that happens next. s.mu is
// held.
func (s *State) expire(now time.Time) (next time.Time) {
	for n, e := range s.entries {
		at := time.UnixMilli(e.expires)
		switch {
		case s.over(n, e, now):
			s.drop(n)
		case next.IsZero() || at.Before(next):
			next = at
		}
	}
	return next
}

// over reports whether an entry has expired. An own value has not, however late it is
// said again: readers would be told that it is gone, and that it is back.
func (s *State) over(n name, e *entry, now time.Time) bool {
	return e.expires <= now.UnixMilli() && (e.deleted || n.peer != s.cfg.Self)
}

// retry sees to another attempt to say something.
func (s *State) retry(key string, o *own) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.own[key] == o {
		o.due = time.Now().Add(retryPause)
		s.wake()
	}
}

func (s *State) wake() {
	select {
	case s.again <- struct{}{}:
	default:
	}
}
