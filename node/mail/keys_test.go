package mail

import (
	"os"
	"path/filepath"
	"testing"
	"time"

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
		{"the clock was set back by years", made.AddDate(-5, 0, 0), true},
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
