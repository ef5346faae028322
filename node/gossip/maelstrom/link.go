package maelstrom

import (
	"bufio"
	"bytes"
	"fmt"
	"time"

	"hearsay/node/wire"
)

// Links over datagrams: what the core expects of a stream, made from a network
// that loses and reorders.
//
// A link has a number, which whoever dials chooses: one more than that of the
// last link between the two. A datagram with a larger number than the last one
// opens a link, whatever else is in it, so there is no handshake to be lost: the
// one who dials is answered by the first frames of the other. Two who dial each
// other at once choose the same number, and have the same link.
//
// The frames of each direction are numbered from 1. A datagram says the number
// of its first frame (seq) and the last frame up to which all have come (ack).
// A node that is owed nothing but an acknowledgement waits for Config.AckDelay
// for a frame that it could ride on. Frames that are not acknowledged in
// Config.Retransmit are sent again, all in one datagram, then after twice that
// time, up to maxBackoff; meanwhile new ones wait with them, for they would be
// lost, too. Giving a silent link up is left to the core.

const (
	// maxQueue bounds the frames that wait for an acknowledgement on one link,
	// and maxQueueBytes their bytes. What does not fit is dropped, and the core is
	// told.
	maxQueue      = 8192
	maxQueueBytes = 16 << 20
	// maxEarly bounds the frames kept of those that came before their turn.
	maxEarly = 1024
	// maxDatagram is about the most bytes of frames in one datagram.
	maxDatagram = 512 << 10
	// maxBackoff is the longest pause between two attempts to send again, in
	// units of Config.Retransmit. The first datagram after a partition comes
	// that late.
	maxBackoff = 2
	// dialPatience is how long a link may take to be answered.
	dialPatience = 20 * time.Second
)

type phase uint8

const (
	closed phase = iota
	dialling
	open
)

// link is this node's end of the links to one peer, one after the other.
type link struct {
	peer   string
	number uint64 // of the present link or the last one, 0 = there was none
	phase  phase
	since  time.Time // when it was dialled

	// Sending. Frame acked+1 is unacked[0]; the first sent of them went out.
	acked   uint64
	unacked [][]byte
	bytes   int
	sent    int
	gather  time.Time     // when what was not sent goes out, zero = there is nothing
	again   time.Time     // when what was sent goes out again, zero = all is acknowledged
	backoff time.Duration // pause after the next attempt, 0 = nothing was sent twice

	// Receiving.
	got   uint64 // all frames up to this one have come
	early map[uint64][]byte
	ackAt time.Time // when an acknowledgement goes out by itself, zero = none is owed
}

// begin makes l the end of a new link.
func (l *link) begin(number uint64, p phase, now time.Time) {
	*l = link{peer: l.peer, number: number, phase: p, since: now}
}

// end forgets what the link held; its number stays.
func (l *link) end() { *l = link{peer: l.peer, number: l.number} }

// queue takes a frame for sending, gather from now at the latest. It reports
// whether there was room.
func (l *link) queue(frame []byte, now time.Time, gather time.Duration) bool {
	if len(l.unacked) >= maxQueue || l.bytes+len(frame) > maxQueueBytes {
		return false
	}
	l.unacked = append(l.unacked, frame)
	l.bytes += len(frame)
	if l.gather.IsZero() {
		l.gather = now.Add(gather)
	}
	return true
}

// deadline is when due has something to send.
func (l *link) deadline() time.Time {
	first := time.Time{}
	for _, t := range []time.Time{l.holdBack(), l.again, l.ackAt} {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

// holdBack is when new frames go out: not while the peer does not answer, for
// then they go with the next attempt.
func (l *link) holdBack() time.Time {
	if l.backoff > 0 || l.phase == dialling {
		return time.Time{}
	}
	return l.gather
}

// due returns the next datagram that has to go now, nil if there is none, and
// whether it repeats what was sent before.
func (l *link) due(now time.Time, retransmit time.Duration) (d *datagram, repeats bool) {
	past := func(t time.Time) bool { return !t.IsZero() && !t.After(now) }
	from := l.sent
	switch {
	case past(l.again):
		// Everything once more, and what waited.
		from, repeats = 0, true
		l.backoff = min(max(2*l.backoff, retransmit), maxBackoff*retransmit)
		l.again = now.Add(l.backoff)
	case past(l.holdBack()):
		if l.again.IsZero() {
			l.again = now.Add(retransmit)
		}
	case past(l.ackAt):
		l.ackAt = time.Time{}
		return &datagram{Type: typeGossip, Link: l.number, Ack: l.got}, false
	default:
		return nil, false
	}
	d = &datagram{Type: typeGossip, Link: l.number, Ack: l.got}
	if l.phase == open {
		to, size := from, 0
		for to < len(l.unacked) && (to == from || size+len(l.unacked[to]) <= maxDatagram) {
			size += len(l.unacked[to])
			to++
		}
		if to > from {
			d.Seq = l.acked + uint64(from) + 1
			d.Frames = bytes.Join(l.unacked[from:to], nil)
		}
		l.sent = max(l.sent, to)
	}
	if l.sent == len(l.unacked) {
		l.gather = time.Time{}
	}
	l.ackAt = time.Time{}
	return d, repeats
}

// acknowledged forgets the frames that the peer has.
func (l *link) acknowledged(ack uint64, now time.Time, retransmit time.Duration) error {
	if ack <= l.acked {
		return nil
	}
	n := ack - l.acked
	if n > uint64(l.sent) {
		return fmt.Errorf("maelstrom: %s acknowledges frame %d of %d", l.peer, ack, l.acked+uint64(l.sent))
	}
	for _, f := range l.unacked[:n] {
		l.bytes -= len(f)
	}
	l.unacked = l.unacked[n:]
	l.acked, l.sent, l.backoff = ack, l.sent-int(n), 0
	l.again = time.Time{}
	if l.sent > 0 {
		l.again = now.Add(retransmit)
	}
	return nil
}

// receive takes in the frames of a datagram and returns those whose turn it is,
// in order.
func (l *link) receive(d *datagram, now time.Time, ackDelay time.Duration) ([][]byte, error) {
	if len(d.Frames) == 0 {
		return nil, nil
	}
	if d.Seq == 0 {
		return nil, fmt.Errorf("maelstrom: frames of %s without a number", l.peer)
	}
	var ready [][]byte
	all := l.got
	r := bufio.NewReader(bytes.NewReader(d.Frames))
	seq := d.Seq
	for ; ; seq++ {
		if _, err := r.Peek(1); err != nil {
			break
		}
		frame, err := wire.ReadFrame(r)
		if err != nil {
			return nil, fmt.Errorf("maelstrom: frame of %s: %w", l.peer, err)
		}
		switch {
		case seq == l.got+1:
			l.got++
			ready = append(ready, frame)
			for next := l.early[l.got+1]; next != nil; next = l.early[l.got+1] {
				l.got++
				delete(l.early, l.got)
				ready = append(ready, next)
			}
		case seq > l.got && len(l.early) < maxEarly:
			if l.early == nil {
				l.early = make(map[uint64][]byte)
			}
			l.early[seq] = frame
		}
	}
	wait := ackDelay
	if seq <= all+1 {
		wait = 0 // nothing new in it: the peer does not know what has come
	}
	if at := now.Add(wait); l.ackAt.IsZero() || at.Before(l.ackAt) {
		l.ackAt = at
	}
	return ready, nil
}
