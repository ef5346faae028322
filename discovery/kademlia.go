package discovery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p-kad-dht/records"
	rendezvous "github.com/libp2p/go-libp2p/core/discovery"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/discovery/routing"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"hearsay/discovery/values"
)

const (
	// kadNewPeers and kadRepeats limit in any kadPeriod what the DHT may tell:
	// whoever sits near the rendezvous answers what it likes.
	kadNewPeers = 64
	kadRepeats  = 256
	kadPeriod   = time.Minute
	// kadSearchPeers and kadSearchTime bound one search.
	kadSearchPeers = 64
	kadSearchTime  = 30 * time.Second
	// kadTypePeers bounds a search for those that take a data type: three are
	// enough, and some of them may be gone.
	kadTypePeers = 16

	// Searches have pauses that double from the first to the last, and stop at
	// kadAlonePause while nobody is found.
	kadFirstPause = 2 * time.Second
	kadAlonePause = 30 * time.Second
	kadLastPause  = 4 * time.Minute

	// A node writes itself down anew more often than the DHT forgets it, and at
	// first more often still: those who were nearest to the rendezvous in a
	// network of two are not in one of thousands. Kademlia's usual validity of
	// two days would have everybody dial nodes that left the day before.
	kadFirstAdvert = time.Minute
	kadLastAdvert  = 20 * time.Minute
	kadValidity    = time.Hour

	// kadPoll is how often an empty routing table is looked at.
	kadPoll = time.Second
)

// kademlia finds peers through a Kademlia DHT (Maymounkov and Mazières, 2002)
// of the network's own, in which all nodes write themselves down at the same
// place. It never takes part in the public one of IPFS: the protocol has
// another name. It has no list of nodes to begin with: whoever this host is
// connected to and speaks the protocol is one.
type kademlia struct {
	*mechanism
	dht    *dht.IpfsDHT
	values *values.Service
	watch  *watcher
	types  *typeFinder

	taking sync.Mutex // guards intake
	intake *intake

	known     func() int // peers in the routing table
	advertise func(context.Context) error
	search    func(context.Context) (<-chan peer.AddrInfo, error)
}

// kadPrefix makes the DHT's protocol /hearsay/<network>/kad/1.0.0.
func kadPrefix(network string) protocol.ID { return protocol.ID("/hearsay/" + network) }

// newDHT starts a DHT that serves others, as every node does in a private
// network. It knows providers only; values have a protocol of their own, over its
// routing table (package values).
func newDHT(h host.Host, network string) (*dht.IpfsDHT, error) {
	d, err := dht.New(h,
		dht.ProtocolPrefix(kadPrefix(network)),
		dht.Mode(dht.ModeServer),
		dht.AddressFilter(kadScope(h)),
		dht.ProviderDatastore(newProviderShelf(kadRecords, kadRecordsPerPeer)),
		dht.ProviderManagerOpts(
			records.ProvideValidity(kadValidity), records.ProviderAddrTTL(kadValidity), records.CleanupInterval(kadValidity/6)),
		dht.DisableValues())
	if err != nil {
		return nil, fmt.Errorf("cannot start Kademlia: %w", err)
	}
	return d, nil
}

func newKademlia(m *mechanism, d *dht.IpfsDHT, v *values.Service, network string, w *watcher) *kademlia {
	place := "/hearsay/" + network + "/rendezvous"
	via := routing.NewRoutingDiscovery(d)
	m.update(func(s *MechanismStatus) { s.Where = string(kadPrefix(network)) + "/kad/1.0.0" })
	k := &kademlia{
		mechanism: m,
		dht:       d,
		values:    v,
		watch:     w,
		intake:    newIntake(kadNewPeers, kadRepeats, kadPeriod),
		known:     d.RoutingTable().Size,
		advertise: func(ctx context.Context) error {
			_, err := via.Advertise(ctx, place) // gives up after a minute
			return err
		},
		search: func(ctx context.Context) (<-chan peer.AddrInfo, error) {
			return via.FindPeers(ctx, place, rendezvous.Limit(kadSearchPeers))
		},
		types: newTypeFinder(network),
	}
	k.types.advertise = func(ctx context.Context, place string) error {
		_, err := via.Advertise(ctx, place)
		return err
	}
	k.types.search = func(ctx context.Context, place string) (<-chan peer.AddrInfo, error) {
		return via.FindPeers(ctx, place, rendezvous.Limit(kadTypePeers))
	}
	k.types.found = func(info peer.AddrInfo, dataType uint16) { k.take(info, dataType) }
	return k
}

// run advertises, searches and keeps values until ctx ends, and closes the DHT.
func (k *kademlia) run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { k.advertising(ctx) })
	wg.Go(func() { k.searching(ctx) })
	wg.Go(func() { k.values.Run(ctx) })
	wg.Go(func() { k.types.run(ctx, k.awaitPeers, k.watch) })
	wg.Wait()
	k.values.Detach()
	if err := k.dht.Close(); err != nil {
		log.Debugw("closing Kademlia", "error", err)
	}
	k.failed(nil)
}

// advertising writes this node down at the rendezvous, again and again.
func (k *kademlia) advertising(ctx context.Context) {
	again, retry := kadFirstAdvert, kadFirstPause
	for k.awaitPeers(ctx) {
		_, changed := k.watch.current()
		wait := again
		if err := k.advertise(ctx); err != nil {
			log.Debugw("advertising in the DHT", "error", err)
			wait, retry = retry, min(2*retry, kadAlonePause)
		} else {
			again, retry = min(2*again, kadLastAdvert), kadFirstPause
		}
		if pause(ctx, jitter(wait), changed) {
			// The host remembers its addresses for a minute, so that the next advert may
			// tell the old ones still.
			again, retry = kadFirstAdvert, kadFirstPause
		}
	}
}

// searching looks at the rendezvous for others, quickly while there are none.
func (k *kademlia) searching(ctx context.Context) {
	wait := kadFirstPause
	for k.awaitPeers(ctx) {
		_, changed := k.watch.current()
		others, err := k.searchOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			k.failed(fmt.Errorf("cannot search the DHT: %w", err))
		} else {
			k.working()
		}
		if others == 0 {
			wait = min(wait, kadAlonePause)
		}
		if pause(ctx, jitter(wait), changed) {
			wait = kadFirstPause
		} else {
			wait = min(2*wait, kadLastPause)
		}
	}
}

// awaitPeers waits until there is somebody to ask, and reports false when ctx
// has ended.
func (k *kademlia) awaitPeers(ctx context.Context) bool {
	for waited := false; ctx.Err() == nil; waited = true {
		if k.known() > 0 {
			if waited {
				k.working()
			}
			return true
		}
		k.failed(errNobodyToAsk)
		pause(ctx, kadPoll, nil)
	}
	return false
}

var errNobodyToAsk = errors.New("nobody to ask yet: Kademlia begins with a peer that was found in another way")

// searchOnce hands over whom it finds and returns how many others there were.
func (k *kademlia) searchOnce(ctx context.Context) (others int, err error) {
	ctx, cancel := context.WithTimeout(ctx, kadSearchTime)
	defer cancel()
	found, err := k.search(ctx)
	if err != nil {
		return 0, err
	}
	for info := range found {
		if others >= kadSearchPeers {
			k.refuse()
		} else if k.take(info) {
			others++
		}
	}
	return others, nil
}

// take hands over a peer that was found, if the limits permit it, and reports
// whether it is one.
func (k *kademlia) take(info peer.AddrInfo, types ...uint16) bool {
	info.Addrs = kadAddrs(info.Addrs)
	if info.ID == k.self || len(info.Addrs) == 0 {
		return false
	}
	k.taking.Lock()
	admitted := k.intake.admit(info.ID, time.Now())
	k.taking.Unlock()
	if admitted {
		k.candidate(info, types...)
	} else {
		k.refuse()
	}
	return true
}

// kadScope is kadAddrs for what a host keeps of others and dials in look-ups: one that
// has a network dials no loopback address of its own because a stranger says so.
func kadScope(h host.Host) func([]ma.Multiaddr) []ma.Multiaddr {
	return func(addrs []ma.Multiaddr) []ma.Multiaddr {
		good := kadAddrs(addrs)
		if len(good) > 0 && manet.IsIPLoopback(good[0]) && slices.ContainsFunc(h.Addrs(), func(a ma.Multiaddr) bool { return !manet.IsIPLoopback(a) }) {
			return nil
		}
		return good
	}
}

// kadAddrs keeps the addresses that a stranger far away may give: IP addresses
// of single machines, up to maxAddrs of them. Loopback counts only where a peer
// has nothing else, as on a machine without a network. Names would have us ask
// a resolver for whatever a stranger likes, and addresses of a link lead to
// whoever has them on ours.
func kadAddrs(addrs []ma.Multiaddr) []ma.Multiaddr {
	var far, near []ma.Multiaddr
	for _, a := range addrs {
		switch ip, _ := manet.ToIP(a); {
		case !isUnicast(a) || ip.IsLinkLocalUnicast() || manet.IsIP6LinkLocal(a):
		case manet.IsIPLoopback(a):
			near = append(near, a)
		default:
			far = append(far, a)
		}
	}
	if len(far) == 0 {
		far = near
	}
	return far[:min(len(far), maxAddrs)]
}
