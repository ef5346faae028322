package values

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/time/rate"
)

// What others may ask of a node. Holders that hand on a full memory to a newcomer get
// through in minutes, all together; a flood costs a core 2 % of its time.
const (
	peerPuts      = 50  // records a second from one peer, in the long run
	peerPutsBurst = 500 // and at once
	allPuts       = 500 // records a second from all peers; an RSA signature takes 0.2 ms
	allPutsBurst  = 2000

	peerAsks      = 200 // answers with records a second to one peer, in the long run
	peerAsksBurst = 2000
	allAsks       = 5000 // and to all; each costs up to 540 KB of upload
	allAsksBurst  = 20000
	// maxBuckets is how many peers' rates are kept; the one unused for longest goes.
	maxBuckets = 1024
)

// Handle answers another node's request; nil means that it is none, and that the
// sender deserves no answer.
func (s *Service) Handle(from peer.ID, message []byte) []byte {
	q, err := decodeRequest(message)
	if err != nil {
		s.count.malformed.Add(1)
		return nil
	}
	s.silent.heard(from)
	now := time.Now()
	p := new(response)
	switch q.kind {
	case kindPut:
		p.verdict = s.accept(from, q.record, now)
	case kindOffer:
		p.verdict = s.store.offer(q, now)
	case kindGet:
		if !s.asks.allow(from, now) {
			s.count.busy.Add(1)
			return nil
		}
		s.count.asked.Add(1)
		p.records = s.store.get(q.key, now)
		p.records = p.records[:min(len(p.records), maxSigners)]
		p.near = s.near(q.place, from)
	case kindFind:
		p.near = s.near(q.place, from)
	}
	return p.encode()
}

// accept keeps a record of another node's or says why not, cheap checks first.
func (s *Service) accept(from peer.ID, r *Record, now time.Time) verdict {
	if r.checkCheap(s.cfg.Network, now) != nil {
		s.count.refused.Add(1)
		return verdictRefused
	}
	if !s.puts.allow(from, now) {
		s.count.busy.Add(1)
		return verdictBusy
	}
	if v := s.store.admits(r, now); v != verdictWanted {
		if v == verdictKept {
			s.store.put(r, now) // which notes that it was heard of
		}
		if v == verdictFull {
			s.count.full.Add(1)
		}
		return v
	}
	if r.checkSignature() != nil {
		s.count.refused.Add(1)
		return verdictRefused
	}
	v := s.store.put(r, now)
	if v == verdictKept {
		s.count.kept.Add(1)
	}
	return v
}

// near are the nodes nearest to a place that this node knows, without the asker.
func (s *Service) near(p place, asker peer.ID) (near []peer.AddrInfo) {
	for _, info := range s.cfg.Nearest(p, maxNear+1) {
		if info.ID == asker || info.ID == s.cfg.Self || len(near) == maxNear {
			continue
		}
		addrs := info.Addrs[:0:0]
		for _, a := range info.Addrs {
			if len(addrs) < maxNearAddrs && len(a.Bytes()) <= maxAddr {
				addrs = append(addrs, a)
			}
		}
		near = append(near, peer.AddrInfo{ID: info.ID, Addrs: addrs})
	}
	return near
}

// rates are token buckets, one for each peer and one for all.
type rates struct {
	all   *rate.Limiter
	peers recent[*rate.Limiter]
	rate  rate.Limit // of each peer
	burst int
}

func newRates(peer rate.Limit, peerBurst int, all rate.Limit, allBurst int) *rates {
	return &rates{rate.NewLimiter(all, allBurst), newRecent[*rate.Limiter](maxBuckets), peer, peerBurst}
}

func (r *rates) allow(id peer.ID, now time.Time) bool {
	l := r.peers.use(id, func() *rate.Limiter { return rate.NewLimiter(r.rate, r.burst) })
	return l.AllowN(now, 1) && r.all.AllowN(now, 1)
}
