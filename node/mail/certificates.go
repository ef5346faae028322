package mail

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/simplelru"
	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node/envelope"
)

// maxCertificates is how many nodes' certificates are remembered of those that this node
// exchanged messages with, and as many of others.
const maxCertificates = 1024

// errNoKey: there is nothing to seal to.
var errNoKey = errors.New("no key of it is known: it has not been here since this node started, or takes no private messages")

// certificates are the ones that nodes told last, for when they are away: a presence is
// forgotten minutes after its node has gone, and what is sent then waits for hours. Those
// of correspondents are kept apart, so that no crowd that comes pushes them out.
type certificates struct {
	mu                     sync.Mutex
	correspondents, others *simplelru.LRU // []byte by peer.ID
}

func newCertificates() certificates {
	return certificates{correspondents: newLRU(maxCertificates), others: newLRU(maxCertificates)}
}

func newLRU(size int) *simplelru.LRU {
	l, err := simplelru.NewLRU(size, nil)
	if err != nil {
		panic(err) // only of a size below 1
	}
	return l
}

// note remembers what a node told.
func (c *certificates) note(of peer.ID, certificate []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	among := c.others
	if c.correspondents.Contains(of) {
		among = c.correspondents
	}
	among.Add(of, bytes.Clone(certificate)) // it is a part of a presence
}

// keep remembers what a correspondent told.
func (c *certificates) keep(of peer.ID, certificate []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.others.Remove(of)
	c.correspondents.Add(of, bytes.Clone(certificate))
}

// last is what a node told last, nil if that is not remembered.
func (c *certificates) last(of peer.ID) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, among := range []*simplelru.LRU{c.correspondents, c.others} {
		if certificate, ok := among.Get(of); ok {
			return certificate.([]byte)
		}
	}
	return nil
}

// toldBy is the certificate that a node told last, nil if none is known.
func (m *Mail) toldBy(p peer.ID) []byte {
	b, here := m.cfg.Certificate(p)
	if len(b) == 0 && !here {
		b = m.known.last(p)
	}
	return b
}

// certificateOf is the certificate that a node told last, if that can be used.
func (m *Mail) certificateOf(p peer.ID, now time.Time) (*envelope.Certificate, error) {
	b := m.toldBy(p)
	if len(b) == 0 {
		return nil, errNoKey
	}
	c, err := envelope.ParseCertificate(b, now)
	switch {
	case err != nil:
		return nil, fmt.Errorf("its key cannot be used: %w", err)
	case c.Peer != p:
		return nil, errors.New("its key is certified for another node")
	}
	return c, nil
}

// correspond remembers the certificate of a node with which messages are exchanged.
func (m *Mail) correspond(p peer.ID) {
	if b := m.toldBy(p); len(b) > 0 {
		m.known.keep(p, b)
	}
}
