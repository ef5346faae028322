package apibridge

import (
	"bytes"
	"context"
	"io"
	"sync"

	"golang.org/x/time/rate"

	"hearsay/apibridge/apimsg"
)

// lookups is a module's connection to the DHT API. PUTs are taken one after the
// other, so that what follows sees them. Each GET has a goroutine, and is
// answered when its value is found, before or after others.
type lookups struct {
	*conn
	server *DHTServer
	limit  *rate.Limiter
	slots  chan struct{} // one for each GET that is not answered

	looking context.Context // ends when GETs are to be answered with what is there
	giveUp  context.CancelFunc
	open    sync.WaitGroup // GETs without an answer

	writing    chan struct{} // holds one token: the right to write
	frame      []byte
	complained bool // about a PUT that the node refused
}

func newLookups(d *DHTServer, c *conn) *lookups {
	s := &lookups{conn: c, server: d, limit: rate.NewLimiter(c.limits.Rate, c.limits.Burst), slots: make(chan struct{}, d.opts.MaxGets), writing: make(chan struct{}, 1)}
	s.writing <- struct{}{}
	s.looking, s.giveUp = context.WithCancel(c.ctx)
	return s
}

// serve reads messages until the connection ends, and answers what was asked
// until then. A module that has sent all it wants to, and said so by closing its
// sending half, still gets its answers; one that broke the rules gets nothing.
func (s *lookups) serve() {
	defer s.open.Wait()
	defer s.giveUp()
	for {
		m, err := s.next()
		if err == io.EOF {
			s.wait()
		}
		if err != nil {
			return
		}
		s.limit.Wait(s.ctx) // cut short when the connection ends: this message is here, and counts
		switch m := m.(type) {
		case *apimsg.Put:
			s.put(m)
		case *apimsg.Get:
			s.get(m.Key)
		}
	}
}

// wait waits for the answers, or for the server to close.
func (s *lookups) wait() {
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		s.open.Wait()
	}()
	select {
	case <-answered:
	case <-s.drained:
	}
}

// put hands a PUT to the node. PUT knows no reply.
func (s *lookups) put(m *apimsg.Put) {
	count := &s.server.done
	count.puts.Add(1)
	// The server's context, not the connection's: a module may PUT and close.
	if err := s.server.node.Put(s.server.ctx, m.Key, bytes.Clone(m.Value), m.TTL, m.Replication); err != nil {
		count.putErrors.Add(1)
		if !s.complained { // once a connection: a log must not be flooded either
			s.complained = true
			log.Warnf("module %v: PUT of %d bytes: %v", s.nc.RemoteAddr(), len(m.Value), err)
		}
	}
}

// get has a GET answered, as soon as there is a slot for it.
func (s *lookups) get(key [apimsg.KeySize]byte) {
	s.server.done.gets.Add(1)
	if !s.acquire() {
		return
	}
	s.open.Go(func() {
		defer func() { <-s.slots }()
		contain(s.conn, func() { s.look(key) })
	})
}

// acquire takes a slot, and returns false if the connection ended meanwhile. A
// server that closes gives up looking, which frees them.
func (s *lookups) acquire() bool {
	select {
	case s.slots <- struct{}{}:
		return true
	case <-s.drained:
		s.giveUp()
	case <-s.ctx.Done():
		return false
	}
	select {
	case s.slots <- struct{}{}:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// look looks a value up and writes the answer.
func (s *lookups) look(key [apimsg.KeySize]byte) {
	ctx, cancel := context.WithTimeout(s.looking, s.server.opts.GetTimeout)
	defer cancel()
	value := s.server.node.Get(ctx, key)
	count := &s.server.done
	if len(value) > apimsg.MaxValue {
		count.oversize.Add(1)
		value = nil
	}
	var answer apimsg.Message = &apimsg.Success{Key: key, Value: value}
	if len(value) == 0 {
		answer = &apimsg.Failure{Key: key}
	}
	if s.answer(answer) != nil {
		return
	}
	if len(value) > 0 {
		count.successes.Add(1)
	} else {
		count.failures.Add(1)
	}
}

// answer writes one message. Its error means that the connection is of no more
// use for writing.
func (s *lookups) answer(m apimsg.Message) error {
	select {
	case <-s.writing:
		defer func() { s.writing <- struct{}{} }()
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
	frame, err := apimsg.Append(s.frame[:0], m)
	if err != nil {
		return err
	}
	s.frame = frame
	return s.write(frame)
}
