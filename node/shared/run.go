package shared

import (
	"context"
	"slices"
	"time"
)

// retryPause is between two attempts to say something that could not be said.
const retryPause = 10 * time.Second

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
			if !o.due.After(now) {
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
			timer.Reset(max(time.Until(next), 100*time.Millisecond))
		}
	}
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
		case !at.After(now):
			s.drop(n)
		case next.IsZero() || at.Before(next):
			next = at
		}
	}
	return next
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
