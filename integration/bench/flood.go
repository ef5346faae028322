package main

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// floodSystem hands every new message to all neighbours in a graph but the one
// that it came from. On a random graph that is bare flooding, the fastest there
// is; on a tree it is the cheapest. Messages are signed by their publisher and
// verified by everybody, once.
type floodSystem struct {
	fleet
	traffic *traffic
	nodes   []*flooder
	copies  atomic.Uint64
}

const floodProtocol = "/bench/flood/1"

// A message is length u32 · public key · signature · payload.
const floodHead = ed25519.PublicKeySize + ed25519.SignatureSize

type flooder struct {
	host    host.Host
	key     ed25519.PrivateKey
	deliver func(payload []byte)
	copies  *atomic.Uint64

	mu   sync.Mutex
	out  map[peer.ID]chan []byte
	seen map[[32]byte]struct{}
}

func newFlood(s *setting) (system, error) { return newFlooders(s, s.graph) }

func newTree(s *setting) (system, error) { return newFlooders(s, spanning(s.graph)) }

func newFlooders(s *setting, graph [][]int) (system, error) {
	f, err := newFleet(s)
	if err != nil {
		return nil, err
	}
	sys := &floodSystem{fleet: f, traffic: s.traffic}
	for i, h := range f {
		if _, err := sys.add(h, func(p []byte) { s.deliver(i, p) }); err != nil {
			sys.close()
			return nil, err
		}
	}
	if err := f.connect(graph); err != nil {
		sys.close()
		return nil, err
	}
	for i, neighbours := range graph {
		for _, j := range neighbours {
			if err := sys.nodes[i].open(f[j].ID()); err != nil {
				sys.close()
				return nil, err
			}
		}
	}
	return sys, nil
}

// add makes a host one of the system's.
func (sys *floodSystem) add(h host.Host, deliver func(payload []byte)) (*flooder, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	n := &flooder{host: h, key: key, deliver: deliver, copies: &sys.copies,
		out: make(map[peer.ID]chan []byte), seen: make(map[[32]byte]struct{})}
	h.SetStreamHandler(floodProtocol, n.receive)
	sys.nodes = append(sys.nodes, n)
	return n, nil
}

// links is how many neighbours it writes to.
func (n *flooder) links() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.out)
}

// open begins to write to a neighbour, with a queue that does not block the
// others and a buffer that is flushed when nothing waits.
func (n *flooder) open(to peer.ID) error {
	s, err := n.host.NewStream(network.WithNoDial(context.Background(), "linked"), to, floodProtocol)
	if err != nil {
		return err
	}
	// A leaf of a tree may have nothing to write for long, and a stream whose
	// protocol is not named within 10 s is reset: this names it.
	if _, err := s.Write(nil); err != nil {
		return err
	}
	queue := make(chan []byte, 1<<10)
	n.mu.Lock()
	n.out[to] = queue
	n.mu.Unlock()
	go func() {
		defer s.Reset()
		w := bufio.NewWriterSize(s, 64<<10)
		for m := range queue {
			w.Write(binary.BigEndian.AppendUint32(nil, uint32(len(m))))
			if _, err := w.Write(m); err != nil {
				break
			}
			if len(queue) == 0 && w.Flush() != nil {
				break
			}
		}
		n.mu.Lock()
		delete(n.out, to)
		n.mu.Unlock()
	}()
	return nil
}

func (n *flooder) receive(s network.Stream) {
	from := s.Conn().RemotePeer()
	r := bufio.NewReaderSize(s, 64<<10)
	for {
		var size [4]byte
		if _, err := io.ReadFull(r, size[:]); err != nil {
			s.Reset()
			return
		}
		m := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(r, m); err != nil {
			s.Reset()
			return
		}
		n.take(m, from)
	}
}

func (n *flooder) take(m []byte, from peer.ID) {
	id := sha256.Sum256(m)
	n.mu.Lock()
	_, known := n.seen[id]
	n.seen[id] = struct{}{}
	n.mu.Unlock()
	if known {
		n.copies.Add(1)
		return
	}
	if !ed25519.Verify(m[:ed25519.PublicKeySize], m[floodHead:], m[ed25519.PublicKeySize:floodHead]) {
		return
	}
	n.deliver(m[floodHead:])
	n.send(m, from)
}

func (n *flooder) send(m []byte, but peer.ID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for p, queue := range n.out {
		if p != but {
			select {
			case queue <- m:
			default: // lost, as its queue is far longer than any load here needs
			}
		}
	}
}

func (sys *floodSystem) publish(i int, payload []byte) error {
	n := sys.nodes[i]
	m := append([]byte(nil), n.key.Public().(ed25519.PublicKey)...)
	m = append(m, ed25519.Sign(n.key, payload)...)
	m = append(m, payload...)
	n.mu.Lock()
	n.seen[sha256.Sum256(m)] = struct{}{}
	alone := len(n.out) == 0
	n.mu.Unlock()
	n.send(m, "")
	if alone {
		return errors.New("no neighbours")
	}
	return nil
}

func (sys *floodSystem) kill(i int) { sys.traffic.wires.crash(sys.fleet[i]) }

func (sys *floodSystem) duplicates() uint64 { return sys.copies.Load() }
