package config

import (
	"bytes"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	ma "github.com/multiformats/go-multiaddr"
	"gopkg.in/ini.v1"
	"pgregory.net/rapid"
)

// TestRoundTrip: whatever can be set is written so that it is read back.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawConfig(t)
		text := c.String()
		back, warnings, err := Parse("/elsewhere/node.ini", []byte(text))
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if !reflect.DeepEqual(back, c) || len(warnings) != 0 {
			t.Fatalf("warnings %v, got\n%s\nwant\n%s", warnings, back, text)
		}
	})
}

// drawConfig draws every field of Config from all it may be.
func drawConfig(t *rapid.T) *Config {
	c := Default()
	str := func(pattern, name string) string { return rapid.StringMatching(pattern).Draw(t, name) }
	num := func(lo, hi int, name string) int { return rapid.IntRange(lo, hi).Draw(t, name) }
	boolean := func(name string) bool { return rapid.Bool().Draw(t, name) }
	span := func(lo, hi time.Duration, zero bool, name string) time.Duration {
		if zero && rapid.IntRange(0, 4).Draw(t, name+" off") == 0 {
			return 0
		}
		return time.Duration(rapid.Int64Range(int64(lo), int64(hi)).Draw(t, name))
	}
	ip := rapid.SampledFrom([]string{"/ip4/192.0.2.1", "/ip4/10.0.0.7", "/ip6/2001:db8::1", "/ip6zone/eth0/ip6/fe80::1"})
	multiaddr := func(lo int, name string) ma.Multiaddr {
		kind := rapid.SampledFrom([]string{"/tcp/%d", "/udp/%d/quic-v1", "/tcp/%d/ws"}).Draw(t, name)
		m, err := ma.NewMultiaddr(ip.Draw(t, name) + fmt.Sprintf(kind, num(lo, 65535, name)))
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	// Ranges of ports keep the services from getting in each other's way, and out of
	// that of the defaults, 6001 and 7001.
	port := func(lo, hi int, name string) uint16 {
		if rapid.IntRange(0, 4).Draw(t, name+" free") == 0 {
			return 0
		}
		return uint16(num(lo, hi, name))
	}

	if boolean("hostkey given") {
		c.HostKey = filepath.Clean("/" + str(`[a-z#;'"`+"`"+` =\\%$~,é/]{0,20}`, "hostkey"))
	}
	c.CacheSize, c.Degree = num(1, 1_000_000, "cache"), num(1, 1000, "degree")
	seen := map[string]bool{}
	for range num(0, 4, "bootstrappers") {
		b := Bootstrapper{Addr: multiaddr(1, "bootstrapper")}
		if boolean("with ID") {
			id, err := parseBootstrapper("/dnsaddr/x/p2p/" + rsaID)
			if err != nil {
				t.Fatal(err)
			}
			b.ID = id.ID
		}
		if !seen[b.String()] {
			seen[b.String()] = true
			c.Bootstrap = append(c.Bootstrap, b)
		}
	}
	if boolean("listen given") {
		c.Listen, c.ListenDefault = everyInterface(port(7002, 15000, "p2p port")), false
	}
	switch num(0, 3, "API") {
	case 1:
		c.API = Endpoint{Off: true}
	case 2:
		c.API = Endpoint{Host: rapid.SampledFrom([]string{"127.0.0.1", "127.1.2.3", "::1"}).Draw(t, "API host"), Port: port(30001, 40000, "API port")}
	case 3:
		c.APIAllowRemote = true
		c.API = Endpoint{Host: rapid.SampledFrom([]string{"", "0.0.0.0", "::", "node-1.lan", "fe80::1%eth0"}).Draw(t, "API host"), Port: port(30001, 40000, "API port")}
	}
	if boolean("DHT API") {
		c.DHTAPI = Endpoint{Host: "127.0.0.1", Port: port(15001, 20000, "DHT port")}
		c.RPSAPI = Endpoint{Host: "127.0.0.1", Port: port(20001, 25000, "RPS port")}
		c.NSEAPI = Endpoint{Host: "127.0.0.1", Port: port(25001, 30000, "NSE port")}
		c.Onion = Endpoint{Host: "127.0.0.1", Port: port(30001, 35000, "Onion port")}
	}
	switch num(0, 2, "control") {
	case 1:
		c.Control = Endpoint{Off: true}
	case 2:
		c.Control = Endpoint{Host: "127.0.0.1", Port: port(40001, 65535, "control port")}
	}
	c.StrictAnnounce = boolean("strict")
	c.DifficultyBits, c.TTL = num(0, 40, "bits"), uint8(num(0, 255, "ttl"))
	c.AckTimeout = span(10*time.Millisecond, 10*time.Minute, true, "ack")
	c.ValidationTimeout = span(1, time.Hour, false, "validation")
	c.Replay = span(1, time.Hour, true, "replay")
	c.NotificationPace = span(1, time.Minute, true, "pace")
	c.MaxAPIConnections = num(1, 10000, "connections")
	if boolean("state given") {
		c.StateDir, c.StateDirDefault = filepath.Clean("/"+str(`[a-z #;"'/]{0,20}`, "state")), false
	}
	c.Network = str(`[a-z0-9._-]{1,32}`, "network")
	c.MDNS, c.Kademlia, c.PeerExchange = boolean("mdns"), boolean("kademlia"), boolean("exchange")
	c.Heartbeat = span(100*time.Millisecond, time.Hour, true, "heartbeat")
	c.AntiEntropy = span(100*time.Millisecond, time.Hour, true, "anti-entropy")
	c.ContinueMongering = rapid.Float64Range(0, 1).Draw(t, "mongering")
	c.Lifetime = span(10*time.Second, 24*time.Hour, false, "lifetime")
	if c.MemoryLimit = num(31, 1<<20, "memory"); c.MemoryLimit == 31 {
		c.MemoryLimit = 0
	}
	c.LogLevel = rapid.SampledFrom([]slog.Level{slog.LevelError, slog.LevelWarn, slog.LevelInfo, slog.LevelDebug}).Draw(t, "level")
	return c
}

// TestEveryField: each field of Config has exactly one key that WriteTo writes,
// and drawConfig forgets none of them.
func TestEveryField(t *testing.T) {
	written := map[string]int{}
	for _, s := range settings {
		if s.alias == "" {
			written[s.field]++
			if s.about == "" {
				t.Errorf("[%s] %s says nothing about itself", s.section, s.key)
			}
		}
		if !isOurs(s.section) && !isShared(s.section) || s.key != strings.ToLower(s.key) {
			t.Errorf("[%s] %s cannot be found", s.section, s.key)
		}
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Config]()) {
		if flag := strings.HasSuffix(f.Name, "Default"); written[f.Name] != 1 && !flag || written[f.Name] != 0 && flag {
			t.Errorf("%s is written by %d keys", f.Name, written[f.Name])
		}
		delete(written, f.Name)
	}
	if len(written) != 0 {
		t.Errorf("no such fields: %v", written)
	}
}

// TestWriteTo: the text is INI to a plain parser too, has every key with a
// comment, and marks defaults.
func TestWriteTo(t *testing.T) {
	c, _ := parse(t, predecessor)
	var b bytes.Buffer
	if n, err := c.WriteTo(&b); int(n) != b.Len() || err != nil || b.String() != c.String() {
		t.Fatalf("%d of %d bytes, %v", n, b.Len(), err)
	}
	f, err := ini.Load(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range settings {
		if s.alias != "" {
			continue
		}
		if s.unset != nil && *s.unset(c) {
			if !strings.Contains(b.String(), "\n;"+s.key+" = "+s.format(c)+"\n") {
				t.Errorf("%s: the default that adapts is missing or in force", s.key)
			}
			continue
		}
		key, err := f.Section(s.section).GetKey(s.key)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if key.Value() != s.format(c) || !strings.Contains(key.Comment, s.about) || !strings.Contains(key.Comment, s.allowed) {
			t.Errorf("%s = %s %s", s.key, key.Value(), key.Comment)
		}
		usual := s.format(Default())
		if marked := strings.Contains(key.Comment, "this is the default"); marked != (key.Value() == usual) ||
			!marked && !strings.Contains(key.Comment, "default "+usual) && usual != "" {
			t.Errorf("%s = %s, of which the default is %q: %s", s.key, key.Value(), usual, key.Comment)
		}
	}

	// A Config that no file could give must not add lines of its own.
	c.Network = "x\nhostkey = /etc/passwd"
	if strings.Contains(c.String(), "\nhostkey = /etc/passwd") {
		t.Error("a value added a line")
	}
}

var rewriteReadme = flag.Bool("readme", false, "write the tables of README.md anew")

// TestReadme: the tables of README.md are those of the settings. Write them anew
// with -readme.
func TestReadme(t *testing.T) {
	data, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for _, section := range sections {
		begin, end := fmt.Sprintf("<!-- begin [%s] -->\n", section), fmt.Sprintf("<!-- end [%s] -->", section)
		before, rest, ok := strings.Cut(text, begin)
		got, after, also := strings.Cut(rest, end)
		if !ok || !also {
			t.Fatalf("README.md lacks the marks of [%s]", section)
		}
		want := table(section)
		if *rewriteReadme {
			text = before + begin + want + end + after
		} else if got != want {
			t.Errorf("README.md on [%s] is not up to date (go test -run Readme -readme writes it); want\n%s", section, want)
		}
	}
	if *rewriteReadme {
		if err := os.WriteFile("README.md", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func table(section string) string {
	var b strings.Builder
	b.WriteString("| key | default | allowed | what it is |\n|---|---|---|---|\n")
	for _, s := range settings {
		if s.section != section {
			continue
		}
		usual, about := "`"+s.format(Default())+"`", s.about
		switch {
		case s.field == "StateDir":
			usual = "`$XDG_STATE_HOME/hearsay`, else `~/.local/state/hearsay`"
		case usual == "``":
			usual = "empty"
		}
		if s.alias != "" {
			about = "another way to write `" + s.alias + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", s.key, usual, s.allowed, about)
	}
	return b.String()
}
