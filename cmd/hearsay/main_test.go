package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"hearsay": func() { os.Exit(hearsay()) }})
}

// TestScripts runs testdata/script: each is a shell session with the real
// program, in a home folder of its own; [netns] holds where network namespaces
// can be made, [root] for root. Beside testscript's commands there are
//
//	exits CODE PROGRAM [ARGS]      run it; it must end with this code
//	start NAME PROGRAM [ARGS]      run it in the background; $NAME_pid is its number
//	awaits NAME [-count=N] REGEXP  wait until its output has N lines like this; $match
//	                               is what the first one's group stands for
//	! awaits NAME REGEXP           its output so far has no such line
//	ends NAME CODE [SIGNAL]        signal it (HUP, INT, TERM, KILL), wait for its end
func TestScripts(t *testing.T) {
	// Programs that are started from here ignore SIGHUP if this one does, under nohup, and
	// not if it takes it.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			home := filepath.Join(env.WorkDir, "home")
			env.Setenv("HOME", home)
			env.Setenv("XDG_STATE_HOME", "")
			env.Setenv("XDG_RUNTIME_DIR", home) // nodes of one script find each other, and no others
			env.Setenv("LANG", "C.UTF-8")
			env.Setenv("TZ", "UTC")
			env.Setenv("GORACE", "atexit_sleep_ms=0") // or each program takes a second more under -race
			env.Values["processes"] = processes{}
			return os.Mkdir(home, 0o700)
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "netns":
				return exec.Command("unshare", "-rn", "ip", "link", "set", "lo", "up").Run() == nil, nil
			case "root":
				return os.Geteuid() == 0, nil
			}
			return false, errors.New("unknown condition")
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":  exits,
			"start":  start,
			"awaits": awaits,
			"ends":   ends,
		},
	})
}

// patience is for what takes milliseconds on an idle machine.
const patience = 30 * time.Second

func command(ts *testscript.TestScript, args []string) *exec.Cmd {
	path := args[0]
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if full := filepath.Join(dir, args[0]); filepath.Base(path) == path {
			if _, err := os.Stat(full); err == nil {
				path = full
			}
		}
	}
	cmd := exec.Command(path, args[1:]...)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"HOME", "PATH", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "LANG", "TZ", "WORK", "TMPDIR", "GORACE", "NO_COLOR", "NOTIFY_SOCKET", "GOCOVERDIR"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	return cmd
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARGS]")
	}
	cmd := command(ts, args[1:])
	cmd.Stdout, cmd.Stderr = ts.Stdout(), ts.Stderr()
	err := cmd.Run()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		ts.Fatalf("%v", err)
	}
	if got := strconv.Itoa(cmd.ProcessState.ExitCode()); got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// processes are the background processes of one script by name.
type processes map[string]*process

type process struct {
	*exec.Cmd
	done chan struct{} // closed when the process has ended

	mu     sync.Mutex
	output bytes.Buffer
	grown  chan struct{} // closed and replaced at each write
}

// Write takes the process's standard output and error.
func (p *process) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.grown)
	p.grown = make(chan struct{})
	return p.output.Write(text)
}

func (p *process) state() (text string, grown <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String(), p.grown
}

func start(ts *testscript.TestScript, neg bool, args []string) {
	all := ts.Value("processes").(processes)
	if neg || len(args) < 2 || all[args[0]] != nil {
		ts.Fatalf("usage: start NAME PROGRAM [ARGS], with a new NAME")
	}
	p := &process{Cmd: command(ts, args[1:]), done: make(chan struct{}), grown: make(chan struct{})}
	p.Stdout, p.Stderr = p, p
	p.WaitDelay = patience // when it is killed, what it has started may still hold them
	ts.Check(p.Start())
	all[args[0]] = p
	ts.Setenv(args[0]+"_pid", strconv.Itoa(p.Process.Pid))
	go func() {
		p.Wait()
		close(p.done)
	}()
	ts.Defer(func() {
		p.Process.Kill()
		<-p.done
		text, _ := p.state()
		ts.Logf("[output of %s]\n%s", args[0], text)
	})
}

func find(ts *testscript.TestScript, name string) *process {
	p := ts.Value("processes").(processes)[name]
	if p == nil {
		ts.Fatalf("nothing was started as %s", name)
	}
	return p
}

var countFlag = regexp.MustCompile(`^-count=([0-9]+)$`)

func awaits(ts *testscript.TestScript, neg bool, args []string) {
	want := 1
	if len(args) == 3 {
		if m := countFlag.FindStringSubmatch(args[1]); m != nil {
			want, _ = strconv.Atoi(m[1])
			args = slices.Delete(args, 1, 2)
		}
	}
	if len(args) != 2 {
		ts.Fatalf("usage: [!] awaits NAME [-count=N] REGEXP")
	}
	p := find(ts, args[0])
	line, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	if neg {
		if text, _ := p.state(); line.MatchString(text) {
			ts.Fatalf("%s has written lines like %q", args[0], args[1])
		}
		return
	}
	late := time.After(patience)
	for {
		text, grown := p.state()
		found := line.FindAllString(text, -1)
		if len(found) >= want {
			if m := line.FindStringSubmatch(text); len(m) > 1 {
				ts.Setenv("match", m[1]) // the first group, for what follows
			}
			return
		}
		select {
		case <-grown:
		case <-p.done:
			if again, _ := p.state(); again == text {
				ts.Fatalf("%s ended with %d lines like %q", args[0], len(found), args[1])
			}
		case <-late:
			ts.Fatalf("%s has not written %d lines like %q in %v", args[0], want, args[1], patience)
		}
	}
}

var signals = map[string]os.Signal{"HUP": syscall.SIGHUP, "INT": os.Interrupt, "TERM": syscall.SIGTERM, "KILL": os.Kill}

func ends(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: ends NAME CODE [SIGNAL]")
	}
	p := find(ts, args[0])
	if len(args) > 2 {
		if signals[args[2]] == nil {
			ts.Fatalf("no signal %s", args[2])
		}
		ts.Check(p.Process.Signal(signals[args[2]]))
	}
	select {
	case <-p.done:
	case <-time.After(patience):
		ts.Fatalf("%s has not ended in %v", args[0], patience)
	}
	if got := strconv.Itoa(p.ProcessState.ExitCode()); got != args[1] {
		ts.Fatalf("%s ended with exit code %s, want %s", args[0], got, args[1])
	}
}
