package health

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	// recently is how long something that happened is still worth a finding.
	recently = 10 * time.Minute
	// skewWarn is from where a clock is called wrong; skewFatal, the tolerance of
	// gossip, is from where others refuse what this node announces.
	skewWarn  = 20 * time.Second
	skewFatal = 60 * time.Second
	// diskLow and diskFull are bytes free on the state folder's file system. The
	// journal has up to 33 MiB, and while it is rewritten twice that.
	diskLow  = 128 << 20
	diskFull = 4 << 20
	// filesLow is the share of the files that may be open, in percent.
	filesLow = 80
	// maxNamed is how many of a kind are named in one text.
	maxNamed = 3
	// votesLate is how many time-outs are worth a finding.
	votesLate = 1
)

// Judge names the conditions that follow from facts. It remembers what counters
// were before, so a node has one of its own. The zero value is ready; it is not
// for several goroutines at once.
type Judge struct {
	votes, lags rise
}

// rise notices that a counter rises.
type rise struct {
	last  uint64
	seen  []uint64 // what it rose by, and
	at    []time.Time
	total uint64 // of seen
}

// maxRises bounds what is remembered: one a look, for recently.
const maxRises = 256

// add takes in the counter, and returns by how much it rose recently.
func (r *rise) add(now time.Time, counter uint64) uint64 {
	if counter > r.last {
		if len(r.seen) == maxRises {
			r.drop(1)
		}
		r.seen, r.at = append(r.seen, counter-r.last), append(r.at, now)
		r.total += counter - r.last
	}
	r.last = counter
	old := 0
	for old < len(r.at) && now.Sub(r.at[old]) >= recently {
		old++
	}
	r.drop(old)
	return r.total
}

func (r *rise) drop(n int) {
	for _, by := range r.seen[:n] {
		r.total -= by
	}
	r.seen, r.at = slices.Delete(r.seen, 0, n), slices.Delete(r.at, 0, n)
}

// Conditions are those that the facts show.
func (j *Judge) Conditions(f Facts) []Condition {
	if f.Stuck {
		return one(LoopStuck,
			"The loop that does the node's work does not turn any more: nothing is taken in, passed on or announced. The log tells what all parts of the program were doing.",
			"restart the node, and report what the log tells")
	}
	var cs []Condition
	for _, rule := range []func(*Judge, Facts) []Condition{
		neighbours, listeners, contacts, multicast, reach, clocks, difficulty, strangers, copied, state, files, busy,
	} {
		cs = append(cs, rule(j, f)...)
	}
	return cs
}

func one(c Code, text, cure string) []Condition {
	return []Condition{{Code: c, Text: text, Cure: cure}}
}

func neighbours(_ *Judge, f Facts) []Condition {
	switch {
	case f.Neighbours == 0:
		why := "Nobody was found yet, so nothing comes from others and nothing gets to them. Alone in the network, that is as it should be."
		ports := p2pPort(f.Listens)
		if f.Multicast.On {
			ports += " and UDP port 5353"
		}
		cure := "start another node, or name any other node's p2p address: bootstrapper = host:port; and let " + ports + " in through firewalls"
		switch {
		case !f.Ways:
			why = "Nobody can be found: multicast is off, no first contact is configured, and nobody is known from earlier runs."
			cure = "name any other node's p2p address: bootstrapper = host:port; or let nodes of the local network be found: mdns = true"
		case len(f.Contacts) > 0:
			why = fmt.Sprintf("Nobody answers. The first contact %s: %s.", f.Contacts[0].Address, sentence(f.Contacts[0].Error))
		case f.Unreached > 0:
			why = plural(f.Unreached, "node is known and cannot be reached", "nodes are known and none can be reached") +
				", so nothing comes from others and nothing gets to them."
			cure = "hearsay peers tells why of each; let " + p2pPort(f.Listens) + " in on one of the two machines"
		}
		return one(NoNeighbour, why, cure)
	case f.Relayed == f.Neighbours:
		return one(RelayedOnly,
			"All neighbours are linked through relays, which carry little and for minutes only: small rumors get through, large and missed ones do not.",
			"open a way to this node (forward the p2p port on the router, or port_mapping = true), or name a first contact that can be reached")
	}
	return nil
}

// p2pPort is the TCP port at which others reach the node.
func p2pPort(listens []string) string {
	for _, address := range listens {
		if _, port, ok := strings.Cut(address, "/tcp/"); ok {
			port, _, _ = strings.Cut(port, "/")
			return "TCP port " + port
		}
	}
	return "the p2p port"
}

func listeners(_ *Judge, f Facts) []Condition {
	if !f.MustListen || len(f.Listens) > 0 {
		return nil
	}
	return one(NoListener, "Other nodes cannot open connections to this one; it finds neighbours only by itself.",
		"see whether the address of p2p_address is (still) one of this machine, and restart the node")
}

func contacts(_ *Judge, f Facts) (cs []Condition) {
	for _, c := range f.Contacts {
		cs = append(cs, Condition{Code: ContactUnreachable, About: c.Address,
			Text: fmt.Sprintf("The first contact %s does not answer: %s. It is tried again and again.", c.Address, sentence(c.Error)),
			Cure: "see whether a node runs there and whether a firewall is in between; take it out of bootstrapper if it is gone"})
	}
	return cs
}

func multicast(_ *Judge, f Facts) (cs []Condition) {
	m := f.Multicast
	if !m.On {
		return nil
	}
	const cure = "connect the interface or allow multicast on it (UDP port 5353); or name a first contact: bootstrapper = host:port; or switch this off: mdns = false"
	for _, name := range slices.Sorted(maps.Keys(m.Unfit)) {
		cs = append(cs, Condition{Code: NoMulticast, About: name, Cure: cure,
			Text: fmt.Sprintf("mDNS is not possible on the interface %s: %s.", name, sentence(m.Unfit[name]))})
	}
	switch {
	case m.Running || m.Error == "":
	case m.Flooded:
		cs = append(cs, Condition{Code: NoMulticast, Text: "mDNS pauses: " + sentence(m.Error) + ".",
			Cure: "see who sends so much to UDP port 5353; nothing else is affected, and it is listened to again after a minute"})
	default:
		cs = append(cs, Condition{Code: NoMulticast, Text: "mDNS does not work: " + sentence(m.Error) + ".", Cure: cure})
	}
	return cs
}

func reach(_ *Judge, f Facts) (cs []Condition) {
	r := f.Reach
	if r.State == ReachPrivate {
		text := "Other nodes cannot open connections to this one: " + sentence(r.Observation) + "."
		switch {
		case len(r.Relays) > 0:
			text += fmt.Sprintf(" %s for this node, through which others can begin.", plural(len(r.Relays), "relay keeps a place", "relays keep places"))
		default:
			text += " It has the neighbours that it chooses itself, and nobody relays for it."
		}
		cure := "forward the p2p port on the router to this machine, or have the router asked to: port_mapping = true; and let it through firewalls; nothing has to be done if it has neighbours enough"
		if r.MapsPorts {
			cure = "forward the p2p port on the router to this machine, and let it through firewalls; nothing has to be done if it has neighbours enough"
		}
		cs = append(cs, Condition{Code: NotReachable, Text: text, Cure: cure})
	}
	if r.MapsPorts && r.Mapping == "" && r.State == ReachPrivate {
		text := "The router was asked to map a port, by NAT-PMP and UPnP, and does not answer or refuses"
		if r.MappingError != "" {
			text += ": " + sentence(r.MappingError)
		}
		cs = append(cs, Condition{Code: NoPortMapping, Text: text + ".",
			Cure: "allow UPnP or NAT-PMP on the router, or forward the p2p port by hand; or switch this off: port_mapping = false"})
	}
	return cs
}

// clocks compares this node's clock with the median of the others: a single one
// that is wrong, or lies, proves nothing.
func clocks(_ *Judge, f Facts) []Condition {
	if len(f.Clocks) == 0 {
		return nil
	}
	sorted := slices.Sorted(slices.Values(f.Clocks))
	median := sorted[len(sorted)/2]
	if len(sorted)%2 == 0 { // the one that speaks least against this node
		if other := sorted[len(sorted)/2-1]; other.Abs() < median.Abs() {
			median = other
		}
	}
	off := median.Abs().Round(time.Second)
	if off < skewWarn {
		return nil
	}
	way, harm := "behind", "this node refuses what others announce"
	if median < 0 {
		way, harm = "ahead of", "others refuse what this node announces"
	}
	c := Condition{Code: ClockSkewed, Severity: Warning,
		Text: fmt.Sprintf("This machine's clock is %v %s those of its neighbours (the median of %d). Beyond 1m0s %s.", off, way, len(sorted), harm),
		Cure: "set the clock, best by a time service (timedatectl set-ntp true)"}
	if len(sorted) == 1 {
		c.Text = fmt.Sprintf("This machine's clock is %v %s that of its only neighbour; one of the two is wrong. Beyond 1m0s %s.", off, way, harm)
	}
	if off >= skewFatal {
		c.Severity = Error
	}
	return []Condition{c}
}

func difficulty(_ *Judge, f Facts) []Condition {
	if len(f.Difficulties) == 0 {
		return nil
	}
	var said []string
	for _, id := range slices.Sorted(maps.Keys(f.Difficulties)) {
		said = append(said, fmt.Sprintf("%s asks for %d bits", id, f.Difficulties[id]))
	}
	return one(OtherDifficulty,
		fmt.Sprintf("This node asks for a proof of work of %d leading zero bits, and %s. Whoever asks for more refuses the other's rumors; %s here for too little work.",
			f.Difficulty, named(said), plural64(f.BadWork, "rumor was refused", "rumors were refused")),
		"give all nodes of the network the same difficulty (difficulty_bits)")
}

func strangers(_ *Judge, f Facts) (cs []Condition) {
	fresh := func(all []Met) (recent []string) {
		for _, m := range all {
			if f.Now.Sub(m.At) < recently {
				recent = append(recent, m.Who)
			}
		}
		return recent
	}
	if who := fresh(f.OtherKey); len(who) > 0 {
		has := "has none"
		severity := Info // whoever it is, it wants to be by itself
		if f.Closed {
			has, severity = "has one", Warning
		}
		cs = append(cs, Condition{Code: OtherNetworkKey, Severity: severity,
			Text: fmt.Sprintf("At %s somebody answers and cannot be talked to, as it is where one side has another network key (network_key), or none; this node %s.", named(who), has),
			Cure: "give all nodes of a closed network the same file: hearsay key show --network FILE tells keys apart by their fingerprints; or take the address away if it is not of this network"})
	}
	if who := fresh(f.OtherNetwork); len(who) > 0 {
		cs = append(cs, one(OtherNetwork, fmt.Sprintf("Nodes of other networks came to this one: %s. They are ignored.", named(who)),
			"nothing; or, if they should be in the same network, give all the same name: network = NAME")...)
	}
	if who := fresh(f.Refused); len(who) > 0 {
		cs = append(cs, one(NotAllowed, fmt.Sprintf("Peers that are not on the list came to this node and were kept out: %s.", named(who)),
			"nothing; or add them to allow_peers")...)
	}
	return cs
}

func copied(_ *Judge, f Facts) []Condition {
	if f.Copied == "" {
		return nil
	}
	return one(HostkeyCopied,
		fmt.Sprintf("Another node uses this node's hostkey, so each keeps the other from being heard; its news came by %s.", f.Copied),
		"give one of them a key of its own: hearsay key new")
}

func state(_ *Judge, f Facts) (cs []Condition) {
	if f.EpochError != "" {
		cs = append(cs, one(EpochBlocked, "Nothing can be announced, because the state folder cannot be written: "+sentence(f.EpochError)+". Others' rumors are still passed on.",
			"make room, or make the folder writable again; the node tries by itself")...)
	}
	if f.JournalError != "" {
		cs = append(cs, Condition{Code: StateUnwritable, About: "peers", Text: "Known peers cannot be remembered for the next start: " + sentence(f.JournalError) + ".",
			Cure: "make room, or make the folder writable again; the node tries by itself"})
	}
	if f.MailError != "" {
		cs = append(cs, Condition{Code: StateUnwritable, About: "mail", Text: "Private messages cannot be kept: " + sentence(f.MailError) + ".",
			Cure: "make room, or make the folder writable again; the node tries by itself"})
	}
	if f.Quarantined != "" {
		cs = append(cs, one(JournalDamaged, "The journal was damaged and a new one begun; the old one is kept as "+f.Quarantined+".",
			"nothing, if it happened once: look at the disk if it happens again; the kept file can be deleted")...)
	}
	if f.StateDir != "" && f.DiskFree >= 0 && f.DiskFree < diskLow {
		c := Condition{Code: DiskFull, Text: fmt.Sprintf("%s free where the state folder %s is.", mebibytes(f.DiskFree), f.StateDir), Cure: "make room, or name another folder: state_dir"}
		if f.DiskFree < diskFull {
			c.Severity = Error
		}
		cs = append(cs, c)
	}
	return cs
}

func files(_ *Judge, f Facts) []Condition {
	if f.MaxFiles <= 0 || f.OpenFiles*100 < f.MaxFiles*filesLow {
		return nil
	}
	return one(FilesLow, fmt.Sprintf("%d files and connections are open of %d that this process may have; further ones will be refused.", f.OpenFiles, f.MaxFiles),
		"raise the limit (ulimit -n, LimitNOFILE= of the systemd unit), or lower degree and max_api_connections")
}

func busy(j *Judge, f Facts) (cs []Condition) {
	if n := j.votes.add(f.Now, f.VotesTimedOut); n >= votesLate {
		cs = append(cs, one(VotesLate, fmt.Sprintf("In the last 10 minutes %s for which a module did not vote in time; such rumors are not passed on.", plural64(n, "rumor ran out of time", "rumors ran out of time")),
			"see why the module does not answer NOTIFICATIONs with VALIDATION, or give it longer: validation_timeout")...)
	}
	if n := j.lags.add(f.Now, f.Lags); n > 0 {
		cs = append(cs, one(Overloaded, fmt.Sprintf("In the last 10 minutes the node was late by more than a second %s: it gets too little processor time, or the machine slept.", plural64(n, "time", "times")),
			"nothing, if the machine slept; else give it more processor time, or lower degree and difficulty")...)
	}
	return cs
}

// sentence takes the full stop off a text that goes on.
func sentence(s string) string { return strings.TrimRight(strings.TrimSpace(s), ". ") }

// named lists up to maxNamed of all.
func named(all []string) string {
	if more := len(all) - maxNamed; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(all[:maxNamed], ", "), more)
	}
	return strings.Join(all, ", ")
}

func plural(n int, singular, more string) string { return plural64(uint64(n), singular, more) }

func plural64(n uint64, singular, more string) string {
	if n == 1 {
		return "1 " + singular
	}
	return fmt.Sprintf("%d %s", n, more)
}

func mebibytes(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("Only %d KiB are", n>>10)
	}
	return fmt.Sprintf("Only %d MiB are", n>>20)
}
