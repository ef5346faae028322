package maelstrom

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"hearsay/node/gossip"
	"hearsay/node/wire"
)

// The transcripts in testdata show the conversation line by line, as Maelstrom
// sees it; behind a datagram stands what its frames say. After a change that is
// meant to show in them:
//
//	go test ./node/gossip/maelstrom -run TestTranscripts -rewrite
//
// Commands:
//
//	nodes n1 n2 …    begin anew, with these nodes, 100 ms apart
//	send             the input's lines are given to the nodes they are for
//	raw n1           the input's lines are given to a node as they are
//	lose n1 n2       what these say to each other is lost
//	mend             no more
//	wait D
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata/transcripts", func(t *testing.T, path string) {
		s := &script{}
		datadriven.RunTest(t, path, s.run)
	})
}

// script is a network of nodes whose lines are printed.
type script struct {
	now   time.Time
	nodes []*scripted
	lost  map[string]bool
	air   []flight // in the order of arrival
	out   strings.Builder
}

type scripted struct {
	*Node
	name string
}

type flight struct {
	at   time.Time
	to   string
	line []byte
}

func (s *script) run(t *testing.T, d *datadriven.TestData) string {
	s.out.Reset()
	var names []string
	for _, a := range d.CmdArgs {
		names = append(names, a.Key)
	}
	wait := time.Duration(0)
	switch d.Cmd {
	case "nodes":
		*s = script{now: start, lost: make(map[string]bool)}
		for i, name := range names {
			n := &scripted{name: name}
			cfg := LowLatency()
			cfg.Epoch, cfg.Rand = uint64(start.UnixMilli()), rand.New(rand.NewPCG(1, uint64(i)))
			cfg.Log = func(err error) { fmt.Fprintf(&s.out, "%-6s %s logs: %v\n", s.clock(), n.name, err) }
			n.Node = NewNode(cfg, func(line []byte) { s.sent(t, line) })
			s.nodes = append(s.nodes, n)
		}
	case "send":
		for line := range strings.Lines(d.Input) {
			line = strings.TrimSpace(line)
			var env envelope
			if err := json.Unmarshal([]byte(line), &env); err != nil {
				d.Fatalf(t, "%v", err)
			}
			s.print(line, "")
			s.node(env.Dest).Handle(s.now, []byte(line))
		}
	case "raw":
		for line := range strings.Lines(d.Input) {
			s.print(strings.TrimSuffix(line, "\n"), "")
			s.node(names[0]).Handle(s.now, []byte(line))
		}
	case "lose":
		s.lost[names[0]+names[1]], s.lost[names[1]+names[0]] = true, true
	case "mend":
		clear(s.lost)
	case "wait":
		var err error
		if wait, err = time.ParseDuration(names[0]); err != nil {
			d.Fatalf(t, "%v", err)
		}
	default:
		d.Fatalf(t, "no command %s", d.Cmd)
	}
	s.pass(wait)
	return s.out.String()
}

// pass lets time pass: what arrives and what is due happens in its order.
func (s *script) pass(d time.Duration) {
	for end := s.now.Add(d); ; {
		next := end.Add(1)
		if len(s.air) > 0 {
			next = s.air[0].at
		}
		var due *scripted
		for _, n := range s.nodes {
			if at := n.Deadline(); !at.IsZero() && at.Before(next) {
				next, due = at, n
			}
		}
		if next.After(end) {
			s.now = end
			return
		}
		if next.After(s.now) {
			s.now = next
		}
		if due != nil {
			due.Tick(s.now)
			continue
		}
		f := s.air[0]
		s.air = s.air[1:]
		s.node(f.to).Handle(s.now, f.line)
	}
}

func (s *script) node(name string) *scripted {
	for _, n := range s.nodes {
		if n.name == name {
			return n
		}
	}
	panic("there is no node " + name)
}

func (s *script) sent(t *testing.T, line []byte) {
	var env envelope
	var d datagram
	if err := json.Unmarshal(line, &env); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(env.Body, &d); err != nil || d.Type != typeGossip {
		s.print(string(line), "")
		return
	}
	words := s.words(t, d.Frames)
	if s.lost[env.Src+env.Dest] {
		words += " (lost)"
	} else {
		s.air = append(s.air, flight{s.now.Add(100 * time.Millisecond), env.Dest, line})
	}
	if len(d.Frames) > 0 {
		d.Frames = nil
		body, _ := json.Marshal(d)
		line = []byte(fmt.Sprintf(`{"src":%q,"dest":%q,"body":%s,"frames":…}}`, env.Src, env.Dest, strings.TrimSuffix(string(body), "}")))
	}
	s.print(string(line), words)
}

// words says what frames hold.
func (s *script) words(t *testing.T, frames []byte) string {
	var all []string
	for r := bufio.NewReader(bytes.NewReader(frames)); ; {
		if _, err := r.Peek(1); err != nil {
			return strings.Join(all, ", ")
		}
		frame, err := wire.ReadFrame(r)
		if err != nil {
			t.Fatal(err)
		}
		m, err := wire.Decode(frame)
		if err != nil {
			t.Fatal(err)
		}
		word := strings.TrimPrefix(fmt.Sprintf("%T", m), "*gossip.")
		if push, ok := m.(*gossip.Push); ok {
			word += " " + string(push.Rumor.Payload)
		}
		all = append(all, word)
	}
}

func (s *script) clock() string { return fmt.Sprint(s.now.Sub(start).Round(time.Millisecond)) }

func (s *script) print(line, words string) {
	fmt.Fprintf(&s.out, "%-6s %s\n", s.clock(), line)
	if words != "" {
		fmt.Fprintf(&s.out, "%-6s   %s\n", "", words)
	}
}
