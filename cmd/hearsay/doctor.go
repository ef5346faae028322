package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hearsay/node/config"
	"hearsay/node/control"
	"hearsay/node/health"
	"hearsay/node/identity"
)

func (a *app) doctorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find out what is wrong, why, and what to do about it",
		Long: `Find out what is wrong with a node and around it: what was found, why, and what to
do about it, the worst first; and whether others can open connections to it.

It looks at the configuration and the keys, and asks the running node for what that
knows. Without one it looks at what else keeps one from running: the ports and who
has them, the network interfaces. The exit code is 0 if all is well, 4 if a warning or an error
was found. What is only good to know (info) is no reason for that.`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel, err := timeout(cmd)
			if err != nil {
				return err
			}
			defer cancel()
			d := a.diagnose(ctx)
			if err := a.print(d, func(w io.Writer) { d.write(w, a.style(), time.Now()) }); err != nil {
				return err
			}
			if !d.Healthy {
				return &failure{exitUnhealthy, errors.New("something is amiss"), "do what stands behind the arrows"}
			}
			return nil
		},
	}
	addTimeout(cmd, askTimeout)
	return cmd
}

// diagnosis is what doctor found.
type diagnosis struct {
	Version  int               `json:"version"`
	Running  bool              `json:"running"`
	Healthy  bool              `json:"healthy"`
	Findings []control.Finding `json:"findings"`
	Reach    *control.Reach    `json:"reach,omitempty"` // of a running node
}

// diagnose asks the running node, and looks around.
func (a *app) diagnose(ctx context.Context) (d diagnosis) {
	d.Version = 1
	d.Findings = []control.Finding{}
	add := func(c health.Condition) { d.Findings = append(d.Findings, health.FindingOf(c, time.Time{})) }
	defer func() {
		health.Sort(d.Findings)
		d.Healthy = health.Healthy(d.Findings)
	}()

	cfg, warnings, err := a.settings()
	if err != nil {
		for _, line := range strings.Split(err.Error(), "\n") {
			add(health.Condition{Code: health.ConfigWrong, About: line, Text: line + ".", Cure: "mend the file; hearsay config show prints a good one"})
		}
		return d
	}
	for _, w := range warnings {
		add(health.Condition{Code: health.ConfigWrong, About: w.String(), Text: w.String() + ".", Cure: "mend the file", Severity: health.Info})
	}

	c, err := a.find(ctx)
	if err == nil {
		defer c.Close()
		var h control.Health
		if h, err = c.Health(ctx); err == nil {
			d.Running, d.Reach = true, &h.Reach
			d.Findings = append(d.Findings, h.Findings...)
			cfg.StateDir = c.Dir()
		}
	}
	for _, c := range checkKeys(cfg) {
		add(c)
	}
	if d.Running {
		return d
	}
	var f *failure
	switch {
	case errors.As(err, &f) && f.code == exitConfig:
		// The hostkey, by which it would be known, is among what was just found.
	case errors.Is(err, fs.ErrPermission):
		add(health.Condition{Code: health.NotAnswering, Text: "Whether a node runs cannot be seen: " + err.Error() + ".", Cure: "ask as the user that it runs as, or as root"})
		return d
	case !errors.Is(err, control.ErrNoNode):
		add(health.Condition{Code: health.NotAnswering, Text: "A node is there and does not answer: " + strings.TrimRight(err.Error(), ".") + ".",
			Cure: "look at its log, then end it and start it again: hearsay run"})
		return d
	case cfg.Control.Off:
		add(health.Condition{Code: health.NotAnswering, Severity: health.Warning, Text: "Whether a node runs cannot be asked: control_address = off.",
			Cure: "nothing, if its log is enough; else set control_address and start it again"})
		return d
	default:
		add(health.Condition{Code: health.NotRunning, Text: capital(err.Error()) + ".", Cure: "start one: hearsay run (another one's folder: --state-dir DIR or -c FILE)"})
	}
	for _, c := range checkPorts(cfg) {
		add(c)
	}
	unfit := health.Unfit()
	for _, name := range slices.Sorted(maps.Keys(unfit)) {
		if cfg.MDNS {
			add(health.Condition{Code: health.NoMulticast, About: name, Text: fmt.Sprintf("mDNS is not possible on the interface %s: %s.", name, unfit[name]),
				Cure: "connect the interface or allow multicast on it; or name a first contact: bootstrapper = host:port"})
		}
	}
	return d
}

// settings is load with all errors of the file, not only the first.
func (a *app) settings() (*config.Config, []config.Warning, error) {
	if a.config != "" {
		if _, _, err := config.Load(a.config); err != nil {
			return nil, nil, err
		}
	}
	return a.configuration()
}

// checkKeys looks at the files that a node needs to start.
func checkKeys(cfg *config.Config) (cs []health.Condition) {
	uid := owner(cfg.StateDir)
	if _, err := identity.LoadFor(hostKey(cfg), uid); err != nil && (cfg.HostKey != "" || !errors.Is(err, fs.ErrNotExist)) {
		cs = append(cs, health.Condition{Code: health.HostkeyUnusable, Text: capital(err.Error()) + ".", Cure: "as it says; or name another file: hostkey = FILE"})
	}
	if _, err := loadNetworkKey(cfg, uid); err != nil {
		cs = append(cs, health.Condition{Code: health.KeyUnusable, Text: capital(err.Error()) + ".", Cure: "as it says; or name another file: network_key = FILE"})
	}
	if _, err := allowedPeers(cfg); err != nil {
		cs = append(cs, health.Condition{Code: health.ConfigWrong, About: cfg.AllowPeersFile, Text: capital(strings.ReplaceAll(err.Error(), "\n", "; ")) + ".", Cure: "mend the list of peers: a peer ID a line"})
	}
	return cs
}

// write tells a diagnosis to people.
func (d diagnosis) write(w io.Writer, s style, now time.Time) {
	if d.Reach != nil {
		for _, line := range reachWords(*d.Reach) {
			fmt.Fprintln(w, oneLine(line))
		}
	}
	if len(d.Findings) == 0 {
		fmt.Fprintln(w, "Nothing is amiss.")
	}
	for _, f := range d.Findings {
		since := ""
		if !f.Since.IsZero() {
			since = ", for " + ago(f.Since, now)
		}
		fmt.Fprintf(w, "\n%s  %s%s\n", s.bold(string(f.Severity)), oneLine(f.Title), s.faint(" ["+string(f.Code)+since+"]"))
		fmt.Fprintf(w, "  %s\n  -> %s\n", oneLine(f.Text), oneLine(f.Cure))
	}
}

// reachWords answers the question whether others can open connections to this
// node, and why not.
func reachWords(r control.Reach) []string {
	answer := map[health.Reachability]string{
		health.ReachPublic:  "yes",
		health.ReachPrivate: "no",
		health.ReachLocal:   "on this network, perhaps; nobody from elsewhere has asked",
		health.ReachNear:    "on this network, yes; nobody from elsewhere has asked",
		health.ReachAlone:   "no, only programs on this machine",
		health.ReachUnknown: "not known",
	}[r.State]
	lines := []string{
		"Can others open connections to this node?  " + answer,
		"  why      " + r.Observation,
	}
	if len(r.Untried) > 0 {
		lines = append(lines, "  untried  "+strings.Join(r.Untried, ", "))
	}
	if !r.Asks {
		lines = append(lines, "  asking   off (autonat = false, or a list of allowed peers): nobody tries for this node")
	}
	switch {
	case !r.MapsPorts:
		lines = append(lines, "  mapping  off (port_mapping = true asks the router for a port)")
	case r.Mapping != "":
		lines = append(lines, "  mapping  the router forwards "+r.Mapping+" (asked by "+r.MappedBy+")")
	case r.MappingError != "":
		lines = append(lines, "  mapping  asked, and no router forwards a port: "+r.MappingError)
	default:
		lines = append(lines, "  mapping  asked, and no router has answered yet")
	}
	switch {
	case r.Relaying:
		lines = append(lines, "  relays   this node relays for others (relay_service = false ends that)")
	case len(r.Relays) > 0:
		lines = append(lines, "  relays   reached through "+strings.Join(r.Relays, ", "))
	default:
		lines = append(lines, "  relays   none in use")
	}
	advice := ""
	switch {
	case r.State == health.ReachPrivate && r.MapsPorts:
		advice = "forward the p2p port on the router to this machine, and let it through firewalls; nothing, if it has neighbours enough"
	case r.State == health.ReachPrivate:
		advice = "forward the p2p port on the router to this machine, or set port_mapping = true, and let it through firewalls; nothing, if it has neighbours enough"
	case r.State == health.ReachAlone:
		advice = "connect this machine to a network; if it is, see which addresses p2p_address names: hearsay config"
	case r.State == health.ReachUnknown && r.Asks:
		advice = "wait until a neighbour elsewhere has tried; it takes a minute once there is one"
	case r.State == health.ReachUnknown:
		advice = "set autonat = true, without a list of allowed peers, to have a neighbour elsewhere try; or have somebody elsewhere connect to this node, which shows it, too"
	}
	if advice != "" {
		lines = append(lines, "  to do    "+advice)
	}
	return lines
}

// capital begins a sentence.
func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
