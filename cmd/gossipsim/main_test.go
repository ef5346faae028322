package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"gossipsim": func() { os.Exit(gossipsim()) }})
}

// TestScripts runs testdata/script: each is a shell session with the real
// program. Beside testscript's commands there is
//
//	exits CODE PROGRAM [ARGS]      run it; it must end with this code
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARGS]")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got := strconv.Itoa(code); got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// The first signal ends trials.
func TestInterruptedTrial(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	stderr := new(bytes.Buffer)
	a := &app{stdin: strings.NewReader(""), stdout: io.Discard, stderr: stderr}
	code := a.execute(ctx, strings.Fields("trial --nodes 5 --duration 2s --seeds 2"))
	if want := "gossipsim: interrupted after 0 trials\n"; code != exitFailed || stderr.String() != want {
		t.Errorf("exit code %d, %q", code, stderr)
	}
}

// A second one ends the program, whatever it is about.
func TestSecondSignal(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("gossipsim", "run", fifo)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	f, err := os.OpenFile(fifo, os.O_WRONLY, 0) // when the program has opened it, and waits for what is never written
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	again := time.NewTicker(10 * time.Millisecond) // what comes too soon after the first counts with it
	defer again.Stop()
	for late := time.After(30 * time.Second); ; {
		select {
		case <-ended:
			if status := cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGINT {
				t.Errorf("ended with %v", cmd.ProcessState)
			}
			return
		case <-again.C:
			cmd.Process.Signal(os.Interrupt)
		case <-late:
			t.Fatal("signals do not end it")
		}
	}
}
