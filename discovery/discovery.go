// Package discovery finds peers and hands them on as one stream of candidates.
//
// It has four sources, each in a file of its own:
//
//   - mDNS: nodes on the same link, asked for by multicast on every interface
//     (RFC 6762, RFC 6763, in the record format of the libp2p mDNS specification);
//   - local: nodes of the same user on the same machine, through a folder, for
//     machines without any network;
//   - contacts: addresses that the user gave, with or without a peer ID;
//   - Kademlia: nodes of the same network anywhere, through a rendezvous in a
//     private distributed hash table, and one for each data type (types.go).
//
// What it does not do is as important. It decides nothing about who becomes a
// neighbour, and it does not dial candidates: pacing dials, redialling, and
// keeping one of two peers waiting so that they do not dial each other at the
// same instant need one place that sees all of it, and that is the consumer of
// the stream. Two exceptions: a contact without a peer ID is called to ask for
// its ID, and Kademlia's own look-ups connect to whom they ask. Nor does it end
// connections, but for those whose own address this machine has lost (stranded.go).
//
// Candidates are hearsay. Anybody on the link can announce any address by
// mDNS, so a candidate is worth a dial at most; who answers there is proved by
// the handshake. Numbers are capped here so that the hearsay of one informant
// stays small: see the constants of each source.
//
// Networks of different names never meet: the name is part of the mDNS service,
// of the folder, of the DHT's protocol and of its rendezvous.
package discovery

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	logging "github.com/ipfs/go-log/v2"
	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"hearsay/discovery/values"
)

var log = logging.Logger("discovery")

// Source says how a candidate was found.
type Source string

const (
	SourceMDNS     Source = "mdns"     // announced by multicast on a link that we share
	SourceLocal    Source = "local"    // runs on this machine, for the same user
	SourceContact  Source = "contact"  // given by the user
	SourceKademlia Source = "kademlia" // written down in the network's DHT
)

// Candidate is a peer that might be worth a dial.
type Candidate struct {
	// Info has up to 16 addresses, never none, and never this node's own ID.
	Info   peer.AddrInfo
	Source Source
	// Types are data types that it is said to take: it was found at their places.
	Types []uint16
}

// DefaultPollInterval is how often changes of the network interfaces are looked for.
const DefaultPollInterval = 2 * time.Second

// maxContacts bounds the configured contacts: each has a goroutine.
const maxContacts = 256

// Config says where to look. The zero value of an optional field is its default.
type Config struct {
	// Host is who looks. It need not listen yet.
	Host host.Host
	// Network is the network's name: 1 to 32 of the characters a-z 0-9 - . _
	Network string
	// Found is called for each candidate, for the same one again and again, and
	// from several goroutines. It must not block. It is not called after Run
	// has returned.
	Found func(Candidate)

	// MDNS looks on the links that this machine is attached to.
	MDNS bool
	// Local looks on this machine.
	Local bool
	// LocalFolder is the folder in which nodes of one user leave their
	// addresses for each other. It is made if need be, and refused unless it
	// belongs to this user alone. Default: hearsay in $XDG_RUNTIME_DIR, or
	// hearsay-<user id> in the folder for temporary files.
	LocalFolder string

	// Contacts are addresses to begin with, at most 256.
	Contacts []Contact
	// KnownContactID returns the peer ID that ContactLearnt told of an address
	// in an earlier run. Optional.
	KnownContactID func(address string) (peer.ID, bool)
	// ContactLearnt is called when a contact that was given without a peer ID
	// has told its ID, and again when another ID answers there. It is called
	// from several goroutines. Optional.
	ContactLearnt func(address string, id peer.ID)

	// Asking is called before a peer is dialled that does not exist, to learn who
	// does at a contact's address, and done afterwards: a connection gater must let
	// it pass. Optional.
	Asking func(peer.ID) (done func())

	// Kademlia looks in the network's DHT. It needs a first peer from elsewhere.
	Kademlia bool

	// PollInterval is how often changes of the network interfaces are looked for.
	// Default: DefaultPollInterval.
	PollInterval time.Duration
}

// Discovery looks for peers while Run runs.
type Discovery struct {
	cfg      Config
	watch    *watcher
	mdns     *lan
	local    *machine
	contacts []*contactLoop
	kad      *kademlia // nil if off
	started  atomic.Bool
}

// New checks cfg and prepares. It sends nothing, but with Kademlia it makes the
// host serve the DHT's protocol: Run must be called, with an ended context if
// the node comes to nothing after all, to undo that.
func New(cfg Config) (*Discovery, error) {
	switch {
	case cfg.Host == nil:
		return nil, errors.New("discovery: Config.Host is missing")
	case cfg.Found == nil:
		return nil, errors.New("discovery: Config.Found is missing: nobody would hear of the peers that are found")
	case len(cfg.Contacts) > maxContacts:
		return nil, fmt.Errorf("discovery: %d contacts are too many, give at most %d: one that answers is enough", len(cfg.Contacts), maxContacts)
	}
	if err := checkNetwork(cfg.Network); err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	if cfg.PollInterval <= 0 {
		cfg.PollInterval = DefaultPollInterval
	}

	h := cfg.Host
	d := &Discovery{cfg: cfg}
	d.watch = newWatcher(func() (surroundings, error) { return observe(h.Network().ListenAddresses()) })
	connected := func(id peer.ID) bool { return h.Network().Connectedness(id) == network.Connected }
	d.mdns = &lan{
		mechanism: d.newMechanism(SourceMDNS, cfg.MDNS),
		service:   mdnsService(cfg.Network),
		watch:     d.watch,
		intake:    newIntake(mdnsNewPeers, mdnsRepeats, mdnsPeriod),
	}
	d.mdns.update(func(s *MechanismStatus) { s.Where = d.mdns.service })
	d.local = &machine{
		mechanism: d.newMechanism(SourceLocal, cfg.Local),
		base:      cfg.LocalFolder,
		network:   cfg.Network,
		watch:     d.watch,
		connected: connected,
	}
	introduced := d.newMechanism(SourceContact, true)
	world := contactWorld{
		self:      h.ID(),
		watch:     d.watch,
		connected: connected,
		lookup:    lookup,
		ask:       func(ctx context.Context, a ma.Multiaddr) (peer.ID, error) { return askID(ctx, h, a, cfg.Asking) },
		found:     func(info peer.AddrInfo) { introduced.candidate(info) },
		learnt:    cfg.ContactLearnt,
	}
	seen := make(map[string]bool)
	for _, c := range cfg.Contacts {
		if c.addr == nil {
			return nil, errors.New("discovery: a contact is empty: make contacts with ParseContact")
		}
		if seen[c.text] {
			continue
		}
		seen[c.text] = true
		var learnt peer.ID
		if cfg.KnownContactID != nil {
			learnt, _ = cfg.KnownContactID(c.text)
		}
		d.contacts = append(d.contacts, newContactLoop(c, learnt, world))
	}
	if cfg.Kademlia {
		table, err := newDHT(h, cfg.Network)
		if err != nil {
			return nil, fmt.Errorf("discovery: %w", err)
		}
		kept, err := values.Attach(h, table.RoutingTable(), cfg.Network, kadScope(h))
		if err != nil {
			table.Close()
			return nil, fmt.Errorf("discovery: %w", err)
		}
		d.kad = newKademlia(d.newMechanism(SourceKademlia, true), table, kept, cfg.Network, d.watch)
	}
	return d, nil
}

// DHT returns the network's distributed hash table, nil if Kademlia is off. It
// is closed when Run returns.
func (d *Discovery) DHT() *dht.IpfsDHT {
	if d.kad == nil {
		return nil
	}
	return d.kad.dht
}

// Values are what the network's nodes keep for each other, nil if Kademlia is off.
// They are served, spread and handed on while Run runs.
func (d *Discovery) Values() *values.Service {
	if d.kad == nil {
		return nil
	}
	return d.kad.values
}

// Run looks for peers until ctx ends, and returns nil when everything has
// stopped. A source that cannot work, for want of a network for example, is no
// error: it says so in Status and tries again. Run can be called once.
func (d *Discovery) Run(ctx context.Context) error {
	if d.started.Swap(true) {
		return errors.New("discovery: Run was called before: make a new Discovery")
	}
	stop := d.watch.listening(d.cfg.Host.Network().ListenAddresses)
	defer stop()
	var wg sync.WaitGroup
	d.watch.look()
	_, changed := d.watch.current()
	wg.Go(func() { d.watch.heed(ctx, changed, d.hangUpStranded) })
	wg.Go(func() { d.watch.run(ctx, d.cfg.PollInterval) })
	if d.cfg.MDNS {
		wg.Go(func() { d.mdns.run(ctx) })
	}
	if d.cfg.Local {
		wg.Go(func() { d.local.run(ctx) })
	}
	for _, c := range d.contacts {
		wg.Go(func() { c.run(ctx) })
	}
	if d.kad != nil {
		wg.Go(func() { d.kad.run(ctx) })
	}
	wg.Wait()
	return nil
}

// jitter returns d, give or take a quarter, so that nodes that were started by
// the same switch do not go on acting at the same instant.
func jitter(d time.Duration) time.Duration {
	return d*3/4 + rand.N(d/2)
}

// pause waits for d, less if wake is closed first. It reports whether it was
// woken, and false when ctx has ended.
func pause(ctx context.Context, d time.Duration, wake <-chan struct{}) (woken bool) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-wake:
		return true
	}
	return false
}
