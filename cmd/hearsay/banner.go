package main

import (
	"fmt"
	"io"
	"time"

	"hearsay/node"
	"hearsay/node/control"
)

// maxAddrs is how many of a node's addresses are shown at its start; hearsay id
// shows all.
const maxAddrs = 6

// alonePause is how long a node looks for others before its user is told what says
// why nobody is found; doctor knows it then.
const alonePause = 30 * time.Second

// banner is what a node tells its user when it is ready. It is the first line
// of hearsay run --json.
type banner struct {
	Version  int       `json:"version"`
	Event    string    `json:"event"` // "ready"
	Time     time.Time `json:"time"`
	ID       string    `json:"id"`
	Network  string    `json:"network"`
	Addrs    []string  `json:"addrs"`
	API      string    `json:"api,omitempty"`     // host:port, left out if it is off
	DHTAPI   string    `json:"dht_api,omitempty"` // the same
	RPSAPI   string    `json:"rps_api,omitempty"` // the same
	NSEAPI   string    `json:"nse_api,omitempty"` // the same
	Control  string    `json:"control,omitempty"` // host:port, left out if it is off
	StateDir string    `json:"state_dir"`
	NewKey   bool      `json:"new_key,omitempty"` // the hostkey was made at this start
	Notes    []string  `json:"notes,omitempty"`   // what is not as usual

	program string // as it was called
	flags   string // by which commands in another terminal reach this node
}

// doctor is the command that says how this node is, "" if it cannot be asked.
func (b *banner) doctor() string {
	if b.Control == "" {
		return ""
	}
	return b.program + b.flags + " doctor"
}

func (b *banner) write(w io.Writer, s style) {
	fmt.Fprintf(w, "This node is %s\n", s.bold(b.ID))
	fmt.Fprintf(w, "  network  %s\n", b.Network)
	for i, addr := range b.Addrs {
		label := "address"
		if i > 0 {
			label = ""
		}
		if i == maxAddrs {
			fmt.Fprintf(w, "  %-7s  and %d more: %s%s id\n", label, len(b.Addrs)-i, b.program, b.flags)
			break
		}
		fmt.Fprintf(w, "  %-7s  %s\n", label, addr)
	}
	api := b.API
	if api == "" {
		api = "off"
	}
	fmt.Fprintf(w, "  API      %s\n", api)
	if b.DHTAPI != "" {
		fmt.Fprintf(w, "  DHT API  %s\n", b.DHTAPI)
	}
	if b.RPSAPI != "" {
		fmt.Fprintf(w, "  RPS API  %s\n", b.RPSAPI)
	}
	if b.NSEAPI != "" {
		fmt.Fprintf(w, "  NSE API  %s\n", b.NSEAPI)
	}
	fmt.Fprintf(w, "  state    %s\n", oneLine(b.StateDir))
	for _, note := range b.Notes {
		fmt.Fprintf(w, "%s\n", oneLine(note))
	}
	if b.Control != "" {
		fmt.Fprintf(w, "In another terminal, talk to whoever is here, or look at everything in a browser:\n")
		fmt.Fprintf(w, "  %s%s chat\n", b.program, b.flags)
		fmt.Fprintf(w, "  %s%s dashboard\n", b.program, b.flags)
	}
	fmt.Fprintln(w, s.faint("Ctrl-C ends it."))
}

// showEvents prints a line for each neighbour that comes and goes, until events
// is closed or done, or a line cannot be written. doctor is the command that says
// why there are none, "" = there is none.
func (a *app) showEvents(events <-chan node.PeerEvent, done <-chan struct{}, doctor string) error {
	s := a.style()
	linked := map[string]bool{}
	joined := a.progress("looking for others")
	defer joined()
	alone := time.NewTimer(alonePause)
	defer alone.Stop()
	for {
		select {
		case <-done:
			return nil
		case <-alone.C:
			if doctor != "" && !a.json {
				joined()
				fmt.Fprintf(a.stderr, "nobody yet: %s says why\n", doctor)
			}
		case e, ok := <-events:
			if !ok {
				return nil
			}
			if e.What == "linked" {
				joined()
				alone.Stop()
			}
			if err := a.showEvent(e, linked, s); err != nil {
				return err
			}
		}
	}
}

func (a *app) showEvent(e node.PeerEvent, linked map[string]bool, s style) error {
	id, sign, where := e.Peer.String(), "", ""
	switch e.What {
	case "linked":
		linked[id] = true
		sign, where = s.bold("+"), " at "+oneLine(e.Addr)
	case "unlinked":
		delete(linked, id)
		sign = s.bold("-")
	default:
		return nil
	}
	event := control.PeerEvent{Version: control.Version, Time: e.Time, Peer: id, What: e.What, Addr: e.Addr}
	return a.print(event, func(w io.Writer) {
		fmt.Fprintf(w, "%s %s %s%s %s\n", e.Time.Local().Format(time.TimeOnly), sign, id, where, s.faint("("+count(len(linked), "neighbour")+")"))
	})
}
