package config

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// TestMain gives every test the same home, so that defaults are the same
// everywhere.
func TestMain(m *testing.M) {
	os.Unsetenv("XDG_STATE_HOME")
	os.Setenv("HOME", "/home/alice")
	os.Exit(m.Run())
}

const predecessor = `hostkey = hostkey.pem

[gossip]
cache_size = 5
degree = 30
bootstrapper_address = 127.0.0.1:6001
p2p_address = 127.0.0.1:6002
api_address = 127.0.0.1:7002
p2p_address_test = 127.0.0.1:6010
api_address_test = 127.0.0.1:7010
difficulty = 4
`

// parse fails the test unless the text is in order.
func parse(t *testing.T, text string) (*Config, []Warning) {
	t.Helper()
	c, warnings, err := Parse("/etc/hearsay/node.ini", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c, warnings
}

// TestGolden runs testdata/*.txt: the errors and warnings of files, or the lines
// that WriteTo writes for them and not for an empty file. Rewrite the expected
// texts with -rewrite.
func TestGolden(t *testing.T) {
	datadriven.Walk(t, "testdata/golden", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			c, warnings, err := Parse("node.ini", []byte(d.Input))
			var b strings.Builder
			for _, w := range warnings {
				fmt.Fprintln(&b, "warning:", w)
			}
			if err != nil {
				fmt.Fprintln(&b, err)
				return b.String()
			}
			usual := strings.Split(Default().String(), "\n")
			for i, line := range strings.Split(c.String(), "\n") { // the same keys in the same lines
				if line != "" && line[0] != '#' && line[0] != '[' && line != usual[i] {
					fmt.Fprintln(&b, strings.ReplaceAll(line, workingDir(t), "$PWD"))
				}
			}
			if b.Len() == 0 {
				return "all default\n"
			}
			return b.String()
		})
	})
}

func workingDir(t *testing.T) string {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestPredecessorsFile(t *testing.T) {
	for name, text := range map[string]string{
		"as it is":      predecessor,
		"Windows":       "\ufeff" + strings.ReplaceAll(predecessor, "\n", "\r\n"),
		"upper case":    strings.ToUpper(predecessor[:strings.Index(predecessor, "=")]) + predecessor[strings.Index(predecessor, "="):],
		"[DEFAULT]":     "[DEFAULT]\n" + predecessor,
		"no spaces":     strings.ReplaceAll(predecessor, " ", ""),
		"no final line": strings.TrimSpace(predecessor),
		"others around": "[onion] x = [1]\nhops = 3\n[default]\n" + predecessor + "[dht]\nnonsense\nx = \"\n`\n]\n",
	} {
		t.Run(name, func(t *testing.T) {
			c, warnings := parse(t, text)
			want := Default()
			want.HostKey = "/etc/hearsay/hostkey.pem"
			want.CacheSize = 5
			want.Bootstrap = []Bootstrapper{{Addr: addr(t, "/ip4/127.0.0.1/tcp/6001")}}
			want.Listen, want.ListenDefault = addrs(t, "/ip4/127.0.0.1/tcp/6002"), false
			want.API = Endpoint{Host: "127.0.0.1", Port: 7002}
			if !reflect.DeepEqual(c, want) {
				t.Errorf("got\n%v\nwant\n%v", c, want)
			}
			if len(warnings) != 1 || !strings.Contains(warnings[0].Text, "p2p_address_test") ||
				!strings.Contains(warnings[0].Text, "api_address_test") {
				t.Errorf("warnings %q, want one that names both test addresses", warnings)
			}
		})
	}
}

// TestSpelling: everything that is seen in the wild sets the same two fields.
func TestSpelling(t *testing.T) {
	for _, text := range []string{
		"[gossip]\ncache_size = 7\nbootstrapper = [::1]:6001",
		"[GOSSIP]\nCACHE_SIZE=7\nBootstrapper=[::1]:6001",
		"[ Gossip ]\n\tcache_size\t=\t7\n   bootstrapper   =   [::1]:6001   ",
		"[gossip] # ours [not theirs]\ncache_size = 7 # items\nbootstrapper = [::1]:6001 ; a friend",
		"[gossip];ours\ncache_size = 7;items\nbootstrapper = [::1]:6001#a friend = 3",
		"[gossip]\ncache_size = \"7\"\nbootstrapper = '[::1]:6001'",
		"[gossip]\ncache_size = '7' # items\nbootstrapper = \"[::1]:6001\" ; \"friend\"",
		"[gossip]\ncache_size: 7\nbootstrapper: [::1]:6001",
		"[gossip]\ncache_size = 7\n[hearsay]\n[gossip]\nbootstrapper = [::1]:6001",
		"\ufeff[gossip]\r\ncache_size = 7\r\nbootstrapper = [::1]:6001\r\n",
		"[gossip]\ncache_size = 7\nbootstrapper = /ip6/::1/tcp/6001",
		"[gossip]\ncache_size = 7\nbootstrapper = [::1]:6001, /ip6/::1/tcp/6001,\nbootstrapper_address = [::1]:6001",
		"[gossip]\n# f\xfcr alle\ncache_size = 7 ; gr\xf6\xdfer\nbootstrapper = [::1]:6001",
		"[x]\n[gossip\x20]\n\"cache_size\" = 7\nbootstrapper = [::1]:6001\n[y]\ncache_size = 8",
	} {
		t.Run(text, func(t *testing.T) {
			c, warnings := parse(t, text)
			if c.CacheSize != 7 || len(c.Bootstrap) != 1 || c.Bootstrap[0].String() != "/ip6/::1/tcp/6001" || len(warnings) != 0 {
				t.Errorf("cache size %d, bootstrap %v, warnings %v", c.CacheSize, c.Bootstrap, warnings)
			}
		})
	}
}

func TestPaths(t *testing.T) {
	for value, want := range map[string]string{
		``:                                  "",
		`key.pem`:                           "/etc/hearsay/key.pem",
		`"key.pem" # mine`:                  "/etc/hearsay/key.pem",
		`../key.pem ; mine`:                 "/etc/key.pem",
		`/keys//a b.pem`:                    "/keys/a b.pem",
		`"/keys/a #1; b.pem"`:               "/keys/a #1; b.pem",
		`'/keys/it''s "mine".pem'`:          `/keys/it's "mine".pem`,
		`"/keys/it's ""mine"".pem"`:         `/keys/it's "mine".pem`,
		`/keys/it's "mine".pem`:             `/keys/it's "mine".pem`,
		`/keys/%(hostkey)s/${HOME}/key.pem`: `/keys/%(hostkey)s/${HOME}/key.pem`,
		`C:\keys\`:                          `/etc/hearsay/C:\keys\`,
		`./~/key.pem`:                       "/etc/hearsay/~/key.pem",
		`# none`:                            "",
		`""`:                                "",
	} {
		c, _ := parse(t, "hostkey = "+value+"\n[gossip]\ndegree = 2\n")
		if c.HostKey != want || c.Degree != 2 {
			t.Errorf("hostkey = %s: got %q, degree %d, want %q, 2", value, c.HostKey, c.Degree, want)
		}
	}
}

func TestDurations(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"90":      90 * time.Second,
		"90s":     90 * time.Second,
		"1m30s":   90 * time.Second,
		"1.5":     1500 * time.Millisecond,
		"+2":      2 * time.Second,
		"1h":      time.Hour,
		"3600":    time.Hour,
		"250ms":   250 * time.Millisecond,
		"0":       0,
		"0s":      0,
		"1ns":     1,
		"1.234µs": 1234,
	} {
		c, _ := parse(t, "[gossip]\nreplay = "+value)
		if c.Replay != want {
			t.Errorf("replay = %s: got %v, want %v", value, c.Replay, want)
		}
		if again, err := parseDuration(formatDuration(want)); again != want || err != nil {
			t.Errorf("%v is written %q and read back %v, %v", want, formatDuration(want), again, err)
		}
	}
}

func TestScalars(t *testing.T) {
	for _, v := range []string{"true", "YES", "On", "1"} {
		if c, _ := parse(t, "[gossip]\nstrict_announce = "+v); !c.StrictAnnounce {
			t.Errorf("%s must be true", v)
		}
	}
	for _, v := range []string{"false", "NO", "Off", "0"} {
		if c, _ := parse(t, "[hearsay]\nmdns = "+v); c.MDNS {
			t.Errorf("%s must be false", v)
		}
	}
	for v, want := range map[string]slog.Level{
		"error": slog.LevelError, "Warn": slog.LevelWarn, "info": slog.LevelInfo, "DEBUG": slog.LevelDebug,
	} {
		if c, _ := parse(t, "[hearsay]\nlog_level = "+v); c.LogLevel != want {
			t.Errorf("log_level = %s: got %v", v, c.LogLevel)
		}
	}
	for text, want := range map[string]int{
		"difficulty = 0":                           0,
		"difficulty = 10":                          40,
		"difficulty_bits = 17":                     17,
		"difficulty = 5\ndifficulty_bits = 20":     20,
		"difficulty_bits = 20\nDIFFICULTY = \"5\"": 20,
	} {
		if c, _ := parse(t, "[gossip]\n"+text); c.DifficultyBits != want {
			t.Errorf("%s: got %d, want %d", text, c.DifficultyBits, want)
		}
	}
	for v, want := range map[string]float64{"0": 0, "1": 1, ".25": .25, "1e-3": .001, "-0": 0} {
		if c, _ := parse(t, "[hearsay]\ncontinue_mongering = "+v); c.ContinueMongering != want || math.Signbit(c.ContinueMongering) {
			t.Errorf("continue_mongering = %s: got %v", v, c.ContinueMongering)
		}
	}
}

// TestOddFolder: a path that WriteTo could not write is refused, even if only the
// file's folder is to blame.
func TestOddFolder(t *testing.T) {
	for folder, want := range map[string]string{"/a\nb": "control character", "/a\xff": "not UTF-8"} {
		_, _, err := Parse(folder+"/node.ini", []byte("hostkey = key.pem"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", folder, err)
		}
		if _, _, err := Parse(folder+"/node.ini", []byte("hostkey = /key.pem")); err != nil {
			t.Errorf("%q: %v", folder, err)
		}
	}
}

func TestStateDir(t *testing.T) {
	for _, test := range []struct{ xdg, home, want string }{
		{"", "/home/bob", "/home/bob/.local/state/hearsay"},
		{"/var/state", "/home/bob", "/var/state/hearsay"},
		{"relative", "/home/bob", "/home/bob/.local/state/hearsay"},
		{"", "", ""},
	} {
		t.Setenv("XDG_STATE_HOME", test.xdg)
		t.Setenv("HOME", test.home)
		if c := Default(); c.StateDir != test.want || !c.StateDirDefault {
			t.Errorf("%+v: got %q", test, c.StateDir)
		}
	}
	// Nowhere to keep anything: an error that tells why it has no line.
	_, _, err := Parse("node.ini", nil)
	if e, ok := errors.AsType[*Error](err); !ok || e.Line != 0 || e.Key != "state_dir" || !strings.Contains(e.Error(), "not in the file") {
		t.Errorf("no home: %v", err)
	}
	if c, _ := parse(t, "[hearsay]\nstate_dir = state"); c.StateDir != "/etc/hearsay/state" || c.StateDirDefault {
		t.Errorf("got %q, default %v", c.StateDir, c.StateDirDefault)
	}
}

// TestWholeFile: what is wrong with a file as a whole says so.
func TestWholeFile(t *testing.T) {
	big := strings.Repeat("#", MaxFileSize)
	if _, _, err := Parse("big.ini", []byte(big)); err != nil {
		t.Errorf("%d bytes: %v", len(big), err)
	}
	for _, test := range []struct {
		name, text, want string
	}{
		{"too large", big + "#", "node.ini: too large for a configuration file (more than 1048576 bytes)"},
		{"NUL", "[gossip]\ndegree = 3\x000\n", "node.ini:2: holds a NUL byte, so this is no text file (or UTF-16: save it as UTF-8)"},
		{"UTF-16 LE", "\xff\xfe[\x00g\x00", "node.ini:1: UTF-16 text: save the file as UTF-8"},
		{"UTF-16 BE", "\xfe\xff\x00[\x00g", "node.ini:1: UTF-16 text: save the file as UTF-8"},
		{"Latin-1 value", "hostkey = schl\xfcssel.pem", "node.ini:1: hostkey: not UTF-8 text: save the file as UTF-8 (allowed: a path, relative to the folder of this file)"},
		{"Latin-1 key", "[gossip]\n\xfe\xffdegree = 3", `node.ini:2: "\xfe\xffdegree = 3": not UTF-8 text: save the file as UTF-8`},
		{"control", "hostkey = a\x1bb", `node.ini:1: hostkey: "a\x1bb" holds a control character (allowed: a path, relative to the folder of this file)`},
		{"Mac", "hostkey = a\rb", `node.ini:1: hostkey: "a\rb" holds a control character (allowed: a path, relative to the folder of this file)`},
	} {
		c, _, err := Parse("node.ini", []byte(test.text))
		if err == nil || err.Error() != test.want || c != nil {
			t.Errorf("%s: got  %v\nwant %s", test.name, err, test.want)
		}
	}
}

// TestManyErrors: a file that is something else does not fill the screen.
func TestManyErrors(t *testing.T) {
	_, _, err := Parse("node.ini", []byte(strings.Repeat("# a\nno ini\n", 5000)))
	all := apart(err)
	if len(all) != maxErrors+1 {
		t.Fatalf("%d errors, want %d", len(all), maxErrors+1)
	}
	if last := all[maxErrors].Error(); last != "node.ini:202: too many errors; the rest is not shown" {
		t.Error(last)
	}
	_, _, err = Parse("node.ini", []byte("[gossip]\nbootstrapper = "+strings.Repeat("x,", MaxFileSize/4)))
	if all := apart(err); len(all) != maxErrors+1 || len(err.Error()) > 50_000 {
		t.Errorf("%d errors in one line, %d bytes", len(all), len(err.Error()))
	}
	_, _, err = Parse("node.ini", []byte("[gossip]\n"+strings.Repeat("x", MaxFileSize/2)+" = 1\ndegree = "+strings.Repeat("9", MaxFileSize/4)))
	if len(err.Error()) > 1000 {
		t.Errorf("%d bytes about two long lines", len(err.Error()))
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "node.ini")
	if err := os.WriteFile(file, []byte("hostkey = key.pem"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, _, err := Load(file)
	if err != nil || c.HostKey != filepath.Join(dir, "key.pem") {
		t.Errorf("got %v, %v", c, err)
	}
	t.Chdir(dir)
	if c, _, err = Load("node.ini"); err != nil || filepath.Base(c.HostKey) != "key.pem" || !filepath.IsAbs(c.HostKey) {
		t.Errorf("relative name: got %v, %v", c, err)
	}
	link := filepath.Join(dir, "link.ini")
	if err := os.Symlink(file, link); err == nil {
		if _, _, err := Load(link); err != nil {
			t.Errorf("a link to a file: %v", err)
		}
	}
	_, _, err = Load(filepath.Join(dir, "missing.ini"))
	if !errors.Is(err, fs.ErrNotExist) || strings.Count(err.Error(), "missing.ini") != 1 {
		t.Errorf("missing file: %v", err)
	}
	if _, _, err = Load(dir); err == nil || !strings.Contains(err.Error(), "a folder, not a configuration file") {
		t.Errorf("folder: %v", err)
	}
	if os.Getuid() != 0 {
		if err := os.Chmod(file, 0); err != nil {
			t.Fatal(err)
		}
		if _, _, err = Load(file); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("unreadable file: %v", err)
		}
		os.Chmod(file, 0o600)
	}
	if err := os.WriteFile(file, make([]byte, MaxFileSize+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err = Load(file); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("large file: %v", err)
	}
}
