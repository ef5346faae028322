package wire

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protowire"
)

// MaxFrame bounds a frame's body in bytes: 256 KiB for the largest list
// (gossip.MaxRecords records of gossip.MaxRecord bytes), and 1 KiB for what
// holds it together.
const MaxFrame = 256<<10 + 1<<10

// firstStep is what ReadFrame allocates at most on the word of a length alone.
const firstStep = 4 << 10

// ErrFrame is wrapped by every error about the form of a frame. Errors of the
// stream below, and gossip.ErrRumor, come as they are.
var ErrFrame = errors.New("malformed frame")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrFrame, fmt.Sprintf(format, args...))
}

// ReadFrame reads one frame and returns its body, which is the caller's to keep
// and exactly as large as the frame says. Memory follows the bytes: at most 4
// KiB are allocated beyond twice what has come. The error is io.EOF if the
// stream ends between two frames, io.ErrUnexpectedEOF within one.
func ReadFrame(r *bufio.Reader) ([]byte, error) { return ReadFrameUpTo(r, MaxFrame) }

// ReadFrameUpTo is ReadFrame for streams whose frames are at most limit bytes.
func ReadFrameUpTo(r *bufio.Reader, limit int) ([]byte, error) {
	n, err := readLength(r)
	if err != nil {
		return nil, err
	}
	if n > limit {
		return nil, malformed("length %d, at most %d", n, limit)
	}
	// What the reader holds already has come. Beyond it, a length is a claim.
	body := make([]byte, min(n, max(firstStep, r.Buffered())))
	for have := 0; ; {
		if _, err := io.ReadFull(r, body[have:]); err != nil {
			return nil, unexpected(err)
		}
		if have = len(body); have == n {
			return body, nil
		}
		larger := make([]byte, min(n, 2*have))
		copy(larger, body)
		body = larger
	}
}

// Ready reports whether ReadFrame would return without reading from the stream
// below r: a whole frame, or a length that is an error, is in r's buffer.
func Ready(r *bufio.Reader) bool {
	head, _ := r.Peek(min(maxLengthBytes, r.Buffered()))
	n, size := protowire.ConsumeVarint(head)
	if size < 0 {
		return len(head) == maxLengthBytes
	}
	return n > MaxFrame || r.Buffered() >= size+int(n)
}

// maxLengthBytes is the size of MaxFrame as a varint.
const maxLengthBytes = 3

// readLength reads a length of at most MaxFrame in its shortest form, and not
// one byte more than that.
func readLength(r *bufio.Reader) (int, error) {
	var n int
	for i := range maxLengthBytes {
		b, err := r.ReadByte()
		if err != nil {
			if i > 0 {
				err = unexpected(err)
			}
			return 0, err
		}
		n |= int(b&0x7f) << (7 * i)
		if b&0x80 != 0 {
			continue
		}
		switch {
		case n == 0:
			return 0, malformed("length 0")
		case b == 0:
			return 0, malformed("length %d is written longer than it need be", n)
		case n > MaxFrame:
			return 0, malformed("length %d, at most %d", n, MaxFrame)
		}
		return n, nil
	}
	return 0, malformed("length of more than %d bytes, at most %d", maxLengthBytes, MaxFrame)
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
