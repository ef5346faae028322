package transport

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"

	"hearsay/node/gossip"
	"hearsay/node/wire"
)

// TestFrames: however the bytes of a stream come, all frames come out of it, and
// no buffer is held when what came has been read.
func TestFrames(t *testing.T) {
	var all []byte
	var ends []int
	for _, m := range []gossip.Message{
		&gossip.Ping{Number: 1},
		&gossip.Push{Rumor: newRumor(t, 1, 1024), Hops: 1},
		&gossip.Pong{Number: 2},
		&gossip.Push{Rumor: newRumor(t, 2, readBuffer+1000), Hops: 2},
		&gossip.Ping{Number: 3},
	} {
		var err error
		if all, err = wire.AppendFrame(all, m); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, len(all))
	}
	for name, chunked := range map[string]func(io.Reader) io.Reader{
		"all at once":          func(r io.Reader) io.Reader { return r },
		"one byte at a time":   iotest.OneByteReader,
		"half at a time":       iotest.HalfReader,
		"with the end at once": iotest.DataErrReader,
	} {
		src := newFrames(chunked(bytes.NewReader(all)))
		var got []byte
		for range ends {
			r, err := src.await()
			if err != nil {
				t.Fatalf("%s: after %d bytes: %v", name, len(got), err)
			}
			body, err := wire.ReadFrame(r)
			if err != nil {
				t.Fatalf("%s: after %d bytes: %v", name, len(got), err)
			}
			if got, err = appendBody(got, body); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got, all) {
			t.Errorf("%s: other frames came than were sent", name)
		}
		if src.rest(); src.buffer != nil {
			t.Errorf("%s: a buffer is held and nothing is in it", name)
		}
		if _, err := src.await(); err != io.EOF {
			t.Errorf("%s: the stream ends with %v", name, err)
		}
	}
}

// appendBody encodes a frame's message again.
func appendBody(b, body []byte) ([]byte, error) {
	m, err := wire.Decode(body)
	if err != nil {
		return nil, err
	}
	return wire.AppendFrame(b, m)
}

// TestIdleStreamHoldsNoBuffer: while a stream is silent its reader waits without
// a buffer, and has one again for what comes next.
func TestIdleStreamHoldsNoBuffer(t *testing.T) {
	pr, pw := io.Pipe()
	waits := make(chan bool)
	src := newFrames(readerFunc(func(p []byte) (int, error) {
		if len(p) == 1 {
			waits <- true
		}
		return pr.Read(p)
	}))
	go func() {
		defer close(waits)
		for {
			r, err := src.await()
			if err != nil {
				return
			}
			if _, err := wire.ReadFrame(r); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	frame, err := wire.AppendFrame(nil, &gossip.Ping{Number: 7})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		<-waits
		if src.buffer != nil { // its reader is in Read, and began that after waits
			t.Fatal("the reader waits with a buffer")
		}
		if _, err := pw.Write(frame); err != nil {
			t.Fatal(err)
		}
	}
	<-waits
	pw.Close()
	<-waits
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
