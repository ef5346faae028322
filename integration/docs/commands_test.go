package docs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestCommands runs the commands of each page.
func TestCommands(t *testing.T) {
	if exec.Command("unshare", "-rn", "ip", "link", "set", "lo", "up").Run() != nil {
		t.Skip("no network namespaces here")
	}
	bin := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", bin, root+"/cmd/hearsay").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, path := range pages(t) {
		list := steps(t, path)
		commands := false
		for _, s := range list {
			if s.kind == "sh" && !s.marked {
				t.Errorf("%s:%d: nothing says what a test does with these commands", path, s.line)
			}
			commands = commands || s.marked && !strings.HasPrefix(s.directive, "not here")
		}
		if !commands {
			continue
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			newWalk(t, bin).page(list)
		})
	}
}

// walk is a reader who tries what a page says.
type walk struct {
	*testing.T
	env     []string
	dir     string
	world   string // the process whose network this is
	running map[string]*background
}

func newWalk(t *testing.T, bin string) *walk {
	home := t.TempDir()
	w := &walk{T: t, dir: filepath.Join(home, "work"), running: make(map[string]*background)}
	if err := os.Mkdir(w.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	w.env = append(os.Environ(), "HOME="+home, "XDG_STATE_HOME=", "XDG_RUNTIME_DIR="+home, "LANG=C.UTF-8", "GOBIN="+bin,
		"PATH="+bin+":"+os.Getenv("PATH"), "GOCACHE="+goEnv(t, "GOCACHE"), "GOMODCACHE="+goEnv(t, "GOMODCACHE"))
	world := w.start("world", exec.Command("unshare", "-rn", "sh", "-c", "ip link set lo up && echo up && exec sleep 600"))
	world.await("^up$")
	w.world = strconv.Itoa(world.cmd.Process.Pid)
	return w
}

func goEnv(t *testing.T, name string) string {
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// The forms of what is said behind "test:".
var (
	runs   = regexp.MustCompile(`^(\w+) runs until "(.*)"$`)
	prints = regexp.MustCompile(`^prints "(.*)"$`)
	soon   = regexp.MustCompile(`^prints soon "(.*)"$`)
	said   = regexp.MustCompile(`^(\w+) prints "(.*)"$`)
	types  = regexp.MustCompile(`^(\w+) types "(.*)"$`)
	ends   = regexp.MustCompile(`^(\w+) ends$`)
	exits  = regexp.MustCompile(`^exits (\d+)$`)
	file   = regexp.MustCompile(`^file (\S+)$`)
)

// page does what a page says, in its order.
func (w *walk) page(list []step) {
	for _, s := range list {
		if !s.marked || strings.HasPrefix(s.directive, "not here: ") {
			continue
		}
		w.Logf("line %d: %s\n%s", s.line, s.directive, s.text)
		d, dir := s.directive, w.dir
		if rest, ok := strings.CutPrefix(d, "in the checkout"); ok {
			d, dir = strings.TrimPrefix(rest, ": "), root
		}
		switch {
		case runs.MatchString(d):
			m := runs.FindStringSubmatch(d)
			w.start(m[1], w.shell(s.text, dir)).await(m[2])
		case said.MatchString(d):
			m := said.FindStringSubmatch(d)
			w.find(m[1]).await(m[2])
		case types.MatchString(d):
			m := types.FindStringSubmatch(d)
			if _, err := io.WriteString(w.find(m[1]).in, m[2]+"\n"); err != nil {
				w.Fatal(err)
			}
		case ends.MatchString(d):
			w.find(ends.FindStringSubmatch(d)[1]).end()
		case file.MatchString(d):
			path := filepath.Join(w.dir, file.FindStringSubmatch(d)[1])
			if err := os.WriteFile(path, []byte(s.text), 0o600); err != nil {
				w.Fatal(err)
			}
		case d == "":
			w.run(s, dir, 0)
		case exits.MatchString(d):
			code, _ := strconv.Atoi(exits.FindStringSubmatch(d)[1])
			w.run(s, dir, code)
		case soon.MatchString(d):
			w.again(s, dir, regexp.MustCompile("(?m)"+soon.FindStringSubmatch(d)[1]))
		case prints.MatchString(d):
			out := w.run(s, dir, 0)
			if want := prints.FindStringSubmatch(d)[1]; !regexp.MustCompile("(?m)" + want).MatchString(out) {
				w.Fatalf("line %d: no line like %q in:\n%s", s.line, want, out)
			}
		default:
			w.Fatalf("line %d: no idea what this means: %s", s.line, d)
		}
	}
}

// again runs commands until they end with 0 and print such a line.
func (w *walk) again(s step, dir string, line *regexp.Regexp) {
	for end := time.Now().Add(patience); ; {
		out, code := w.try(s, dir)
		if code == 0 && line.MatchString(out) {
			return
		}
		if time.Now().After(end) {
			w.Fatalf("line %d: no line like %q in %v, but with exit code %d:\n%s", s.line, line, patience, code, out)
		}
	}
}

// shell is bash in the network of this walk.
func (w *walk) shell(text, dir string) *exec.Cmd {
	cmd := exec.Command("nsenter", "--preserve-credentials", "-U", "-n", "-t", w.world, "bash", "-eu", "-c", text)
	cmd.Dir = dir
	return cmd
}

// run runs commands to their end, and gives their output.
func (w *walk) run(s step, dir string, want int) string {
	out, code := w.try(s, dir)
	if code != want {
		w.Fatalf("line %d: exit code %d, and not %d:\n%s", s.line, code, want, out)
	}
	w.Log(out)
	return out
}

func (w *walk) try(s step, dir string) (out string, code int) {
	ctx, cancel := context.WithTimeout(w.Context(), 2*patience)
	defer cancel()
	cmd := w.shell(s.text, dir)
	cmd.Env = w.env
	var both bytes.Buffer
	cmd.Stdout, cmd.Stderr = &both, &both
	if err := cmd.Start(); err != nil {
		w.Fatal(err)
	}
	stop := context.AfterFunc(ctx, func() { cmd.Process.Kill() })
	defer stop()
	err := cmd.Wait()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		w.Fatal(err)
	}
	return both.String(), cmd.ProcessState.ExitCode()
}

// background is something that goes on.
type background struct {
	w    *walk
	name string
	cmd  *exec.Cmd
	in   io.WriteCloser
	done chan struct{}

	mu     sync.Mutex
	output bytes.Buffer
	grown  chan struct{} // closed and replaced at each write
}

// Write takes its output.
func (b *background) Write(text []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.grown)
	b.grown = make(chan struct{})
	return b.output.Write(text)
}

func (w *walk) start(name string, cmd *exec.Cmd) *background {
	if w.running[name] != nil {
		w.Fatalf("there are two %s", name)
	}
	b := &background{w: w, name: name, cmd: cmd, done: make(chan struct{}), grown: make(chan struct{})}
	cmd.Stdout, cmd.Stderr, cmd.Env = b, b, w.env
	var err error
	if b.in, err = cmd.StdinPipe(); err != nil {
		w.Fatal(err)
	}
	// Bash and what it runs are interrupted together, as in a terminal.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		w.Fatal(err)
	}
	go func() {
		cmd.Wait()
		close(b.done)
	}()
	w.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-b.done
		b.mu.Lock()
		defer b.mu.Unlock()
		w.Logf("output of %s:\n%s", name, &b.output)
	})
	w.running[name] = b
	return b
}

func (w *walk) find(name string) *background {
	b := w.running[name]
	if b == nil {
		w.Fatalf("nothing runs as %s", name)
	}
	return b
}

// await waits until the output has such a line.
func (b *background) await(want string) {
	b.w.Helper()
	line := regexp.MustCompile("(?m)" + want)
	late := time.After(patience)
	for {
		b.mu.Lock()
		text, grown := b.output.String(), b.grown
		b.mu.Unlock()
		if line.MatchString(text) {
			return
		}
		select {
		case <-grown:
		case <-b.done:
			b.mu.Lock()
			again := b.output.String()
			b.mu.Unlock()
			if again == text {
				b.w.Fatalf("%s ended without a line like %q:\n%s", b.name, want, text)
			}
		case <-late:
			b.w.Fatalf("%s has no line like %q in %v:\n%s", b.name, want, patience, text)
		}
	}
}

// end interrupts it, as Ctrl-C does.
func (b *background) end() {
	syscall.Kill(-b.cmd.Process.Pid, syscall.SIGINT)
	select {
	case <-b.done:
	case <-time.After(patience):
		b.w.Fatalf("%s does not end", b.name)
	}
	if code := b.cmd.ProcessState.ExitCode(); code != 0 {
		b.w.Fatalf("%s ended with exit code %d", b.name, code)
	}
}
