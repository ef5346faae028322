package apimsg

import (
	"errors"
	"io"
	"slices"
)

const (
	firstBuffer = 4 << 10  // bytes; most messages are small
	maxBuffer   = 64 << 10 // bytes; holds the largest message

	maxEmptyReads = 100 // in a row, as in package bufio
)

// Reader takes whole messages off a stream, however the stream is cut: the
// verdict on a sequence of bytes does not depend on how they arrive. It keeps
// one buffer, which grows with what has arrived and not with what a header
// claims, up to 64 KiB. A Reader is not safe for concurrent use.
type Reader struct {
	src  io.Reader
	take []Type    // the accepted types
	kept []Message // one of each, used again and again

	buf        []byte
	start, end int   // buf[start:end] is read and not yet used
	used       int   // bytes at start that the last message lies in
	full       bool  // the last Read filled the buffer: more is waiting
	srcErr     error // came together with bytes, which go first
	broken     error // a violation, for ever
}

// NewReader returns a Reader that accepts the given types and takes any other
// for a violation; without any it accepts all types.
func NewReader(src io.Reader, accept ...Type) *Reader {
	if len(accept) == 0 {
		accept = allTypes
	}
	return &Reader{src: src, take: slices.Clone(accept), kept: make([]Message, len(accept))}
}

// Next returns the next message. The message and its byte slices are valid
// until the following call; copy what is to be kept.
//
// A rule is found broken as soon as the bytes that break it are there, which
// mostly is the header. The error then is a [*Violation], and every further
// call returns it again: nothing behind it is looked at.
//
// Between two messages the end of the stream is io.EOF, within one it is
// io.ErrUnexpectedEOF. Any other error is the stream's own; no byte is lost by
// it, so that after a passed deadline Next can be called again.
func (r *Reader) Next() (Message, error) {
	if r.broken != nil {
		return nil, r.broken
	}
	r.start += r.used
	r.used = 0
	for {
		m, err := r.parse()
		if err != nil {
			r.broken = err
			r.buf, r.start, r.end = nil, 0, 0
			return nil, err
		}
		if m != nil {
			return m, nil
		}
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
}

// Partial says whether Next has to wait for the rest of a message whose first
// bytes are there. It is meant for the source's Read, which may want to grant
// less time to a message begun than to a silent connection.
func (r *Reader) Partial() bool { return r.end > r.start+r.used }

// parse returns the message at start, or nil if it is not whole yet.
func (r *Reader) parse() (Message, error) {
	have := r.buf[r.start:r.end]
	if len(have) < HeaderSize {
		return nil, nil
	}
	size, t, err := parseHeader(have)
	if err != nil {
		return nil, err
	}
	i := slices.Index(r.take, t)
	if i < 0 {
		return nil, &Violation{Kind: BadDirection, Type: t, Size: size}
	}
	if len(have) < size {
		return nil, nil
	}
	if r.kept[i] == nil {
		r.kept[i] = t.newMessage()
	}
	if err := r.kept[i].decode(have[:size:size]); err != nil {
		return nil, err
	}
	r.used = size
	return r.kept[i], nil
}

// fill reads at least one byte or returns why it cannot.
func (r *Reader) fill() error {
	if r.srcErr == nil {
		r.makeRoom()
	}
	for empty := 0; r.srcErr == nil; empty++ {
		if empty == maxEmptyReads {
			return io.ErrNoProgress
		}
		n, err := r.src.Read(r.buf[r.end:])
		if n < 0 || n > len(r.buf)-r.end {
			return errors.New("apimsg: the stream's Read returned an impossible count")
		}
		r.end += n
		r.full = r.end == len(r.buf)
		r.srcErr = err
		if n > 0 {
			return nil
		}
	}
	err := r.srcErr
	r.srcErr = nil
	if err == io.EOF && r.end > r.start {
		return io.ErrUnexpectedEOF
	}
	return err
}

// makeRoom moves what is unused to the front, and doubles a buffer that the
// last Read filled. A message fits into maxBuffer, so there is always room.
func (r *Reader) makeRoom() {
	if r.start == r.end {
		r.start, r.end = 0, 0
	}
	size := max(len(r.buf), firstBuffer)
	if r.full && size < maxBuffer {
		size *= 2
	}
	r.full = false
	to := r.buf
	if size > len(r.buf) {
		to = make([]byte, size)
	}
	r.end = copy(to, r.buf[r.start:r.end])
	r.start = 0
	r.buf = to
}
