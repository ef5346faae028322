package apibridge

import (
	"bytes"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"hearsay/apibridge/apimsg"
)

// paceBacklog × Pace is the longest that a NOTIFICATION stays in the queue if
// the module reads: with n of them waiting, the time between two is at most
// that divided by n.
const paceBacklog = 8

// session is a module's connection to the Gossip API.
type session struct {
	*conn
	server *GossipServer
	id     uint64 // the node's name for it
	limit  *rate.Limiter

	// Only the reading goroutine uses these.
	notified   bool // a NOTIFY came
	complained bool // about an ANNOUNCE that the node refused
	echoed     bool // an ANNOUNCE was held back, and the log says so

	// Only the writing goroutine uses these.
	note  apimsg.Notification
	frame []byte

	wake  chan struct{} // has room for one: the queue or the pace has changed
	eased chan struct{} // has room for one: less of what was replayed waits

	mu      sync.Mutex
	gone    bool // takes no more rumors
	queue   queue
	asking  bool // a NOTIFY is with the node: what it delivers now is replayed
	pending *pending
	echoes  *echoGuard
	last    uint16 // ID of the latest NOTIFICATION
	waiting bool   // its VALIDATION has not come
}

func newSession(g *GossipServer, c *conn) *session {
	return &session{
		conn:    c,
		server:  g,
		limit:   rate.NewLimiter(c.limits.Rate, c.limits.Burst),
		wake:    make(chan struct{}, 1),
		eased:   make(chan struct{}, 1),
		pending: newPending(g.opts.MaxPending),
		echoes:  newEchoGuard(g.opts.EchoWindow),
	}
}

// announce hands an ANNOUNCE to the node. An error ends the connection.
func (s *session) announce(m *apimsg.Announce) error {
	count := &s.server.told
	if s.server.opts.StrictAnnounce && !s.notified {
		return errStrict
	}
	count.announces.Add(1)
	s.limit.Wait(s.ctx) // cut short when the connection ends: this message is here, and counts
	if !s.mayEcho(m) {
		count.echoes.Add(1)
		if !s.echoed { // a module's author may not expect it
			s.echoed = true
			log.Infof("module %v: ANNOUNCE of %d bytes of type %d repeats what it was told, and is held back", s.nc.RemoteAddr(), len(m.Data), m.DataType)
		}
		return nil
	}
	// The server's context, not the connection's, for the same reason.
	ctx := s.server.ctx
	if err := s.server.node.Announce(ctx, s.id, m.TTL, m.DataType, bytes.Clone(m.Data)); err != nil {
		count.announceErrors.Add(1)
		if !s.complained { // once a connection: a log must not be flooded either
			s.complained = true
			log.Warnf("module %v: ANNOUNCE of %d bytes of type %d: %v", s.nc.RemoteAddr(), len(m.Data), m.DataType, err)
		}
	}
	return nil
}

func (s *session) mayEcho(m *apimsg.Announce) bool {
	if !s.notified { // it was told nothing
		return true
	}
	c := s.echoes.content(m.DataType, m.Data)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.echoes.pass(time.Now(), c)
}

// subscribe hands a NOTIFY to the node. An error ends the connection.
func (s *session) subscribe(m *apimsg.Notify) error {
	s.notified = true
	s.server.told.notifies.Add(1)
	s.limit.Wait(s.ctx)
	if err := s.catchUp(); err != nil {
		return err
	}
	s.setAsking(true)
	err := s.server.node.Subscribe(s.id, m.DataType)
	s.setAsking(false)
	if err != nil {
		// Silence would leave the module waiting for what never comes.
		return fmt.Errorf("NOTIFY of type %d: %w", m.DataType, err)
	}
	return nil
}

// catchUp waits while more of what earlier NOTIFYs had replayed is unread than the
// queue may otherwise hold. So whatever a module asks for, the bridge keeps no
// more for it than the node does at one time, and the queue's limits. An error
// ends the connection.
func (s *session) catchUp() error {
	for s.behind() {
		select {
		case <-s.eased:
		case <-s.drained: // the server closes: nobody is waited for any more
			return nil
		case <-s.ctx.Done():
		}
		if s.ctx.Err() != nil {
			return errClosing
		}
	}
	return nil
}

func (s *session) behind() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, opts := s.queue.replayed, &s.server.opts
	return b.n > opts.MaxQueue || b.n > 1 && b.bytes > opts.MaxQueueBytes
}

func (s *session) setAsking(asking bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asking = asking
}

// validate hands a VALIDATION of an open NOTIFICATION to the node and ignores
// any other. That costs less than a limit on them would.
func (s *session) validate(m *apimsg.Validation) {
	rumor, open := s.answer(m.ID)
	if !open {
		s.server.told.strays.Add(1)
		return
	}
	s.server.told.validations.Add(1)
	s.server.node.Vote(s.id, rumor, m.Valid)
}

// answer closes the ID of a NOTIFICATION and lets the next one go out.
func (s *session) answer(id uint16) (rumor [32]byte, open bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rumor, open = s.pending.answer(id)
	if open && id == s.last {
		s.waiting = false
		if s.queue.len > 0 {
			s.wakeUp()
		}
	}
	return rumor, open
}

// deliver queues a rumor. The node calls it and must not be held up.
func (s *session) deliver(id [32]byte, dataType uint16, data []byte) {
	if len(data) > apimsg.MaxData {
		s.server.told.oversize.Add(1)
		return
	}
	if !s.enqueue(rumor{id: id, dataType: dataType, data: data}) {
		s.discard()
		s.stop(errOverflowed)
	}
}

// enqueue returns false if the queue is full. What is replayed always fits: it
// comes in one go, however fast the module reads, and its data are the node's.
func (s *session) enqueue(r rumor) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.replayed = s.asking
	live, opts := s.queue.live, &s.server.opts
	switch {
	case s.gone:
		return true
	case r.replayed:
	case live.n >= opts.MaxQueue, live.n > 0 && live.bytes+len(r.data) > opts.MaxQueueBytes:
		return false
	}
	s.queue.push(r)
	s.wakeUp()
	return true
}

// discard empties the queue for good.
func (s *session) discard() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.server.told.dropped.Add(uint64(s.queue.len))
	s.gone, s.queue = true, queue{}
	signal(s.eased)
}

func (s *session) wakeUp() { signal(s.wake) }

// signal puts a token into a channel that has room for one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// tellAll writes NOTIFICATIONs, at the pace that the module can take, until
// the connection ends.
func (s *session) tellAll() {
	pause := time.NewTimer(time.Hour)
	defer pause.Stop()
	var sent time.Time // when the last one had been written
	for {
		r, wait, ok := s.pick(sent)
		if ok {
			if err := s.tell(r); err != nil {
				s.discard() // the reading side ends when all is read
				return
			}
			sent = time.Now()
			continue
		}
		var due <-chan time.Time
		if wait > 0 {
			pause.Reset(wait)
			due = pause.C
		}
		select {
		case <-s.wake:
		case <-due:
		case <-s.ctx.Done():
			return
		}
	}
}

// pick takes the next rumor off the queue if its time has come. Otherwise it
// says how long that is to wait for, 0 when there is none. A queue that is more
// than half full does not wait, so that only a module that does not read has one
// that overflows.
func (s *session) pick(sent time.Time) (r rumor, wait time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queue.len == 0 {
		return rumor{}, 0, false
	}
	live, opts := s.queue.live, &s.server.opts
	hurry := live.n > opts.MaxQueue/2 || live.bytes > opts.MaxQueueBytes/2
	if s.waiting && !hurry {
		pace := opts.Pace * paceBacklog / time.Duration(paceBacklog+s.queue.peak-1)
		if wait = time.Until(sent.Add(pace)); wait > 0 {
			return rumor{}, wait, false
		}
	}
	r = s.queue.pop()
	if r.replayed {
		signal(s.eased)
	}
	return r, 0, true
}

// tell writes one NOTIFICATION.
func (s *session) tell(r rumor) error {
	count := &s.server.told
	s.note = apimsg.Notification{ID: s.ask(r), DataType: r.dataType, Data: r.data}
	frame, err := apimsg.Append(s.frame[:0], &s.note)
	s.note.Data = nil
	s.frame = frame
	if err == nil {
		err = s.write(frame)
	}
	if err == nil {
		count.notifications.Add(1)
	}
	return err
}

// ask opens an ID for a rumor that is about to be told.
func (s *session) ask(r rumor) (id uint16) {
	c := s.echoes.content(r.dataType, r.data)
	s.mu.Lock()
	defer s.mu.Unlock()
	id, evicted := s.pending.issue(r.id)
	if evicted {
		s.server.told.evicted.Add(1)
	}
	s.echoes.told(time.Now(), c)
	s.last, s.waiting = id, true
	return id
}
