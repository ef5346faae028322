package main

import (
	"context"
	"os"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node/config"
	"hearsay/node/identity"
)

// Closed networks: the key that all nodes share, and the list of peers.

// allowPause is how often the file with the list is looked at.
const allowPause = time.Second

// loadNetworkKey loads the key that is configured, as the user uid may, nil if none is.
func loadNetworkKey(cfg *config.Config, uid int) (*identity.NetworkKey, error) {
	if cfg.NetworkKey == "" {
		return nil, nil
	}
	k, err := identity.LoadNetworkKey(cfg.NetworkKey, uid)
	if err != nil {
		return nil, misconfigured("", err)
	}
	return &k, nil
}

// allowedPeers is the list that is configured, nil if there is none.
func allowedPeers(cfg *config.Config) ([]peer.ID, error) {
	if cfg.AllowPeersFile == "" {
		if len(cfg.AllowPeers) == 0 {
			return nil, nil
		}
		return cfg.AllowPeers, nil
	}
	listed, err := config.LoadPeers(cfg.AllowPeersFile)
	if err != nil {
		return nil, misconfigured("", err)
	}
	return append(append([]peer.ID{}, cfg.AllowPeers...), listed...), nil
}

// watchAllowed reads the list again when its file has changed. A file that cannot
// be read, or is wrong, changes nothing: whoever edits it may not be done.
func (as *assembly) watchAllowed(ctx context.Context) {
	type state struct {
		at   time.Time
		size int64
	}
	look := func() (s state) {
		if info, err := os.Stat(as.cfg.AllowPeersFile); err == nil {
			s = state{info.ModTime(), info.Size()}
		}
		return s
	}
	tick := time.NewTicker(allowPause)
	defer tick.Stop()
	for before := (state{}); ; {
		if now := look(); now != before {
			before = now
			if peers, err := allowedPeers(as.cfg); err != nil {
				log.Warnf("the list of peers stays as it was: %v", err)
			} else {
				as.node.Allow(peers)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
