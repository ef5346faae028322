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
	Kind    string        `json:"kind"`   // spread, members, api
	System  string        `json:"system"` // see doc.go
	Hosts   int           `json:"hosts"`
	Links   int           `json:"links"`   // neighbours of each host
	Payload int           `json:"payload"` // bytes
	Rate    float64       `json:"rate"`    // messages a second, of all hosts together
	Origins int           `json:"origins"` // how many hosts publish, in turns; 0 = all
	Delay   time.Duration `json:"delay"`   // one way, of each link
	Kill    int           `json:"kill"`    // hosts that end without a word in the middle
	Warm    time.Duration `json:"warm"`
	For     time.Duration `json:"for"`
	Seed    uint64        `json:"seed"` // of the links and of who publishes
}

// drain is how long after the last message is waited for what is still on its
// way; what comes later is lost.
const drain = 10 * time.Second

func (c *cell) flags(f *flag.FlagSet) {
	f.StringVar(&c.Kind, "kind", "spread", "spread, members or api")
	f.StringVar(&c.System, "system", "hearsay", "what is measured")
	f.IntVar(&c.Hosts, "hosts", 50, "hosts in this process")
	f.IntVar(&c.Links, "links", 16, "neighbours of each host")
	f.IntVar(&c.Payload, "payload", 1024, "bytes of a message")
	f.Float64Var(&c.Rate, "rate", 10, "messages a second, of all hosts together")
	f.IntVar(&c.Origins, "origins", 0, "hosts that publish, 0 = all")
	f.DurationVar(&c.Delay, "delay", 0, "of each link, one way")
	f.IntVar(&c.Kill, "kill", 0, "hosts that end without a word in the middle")
	f.DurationVar(&c.Warm, "warm", 5*time.Second, "load before it counts")
	f.DurationVar(&c.For, "for", 10*time.Second, "load that counts")
	f.Uint64Var(&c.Seed, "seed", 1, "chooses the links")
}

func (c *cell) check() error {
	switch {
	case c.Kind == "api":
		return nil
	case c.Hosts < 2 || c.Hosts > 1000:
		return fmt.Errorf("%d hosts: 2 to 1000 are possible", c.Hosts)
	case c.Kind == "members":
		return nil
	case c.Kind != "spread":
		return fmt.Errorf("kind %q: it is spread, members or api", c.Kind)
	case c.Links < 2 || c.Links >= c.Hosts || c.Links*c.Hosts%2 != 0:
		return fmt.Errorf("%d links for each of %d hosts: at least 2, fewer than hosts, and together an even number", c.Links, c.Hosts)
	case c.Payload < headerSize || c.Payload > 65527:
		return fmt.Errorf("payload of %d bytes: %d to 65527 are possible", c.Payload, headerSize)
	case c.Rate <= 0 || c.For <= 0 || c.Warm < 0:
		return errors.New("rate and time must be above 0")
	case c.Kill < 0 || c.Kill >= c.Hosts || c.Origins < 0 || c.Origins > c.Hosts:
		return errors.New("kill and origins must be less than hosts")
	}
	return nil
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
	}
	return runSpread(c)
}

// cellCommand is the command "cell".
func cellCommand(args []string, out io.Writer) error {
	var c cell
	f := flag.NewFlagSet("cell", flag.ExitOnError)
	c.flags(f)
	profile := f.String("cpuprofile", "", "file for a profile of the processor time")
	f.Parse(args)
	if *profile != "" {
		file, err := os.Create(*profile)
		if err != nil {
			return err
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	figures, err := runCell(c)
	if err != nil {
		return err
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(result{Cell: c, Machine: thisMachine(), Figures: figures})
}

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
