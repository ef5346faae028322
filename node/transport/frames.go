package transport

import (
	"bufio"
	"io"
	"sync"
)

// readBuffer is what a reader takes from a stream at once, in bytes.
const readBuffer = 16 << 10

var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, readBuffer) }}

// frames reads a peer's stream. Most streams say nothing most of the time, and a
// node has three for each neighbour: so a buffer is had only from the first byte
// of a frame until all that came with it is read.
type frames struct {
	stream io.Reader
	buffer *bufio.Reader // nil while nothing is read
	first  [1]byte       // of what is to be read,
	held   bool          // and not in the buffer yet
}

func newFrames(stream io.Reader) *frames { return &frames{stream: stream} }

// await waits for the next frame to begin and returns a reader of it, good until
// the next await or rest. The error is io.EOF if there will be none.
func (f *frames) await() (*bufio.Reader, error) {
	if f.buffer != nil && f.buffer.Buffered() > 0 {
		return f.buffer, nil
	}
	f.rest()
	if _, err := io.ReadFull(f.stream, f.first[:]); err != nil {
		return nil, err
	}
	f.held = true
	f.buffer = readers.Get().(*bufio.Reader)
	f.buffer.Reset(source{f})
	return f.buffer, nil
}

// rest gives the buffer back, unless something is in it.
func (f *frames) rest() {
	if f.buffer == nil || f.buffer.Buffered() > 0 {
		return
	}
	f.buffer.Reset(nil)
	readers.Put(f.buffer)
	f.buffer = nil
}

// source is the stream with the byte before it that was waited for.
type source struct{ f *frames }

func (s source) Read(p []byte) (int, error) {
	if s.f.held && len(p) > 0 {
		p[0], s.f.held = s.f.first[0], false
		return 1, nil
	}
	return s.f.stream.Read(p)
}
