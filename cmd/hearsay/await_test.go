package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// Ctrl-C ends what waits for its input.
func TestInterruptedInput(t *testing.T) {
	for _, command := range []string{"announce 1000 -", "send somebody -", "state set key -", "dht put key -"} {
		t.Run(command, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in, typed := io.Pipe()
				defer typed.Close()
				a := &app{stdin: in, stdout: io.Discard, stderr: io.Discard}
				ctx, interrupt := context.WithCancel(t.Context())
				code := make(chan int, 1)
				go func() { code <- a.execute(ctx, strings.Fields(command)) }()
				synctest.Wait() // it reads
				interrupt()
				synctest.Wait()
				select {
				case got := <-code:
					if got != exitFailed {
						t.Errorf("exit code %d", got)
					}
				default:
					t.Error("it reads on")
				}
			})
		})
	}
}

// Nor does it wait for somebody to open the other end of a file that is a FIFO.
func TestInterruptedOpening(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	a := &app{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard}
	code := make(chan int, 1)
	go func() { code <- a.execute(ctx, []string{"announce", "1000", "--file", fifo}) }()
	select {
	case got := <-code:
		if got != exitFailed {
			t.Errorf("exit code %d", got)
		}
	case <-time.After(patience):
		t.Error("it waits on")
	}
	if f, err := os.OpenFile(fifo, os.O_RDWR, 0); err == nil { // which lets it go
		f.Close()
	}
}

// Ctrl-C while a key is made leaves none.
func TestInterruptedKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.pem")
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	a := &app{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard}
	if code := a.execute(ctx, []string{"key", "new", "--rsa", "4096", path}); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("the key is there")
	}
}
