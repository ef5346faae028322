package main

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// traffic counts the bytes of all connections, once each: at the dialling end,
// both ways. It knows these connections.
type traffic struct {
	bytes atomic.Int64
	wires wires
}

// dialer connects hosts over TCP, counts, and makes connections slow: what is
// written at either end arrives delay later at the other. Both directions are
// held back at the dialling end, so it does not matter who dialled whom.
type dialer struct {
	net.Dialer
	count *traffic
	delay time.Duration
	dead  bool // it has crashed; see wires
}

func (d *dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := d.Dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	counted := &countedConn{c.(*net.TCPConn), d.count}
	if err := d.count.wires.add(counted, d); err != nil {
		c.Close()
		return nil, err
	}
	if d.delay == 0 {
		return counted, nil
	}
	return slow(counted, d.delay), nil
}

type countedConn struct {
	*net.TCPConn
	count *traffic
}

func (c *countedConn) Close() error {
	c.count.wires.remove(c)
	return c.TCPConn.Close()
}

func (c *countedConn) Read(b []byte) (int, error) {
	n, err := c.TCPConn.Read(b)
	c.count.bytes.Add(int64(n))
	return n, err
}

func (c *countedConn) Write(b []byte) (int, error) {
	n, err := c.TCPConn.Write(b)
	c.count.bytes.Add(int64(n))
	return n, err
}

// slowConn is a connection whose bytes take their time, in order and without a
// limit on how many are on their way but maxInFlight.
type slowConn struct {
	*countedConn
	in, out *pipe
	once    sync.Once
}

// maxInFlight bounds what is on its way in one direction, as a TCP window does;
// it is far above what the loads of this program need.
const maxInFlight = 8 << 20

func slow(c *countedConn, delay time.Duration) net.Conn {
	s := &slowConn{countedConn: c, in: newPipe(delay), out: newPipe(delay)}
	go func() { // what the other end wrote
		buf := make([]byte, 64<<10)
		for {
			n, err := c.Read(buf)
			if n > 0 && !s.in.push(buf[:n]) {
				return
			}
			if err != nil {
				s.in.end(err)
				return
			}
		}
	}()
	go func() { // what this end writes
		buf := make([]byte, 64<<10)
		for {
			n, err := s.out.pull(buf)
			if n > 0 {
				if _, werr := c.Write(buf[:n]); werr != nil {
					s.out.abort(werr)
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
	return s
}

func (s *slowConn) Read(b []byte) (int, error) { return s.in.pull(b) }

func (s *slowConn) Write(b []byte) (int, error) {
	if !s.out.push(b) {
		return 0, net.ErrClosed
	}
	return len(b), nil
}

func (s *slowConn) Close() error {
	s.once.Do(func() {
		s.out.abort(net.ErrClosed)
		s.in.abort(net.ErrClosed)
	})
	return s.countedConn.Close()
}

// Deadlines are those of the two queues: the socket below is always served.
func (s *slowConn) SetDeadline(t time.Time) error { s.in.deadline(t); return nil }

func (s *slowConn) SetReadDeadline(t time.Time) error { s.in.deadline(t); return nil }

func (s *slowConn) SetWriteDeadline(time.Time) error { return nil }

// pipe holds bytes back for a fixed time.
type pipe struct {
	delay time.Duration

	mu      sync.Mutex
	changed *sync.Cond
	chunks  []chunk
	size    int
	err     error     // what follows the last chunk
	until   time.Time // read deadline
	timer   *time.Timer
}

type chunk struct {
	due   time.Time
	bytes []byte
}

func newPipe(delay time.Duration) *pipe {
	p := &pipe{delay: delay}
	p.changed = sync.NewCond(&p.mu)
	p.timer = time.AfterFunc(time.Hour, p.wake)
	return p
}

func (p *pipe) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changed.Broadcast()
}

// push takes b over and reports false when nobody will pull it.
func (p *pipe) push(b []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.size >= maxInFlight && p.err == nil {
		p.changed.Wait()
	}
	if p.err != nil {
		return false
	}
	p.chunks = append(p.chunks, chunk{time.Now().Add(p.delay), append([]byte(nil), b...)})
	p.size += len(b)
	p.changed.Broadcast()
	return true
}

// pull waits for bytes that are due.
func (p *pipe) pull(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		now := time.Now()
		if len(p.chunks) > 0 && !p.chunks[0].due.After(now) {
			n := 0
			for n < len(b) && len(p.chunks) > 0 && !p.chunks[0].due.After(now) {
				c := &p.chunks[0]
				k := copy(b[n:], c.bytes)
				n += k
				if c.bytes = c.bytes[k:]; len(c.bytes) == 0 {
					p.chunks = p.chunks[1:]
				}
			}
			p.size -= n
			p.changed.Broadcast()
			return n, nil
		}
		switch {
		case len(p.chunks) == 0 && p.err != nil:
			return 0, p.err
		case !p.until.IsZero() && !p.until.After(now):
			return 0, errTimeout{}
		}
		next := time.Hour
		if len(p.chunks) > 0 {
			next = p.chunks[0].due.Sub(now)
		}
		if !p.until.IsZero() {
			next = min(next, p.until.Sub(now))
		}
		p.timer.Reset(next)
		p.changed.Wait()
	}
}

// end lets what was pushed be pulled, and then err.
func (p *pipe) end(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
	p.changed.Broadcast()
}

// abort drops what was pushed.
func (p *pipe) abort(err error) {
	p.mu.Lock()
	p.chunks, p.size = nil, 0
	p.mu.Unlock()
	p.end(err)
}

func (p *pipe) deadline(t time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.until = t
	p.changed.Broadcast()
}

// errTimeout is a net.Error.
type errTimeout struct{}

func (errTimeout) Error() string   { return "i/o timeout" }
func (errTimeout) Timeout() bool   { return true }
func (errTimeout) Temporary() bool { return true }
