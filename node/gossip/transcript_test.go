package gossip

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// The transcripts in testdata show what nodes say to each other in the key
// situations. They are meant to be read, and are checked word by word. After a
// change that is meant to show in them:
//
//	go test ./node/gossip -run TestTranscripts -rewrite
//
// Commands:
//
//	nodes A B … [presence] [exchange] [epoch=N]   begin anew, with these nodes
//	take N … type=T [module=M] [listens]          a module takes a data type
//	leave-module N module=M                       and goes
//	hold N                                        N's modules vote only by command
//	vote N (valid|invalid) text=S [module=M]
//	link N N [quiet] · unlink N N                 quiet: what follows is left out
//	lose N N · mend N N                           pushes vanish on that link, or no more
//	announce N type=T text=S [ttl=N] [key=K]
//	wait D
//	leave N                                       it says goodbye
//	restart N epoch=N                             it comes back, and knows nothing
//	kill N                                        it is gone without a word
//	wall N N                                      neither reaches the other any more
//
// Messages arrive at once, so time passes only in wait. Pings are left out, and
// where nodes have no presence comparisons of presences, too.
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata/transcripts", func(t *testing.T, path string) {
		s := &script{t: t}
		datadriven.RunTest(t, path, s.run)
	})
}

// script runs the commands of one transcript.
type script struct {
	t        *testing.T
	w        *world
	began    time.Time // the command
	presence bool
	exchange bool // of peers
	names    map[RumorID]string
	out      strings.Builder
	hold     map[PeerID]bool
	lost     map[[2]PeerID]bool
	delays   map[[2]PeerID]time.Duration // of links
}

func (s *script) run(t *testing.T, d *datadriven.TestData) string {
	s.t = t
	s.out.Reset()
	if s.w != nil {
		s.began = s.w.now
	}
	var who []PeerID
	options := make(map[string]string)
	for _, a := range d.CmdArgs {
		switch {
		case len(a.Vals) > 0:
			options[a.Key] = strings.Join(a.Vals, ",")
		case len(a.Key) == 1:
			who = append(who, PeerID(a.Key))
		default:
			options[a.Key] = "yes"
		}
	}
	number := func(key string, otherwise int) int {
		n, err := strconv.Atoi(cmp.Or(options[key], strconv.Itoa(otherwise)))
		if err != nil {
			d.Fatalf(t, "%s: %v", key, err)
		}
		return n
	}
	module := ModuleID(number("module", 1))
	switch d.Cmd {
	case "nodes":
		s.begin(who, options, number)
	case "take":
		for _, id := range who {
			n := s.w.node(id)
			if options["listens"] == "" {
				n.votes[module] = func(r *Rumor) bool { return true }
			}
			n.subscribe(module, options["listens"] == "", uint16(number("type", 0)))
		}
	case "leave-module":
		s.w.node(who[0]).do(ModuleGone{module})
	case "hold":
		s.hold[who[0]] = true
	case "vote":
		for id, name := range s.names {
			if name == strconv.Quote(options["text"]) {
				s.w.node(who[0]).do(Vote{module, id, options["valid"] != ""})
			}
		}
	case "link":
		s.w.link(who[0], who[1])
	case "unlink":
		s.w.unlink(who[0], who[1])
	case "lazy":
		for i, id := range who {
			s.w.node(id).s.links[who[1-i]].lazy[GroupOf(uint16(number("type", 0)))] = true
		}
	case "delay":
		s.w.delay = func(from, to PeerID) time.Duration { return s.delays[[2]PeerID{min(from, to), max(from, to)}] }
		s.delays[[2]PeerID{min(who[0], who[1]), max(who[0], who[1])}] = time.Duration(number("ms", 0)) * time.Millisecond
	case "lose":
		s.lost[[2]PeerID{who[0], who[1]}] = true
	case "mend":
		clear(s.lost)
	case "kill":
		n := s.w.node(who[0])
		n.down = true
		for _, m := range s.w.nodes {
			s.w.unlink(n.id, m.id)
		}
	case "wall":
		s.w.refuse = func(from, to PeerID) bool {
			return from == who[0] && to == who[1] || from == who[1] && to == who[0]
		}
		s.w.unlink(who[0], who[1])
	case "restart":
		s.restart(who[0], uint64(number("epoch", 1)))
	case "announce":
		s.w.node(who[0]).publish(uint16(number("type", 0)), options["text"], func(p *Publish) {
			if size := number("size", 0); size > 0 {
				p.Payload = append([]byte(options["text"]), make([]byte, size)...)
			}
			p.From, p.TTL = ModuleID(number("module", 0)), uint8(number("ttl", 0))
			if options["key"] != "" {
				p.Kind, p.Key = KindState, options["key"]
			}
		})
	case "wait":
		pause, err := time.ParseDuration(d.CmdArgs[0].Key)
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		s.w.wait(pause)
	case "leave":
		s.w.node(who[0]).do(Leave{})
	default:
		d.Fatalf(t, "no such command")
	}
	if options["quiet"] != "" {
		return ""
	}
	switch d.Cmd {
	case "link", "announce", "vote", "wait", "leave", "kill", "wall":
		return cmp.Or(s.out.String(), "silence\n")
	}
	return s.out.String()
}

func (s *script) begin(who []PeerID, options map[string]string, number func(string, int) int) {
	s.w = newWorld(s.t)
	s.began = s.w.now
	s.names = make(map[RumorID]string)
	s.hold = make(map[PeerID]bool)
	s.lost = make(map[[2]PeerID]bool)
	s.delays = make(map[[2]PeerID]time.Duration)
	s.presence = options["presence"] != ""
	s.w.watch = s.see
	s.w.lose = func(from, to PeerID, m Message) bool {
		_, push := m.(*Push)
		return push && s.lost[[2]PeerID{from, to}]
	}
	s.exchange = options["exchange"] != ""
	for _, id := range who {
		s.add(id, uint64(number("epoch", 1)))
	}
}

func (s *script) add(id PeerID, epoch uint64) {
	n := s.w.add(id, func(c *Config) {
		c.PeerExchange, c.Epoch = s.exchange, epoch
		if s.presence {
			c.Heartbeat = time.Minute
		}
	})
	if s.presence {
		n.record()
	}
}

// restart replaces a node by one of the same name without memory.
func (s *script) restart(id PeerID, epoch uint64) {
	old := s.w.node(id)
	old.down = true
	for _, n := range s.w.nodes {
		s.w.unlink(id, n.id)
	}
	s.w.nodes = slices.DeleteFunc(s.w.nodes, func(n *tnode) bool { return n == old })
	s.add(id, epoch)
}

// see writes down an action.
func (s *script) see(n *tnode, a Action) {
	line := ""
	switch a := a.(type) {
	case Send:
		if text := s.message(a.Msg); text != "" {
			line = fmt.Sprintf("%s → %s  %s", n.id, a.To, text)
			if a.Urgent {
				line += ", urgent"
			}
			if _, push := a.Msg.(*Push); push && s.lost[[2]PeerID{n.id, a.To}] {
				line += ", which is lost"
			}
		}
	case Deliver:
		line = fmt.Sprintf("%s      tells module %d %s", n.id, a.Module, s.name(a.Rumor))
		if s.hold[n.id] {
			// votes come by command
			saved := n.votes[a.Module]
			n.votes[a.Module] = nil
			n.w.later(func() { n.votes[a.Module] = saved })
		} else if n.votes[a.Module] != nil {
			line += ", which says valid"
		}
	case Seal:
		s.names[a.Rumor.ID] = s.name(a.Rumor)
		line = fmt.Sprintf("%s      seals %s: epoch %d, seq %d", n.id, s.name(a.Rumor), a.Rumor.Epoch, a.Rumor.Seq)
		if a.Urgent {
			line += ", urgent"
		}
	case RaiseEpoch:
		line = fmt.Sprintf("%s      raises its epoch above %d", n.id, a.Above)
	case Dial:
		line = fmt.Sprintf("%s      dials %s", n.id, a.Peer)
	case Hangup:
		line = fmt.Sprintf("%s      hangs up on %s: %s", n.id, a.Peer, a.Reason)
	case Farewell:
		line = fmt.Sprintf("%s      says farewell", n.id)
	case PeerEvent:
		if s.presence {
			line = fmt.Sprintf("%s      sees that %s %s", n.id, a.Peer, a.What)
		}
	case Refused:
		line = fmt.Sprintf("%s      refuses: %v", n.id, a.Err)
	}
	if line == "" {
		return
	}
	fmt.Fprintf(&s.out, "%6s  %s\n", s.w.now.Sub(s.began).Round(time.Millisecond), line)
}

func (s *script) name(r *Rumor) string {
	if r.Kind != KindPresence {
		return strconv.Quote(strings.TrimRight(string(r.Payload), "\x00"))
	}
	p, err := ParsePresence(r.Payload)
	switch {
	case err != nil:
		return err.Error()
	case p.Left:
		return fmt.Sprintf("the leave of %s", r.Origin)
	}
	name := fmt.Sprintf("the presence of %s", r.Origin)
	if p.Refutes {
		name = fmt.Sprintf("the refutation of %s", r.Origin)
	}
	for i, l := range p.Lost {
		name += []string{", which lost ", ", "}[min(i, 1)] + string(l.Peer)
	}
	return name
}

func (s *script) ids(list []RumorID) string {
	var names []string
	for _, id := range list {
		names = append(names, cmp.Or(s.names[id], id.String()))
	}
	return strings.Join(names, ", ")
}

func (s *script) shorts(list []ShortID) string {
	var names []string
	for _, short := range list {
		name := fmt.Sprintf("%x", short[:])
		for id, known := range s.names {
			if id.Short() == short {
				name = known
			}
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

var verdictWords = map[Verdict]string{
	VerdictNew: "new", VerdictDuplicate: "duplicate", VerdictUnwanted: "unwanted",
	VerdictStale: "stale", VerdictBusy: "busy", VerdictInvalid: "invalid",
	VerdictElsewhere: "elsewhere", VerdictKnown: "known",
}

// message describes a message, "" if it is left out.
func (s *script) message(m Message) string {
	group := func(g Group) (string, bool) {
		if g == GroupPresence {
			return "presences", s.presence
		}
		return fmt.Sprintf("type %d", g), true
	}
	switch m := m.(type) {
	case *Interests:
		if len(m.Types) == 0 {
			return "Interests: none"
		}
		return "Interests: " + strings.Trim(fmt.Sprint(m.Types), "[]")
	case *Push:
		if m.Rooted {
			return fmt.Sprintf("Push %s, hop %d, by the origin's own tree", s.name(m.Rumor), m.Hops)
		}
		if m.Landmark != 0 {
			return fmt.Sprintf("Push %s, hop %d, by the tree of a landmark", s.name(m.Rumor), m.Hops)
		}
		return fmt.Sprintf("Push %s, hop %d", s.name(m.Rumor), m.Hops)
	case *Receipt:
		var words []string
		for _, v := range m.Verdicts {
			words = append(words, verdictWords[v])
		}
		return "Receipt: " + strings.Join(words, ", ")
	case *Have:
		g, _ := group(m.Group)
		line := fmt.Sprintf("Have of %s: %s", g, s.shorts(m.IDs))
		if len(m.Held) > 0 {
			line += fmt.Sprintf(" (for %s ms)", strings.Trim(fmt.Sprint(m.Held), "[]"))
		}
		if m.Ask {
			line += ", to be asked for"
		}
		return line
	case *Graft:
		g, _ := group(m.Group)
		switch {
		case len(m.Origins) > 0:
			return fmt.Sprintf("Graft of %s: the origin of %s", g, s.shorts(m.Origins))
		case len(m.IDs) == 0:
			return fmt.Sprintf("Graft of %s: whatever comes", g)
		}
		return fmt.Sprintf("Graft of %s: %s", g, s.shorts(m.IDs))
	case *PeersRequest:
		return "PeersRequest"
	case *PeerList:
		var who []string
		for _, r := range m.Records {
			who = append(who, string(r.Peer))
		}
		slices.Sort(who)
		return "PeerList: " + cmp.Or(strings.Join(who, ", "), "nobody")
	case *Bye:
		return "Bye: " + map[ByeReason]string{ByeFull: "full", ByeLeaving: "leaving", ByeMisbehaved: "misbehaved"}[m.Reason]
	case *Sync:
		g, show := group(m.Group)
		if !show {
			return ""
		}
		var parts []string
		for _, r := range m.Ranges {
			switch r.Mode {
			case RangeSkip:
				parts = append(parts, "nothing more")
			case RangeFingerprint:
				parts = append(parts, fmt.Sprintf("fingerprint %x", r.Fingerprint[:2]))
			case RangeIDs:
				parts = append(parts, "has "+cmp.Or(s.ids(r.IDs), "none"))
			}
		}
		return fmt.Sprintf("Sync of %s: %s", g, cmp.Or(strings.Join(parts, " · "), "that was all"))
	case *Want:
		g, _ := group(m.Group)
		return fmt.Sprintf("Want of %s: %s", g, s.ids(m.IDs))
	case *Fill:
		return fmt.Sprintf("Fill %s, hop %d", s.name(m.Rumor), m.Hops)
	}
	return "" // pings and pongs
}
