package transport

import (
	"errors"
	"fmt"
	"io"
	"time"

	"hearsay/node/gossip"
	"hearsay/node/wire"
)

// startReading runs the reader of a peer's stream. t.mu is held, and the link has
// just come up or has other readers.
func (l *link) startReading(id laneID, in *inbound) {
	l.in[id] = in.stream
	l.readers.Add(1)
	l.t.wg.Add(1)
	go func() {
		defer l.t.wg.Done()
		defer l.readers.Done()
		defer l.rescue()
		select {
		case <-l.announced:
		case <-l.t.ctx.Done():
			return
		}
		why, err := l.read(id, in)
		if why == endPeer {
			go in.stream.Close() // lets the peer see that all has been read
		}
		l.t.mu.Lock()
		replaced := l.in[id] != in.stream
		if !replaced {
			l.in[id] = nil
		}
		l.t.mu.Unlock()
		if !replaced {
			l.fail(why, err)
		}
	}()
}

// read hands on the messages of a peer's stream until it ends, and says why it did.
func (l *link) read(id laneID, in *inbound) (cause, error) {
	t, src := l.t, in.frames
	defer src.rest()
	fuse := time.AfterFunc(time.Hour, func() { l.fail(endStalled, errStalled) })
	fuse.Stop()
	defer fuse.Stop()
	for {
		r, err := src.await() // idle: no hurry
		if err == io.EOF {
			return endPeer, errEnded
		} else if err != nil {
			return endReset, explain(err)
		}
		// A frame that is in the buffer whole needs no fuse.
		ready := wire.Ready(r)
		if !ready {
			fuse.Reset(t.timing.frame)
		}
		body, err := wire.ReadFrame(r)
		if !ready {
			fuse.Stop()
		}
		switch {
		case err == nil:
		case errors.Is(err, wire.ErrFrame):
			return endFrame, err
		default:
			return endReset, explain(err)
		}
		if t.muted.Load() || l.silenced.Load() {
			continue // only read to the end
		}
		size := len(body)
		m, err := wire.Decode(body)
		if errors.Is(err, gossip.ErrRumor) {
			return endRumor, err // no honest node hands one on
		} else if err != nil {
			return endFrame, err
		}
		if m == nil {
			t.stats.unknown.Add(1)
			continue
		}
		kind, lane := classify(m)
		if lane != id {
			return endLane, fmt.Errorf("a %s on %s", kindNames[kind], protocols[id])
		}
		t.stats.count(In, kind, size)
		l.carried[In].Add(int64(size))
		if t.cfg.Trace != nil {
			t.cfg.Trace(In, gossip.PeerID(l.peer), m)
		}
		if l.admit(m) {
			t.cfg.Emit(gossip.Received{From: gossip.PeerID(l.peer), Msg: m})
		}
	}
}

// offerPause is how often the signatures of what a peer offers with its requests
// are looked at. The core answers no more often either.
const offerPause = 10 * time.Second

// admit finishes a message that only libp2p can check. It returns false for a
// message that is not to be emitted.
func (l *link) admit(m gossip.Message) bool {
	switch m := m.(type) {
	case *gossip.PeersRequest:
		if !l.offered.may(time.Now(), offerPause) {
			m.Records = nil // the request itself costs nothing
		}
		m.Records = l.verified(m.Records)
	case *gossip.PeerList:
		// Signatures are dear: only as many lists are looked at as were asked
		// for, and one that tells a newcomer of others before it could ask.
		for credit := l.credit.Load(); ; credit = l.credit.Load() {
			if credit == 0 {
				l.t.stats.unasked.Add(1)
				return false
			}
			if l.credit.CompareAndSwap(credit, credit-1) {
				break
			}
		}
		m.Records = l.verified(m.Records)
	}
	return true
}

// verified is those of the records whose signatures are good.
func (l *link) verified(records []gossip.PeerRecord) []gossip.PeerRecord {
	good, bad := l.t.known.verify(records)
	for _, err := range bad {
		l.t.stats.badRecords.Add(1)
		log.Debugf("%s told a bad peer record: %v", l.peer, err)
	}
	return good
}
