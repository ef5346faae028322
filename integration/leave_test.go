package integration_test

import (
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"hearsay/integration"
	"hearsay/node"
)

// A node that is told to end (SIGTERM) while it announces at full speed says so
// ahead of everything that is queued: the others know within half a second, and
// the process ends within three. That is so on a machine with nothing else to do,
// which the long run asks for; elsewhere ten times that long is soon enough.
func TestLeaveUnderLoad(t *testing.T) {
	times, known, end := 3, 5*time.Second, 30*time.Second
	if long {
		times, known, end = 20, 500*time.Millisecond, 3*time.Second
	}
	begin := func() *child {
		return start(t, childConfig{Role: roleNode, Dir: t.TempDir(), Types: []uint16{dataType}})
	}
	meet := func(a, b *child) {
		a.tell("meet", b.addr)
		b.tell("meet", a.addr)
	}
	others := []*child{begin().ready(), begin().ready()}
	meet(others[0], others[1])

	var took, ended []time.Duration
	ends := make(chan time.Duration, times)
	for range times {
		leaver := begin().ready()
		for _, c := range others {
			meet(leaver, c)
		}
		for _, c := range others {
			c.await("joined", leaver.id.String())
		}
		leaver.tell("flood")
		leaver.await("flooding")

		began := time.Now()
		if err := leaver.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		go func() {
			if err := leaver.end(); err != nil {
				t.Errorf("the node that left ended with: %v", err)
			}
			ends <- time.Since(began)
		}()
		for _, c := range others {
			nanos, err := strconv.ParseInt(c.await("left", leaver.id.String())[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			took = append(took, time.Unix(0, nanos).Sub(began))
		}
	}
	for range times {
		ended = append(ended, <-ends)
	}
	t.Logf("known to the others after (sorted) %s; the process ended after %s", sorted(took), sorted(ended))
	if slow := slices.Max(took); slow > known {
		t.Errorf("a neighbour knew only after %v", slow)
	}
	if slow := slices.Max(ended); slow > end {
		t.Errorf("a node ended only after %v", slow)
	}
}

// A leave goes ahead of what is queued: over a link that needs seconds for the
// backlog it is there at once.
func TestLeaveOvertakesABacklog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, leaveOvertakesABacklog)
}

func leaveOvertakesABacklog(t *testing.T) {
	const (
		bandwidth = 1 << 20 // bytes per second, and as much at once
		rumors    = 60      // of 60,000 bytes: 3.4 times as much
		limit     = 500 * time.Millisecond
	)
	c := integration.New(t, 2, integration.WithoutAPI(), integration.SlowLinks(time.Millisecond, bandwidth),
		settings(func(cfg *node.Config) { cfg.DifficultyBits = 0 }))
	c.Listen(1, dataType)
	for range rumors {
		c.Announce(0, dataType, make([]byte, 60_000))
	}
	w := c.Node(1).Running().Watch()
	defer w.Close()
	began := time.Now()
	stopped := make(chan struct{})
	go func() {
		c.Node(0).Stop()
		close(stopped)
	}()
	for ev := (node.PeerEvent{}); ev.What != "left"; {
		select {
		case ev = <-w.C():
		case <-time.After(integration.DefaultPatience):
			t.Fatal("node 1 was not told")
		}
	}
	took := time.Since(began)
	<-stopped
	t.Logf("known after %v, node 0 ended after %v", took.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	if took > limit {
		t.Errorf("node 1 knew only after %v", took)
	}
	if heard := count(c, 1, "received"); heard >= rumors {
		t.Error("there was no backlog to overtake")
	}
}

// sorted lists durations in milliseconds, the shortest first.
func sorted(d []time.Duration) string {
	slices.Sort(d)
	var words []string
	for _, d := range d {
		words = append(words, strconv.FormatFloat(d.Seconds()*1000, 'f', 1, 64))
	}
	return strings.Join(words, " ") + " ms"
}
