package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	logging "github.com/ipfs/go-log/v2"
	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/apibridge"
	"hearsay/discovery/values"
	"hearsay/node"
	"hearsay/node/config"
	"hearsay/node/control"
	"hearsay/node/dashboard"
	"hearsay/node/folder"
	"hearsay/node/identity"
	"hearsay/node/mail"
	"hearsay/node/metrics"
)

var log = logging.Logger("hearsay/run")

// How long the parts of a node have to end; what takes longer is left behind.
const (
	// drainTimeout is for taking over what modules have already sent.
	drainTimeout = 300 * time.Millisecond
	// leaveTimeout is for the rest: the node takes up to 2 s to say good-bye to
	// its neighbours.
	leaveTimeout = 2500 * time.Millisecond
)

// assembly is a node and what stands around it.
type assembly struct {
	cfg     *config.Config
	dir     string // state folder, locked
	unlock  func() error
	node    *node.Node
	api     net.Listener    // of the Gossip API; nil if it is off
	dht     net.Listener    // of the DHT API; nil if it is off
	rps     net.Listener    // of the RPS API; nil if it is off
	nse     net.Listener    // of the NSE API; nil if it is off
	modules []moduleAPI     // all that are on
	control *control.Server // nil if it is off; from the time when the node is ready

	newKey                       bool // the hostkey was made now
	dirMoved, p2pMoved, apiMoved bool // a default is taken and was replaced
}

// moduleAPI is one module API and its port.
type moduleAPI struct {
	net.Listener
	server interface {
		Serve(net.Listener) error
		Close(context.Context) error
	}
}

// assemble puts a node together and opens its ports. Nothing runs yet; close
// takes it apart again.
func assemble(cfg *config.Config) (*assembly, error) {
	as := &assembly{cfg: cfg}
	if err := as.open(); err != nil {
		as.close()
		return nil, err
	}
	return as, nil
}

func (as *assembly) open() error {
	cfg := as.cfg
	if err := as.claim(); err != nil {
		return err
	}
	id, err := as.identity()
	if err != nil {
		return err
	}
	networkKey, err := loadNetworkKey(cfg, os.Geteuid())
	if err != nil {
		return err
	}
	allowed, err := allowedPeers(cfg)
	if err != nil {
		return err
	}
	defer takeTurns()()
	listen, moved, err := p2pAddrs(cfg)
	if err != nil {
		return err
	}
	as.p2pMoved = moved
	if as.api, as.apiMoved, err = listenAPI(cfg); err != nil {
		return err
	}
	for _, api := range []struct {
		at      config.Endpoint
		setting string
		ln      *net.Listener
	}{{cfg.DHTAPI, "[dht] api_address", &as.dht}, {cfg.RPSAPI, "[rps] api_address", &as.rps}, {cfg.NSEAPI, "[nse] api_address", &as.nse}} {
		if api.at.Off {
			continue
		}
		if *api.ln, err = apibridge.Listen(api.at.Address(), cfg.APIAllowRemote); err != nil {
			return unusable(api.at, api.setting, err)
		}
	}
	contacts := make([]string, 0, len(cfg.Bootstrap))
	for _, b := range cfg.Bootstrap {
		contacts = append(contacts, b.String())
	}
	as.node, err = node.New(node.Config{
		Identity:          id,
		Network:           cfg.Network,
		StateDir:          as.dir,
		NetworkKey:        networkKey,
		Allow:             allowed,
		AutoNAT:           cfg.AutoNAT,
		PortMapping:       cfg.PortMapping,
		Relay:             cfg.Relay,
		RelayService:      cfg.RelayService,
		HolePunching:      cfg.HolePunching,
		Listen:            listen,
		Contacts:          contacts,
		MDNS:              cfg.MDNS,
		Kademlia:          cfg.Kademlia,
		PeerExchange:      cfg.PeerExchange,
		Shuffle:           node.DefaultConfig().Shuffle,
		Degree:            cfg.Degree,
		CacheSize:         cfg.CacheSize,
		DifficultyBits:    cfg.DifficultyBits,
		Heartbeat:         cfg.Heartbeat,
		AntiEntropy:       cfg.AntiEntropy,
		ValidationTimeout: cfg.ValidationTimeout,
		Lifetime:          cfg.Lifetime,
		Replay:            cfg.Replay,
		AckTimeout:        cfg.AckTimeout,
		ContinueMongering: cfg.ContinueMongering,
		Agent:             agent(),
		Ports:             modulePorts(cfg),
	})
	if err != nil {
		return err
	}
	as.reportMoved()
	options := apibridge.DefaultOptions()
	options.MaxConns = cfg.MaxAPIConnections
	options.Pace = cfg.NotificationPace
	options.StrictAnnounce = cfg.StrictAnnounce
	if as.api != nil {
		as.modules = append(as.modules, moduleAPI{as.api, apibridge.NewGossip(as.node.Modules(), options)})
	}
	if as.dht != nil {
		as.modules = append(as.modules, moduleAPI{as.dht, apibridge.NewDHT(as.node.ValueModules(), apibridge.DHTOptions{Limits: options.Limits})})
	}
	if as.rps != nil {
		as.modules = append(as.modules, moduleAPI{as.rps, apibridge.NewRPS(sampling{as.node}, apibridge.RPSOptions{Limits: options.Limits})})
	}
	if as.nse != nil {
		as.modules = append(as.modules, moduleAPI{as.nse, apibridge.NewNSE(as.node, options.Limits)})
	}
	return nil
}

// claim locks a state folder for this process: the one that the user named, or
// the first default one that no other node has.
func (as *assembly) claim() (err error) {
	all := folders(as.cfg)
	for i, dir := range all {
		if as.unlock, err = folder.Lock(dir); err == nil {
			as.dir, as.dirMoved = dir, i > 0
			as.cfg.StateDir = dir // where the hostkey is, too
			if err := control.Forget(dir); err != nil {
				return &failure{exitFailed, fmt.Errorf("state: %w", err), "name another folder: --state-dir DIR"}
			}
			return alone(as.cfg, all[:i])
		}
		if !errors.Is(err, folder.ErrInUse) {
			return &failure{exitFailed, fmt.Errorf("state: %w", err), "name another folder: --state-dir DIR"}
		}
	}
	return &failure{exitFailed, fmt.Errorf("state: %w", err), "each node needs a state folder of its own: --state-dir DIR"}
}

// alone looks whether one of the nodes that have these state folders has the hostkey
// that this one is to have: then it is this one, and runs already.
func alone(cfg *config.Config, taken []string) error {
	want, err := ownID(cfg)
	if err != nil || want == "" {
		return nil // what is wrong with the hostkey is told when it is loaded
	}
	for _, dir := range taken {
		c, err := control.Open(dir)
		if err != nil {
			continue // it cannot be asked
		}
		id, err := probe(context.Background(), c)
		c.Close()
		if err == nil && id.ID == want {
			return fail("see how it is: hearsay doctor --state-dir "+shellQuote(dir), "this node runs already (state folder %s)", dir)
		}
	}
	return nil
}

// identity loads the hostkey. One that the user named must be there: a slip of
// the pen must not make a new node of this one.
func (as *assembly) identity() (id *identity.Identity, err error) {
	path := hostKey(as.cfg)
	if as.cfg.HostKey != "" {
		id, err = identity.Load(path)
		return id, misconfigured("", err)
	}
	id, as.newKey, err = identity.LoadOrCreate(path)
	if _, missing := os.Lstat(path); err != nil && missing == nil {
		err = misconfigured("", err) // there is one, and it is of no use
	}
	return id, err
}

// close gives back what assemble took.
func (as *assembly) close() {
	if as.node != nil {
		as.node.Close() // which does nothing to one that has run
	}
	for _, ln := range []net.Listener{as.api, as.dht, as.rps, as.nse} {
		if ln != nil {
			ln.Close()
		}
	}
	if as.unlock != nil {
		as.unlock()
	}
}

// run has everything run until ctx ends or a part fails. It calls ready, once,
// when the node can be reached in all its ways, and returns when all has ended:
// first the modules' connections, so that what they have announced still
// counts, then the node, which says good-bye, with the control API.
func (as *assembly) run(ctx context.Context, ready func()) (err error) {
	defer as.close()
	inner, leave := context.WithCancel(context.WithoutCancel(ctx))
	defer leave()
	ended := make(chan error, 4+len(as.modules))
	running := 0
	begin := func(part func() error) {
		running++
		go func() { ended <- part() }()
	}

	begin(func() error { return as.node.Run(inner) })
	select {
	case <-as.node.Ready():
		if !as.cfg.Control.Off {
			numbers := metrics.New(measured{as.node})
			as.control, err = control.Listen(control.Config{Address: as.cfg.Control.Address(), StateDir: as.dir, TTL: as.cfg.TTL, Lab: as.cfg.LabAPI,
				Dashboard: dashboard.Handler(), Metrics: numbers.Handler(), Log: controlLog}, controlled{as.node})
			if err == nil {
				begin(func() error { return as.control.Serve(inner) })
				begin(func() error { measure(inner, as.node, numbers); return nil })
			}
		}
		for _, m := range as.modules {
			begin(func() error { return m.server.Serve(m.Listener) })
		}
		if err != nil {
			break
		}
		ready()
		if as.cfg.AllowPeersFile != "" {
			begin(func() error { as.watchAllowed(inner); return nil })
		}
		select {
		case <-ctx.Done():
		case err = <-ended:
			running--
		}
	case err = <-ended:
		running--
	case <-ctx.Done():
	}

	drain, cancel := context.WithTimeout(inner, drainTimeout)
	var draining sync.WaitGroup
	for _, m := range as.modules {
		draining.Go(func() { m.server.Close(drain) }) // cutting off a module that goes on sending is no failure
	}
	draining.Wait()
	cancel()
	leave()
	late := time.NewTimer(leaveTimeout)
	defer late.Stop()
	for ; running > 0; running-- {
		select {
		case e := <-ended:
			err = errors.Join(err, e)
		case <-late.C:
			log.Warnf("not everything has ended within %v; left behind", leaveTimeout)
			return err
		}
	}
	return err
}

// controlled is a node as the control API sees it.
type controlled struct{ *node.Node }

func (c controlled) Announce(ctx context.Context, a node.Announcement) (node.Announced, error) {
	told, err := c.Node.Announce(ctx, a)
	return told, stopping(err)
}

func (c controlled) Listen(types []uint16) (control.Listener, error) {
	l, err := c.Node.Listen(types)
	if err != nil {
		return nil, stopping(err)
	}
	return l, nil
}

func (c controlled) PutValue(ctx context.Context, key node.ValueKey, data []byte, ttl time.Duration) (node.Value, error) {
	v, err := c.Node.PutValue(ctx, key, data, ttl)
	switch {
	case errors.Is(err, values.ErrFull):
		return v, &control.Error{Status: http.StatusInsufficientStorage, What: err.Error(), Hint: "put it again when some have expired, or give values shorter lives"}
	case errors.Is(err, values.ErrNewer):
		return v, &control.Error{Status: http.StatusConflict, What: err.Error(), Hint: "put it again, and give each node a hostkey of its own"}
	}
	return v, stopping(err)
}

func (c controlled) Watch() control.Watcher { return c.Node.Watch() }

func (c controlled) Observe() control.Observer { return c.Node.Observe() }

func (c controlled) Send(ctx context.Context, to []peer.ID, data []byte, o mail.Options) (mail.Sent, error) {
	sent, err := c.Node.Send(ctx, to, data, o)
	return sent, stopping(err)
}

func (c controlled) Inbox(after uint64) control.MailReader { return c.Node.Inbox(after) }

func (c controlled) InboxNew() control.MailReader { return c.Node.InboxNew() }

func (c controlled) WatchState() control.StateWatcher { return c.Node.WatchState() }

// stopping words what a request meets that comes just before the end.
func stopping(err error) error {
	if errors.Is(err, node.ErrStopped) {
		return &control.Error{Status: http.StatusServiceUnavailable, What: err.Error(), Hint: "start it again: hearsay run"}
	}
	return err
}
