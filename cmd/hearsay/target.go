package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"hearsay/node/config"
	"hearsay/node/control"
)

// Which node a command means: the one of --state-dir, else the one that -c FILE
// configures, else the first that runs with a default state folder. Of the nodes in
// default folders FILE means the one with its hostkey, if it names one, and with the
// name of its network.

const (
	// maxNodes is how many nodes of one user find a default state folder.
	maxNodes = 64
	// askTimeout is how long a command waits for an answer unless --timeout says
	// otherwise; a healthy node answers within milliseconds.
	askTimeout = 10 * time.Second
	// probeTimeout is how long to wait for each of several nodes to say which it is.
	probeTimeout = 2 * time.Second
)

// load reads the configuration that the global flags name.
func (a *app) load() (*config.Config, error) {
	cfg, _, err := a.configuration()
	return cfg, err
}

// configuration is load, with what the user should know about the file.
func (a *app) configuration() (cfg *config.Config, warnings []config.Warning, err error) {
	cfg = config.Default()
	if a.config != "" {
		if cfg, warnings, err = config.Load(a.config); err != nil {
			return nil, nil, &failure{exitConfig, firstOf(err), "see all that is wrong: hearsay config check -c " + shellQuote(a.config)}
		}
	}
	if a.stateDir != "" {
		if cfg.StateDir, err = filepath.Abs(a.stateDir); err != nil {
			return nil, nil, err
		}
		cfg.StateDirDefault = false
	}
	if cfg.StateDir == "" {
		return nil, nil, fail("name one: --state-dir DIR", "there is no home folder for the node's state")
	}
	return cfg, warnings, nil
}

// folders lists the state folders that a node with this configuration may use,
// best first.
func folders(cfg *config.Config) []string {
	all := []string{cfg.StateDir}
	if cfg.StateDirDefault {
		for i := 2; i <= maxNodes; i++ {
			all = append(all, fmt.Sprintf("%s-%d", cfg.StateDir, i))
		}
	}
	return all
}

// find returns a client of the running node that the global flags mean.
func (a *app) find(ctx context.Context) (*control.Client, error) {
	cfg, err := a.load()
	if err != nil {
		return nil, err
	}
	if !cfg.StateDirDefault {
		return control.Open(cfg.StateDir)
	}
	want, err := ownID(cfg)
	if err != nil {
		return nil, misconfigured("as it says; or name the node by its state folder: --state-dir DIR", err)
	}
	absent := control.ErrNoNode
	if a.config != "" {
		absent = fmt.Errorf("%w that %s configures", control.ErrNoNode, a.config)
	}
	for _, dir := range folders(cfg) {
		c, err := control.Open(dir)
		if err == nil {
			var id control.Identity
			if id, err = probe(ctx, c); err == nil && (want == "" || want == id.ID) && (a.config == "" || cfg.Network == id.Network) {
				return c, nil
			}
			c.Close()
		}
		if cause := ctx.Err(); cause != nil {
			return nil, cause
		}
		if err == nil || errors.Is(err, control.ErrNoNode) {
			continue
		}
		if want == "" {
			return nil, err // it may be the one that is meant, and no other acts in its place
		}
		if errors.Is(absent, control.ErrNoNode) {
			absent = err // something is there, and is broken
		}
	}
	return nil, absent
}

// probe asks a node who it is, and not for long.
func probe(ctx context.Context, c *control.Client) (control.Identity, error) {
	brief, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	id, err := c.Identity(brief)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = &failure{exitTimeout, fmt.Errorf("the node with the state folder %s does not answer within %v", c.Dir(), probeTimeout),
			"see its log; or name another node: --state-dir DIR"}
	}
	return id, err
}

// owner is the user whose keys may be looked at: this one, or for root the one whose
// state folder dir is, since a service has a user of its own.
func owner(dir string) int {
	uid := os.Geteuid()
	if info, err := os.Stat(dir); err == nil && uid == 0 {
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			uid = int(stat.Uid)
		}
	}
	return uid
}

// ask finds the node and has do talk to it, within --timeout.
func (a *app) ask(cmd *cobra.Command, do func(context.Context, *control.Client) error) error {
	ctx, cancel, err := timeout(cmd)
	if err != nil {
		return err
	}
	defer cancel()
	c, err := a.find(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	return do(ctx, c)
}

// follow is ask for what goes on until the user ends it: Ctrl-C is no failure.
func (a *app) follow(cmd *cobra.Command, do func(context.Context, *control.Client) error) error {
	err := a.ask(cmd, do)
	if errors.Is(err, context.Canceled) && cmd.Context().Err() != nil {
		return nil
	}
	return err
}

// addTimeout gives cmd the flag --timeout.
func addTimeout(cmd *cobra.Command, usual time.Duration) {
	cmd.Flags().Duration("timeout", usual, "give up after this `DURATION` (exit code 5); 0 = never")
}

// timeout is the command's context, which ends when --timeout is up.
func timeout(cmd *cobra.Command) (context.Context, context.CancelFunc, error) {
	d, err := cmd.Flags().GetDuration("timeout")
	switch {
	case err != nil:
		return nil, nil, err
	case d < 0:
		return nil, nil, usage(cmd, "--timeout is negative")
	case d == 0:
		ctx, cancel := context.WithCancel(cmd.Context())
		return ctx, cancel, nil
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), d)
	return ctx, cancel, nil
}
