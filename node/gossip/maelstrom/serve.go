package maelstrom

import (
	"bufio"
	"context"
	"io"
	"time"
)

// maxLine bounds a line of the node protocol in bytes: more than the largest
// datagram, and than a topology of thousands of nodes.
const maxLine = 8 << 20

// Serve runs one node in real time: it reads messages from in, line by line,
// and writes messages to out, until in ends or ctx does. The error is that of
// reading or writing; a line of more than 8 MiB is one. When ctx ends first, the
// read that is going on ends only with in.
func Serve(ctx context.Context, cfg Config, in io.Reader, out io.Writer) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	lines := make(chan []byte)
	var failed error // of reading; settled when lines is closed
	go func() {
		defer close(lines)
		s := bufio.NewScanner(in)
		s.Buffer(nil, maxLine)
		for s.Scan() {
			line := append([]byte(nil), s.Bytes()...)
			select {
			case lines <- line:
			case <-ctx.Done():
				return
			}
		}
		failed = s.Err()
	}()

	w := bufio.NewWriter(out)
	if cfg.Epoch == 0 {
		cfg.Epoch = uint64(time.Now().UnixMilli())
	}
	n := NewNode(cfg, func(line []byte) {
		w.Write(line) // an error stays until Flush tells it
		w.WriteByte('\n')
	})
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case line, ok := <-lines:
			if !ok {
				return failed
			}
			n.Handle(time.Now(), line)
		case <-timer.C:
			n.Tick(time.Now())
		}
		if err := w.Flush(); err != nil {
			return err
		}
		if at := n.Deadline(); !at.IsZero() {
			timer.Reset(time.Until(at))
		}
	}
}
