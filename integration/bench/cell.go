package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/pprof"
	"time"
)

// cell is one system under one load. Together with the versions in machine it
// is all that a result depends on.
type cell struct {
	Kind    string        `json:"kind"`              // spread, members, api, micro, growth
	System  string        `json:"system"`            // see doc.go
	Hosts   int           `json:"hosts,omitempty"`   // nodes, in growth
	Links   int           `json:"links,omitempty"`   // neighbours of each host
	Payload int           `json:"payload,omitempty"` // bytes
	Rate    float64       `json:"rate,omitempty"`    // messages a second, of all hosts together
	Origins int           `json:"origins,omitempty"` // how many hosts publish, in turns; 0 = all
	Delay   time.Duration `json:"delay,omitempty"`   // one way, of each link
	Kill    int           `json:"kill,omitempty"`    // hosts that end without a word in the middle
	Warm    time.Duration `json:"warm,omitempty"`    // load, or rest, before it counts
	For     time.Duration `json:"for,omitempty"`     // load that counts
	Drain   time.Duration `json:"drain,omitempty"`   // how late a message may be and not be lost
	Seed    uint64        `json:"seed"`              // of the links and of who publishes
}

func (c *cell) flags(f *flag.FlagSet) {
	f.StringVar(&c.Kind, "kind", "spread", "spread, members, api, micro or growth")
	f.StringVar(&c.System, "system", "hearsay", "what is measured")
	f.IntVar(&c.Hosts, "hosts", 50, "hosts in this process")
	f.IntVar(&c.Links, "links", 16, "neighbours of each host")
	f.IntVar(&c.Payload, "payload", 1024, "bytes of a message")
	f.Float64Var(&c.Rate, "rate", 10, "messages a second, of all hosts together")
	f.IntVar(&c.Origins, "origins", 0, "hosts that publish, 0 = all")
	f.DurationVar(&c.Delay, "delay", 0, "of each link, one way")
	f.IntVar(&c.Kill, "kill", 0, "hosts that end without a word in the middle")
	f.DurationVar(&c.Warm, "warm", 5*time.Second, "load, or rest, before it counts")
	f.DurationVar(&c.For, "for", 10*time.Second, "load that counts")
	f.DurationVar(&c.Drain, "drain", 10*time.Second, "how late a message may be and not be lost")
	f.Uint64Var(&c.Seed, "seed", 1, "chooses the links")
}

func (c *cell) check() error {
	switch c.Kind {
	case "spread":
		return c.checkSpread()
	case "members":
		if c.Hosts < 3 || c.Hosts > 1000 {
			return fmt.Errorf("%d hosts: 3 to 1000 are possible", c.Hosts)
		}
	case "growth":
		if c.Hosts < 2 || c.Hosts > 20_000 || c.Links < 1 || c.Payload < headerSize || c.Rate <= 0 || c.For <= 0 {
			return errors.New("2 to 20000 nodes, links, a payload, a rate and a time are needed")
		}
	case "api", "micro":
		if c.Payload < headerSize || c.Payload > maxPayload {
			return fmt.Errorf("payload of %d bytes: %d to %d are possible", c.Payload, headerSize, maxPayload)
		}
	default:
		return fmt.Errorf("kind %q: it is spread, members, api, micro or growth", c.Kind)
	}
	return nil
}

// maxPayload leaves room for what the module API puts around data.
const maxPayload = 65_000

func (c *cell) checkSpread() error {
	switch {
	case c.Hosts < 2 || c.Hosts > 1000:
		return fmt.Errorf("%d hosts: 2 to 1000 are possible", c.Hosts)
	case c.Links < 2 || c.Links >= c.Hosts || c.Links*c.Hosts%2 != 0:
		return fmt.Errorf("%d links for each of %d hosts: at least 2, fewer than hosts, and together an even number", c.Links, c.Hosts)
	case c.Payload < headerSize || c.Payload > maxPayload:
		return fmt.Errorf("payload of %d bytes: %d to %d are possible", c.Payload, headerSize, maxPayload)
	case c.Rate <= 0 || c.For <= 0 || c.Warm < 0 || c.Drain <= 0:
		return errors.New("rate and times must be above 0")
	case c.Kill < 0 || c.Kill >= c.Hosts || c.Origins < 0 || c.Origins > c.Hosts:
		return errors.New("kill and origins must be less than hosts")
	}
	return nil
}

// key tells cells apart.
func (c cell) key() string {
	b, err := json.Marshal(c)
	if err != nil {
		panic(err) // numbers and strings
	}
	return string(b)
}

// result is what came of a cell. A figure that a system does not have is absent.
type result struct {
	Group   string             `json:"group"`
	Cell    cell               `json:"cell"`
	Repeat  int                `json:"repeat"`
	Machine machine            `json:"machine"`
	Figures map[string]float64 `json:"figures"`
	Error   string             `json:"error,omitempty"`
}

// runCell measures one cell in this process.
func runCell(c cell) (map[string]float64, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	switch c.Kind {
	case "members":
		return runMembers(c)
	case "api":
		return runAPI(c)
	case "micro":
		return runMicro(c)
	case "growth":
		return runGrowth(c)
	}
	return runSpread(c)
}

// cellCommand is the command "cell".
func cellCommand(args []string, out io.Writer) error {
	var c cell
	f := flag.NewFlagSet("cell", flag.ExitOnError)
	c.flags(f)
	profile := f.String("cpuprofile", "", "file for a profile of the processor time under the load that counts (kind spread) or of all")
	heap := f.String("heapprofile", "", "file for a profile of the memory in use under the load (kind spread)")
	f.Parse(args)
	if *heap != "" {
		file, err := os.Create(*heap)
		if err != nil {
			return err
		}
		defer file.Close()
		heapProfile = func() error { return pprof.WriteHeapProfile(file) }
	}
	if *profile != "" {
		file, err := os.Create(*profile)
		if err != nil {
			return err
		}
		defer file.Close()
		startProfile = func() error { return pprof.StartCPUProfile(file) }
		defer pprof.StopCPUProfile()
		if c.Kind != "spread" {
			if err := startProfile(); err != nil {
				return err
			}
		}
	}
	figures, err := runCell(c)
	if err != nil {
		return err
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(result{Cell: c, Machine: thisMachine(), Figures: figures})
}

// startProfile begins the profile that was asked for, and heapProfile writes it.
var startProfile, heapProfile = func() error { return nil }, func() error { return nil }

// childCommand runs the cell on standard input for a parent, see child.
func childCommand() error {
	var c cell
	if err := json.NewDecoder(os.Stdin).Decode(&c); err != nil {
		return err
	}
	figures, err := runCell(c)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(figures)
}
