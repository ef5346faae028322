package integration_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hearsay/integration"
	"hearsay/node"
	"hearsay/node/shared"
)

// board is the table that a node shows: what all say under one key.
type board struct {
	mu   sync.Mutex
	rows map[string]string
}

// shows reports whether the table is as wanted.
func (b *board) shows(want map[string]string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Equal(b.rows, want)
}

// note puts what a node said into its row.
func (b *board) note(ch shared.Change) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rows[ch.Peer.String()] = string(ch.Value); ch.Deleted || ch.Expired {
		delete(b.rows, ch.Peer.String())
	}
}

// showBoard keeps a node's table current until the test ends.
func showBoard(t *testing.T, c *integration.Cluster, i int) *board {
	t.Helper()
	b := &board{rows: make(map[string]string)}
	w := c.Node(i).Running().WatchState()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			ch, err := w.Next(ctx)
			if err != nil {
				return
			}
			if ch.Key == "movie" {
				b.note(ch)
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done; w.Close() })
	return b
}

// agree waits until all tables are the same and have what each node picked, and
// returns how long that took, up to the limit. Time is virtual.
func agree(boards []*board, want map[string]string, limit time.Duration) time.Duration {
	began := time.Now()
	for {
		synctest.Wait()
		same := true
		for _, b := range boards {
			same = same && b.shows(want)
		}
		if took := time.Since(began); same || took >= limit {
			return took
		}
		time.Sleep(time.Millisecond)
	}
}

// Four nodes pick favourites as hearsay demo movies does: within a second of each
// change all show the same table. A fifth that starts late shows it within two.
func TestFavouriteMovies(t *testing.T) {
	virtually(t, func(t *testing.T) {
		// Heartbeats and comparisons as in real life, links of 5 ms, real proof of work.
		c := peersters(t, 5, func(i int, cfg *node.Config) { cfg.DifficultyBits = 4 })
		c.Node(4).Stop()
		for i := range 4 {
			for j := range i {
				addPeer(c, j, i)
			}
		}
		pass(time.Second)
		var boards []*board
		for i := range 4 {
			boards = append(boards, showBoard(t, c, i))
		}
		want := make(map[string]string)
		slowest := time.Duration(0)
		pick := func(i, round int) {
			t.Helper()
			movie := fmt.Sprint("movie ", i, " of round ", round)
			if err := c.Node(i).Running().SetState(t.Context(), "movie", []byte(movie)); err != nil {
				t.Fatal(err)
			}
			want[c.Node(i).ID().String()] = movie
			took := agree(boards, want, 10*time.Second)
			if slowest = max(slowest, took); took > time.Second {
				t.Fatalf("round %d: after node %d picked the tables differed for %v", round, i, took)
			}
		}
		for round := range 20 {
			for i := range 4 {
				pick(i, round)
			}
			pass(7 * time.Second)
		}
		t.Logf("the slowest of 80 changes was everywhere after %v", slowest)

		began := time.Now()
		c.Node(4).Start()
		boards = append(boards, showBoard(t, c, 4))
		// Both hear of each other, as on a LAN. Where only one does, and has the larger peer
		// ID, it waits out of courtesy before it dials, which may take these two seconds.
		c.Node(2).Running().Introduce(addressOf(c, 4))
		addPeer(c, 4, 2)
		took := agree(boards, want, 10*time.Second)
		if total := time.Since(began); total > 2*time.Second {
			t.Errorf("the late one shows the table after %v", total)
		} else {
			t.Logf("the late one shows the table %v after its start, %v after its first link", total, took)
		}
		pick(4, 20)
		pick(0, 20)
		if err := c.Node(1).Running().DeleteState(t.Context(), "movie"); err != nil {
			t.Fatal(err)
		}
		delete(want, c.Node(1).ID().String())
		if took := agree(boards, want, 10*time.Second); took > time.Second {
			t.Errorf("a choice that was taken back is shown for %v", took)
		}
	})
}

// What a node says is kept over its restart, wins over what it said before, and
// reaches who knows it only over others; what it took back stays away.
func TestStateOverRestarts(t *testing.T) {
	virtually(t, func(t *testing.T) {
		c := peersters(t, 3, nil, integration.WithStateDir())
		addPeer(c, 0, 1)
		addPeer(c, 1, 2)
		pass(5 * time.Second)
		set := func(key, value string) {
			t.Helper()
			if err := c.Node(0).Running().SetState(t.Context(), key, []byte(value)); err != nil {
				t.Fatal(err)
			}
		}
		expect := func(i int, want string) {
			t.Helper()
			var all []string
			for _, e := range c.Node(i).Running().State(c.Node(0).ID(), "") {
				all = append(all, e.Key+"="+string(e.Value))
			}
			if got := strings.Join(all, " "); got != want {
				t.Errorf("node %d knows %q, want %q", i, got, want)
			}
		}
		set("a", "1")
		set("b", "2")
		pass(2 * time.Second)
		expect(2, "a=1 b=2")
		c.Node(2).Stop() // it misses what follows
		if err := c.Node(0).Running().DeleteState(t.Context(), "b"); err != nil {
			t.Fatal(err)
		}
		set("a", "3")
		c.Node(0).Stop()
		pass(time.Minute)
		c.Node(0).Start()
		addPeer(c, 0, 1)
		c.Node(2).Start()
		addPeer(c, 1, 2)
		pass(30 * time.Second)
		for i := range 3 {
			expect(i, "a=3")
		}
		// It goes for good: what it said goes with its life.
		c.Node(0).Stop()
		pass(30 * time.Minute)
		expect(2, "a=3")
		pass(31 * time.Minute)
		expect(2, "")
	})
}

// A flood of one node's states, as many and as large as it likes, takes nothing from
// what others say.
func TestStateFlood(t *testing.T) {
	virtually(t, func(t *testing.T) {
		c := peersters(t, 3, nil)
		addPeer(c, 0, 1)
		addPeer(c, 1, 2)
		pass(5 * time.Second)
		if err := c.Node(2).Running().SetState(t.Context(), "honest", []byte("word")); err != nil {
			t.Fatal(err)
		}
		for i := range shared.MaxKeys {
			for range 3 {
				if err := c.Node(0).Running().SetState(t.Context(), fmt.Sprint("key", i), make([]byte, shared.MaxValue)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := c.Node(2).Running().SetState(t.Context(), "honest", []byte("second word")); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		for i := range 3 {
			if got := c.Node(i).Running().State(c.Node(2).ID(), ""); len(got) != 1 || string(got[0].Value) != "second word" {
				t.Errorf("node %d knows %+v", i, got)
			}
		}
		pass(2 * time.Minute)
		if got := c.Node(2).Running().State(c.Node(0).ID(), ""); len(got) != shared.MaxKeys {
			t.Errorf("%d of %d keys came in the end", len(got), shared.MaxKeys)
		}
		if n := c.Node(1).Running().Status().Counters["too_fast"]; n == 0 {
			t.Error("nothing was put off")
		}
	})
}
