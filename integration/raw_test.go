package integration_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"hearsay/apibridge"
	"hearsay/integration"
	"hearsay/node"
)

// raw is a module that speaks bytes: it uses neither the client nor the codec of
// this project, so that a mistake in them cannot hide one in the node.
type raw struct {
	*net.TCPConn
	t testing.TB
	c *integration.Cluster
	i int // of the node
}

// told is a NOTIFICATION.
type told struct {
	id, dataType uint16
	data         string
}

func announce(ttl uint8, dataType uint16, data string) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(8+len(data)))
	b = append(b, 0x01, 0xf4, ttl, 0)
	b = binary.BigEndian.AppendUint16(b, dataType)
	return append(b, data...)
}

func notify(dataType uint16) []byte {
	return binary.BigEndian.AppendUint16([]byte{0, 8, 0x01, 0xf5, 0, 0}, dataType)
}

func validation(id uint16, v byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{0, 8, 0x01, 0xf7}, id), 0, v)
}

// module connects to node i.
func module(t testing.TB, c *integration.Cluster, i int) *raw {
	t.Helper()
	return moduleAt(t, c, i, c.Node(i).API())
}

// moduleAt connects to one of the APIs of node i.
func moduleAt(t testing.TB, c *integration.Cluster, i int, address string) *raw {
	t.Helper()
	conn, err := net.DialTimeout("tcp4", address, integration.DefaultPatience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &raw{conn.(*net.TCPConn), t, c, i}
}

// subscriber connects to node i and has subscribed when it returns, which the
// node's neighbours know by then.
func subscriber(t testing.TB, c *integration.Cluster, i int, dataTypes ...uint16) *raw {
	t.Helper()
	r := module(t, c, i)
	n := c.Node(i).Running().Status().Modules
	for _, d := range dataTypes {
		r.send(notify(d))
	}
	c.AwaitModules(i, n+1)
	c.AwaitInterest(i, dataTypes...)
	return r
}

// send writes messages in one segment, or as few as it takes.
func (r *raw) send(messages ...[]byte) {
	r.t.Helper()
	r.SetWriteDeadline(time.Now().Add(integration.DefaultPatience))
	if _, err := r.Write(bytes.Join(messages, nil)); err != nil {
		r.t.Fatalf("sending to node %d: %v", r.i, err)
	}
}

// sendPieces writes each piece after the node has read the one before.
func (r *raw) sendPieces(pieces ...[]byte) {
	r.t.Helper()
	for _, p := range pieces {
		r.send(p)
		r.awaitRead()
	}
}

// awaitRead waits until the node has read all that was sent, as the kernel says.
func (r *raw) awaitRead() {
	r.t.Helper()
	r.c.Await(fmt.Sprintf("node %d to read what its module has sent", r.i), func() bool {
		n, err := unread(r.TCPConn)
		if err != nil {
			r.t.Fatal(err)
		}
		return n == 0
	})
}

// read reads exactly n bytes.
func (r *raw) read(n int) []byte {
	r.t.Helper()
	b := make([]byte, n)
	r.SetReadDeadline(time.Now().Add(integration.DefaultPatience))
	if _, err := io.ReadFull(r, b); err != nil {
		r.t.Fatalf("reading from node %d: %v", r.i, err)
	}
	return b
}

// next reads a NOTIFICATION.
func (r *raw) next() told {
	r.t.Helper()
	h := r.read(8)
	size, kind := binary.BigEndian.Uint16(h), binary.BigEndian.Uint16(h[2:])
	if kind != 502 || size < 8 {
		r.t.Fatalf("node %d sent a message of type %d and size %d", r.i, kind, size)
	}
	return told{binary.BigEndian.Uint16(h[4:]), binary.BigEndian.Uint16(h[6:]), string(r.read(int(size) - 8))}
}

// expect reads a NOTIFICATION of these data.
func (r *raw) expect(data string) told {
	r.t.Helper()
	n := r.next()
	if n.data != data {
		r.t.Fatalf("node %d told %s, want %s", r.i, short(n.data), short(data))
	}
	return n
}

// vouch reads a NOTIFICATION of these data and says that they are valid.
func (r *raw) vouch(data string) {
	r.t.Helper()
	r.send(validation(r.expect(data).id, 1))
}

// expectSilence fails if anything comes within d.
func (r *raw) expectSilence(d time.Duration) {
	r.t.Helper()
	r.SetReadDeadline(time.Now().Add(d))
	b := make([]byte, 64)
	if n, err := r.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
		r.t.Fatalf("node %d sent % x, %v; it should keep silent", r.i, b[:n], err)
	}
}

// expectClosed waits for the end of the connection and fails if anything comes
// before.
func (r *raw) expectClosed() {
	r.t.Helper()
	r.SetReadDeadline(time.Now().Add(integration.DefaultPatience))
	b := make([]byte, 64)
	if n, err := r.Read(b); n > 0 || err != io.EOF && !errors.Is(err, syscall.ECONNRESET) {
		r.t.Fatalf("node %d sent % x, %v; it should close the connection", r.i, b[:n], err)
	}
}

func short(data string) string {
	if len(data) > 64 {
		return fmt.Sprintf("%q… (%d bytes)", data[:64], len(data))
	}
	return fmt.Sprintf("%q", data)
}

// limits sets the limits of all nodes' module APIs.
func limits(change func(o *apibridge.Options)) integration.Option {
	return integration.WithAPI(func(_ int, o *apibridge.Options) { change(o) })
}

// settings sets the configuration of all nodes.
func settings(change func(cfg *node.Config)) integration.Option {
	return integration.WithConfig(func(_ int, cfg *node.Config) { change(cfg) })
}

// unpaced lets NOTIFICATIONs go out as they come.
func unpaced() integration.Option { return limits(func(o *apibridge.Options) { o.Pace = 0 }) }
