package wire

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"hearsay/node/gossip"
)

// FuzzDecode: no body panics, keeps more than twice its size, or means
// something that a round trip changes.
func FuzzDecode(f *testing.F) {
	for _, stream := range goldenStreams(f, "frame", "read") {
		for r := bufio.NewReader(bytes.NewReader(stream)); ; {
			body, err := ReadFrame(r)
			if err != nil {
				break
			}
			f.Add(body)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		checkBody(t, body)
		if h, err := DecodeHello(body); err == nil {
			stream, err := AppendHello(nil, h)
			if err != nil {
				t.Fatalf("%+v: %v", h, err)
			}
			again, err := ReadFrame(bufio.NewReader(bytes.NewReader(stream)))
			if err != nil {
				t.Fatal(err)
			}
			if h2, err := DecodeHello(again); err != nil || h2 != h {
				t.Fatalf("%+v has become %+v, %v", h, h2, err)
			}
		}
	})
}

// FuzzStream: a stream means the same in whatever pieces it comes, ends in an
// error or its end, and its frames add up to no more than itself.
func FuzzStream(f *testing.F) {
	var all []byte
	for _, stream := range goldenStreams(f, "frame", "read") {
		f.Add(stream)
		all = append(all, stream...)
	}
	f.Add(all)
	f.Fuzz(func(t *testing.T, stream []byte) {
		words, _ := interpret(stream)
		pieces := bufio.NewReaderSize(iotest.OneByteReader(bytes.NewReader(stream)), 16)
		total := 0
		for {
			body, err := ReadFrame(pieces)
			if err != nil {
				if err != io.EOF && err != io.ErrUnexpectedEOF && !errors.Is(err, ErrFrame) {
					t.Fatal(err)
				}
				break
			}
			if total += len(body) + 1; total > len(stream) || cap(body) != len(body) {
				t.Fatalf("%d bytes from a stream of %d", total, len(stream))
			}
			m, err := Decode(body)
			if _, hello := DecodeHello(body); hello == nil {
				continue
			}
			if err != nil {
				if !errors.Is(err, ErrFrame) && !errors.Is(err, gossip.ErrRumor) {
					t.Fatal(err)
				}
				break
			}
			if !bytes.Contains([]byte(words), []byte(describe(m))) {
				t.Fatalf("in pieces: %s\nwhole: %s", describe(m), words)
			}
		}
	})
}
