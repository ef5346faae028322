package mail

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"hearsay/node/envelope"
	"hearsay/node/identity"
)

// A certificate is renewed while most of its life is left, by the clock on the wall,
// whichever way that one jumps.
func TestCertificateDue(t *testing.T) {
	made := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		what string
		made time.Time
		now  time.Time
		want bool
	}{
		{"none was made", time.Time{}, made, true},
		{"at once", made, made, false},
		{"a moment before its time", made, made.Add(certificateAge - time.Millisecond), false},
		{"a day later", made, made.Add(certificateAge), true},
		{"after a sleep of a week", made, made.Add(7 * 24 * time.Hour), true},
		{"the clock was set back a little", made, made.Add(-time.Millisecond), true},
		{"the clock was set back by years", made, made.AddDate(-5, 0, 0), true},
		{"the clock was of 1970", time.Unix(0, 0), made, true},
	} {
		if got := certificateDue(c.made, c.now); got != c.want {
			t.Errorf("%s: %v", c.what, got)
		}
	}
	for _, c := range []struct {
		what string
		now  time.Time
		want bool
	}{
		{"at once", made, false},
		{"in its time", made.Add(keyAge), false},
		{"old", made.Add(keyAge + time.Millisecond), true},
		{"the clock was set back by a day", made.AddDate(0, 0, -1), false},
		{"the clock was set back by years, or is not set yet", made.AddDate(-5, 0, 0), false}, // TestUnsetClock says why
	} {
		if got := keyDue(made, c.now); got != c.want {
			t.Errorf("a key, %s: %v", c.what, got)
		}
	}
}

// What is remembered of a key's making is a time on the wall: the other clock does not
// run while the machine sleeps.
func TestKeysAreDatedByTheWall(t *testing.T) {
	id, err := identity.New()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	k, err := LoadKeys("", id, now)
	if err != nil {
		t.Fatal(err)
	}
	if made := k.created[0]; made != now.Round(0) { // of all fields, the monotonic reading too
		t.Errorf("made at %v, want %v", made, now.Round(0))
	}
}

// keyDisk is a folder with keys, and an identity, to start with again and again.
type keyDisk struct {
	*Keys
	t   *testing.T
	dir string
	id  *identity.Identity
}

// start starts with a clock that says now.
func (d *keyDisk) start(now time.Time) {
	d.t.Helper()
	k, err := LoadKeys(d.dir, d.id, now)
	if err != nil {
		d.t.Fatal(err)
	}
	d.Keys = k
}

// at looks at the keys as is done each minute, and returns what there are then.
func (d *keyDisk) at(now time.Time) []*envelope.Key {
	d.t.Helper()
	if _, err := d.renew(now); err != nil {
		d.t.Fatal(err)
	}
	return d.keys
}

// expect fails unless the keys are these, by what they are.
func (d *keyDisk) expect(what string, got []*envelope.Key, want ...*envelope.Key) {
	d.t.Helper()
	same := func(a, b *envelope.Key) bool {
		x, err1 := a.Bytes()
		y, err2 := b.Bytes()
		return err1 == nil && err2 == nil && bytes.Equal(x, y)
	}
	if !slices.EqualFunc(got, want, same) {
		d.t.Errorf("%s: %d keys, not the %d that were expected", what, len(got), len(want))
	}
}

func newKeyDisk(t *testing.T, now time.Time) *keyDisk {
	t.Helper()
	id, err := identity.New()
	if err != nil {
		t.Fatal(err)
	}
	d := &keyDisk{t: t, dir: t.TempDir(), id: id}
	d.start(now)
	return d
}

// Starts of a machine that keeps no time cost no key that others seal to, whether its
// clock is set soon or late.
func TestUnsetClock(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	unset := time.Unix(0, 0)
	d := newKeyDisk(t, now)
	first := d.at(now)[0]
	for range 3 {
		d.start(unset)
		d.expect("not set yet", d.at(unset.Add(clockPatience-time.Second)), first)
		now = now.Add(time.Hour)
		d.expect("set", d.at(now), first)
	}
	d.at(unset)
	d.at(now)
	d.expect("set back again", d.at(unset.Add(clockPatience)), first)
	d.expect("set again", d.at(now), first)
	d.start(unset)
	d.expect("not set for long", d.at(unset.Add(clockPatience)), first)
	d.start(unset)
	keys := d.at(now)
	if len(keys) != 2 {
		t.Fatalf("set late: %d keys", len(keys))
	}
	d.expect("set late", keys[1:], first)
	d.expect("as long as anything sealed to it can come", d.at(now.Add(certificateLife+maxLife)), keys...)
	d.expect("later", d.at(now.Add(certificateLife+maxLife+time.Second)), keys[0])
}

// A key that was made by a clock that was ahead by years is replaced after its time.
func TestKeyOfTheFuture(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	d := newKeyDisk(t, now.AddDate(5, 0, 0))
	d.start(now)
	first := d.at(now)[0]
	now = now.Add(clockPatience)
	path := d.path
	d.path = filepath.Join(d.dir, "nowhere", KeyFile)
	if _, err := d.renew(now); err == nil {
		t.Error("a date that cannot be written is changed")
	}
	d.path = path // it is tried again
	d.expect("dated anew", d.at(now), first)
	d.start(now)
	d.expect("in its time", d.at(now.Add(keyAge)), first)
	if keys := d.at(now.Add(keyAge + time.Second)); len(keys) != 2 {
		t.Fatalf("%d keys after its time", len(keys))
	}
}

// What is left of a key that was not written to its end is removed, and nothing else.
func TestTemporaryKeysAreRemoved(t *testing.T) {
	id, err := identity.New()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{temporary + "123", temporary + "4", ".hostkey-1.tmp"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("a key"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := LoadKeys(dir, id, time.Now()); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 2 || files[0].Name() != ".hostkey-1.tmp" || files[1].Name() != KeyFile {
		t.Errorf("%v, %v", files, err)
	}
}
