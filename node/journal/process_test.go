package journal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"hearsay/node/folder"
)

// The test binary runs itself as another process, in one of these roles.
const (
	childRole   = "HEARSAY_JOURNAL_CHILD"
	childFolder = "HEARSAY_JOURNAL_FOLDER"

	roleEpochs = "epochs" // take epochs and print them until killed
	roleFull   = "full"   // see TestFullDisk
)

func start(t *testing.T, role, folder string) (cmd *exec.Cmd, in io.WriteCloser, out *bufio.Reader) {
	t.Helper()
	cmd = exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childRole+"="+role, childFolder+"="+folder)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, in, bufio.NewReader(stdout)
}

func child(role, folder string) (exit int) {
	var err error
	switch role {
	case roleEpochs:
		err = takeEpochs(folder)
	case roleFull:
		err = fillDisk(folder)
	default:
		err = errors.New("unknown role " + role)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, role+":", err)
		return 1
	}
	return 0
}

func takeEpochs(dir string) error {
	if _, err := folder.Lock(dir); err != nil {
		return err
	}
	j, err := Open(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	if q := j.Quarantined(); q != "" {
		return errors.New("quarantined " + q)
	}
	for n := 0; ; n++ {
		epoch, err := j.NextEpoch()
		if err != nil {
			return err
		}
		if _, err := fmt.Println(epoch); err != nil { // one write, unbuffered
			return err
		}
		if err := j.SavePeers(testPeers(n%1000, n%1000+3)); err != nil {
			return err
		}
	}
}

// A node killed at any instant, again and again: no epoch that anybody has
// seen comes twice, and no file is ever damaged.
func TestKilledProcesses(t *testing.T) {
	kills := 50
	if long {
		kills = 1000
	}
	folder := t.TempDir()
	random := rand.New(rand.NewPCG(9, 10))
	var last uint64
	var total int
	for kill := range kills {
		cmd, _, out := start(t, roleEpochs, folder)
		// Some epochs, and a random part of the way to the next one.
		lines := random.IntN(8)
		for n := 0; ; n++ {
			if n == lines {
				for range random.IntN(20_000) {
					syscall.Getppid() // some 100 ns
				}
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
			line, err := out.ReadString('\n')
			if err != nil {
				break // what it had printed before it died has been read
			}
			epoch, err := strconv.ParseUint(strings.TrimSpace(line), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			if epoch <= last {
				t.Fatalf("kill %d: epoch %d after %d", kill, epoch, last)
			}
			last = epoch
			total++
		}
		err := cmd.Wait()
		if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("kill %d: the process ended by itself: %v", kill, err)
		}
	}
	if total < kills {
		t.Errorf("only %d epochs in %d lives: too few to mean something", total, kills)
	}
	t.Logf("%d kills, %d epochs", kills, total)
	if entries, err := filepath.Glob(filepath.Join(folder, "*.corrupt-*")); err != nil || len(entries) > 0 {
		t.Errorf("damaged files: %v, %v", entries, err)
	}
	j := open(t, folder)
	if e := must(j.NextEpoch()); e <= last {
		t.Errorf("in the end: epoch %d after %d", e, last)
	}
}

// A full disk: every operation either succeeds for good or is an error, and
// what was there before stays. A limit on the size of files stands in for the
// disk, in a process of its own, as it would also hit the test framework.
func TestFullDisk(t *testing.T) {
	cmd, _, out := start(t, roleFull, t.TempDir())
	text, err := io.ReadAll(out)
	if err := errors.Join(err, cmd.Wait()); err != nil || string(text) != "done\n" {
		t.Errorf("%q, %v", text, err)
	}
}

func fillDisk(folder string) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	unlimited := limit.Cur
	room := func(n uint64) {
		limit.Cur = n
		must(0, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
	}
	path := filepath.Join(folder, name)
	j := must(Open(path))
	last := must(j.NextEpoch())
	must(0, j.SavePeers(testPeers(0, 10)))

	for _, n := range []uint64{0, 1, uint64(epochSize) - 1, uint64(epochSize), 4096, 8192, 32768} {
		room(n)
		if epoch, err := j.NextEpoch(); err == nil {
			if epoch <= last {
				return fmt.Errorf("room for %d: epoch %d after %d", n, epoch, last)
			}
			last = epoch
		} else if epoch != 0 {
			return fmt.Errorf("room for %d: both epoch %d and error %w", n, epoch, err)
		} else if n == 0 && !errors.Is(err, syscall.EFBIG) {
			return fmt.Errorf("room for %d: %w", n, err)
		}
		if err := j.SavePeers(testPeers(10, 900)); err == nil {
			return fmt.Errorf("room for %d: 890 peers fit into it", n)
		}
		if peers, err := j.Peers(); err != nil || len(peers) != 10 {
			return fmt.Errorf("room for %d: %d peers, %w", n, len(peers), err)
		}
		room(unlimited)
		epoch, err := j.NextEpoch()
		if err != nil || epoch <= last {
			return fmt.Errorf("after room for %d: epoch %d after %d, %w", n, epoch, last, err)
		}
		last = epoch
	}
	must(0, j.Close())
	j = must(Open(path))
	if q := j.Quarantined(); q != "" {
		return errors.New("quarantined " + q)
	}
	if peers := must(j.Peers()); len(peers) != 10 {
		return fmt.Errorf("%d peers in the end", len(peers))
	}
	if epoch := must(j.NextEpoch()); epoch <= last {
		return fmt.Errorf("epoch %d after %d in the end", epoch, last)
	}
	_, err := fmt.Println("done")
	return errors.Join(err, j.Close())
}
