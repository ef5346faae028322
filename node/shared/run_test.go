package shared

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// leap sets the clock on the wall ahead, and not the monotonic one. In a bubble it cannot
// be set, so what is dated by it becomes as much older.
func (s *speaker) leap(d time.Duration) {
	s.State.mu.Lock()
	defer s.State.mu.Unlock()
	for _, o := range s.own {
		o.Expires -= d.Milliseconds()
	}
	for _, e := range s.entries {
		e.expires -= d.Milliseconds()
	}
}

// attempts waits until the clock on the wall was looked at, and is how often it was tried
// to say something so far.
func (s *speaker) attempts() int {
	time.Sleep(lookPause)
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tries
}

// A machine that sleeps for longer than its values live says them as soon as it wakes, and
// its readers are never told that they are gone; what others say has expired.
func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpeaker(t, nil)
		s.Set(t.Context(), "mood", []byte("good"))
		s.Take(from(bob, 1, "mood", "bad", time.Now()))
		w := s.Watch()
		defer w.Close()
		changes(t, w)
		s.leap(time.Hour)
		expect(t, s.State, "alice mood=good")
		late := s.Watch()
		defer late.Close()
		if n := s.attempts(); n != 2 || len(s.all()) != 2 || s.all()[1].lifetime != time.Hour {
			t.Errorf("said %+v", s.all())
		}
		expect(t, s.State, "alice mood=good")
		if got := changes(t, w); !slices.Equal(got, []string{"bob mood= expired"}) {
			t.Errorf("told %q", got)
		}
		if got := changes(t, late); len(got) == 0 || got[0] != "alice mood=good" {
			t.Errorf("who comes meanwhile is told %q", got)
		}
		time.Sleep(time.Hour/2 - 2*lookPause)
		if n := s.attempts(); n != 2 {
			t.Errorf("said %d times within half a life after that", n-1)
		}
	})
}

// Values are said when the clock on the wall was set, if that makes them too old, or dates
// them ahead; once for each time. What is deleted is said again only if that was dated ahead.
func TestWallClockIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpeaker(t, nil)
		s.Set(t.Context(), "mood", nil)
		s.Set(t.Context(), "gone", nil)
		s.Delete(t.Context(), "gone")
		said := 3
		for _, c := range []struct {
			leap time.Duration
			want int
		}{
			{0, 0},
			{25 * time.Minute, 0},
			{5 * time.Minute, 1},         // half its life, and what is deleted has as much left
			{-maxAhead - lookPause/2, 0}, // half a minute ahead when it is looked at
			{-time.Hour, 2},              // what is deleted has more than a life left
			{0, 0},
			{365 * 24 * time.Hour, 1},
			{-365 * 24 * time.Hour, 1},
		} {
			s.leap(c.leap)
			n := s.attempts()
			if n-said != c.want {
				t.Errorf("set by %v: said %d values, want %d", c.leap, n-said, c.want)
			}
			said = n
		}
		s.fail(errors.New("no epoch"))
		s.leap(time.Hour)
		first := s.attempts()
		if n := s.attempts() - first; first == said || n > int(lookPause/retryPause)+1 {
			t.Errorf("%d attempts, and %d within %v, to say what cannot be said", first-said, n, lookPause)
		}
		expect(t, s.State, "alice mood=")
		if len(s.entries) != 1 {
			t.Errorf("%d values are remembered, and what is deleted has expired", len(s.entries))
		}
	})
}

// A deletion by a clock that was ahead is said again when that is set right, once and for
// as long as a value lives, and then the key is forgotten.
func TestDeletedAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpeaker(t, nil)
		s.Set(t.Context(), "mood", nil)
		s.Delete(t.Context(), "mood")
		s.leap(-2 * time.Hour)
		if n := s.attempts(); n != 3 || s.all()[2].payload[1]&flagDeleted == 0 || s.all()[2].lifetime != time.Hour {
			t.Errorf("said %+v", s.all())
		}
		time.Sleep(time.Hour - 2*lookPause)
		if n := s.attempts(); n != 3 {
			t.Errorf("said %d times within a life after that", n-3)
		}
		time.Sleep(lookPause)
		s.attempts()
		s.State.mu.Lock()
		defer s.State.mu.Unlock()
		if len(s.own)+len(s.entries) != 0 {
			t.Errorf("%d keys and %d values are left of what was deleted a life ago", len(s.own), len(s.entries))
		}
	})
}
