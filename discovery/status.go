package discovery

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Status is how discovery is doing.
type Status struct {
	MDNS     MechanismStatus
	Local    MechanismStatus
	Kademlia MechanismStatus
	Contacts []ContactStatus // in the order in which they were given
}

// MechanismStatus is how one way of finding peers is doing.
type MechanismStatus struct {
	On      bool // configured
	Running bool // at work now; On && !Running: LastError says why not
	// Where it looks: the mDNS service, the folder, the DHT protocol.
	Where string
	// Interfaces in use, by name; mDNS only.
	Interfaces []string
	// Peers is how many peers the DHT knows to ask; Kademlia only.
	Peers int
	// Types is how many data types are looked after in the DHT, and WaitingTypes
	// how many wait for their turn; Kademlia only.
	Types, WaitingTypes int
	// LastError is what failed last, "" when all is well.
	LastError string
	// Flooded says that what failed is others' doing, who announced too much, and that
	// it ends by itself; mDNS only.
	Flooded bool
	// Found counts candidates handed over, repeated ones too.
	Found uint64
	// Refused counts what was over a limit or not worth handing over.
	Refused uint64
	// LastFound is the time of the last candidate, zero if there was none.
	LastFound time.Time
}

// Status returns how discovery is doing now. It can be called at any time.
func (d *Discovery) Status() Status {
	s := Status{MDNS: d.mdns.snapshot(), Local: d.local.snapshot()}
	if d.kad != nil {
		s.Kademlia = d.kad.snapshot()
		s.Kademlia.Peers = d.kad.known()
		s.Kademlia.Types, s.Kademlia.WaitingTypes = d.kad.types.counts()
	}
	for _, c := range d.contacts {
		s.Contacts = append(s.Contacts, c.snapshot())
	}
	return s
}

// mechanism is what all ways of finding peers have in common: handing
// candidates over and keeping a status.
type mechanism struct {
	source Source
	self   peer.ID
	hand   func(Candidate)

	mu     sync.Mutex
	status MechanismStatus
}

func (d *Discovery) newMechanism(source Source, on bool) *mechanism {
	return &mechanism{
		source: source, self: d.cfg.Host.ID(), hand: d.cfg.Found,
		status: MechanismStatus{On: on},
	}
}

// candidate hands a peer over, unless it is this node or has no address, and says
// which data types it is said to take.
func (m *mechanism) candidate(info peer.AddrInfo, types ...uint16) {
	if info.ID == m.self || len(info.Addrs) == 0 {
		return
	}
	info.Addrs = info.Addrs[:min(len(info.Addrs), maxAddrs)]
	m.update(func(s *MechanismStatus) {
		s.Found++
		s.LastFound = time.Now()
	})
	m.hand(Candidate{Info: info, Source: m.source, Types: types})
}

func (m *mechanism) update(change func(*MechanismStatus)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.status)
}

func (m *mechanism) refuse() {
	m.update(func(s *MechanismStatus) { s.Refused++ })
}

// working notes that the mechanism works, on these interfaces if it has any.
func (m *mechanism) working(interfaces ...string) {
	m.update(func(s *MechanismStatus) {
		s.Running, s.Interfaces, s.LastError, s.Flooded = true, interfaces, "", false
	})
}

// failed notes that the mechanism does not work now; nil: it was told to stop.
func (m *mechanism) failed(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	m.update(func(s *MechanismStatus) {
		s.Running, s.Interfaces, s.LastError, s.Flooded = false, nil, text, errors.Is(err, errFlooded)
	})
}

func (m *mechanism) snapshot() MechanismStatus {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.status
	s.Interfaces = slices.Clone(s.Interfaces)
	return s
}
