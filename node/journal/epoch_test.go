package journal

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestEpochsRise(t *testing.T) {
	folder, c := t.TempDir(), newClock()
	j := open(t, folder, WithClock(c.Now))
	first := must(j.NextEpoch())
	if first != 1_800_000_000_000 {
		t.Errorf("first epoch %d, want the clock's milliseconds", first)
	}
	if e := must(j.NextEpoch()); e != first+1 {
		t.Errorf("within the same millisecond: %d after %d", e, first)
	}
	c.add(time.Second)
	if e := must(j.NextEpoch()); e != first+1000 {
		t.Errorf("a second later: %d after %d", e, first)
	}
	c.add(-48 * time.Hour)
	if e := must(j.NextEpoch()); e != first+1001 {
		t.Errorf("with the clock set back: %d", e)
	}
	shut(t, j)
	c.add(-100 * 365 * 24 * time.Hour) // before 1970
	j = open(t, folder, WithClock(c.Now))
	if e := must(j.NextEpoch()); e != first+1002 {
		t.Errorf("restarted with the clock far back: %d", e)
	}
}

func TestRaiseEpoch(t *testing.T) {
	folder, c := t.TempDir(), newClock()
	j := open(t, folder, WithClock(c.Now))
	const known = 1_900_000_000_000
	if e := must(j.RaiseEpoch(known)); e != known+1 {
		t.Errorf("raised above %d: %d", uint64(known), e)
	}
	if e := must(j.RaiseEpoch(5)); e != known+2 {
		t.Errorf("raised above what is already below: %d", e)
	}
	shut(t, j)
	j = open(t, folder, WithClock(c.Now))
	if e := must(j.NextEpoch()); e != known+3 {
		t.Errorf("after a restart: %d", e)
	}
}

func TestEpochsEnd(t *testing.T) {
	folder := t.TempDir()
	j := open(t, folder)
	if e, err := j.RaiseEpoch(math.MaxUint64); err == nil || !strings.Contains(err.Error(), "no epoch is left") {
		t.Errorf("above the last: %d, %v", e, err)
	}
	if e := must(j.RaiseEpoch(math.MaxUint64 - 1)); e != math.MaxUint64 {
		t.Errorf("the last: %d", e)
	}
	shut(t, j)
	j = open(t, folder)
	if e, err := j.NextEpoch(); err == nil {
		t.Errorf("after the last: %d", e)
	}
}

// Losing either place costs nothing; losing both leaves the clock.
func TestEpochIsKeptTwice(t *testing.T) {
	for _, c := range []struct {
		name string
		lose []string
		want uint64
	}{
		{"nothing", nil, 1_900_000_000_002},
		{"database", []string{name}, 1_900_000_000_002},
		{"epoch file", []string{"epoch"}, 1_900_000_000_002},
		{"both", []string{name, "epoch"}, 1_800_000_000_000},
	} {
		for _, how := range []string{"deleted", "damaged", "emptied"} {
			t.Run(c.name+" "+how, func(t *testing.T) {
				folder, clock := t.TempDir(), newClock()
				j := open(t, folder, WithClock(clock.Now))
				must(j.RaiseEpoch(1_900_000_000_000))
				shut(t, j)
				for _, name := range c.lose {
					path := filepath.Join(folder, name)
					var err error
					switch how {
					case "deleted":
						err = os.Remove(path)
					case "damaged":
						err = os.WriteFile(path, bytes.Repeat([]byte("x"), 100), 0o600)
					case "emptied":
						err = os.Truncate(path, 0)
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				j = open(t, folder, WithClock(clock.Now))
				if how == "damaged" {
					if got := strings.Count(j.Quarantined(), ".corrupt-"); got != len(c.lose) {
						t.Errorf("quarantined %q", j.Quarantined())
					}
				}
				if e := must(j.NextEpoch()); e != c.want {
					t.Errorf("epoch %d, want %d", e, c.want)
				}
			})
		}
	}
}

// The database counts even if records in it are damaged, as long as its epoch
// can be read.
func TestEpochOfADamagedDatabase(t *testing.T) {
	folder, c := t.TempDir(), newClock()
	j := open(t, folder, WithClock(c.Now))
	must(j.RaiseEpoch(1_900_000_000_000))
	if err := j.SavePeers(testPeers(1, 2)); err != nil {
		t.Fatal(err)
	}
	shut(t, j)
	path := filepath.Join(folder, name)
	data := must(os.ReadFile(path))
	damaged := bytes.ReplaceAll(data, []byte(`"test"`), []byte(`"best"`))
	if bytes.Equal(data, damaged) {
		t.Fatal("nothing to damage")
	}
	err := errors.Join(os.WriteFile(path, damaged, 0o600), os.Remove(filepath.Join(folder, "epoch")))
	if err != nil {
		t.Fatal(err)
	}
	j = open(t, folder, WithClock(c.Now))
	if j.Quarantined() == "" {
		t.Error("the damage was not noticed")
	}
	if e := must(j.NextEpoch()); e != 1_900_000_000_002 {
		t.Errorf("epoch %d", e)
	}
}

// Every value of every byte, and every length: only the record itself passes.
func TestEpochRecordNoticesAllDamage(t *testing.T) {
	record := formatEpoch(1_800_000_000_123)
	if e, err := parseEpoch(record); err != nil || e != 1_800_000_000_123 {
		t.Fatalf("%q: %d, %v", record, e, err)
	}
	for i := range record {
		for b := range 256 {
			damaged := bytes.Clone(record)
			damaged[i] = byte(b)
			if e, err := parseEpoch(damaged); (err == nil) != bytes.Equal(damaged, record) {
				t.Errorf("%q passes as %d", damaged, e)
			}
		}
	}
	for n := range record {
		if e, err := parseEpoch(record[:n]); err == nil {
			t.Errorf("%q passes as %d", record[:n], e)
		}
	}
	for _, more := range []string{"\n", "0", string(record)} {
		if e, err := parseEpoch(append(bytes.Clone(record), more...)); err == nil {
			t.Errorf("with %q behind: %d", more, e)
		}
	}
}

// The same through the file: each flipped bit and each length, with the
// database gone, so that nothing else can make up for it.
func TestDamagedEpochFile(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "epoch")
	record := formatEpoch(1_900_000_000_000)
	var cases [][]byte
	for n := range record {
		cases = append(cases, record[:n])
		for bit := range 8 {
			damaged := bytes.Clone(record)
			damaged[n] ^= 1 << bit
			cases = append(cases, damaged)
		}
	}
	for _, damaged := range cases {
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		e, err := readEpochFile(path)
		if !errors.Is(err, errDamaged) {
			t.Fatalf("%q reads as %d, %v", damaged, e, err)
		}
	}
	for _, damaged := range [][]byte{cases[0], cases[len(cases)/2], cases[len(cases)-1]} {
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		j := open(t, folder, WithClock(newClock().Now))
		if q := j.Quarantined(); q != path+".corrupt-1800000000" {
			t.Errorf("quarantined %q", q)
		}
		if e := must(j.NextEpoch()); e < 1_800_000_000_000 {
			t.Errorf("epoch %d", e)
		}
		shut(t, j)
		if err := os.Remove(j.Quarantined()); err != nil {
			t.Fatal(err)
		}
	}
}

func FuzzEpoch(f *testing.F) {
	f.Add(formatEpoch(0))
	f.Add(formatEpoch(1_800_000_000_000))
	f.Add(formatEpoch(math.MaxUint64))
	f.Fuzz(func(t *testing.T, text []byte) {
		if e, err := parseEpoch(text); err == nil && !bytes.Equal(formatEpoch(e), text) {
			t.Errorf("%q and %q are both epoch %d", text, formatEpoch(e), e)
		}
	})
}

// Whatever happens, in whatever order, no epoch is ever given twice or out of
// order while at least one of the two places survives.
func TestEpochProperty(t *testing.T) {
	root := t.TempDir()
	rapid.Check(t, func(r *rapid.T) {
		folder := must(os.MkdirTemp(root, ""))
		defer os.RemoveAll(folder)
		c := newClock()
		j := open(t, folder, WithClock(c.Now))
		defer func() { j.Close() }()
		var last uint64
		took := func(e uint64, err error) {
			if err != nil || e <= last {
				r.Fatalf("epoch %d, %v after %d", e, err, last)
			}
			last = e
		}
		lose := func(name string) func(*rapid.T) {
			return func(r *rapid.T) {
				shut(t, j)
				path := filepath.Join(folder, name)
				if rapid.Bool().Draw(r, "delete") {
					os.Remove(path)
				} else if data, err := os.ReadFile(path); err == nil && len(data) > 0 {
					data[rapid.IntRange(0, len(data)-1).Draw(r, "byte")] ^= 0x10
					os.WriteFile(path, data, 0o600)
				}
				j = open(t, folder, WithClock(c.Now))
				// As soon as it is up, a node takes an epoch: both places are whole again.
				took(j.NextEpoch())
			}
		}
		r.Repeat(map[string]func(*rapid.T){
			"next":  func(*rapid.T) { took(j.NextEpoch()) },
			"raise": func(r *rapid.T) { took(j.RaiseEpoch(rapid.Uint64Range(0, 1<<62).Draw(r, "above"))) },
			"clock": func(r *rapid.T) {
				c.add(time.Duration(rapid.Int64Range(-1e15, 1e15).Draw(r, "shift")))
			},
			"restart": func(*rapid.T) {
				shut(t, j)
				j = open(t, folder, WithClock(c.Now))
			},
			"lose the database":   lose(name),
			"lose the epoch file": lose("epoch"),
		})
	})
}
