package main

import (
	"context"

	"hearsay/apibridge"
	"hearsay/apibridge/apimsg"
	"hearsay/node"
	"hearsay/node/config"
	"hearsay/node/gossip"
)

// modulePorts is where the modules beside this node meet those of other nodes.
// An Onion module has a port of its own. What this node does itself it does at its
// P2P port, whichever that is: gossip always, NSE and the DHT if it offers them to
// modules.
func modulePorts(cfg *config.Config) (ports []gossip.Port) {
	if !cfg.NSEAPI.Off {
		ports = append(ports, gossip.Port{App: apimsg.AppNSE})
	}
	if !cfg.Onion.Off && cfg.Onion.Port != 0 {
		ports = append(ports, gossip.Port{App: apimsg.AppOnion, Port: cfg.Onion.Port})
	}
	if !cfg.DHTAPI.Off {
		ports = append(ports, gossip.Port{App: apimsg.AppDHT})
	}
	return ports
}

// sampling is a node as the RPS API sees it.
type sampling struct{ node *node.Node }

func (s sampling) SamplePeer(ctx context.Context) (apibridge.SampledPeer, error) {
	p, err := s.node.SamplePeer(ctx)
	if err != nil {
		return apibridge.SampledPeer{}, err
	}
	sampled := apibridge.SampledPeer{Addr: p.Addr, Hostkey: p.Hostkey}
	for _, at := range p.Ports {
		sampled.Ports = append(sampled.Ports, apimsg.AppPort{App: at.App, Port: at.Port})
	}
	return sampled, nil
}
