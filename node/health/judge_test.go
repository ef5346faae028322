package health

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// well are facts of a node about which nothing is to be found.
func well() Facts {
	return Facts{
		Now: noon, Neighbours: 3, MustListen: true, Listens: []string{"/ip4/127.0.0.1/tcp/6001"}, Ways: true,
		Multicast: Multicast{On: true, Running: true}, Clocks: []time.Duration{time.Second, -time.Second, 2 * time.Second},
		Difficulty: 16, StateDir: "/state", DiskFree: 1 << 40, OpenFiles: 50, MaxFiles: 1024,
		Reach: Reach{State: ReachLocal},
	}
}

// rows are facts that lead to conditions, with words that their texts and cures
// must have.
var rows = []struct {
	name       string
	change     func(*Facts)
	code       Code
	about      string
	severity   Severity
	text, cure string
}{
	{"alone", func(f *Facts) { f.Neighbours = 0 }, NoNeighbour, "", Warning, "Nobody was found yet", "bootstrapper = host:port; and let TCP port 6001 and UDP port 5353 in through firewalls"},
	{"alone without multicast", func(f *Facts) { f.Neighbours, f.Multicast = 0, Multicast{} }, NoNeighbour, "", Warning, "Nobody was found yet", "let TCP port 6001 in through"},
	{"a firewall", func(f *Facts) { f.Neighbours, f.Unreached, f.Listens = 0, 1, []string{"/ip4/192.0.2.1/tcp/7001/ws"} }, NoNeighbour, "", Warning, "1 node is known and cannot be reached, so", "hearsay peers tells why of each; let TCP port 7001 in on one"},
	{"firewalls", func(f *Facts) { f.Neighbours, f.Unreached, f.Listens = 0, 2, nil }, NoNeighbour, "", Warning, "2 nodes are known and none can be reached", "let the p2p port in on one"},
	{"alone without a way", func(f *Facts) { f.Neighbours, f.Ways = 0, false }, NoNeighbour, "", Warning, "multicast is off", "mdns = true"},
	{"alone and the contact is silent", func(f *Facts) { f.Neighbours, f.Contacts = 0, []Contact{{"a:1", "refused."}} }, NoNeighbour, "", Warning, "The first contact a:1: refused.", "bootstrapper"},
	{"relays only", func(f *Facts) { f.Relayed = 3 }, RelayedOnly, "", Warning, "through relays", "port_mapping"},
	{"deaf", func(f *Facts) { f.Listens = nil }, NoListener, "", Error, "cannot open connections", "p2p_address"},
	{"a silent contact", func(f *Facts) { f.Contacts = []Contact{{"a:1", "connection refused"}} }, ContactUnreachable, "a:1", Info, "connection refused", "firewall"},
	{"no multicast on eth1", func(f *Facts) { f.Multicast.Unfit = map[string]string{"eth1": "no cable"} }, NoMulticast, "eth1", Info, "interface eth1: no cable", "bootstrapper"},
	{"no multicast at all", func(f *Facts) { f.Multicast = Multicast{On: true, Error: "port taken"} }, NoMulticast, "", Info, "port taken", "mdns = false"},
	{"a flood by multicast", func(f *Facts) {
		f.Multicast = Multicast{On: true, Flooded: true, Error: "somebody announces without end."}
	}, NoMulticast, "", Info, "mDNS pauses: somebody announces without end.", "see who sends so much to UDP port 5353; nothing else is affected"},
	{"behind a NAT", func(f *Facts) { f.Reach = Reach{State: ReachPrivate, Observation: "2 tried and failed"} }, NotReachable, "", Info, "2 tried and failed", "port_mapping = true"},
	{"behind a NAT, with a relay", func(f *Facts) {
		f.Reach = Reach{State: ReachPrivate, Relays: []string{"r"}, MapsPorts: true, Mapping: "x"}
	}, NotReachable, "", Info, "1 relay keeps a place", "forward the p2p port"},
	{"a router that maps nothing", func(f *Facts) {
		f.Reach = Reach{State: ReachPrivate, MapsPorts: true, MappingError: "nobody there"}
	}, NoPortMapping, "", Info, "UPnP, and does not answer or refuses: nobody there.", "port_mapping = false"},
	{"a slow clock", func(f *Facts) { f.Clocks = []time.Duration{time.Hour, 30 * time.Second, 31 * time.Second} }, ClockSkewed, "", Warning, "31s behind those of its neighbours (the median of 3). Beyond 1m0s this node refuses what others announce.", "timedatectl"},
	{"a fast clock", func(f *Facts) { f.Clocks = []time.Duration{-time.Hour, -2 * time.Hour, 0} }, ClockSkewed, "", Error, "1h0m0s ahead of those of its neighbours (the median of 3). Beyond 1m0s others refuse what this node announces.", "timedatectl"},
	{"one other clock", func(f *Facts) { f.Clocks = []time.Duration{time.Hour} }, ClockSkewed, "", Error, "only neighbour; one of the two", "timedatectl"},
	{"other work", func(f *Facts) { f.Difficulties, f.BadWork = map[string]int{"p": 20}, 3 }, OtherDifficulty, "", Warning, "p asks for 20 bits", "difficulty_bits"},
	{"a key, which is wanted here", func(f *Facts) { f.OtherKey = []Met{{Who: "/ip4/192.0.2.1/tcp/1", At: noon}} }, OtherNetworkKey, "", Info, "this node has none", "key show --network"},
	{"another key", func(f *Facts) { f.Closed = true; f.OtherKey = []Met{{Who: "/ip4/192.0.2.1/tcp/1", At: noon}} }, OtherNetworkKey, "", Warning, "192.0.2.1", "key show --network"},
	{"other networks", func(f *Facts) {
		f.OtherNetwork = []Met{{Who: "a", At: noon}, {Who: "b", At: noon}, {Who: "c", At: noon}, {Who: "d", At: noon}}
	}, OtherNetwork, "", Info, "a, b, c and 1 more", "network = NAME"},
	{"not on the list", func(f *Facts) { f.Refused = []Met{{Who: "p", At: noon}} }, NotAllowed, "", Info, "kept out: p", "allow_peers"},
	{"a twin", func(f *Facts) { f.Copied = "p" }, HostkeyCopied, "", Error, "its news came by p", "hearsay key new"},
	{"no epoch", func(f *Facts) { f.EpochError = "no space left" }, EpochBlocked, "", Error, "no space left", "make room"},
	{"no journal", func(f *Facts) { f.JournalError = "read-only" }, StateUnwritable, "peers", Warning, "read-only", "make room"},
	{"no room for mail", func(f *Facts) { f.MailError = "disk full" }, StateUnwritable, "mail", Warning, "disk full", "make room"},
	{"a damaged journal", func(f *Facts) { f.Quarantined = "/state/x.damaged" }, JournalDamaged, "", Warning, "/state/x.damaged", "look at the disk"},
	{"little room", func(f *Facts) { f.DiskFree = 100 << 20 }, DiskFull, "", Warning, "Only 100 MiB are free", "state_dir"},
	{"no room", func(f *Facts) { f.DiskFree = 12 << 10 }, DiskFull, "", Error, "Only 12 KiB are free", "state_dir"},
	{"few files", func(f *Facts) { f.OpenFiles, f.MaxFiles = 52, 64 }, FilesLow, "", Warning, "52 files and connections", "ulimit"},
	{"silent modules", func(f *Facts) { f.VotesTimedOut = 1 }, VotesLate, "", Warning, "1 rumor ran out of time", "validation_timeout"},
	{"a deadlock", func(f *Facts) { *f = Facts{Now: noon, Stuck: true} }, LoopStuck, "", Error, "does not turn", "restart"},
	{"a slow machine", func(f *Facts) { f.Lags = 2 }, Overloaded, "", Warning, "2 times", "processor"},
}

func TestConditions(t *testing.T) {
	if cs := new(Judge).Conditions(well()); len(cs) != 0 {
		t.Errorf("of a node that is well: %+v", cs)
	}
	if cs := new(Judge).Conditions(Facts{Now: noon, Neighbours: 1}); len(cs) != 0 {
		t.Errorf("of facts that nobody looked at: %+v", cs)
	}
	seen := map[Code]bool{}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			f := well()
			row.change(&f)
			cs := new(Judge).Conditions(f)
			i := slices.IndexFunc(cs, func(c Condition) bool { return c.Code == row.code && c.About == row.about })
			if i < 0 {
				t.Fatalf("found %+v, want %s %q", cs, row.code, row.about)
			}
			got := FindingOf(cs[i], noon)
			if got.Severity != row.severity || !strings.Contains(got.Text, row.text) || !strings.Contains(got.Cure, row.cure) {
				t.Errorf("got %s %q, cure %q; want %s, %q and %q", got.Severity, got.Text, got.Cure, row.severity, row.text, row.cure)
			}
			if strings.Contains(got.Text, "..") || !strings.HasSuffix(got.Text, ".") {
				t.Errorf("the text is no sentence: %q", got.Text)
			}
			seen[row.code] = true
		})
	}
	// Those that a command finds, not a node.
	for _, c := range []Code{ConfigWrong, HostkeyUnusable, KeyUnusable, PortTaken, AddressUnusable, PortMoved, NotRunning, NotAnswering} {
		seen[c] = true
	}
	for _, k := range Kinds() {
		if !seen[k.Code] || k.Title == "" || k.Severity == "" {
			t.Errorf("no row leads to %q, or it is incomplete", k.Code)
		}
	}
}

// Whatever else there is to be found, nothing hides it.
func TestConditionsAreToldApart(t *testing.T) {
	for _, one := range rows {
		for _, other := range rows {
			f := well()
			one.change(&f)
			other.change(&f)
			cs := new(Judge).Conditions(f)
			var m Monitor
			m.Update(noon, cs)
			if got := len(m.Findings(noon.Add(time.Hour))); got != len(cs) {
				t.Errorf("%s, and %s: %d of %+v are shown", one.name, other.name, got, cs)
			}
		}
	}
}

// What was met, or counted, long ago is no finding any more.
func TestOldNewsIsNone(t *testing.T) {
	var j Judge
	f := well()
	f.VotesTimedOut, f.OtherKey = 5, []Met{{Who: "a", At: noon}}
	if cs := j.Conditions(f); len(cs) != 2 {
		t.Fatalf("at first: %+v", cs)
	}
	f.Now = noon.Add(recently - time.Second)
	f.VotesTimedOut = 6
	if cs := j.Conditions(f); len(cs) != 2 || !strings.Contains(cs[1].Text, "6 rumors") {
		t.Errorf("just before the end: %+v", cs)
	}
	f.Now = noon.Add(recently)
	if cs := j.Conditions(f); len(cs) != 1 || !strings.Contains(cs[0].Text, "1 rumor ran") {
		t.Errorf("when the first are old: %+v", cs)
	}
	f.Now = noon.Add(2*recently - time.Second)
	if cs := j.Conditions(f); len(cs) != 0 {
		t.Errorf("when all are old: %+v", cs)
	}
	for i := range 3 * maxRises { // and nothing grows
		f.Now, f.VotesTimedOut = f.Now.Add(time.Millisecond), f.VotesTimedOut+1
		j.Conditions(f)
		if len(j.votes.seen) > maxRises || j.votes.total != uint64(len(j.votes.seen)) {
			t.Fatalf("after %d rises %d are remembered, %d in all", i, len(j.votes.seen), j.votes.total)
		}
	}
}

// A minority of clocks, however wrong, raises no alarm: with three or more, one
// neighbour that lies is outvoted.
func TestOneLyingClockIsOutvoted(t *testing.T) {
	for _, lie := range []time.Duration{time.Hour, -time.Hour} {
		f := well()
		f.Clocks = []time.Duration{lie, 0, 0}
		if cs := new(Judge).Conditions(f); len(cs) != 0 {
			t.Errorf("with %v: %+v", f.Clocks, cs)
		}
		f.Clocks = []time.Duration{lie, 0} // of two, the one that speaks for this node counts
		if cs := new(Judge).Conditions(f); len(cs) != 0 {
			t.Errorf("with %v: %+v", f.Clocks, cs)
		}
	}
}

func TestUnfitInterfaces(t *testing.T) {
	addr := func(s string) []net.Addr {
		ip, n, err := net.ParseCIDR(s)
		if err != nil {
			t.Fatal(err)
		}
		n.IP = ip
		return []net.Addr{n}
	}
	const ok = net.FlagUp | net.FlagRunning | net.FlagMulticast | net.FlagBroadcast
	for _, test := range []struct {
		name  string
		flags net.Flags
		addrs []net.Addr
		want  string
	}{
		{"usual", ok, addr("192.168.1.2/24"), ""},
		{"loopback", ok | net.FlagLoopback, addr("127.0.0.1/8"), ""},
		{"switched off", ok &^ net.FlagUp, addr("192.168.1.2/24"), ""},
		{"an empty socket", ok &^ net.FlagRunning, nil, ""},
		{"a pulled cable", ok &^ net.FlagRunning, addr("192.168.1.2/24"), "no cable"},
		{"a tunnel", ok &^ net.FlagMulticast, addr("10.8.0.2/24"), "does not multicast"},
		{"link-local only", ok, addr("169.254.3.4/16"), "link-local"},
		{"a bridge without addresses", ok, nil, ""},
	} {
		if got := UnfitFor(test.flags, test.addrs); (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
	if _, has := Unfit()["lo"]; has {
		t.Error("loopback is called unfit")
	}
}

// The operator's handbook lists every kind as it is.
func TestHandbookListsAllKinds(t *testing.T) {
	text, err := os.ReadFile("../../docs/operator.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range Kinds() {
		row := fmt.Sprintf("| `%s` | %s | %s", k.Code, k.Severity, k.Title)
		if k.Delay > 0 {
			row += fmt.Sprintf(" (after %s)", strings.NewReplacer("1m0s", "1 min", "s", " s").Replace(k.Delay.String()))
		}
		if !strings.Contains(string(text), row+" |\n") {
			t.Errorf("docs/operator.md lacks the row\n%s |", row)
		}
	}
}
