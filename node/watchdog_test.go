package node

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hearsay/node/health"
)

func stands(w *watchdog) bool {
	select {
	case <-w.standing():
		return true
	default:
		return false
	}
}

// A loop that does not come to what it is asked is noticed in time, said once, and
// forgotten when it goes on; so is one whose queue is full from the beginning.
func TestWatchdog(t *testing.T) {
	for name, room := range map[string]int{"a loop that asks for more": 1, "a full queue": 0} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWatchdog()
				var alarms []string
				w.alarm = func(dump string) { alarms = append(alarms, dump) }
				calls := make(chan func(time.Time), room)
				hold := make(chan struct{})
				if room > 0 {
					close(hold)
				}
				ctx, end := context.WithCancel(t.Context())
				var running sync.WaitGroup
				running.Go(func() { w.watch(ctx, calls) })
				running.Go(func() {
					<-hold
					for {
						select {
						case f := <-calls:
							f(time.Now())
						case <-ctx.Done():
							return
						}
					}
				})
				defer running.Wait()
				defer end()
				if room > 0 {
					time.Sleep(time.Hour)
					synctest.Wait()
					if len(alarms) > 0 || stands(w) {
						t.Fatal("the loop turns, and is said not to")
					}
					hold = make(chan struct{})
					calls <- func(time.Time) { <-hold }
				}
				time.Sleep((watchPatience - 1) * watchPause)
				synctest.Wait()
				if stands(w) {
					t.Error("it had no time")
				}
				time.Sleep(2 * watchPause)
				synctest.Wait()
				if !stands(w) {
					t.Error("not noticed")
				}
				time.Sleep(time.Hour)
				synctest.Wait()
				if len(alarms) != 1 || !strings.Contains(alarms[0], "TestWatchdog") {
					t.Errorf("%d alarms: %q", len(alarms), alarms)
				}
				close(hold)
				time.Sleep(2 * watchPause)
				synctest.Wait()
				if stands(w) {
					t.Error("it turns again, and is said not to")
				}
			})
		})
	}
}

// A node whose loop stands still says so; whoever asks for its health need not wait
// for the loop.
func TestLoopStandsStill(t *testing.T) {
	n, _ := startNode(t, nil, func(n *Node) { n.watchdog.pause = 20 * time.Millisecond })
	entered, hold := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(hold) })
	t.Cleanup(release) // so that the node can stop, whatever comes
	n.post(func(time.Time) { close(entered); <-hold })
	next(t, entered)
	next(t, n.watchdog.standing())
	if finding(n, health.LoopStuck) == nil {
		t.Error("the loop is not found to stand still")
	}
	if !n.facts(time.Hour).Stuck {
		t.Error("who is content with what was known of the core takes the loop for turning")
	}
	if f := n.Findings(); len(f) != 1 || f[0].Severity != health.Error {
		t.Errorf("found %+v, of a node of which nothing else can be known", f)
	}
	if st := n.Self(); st.ID != n.ID() || st.Network != n.cfg.Network || len(st.Addrs) == 0 {
		t.Errorf("it says of itself %+v", st)
	}
	release()
	eventually(t, "it is found to turn", func() bool { return finding(n, health.LoopStuck) == nil })
}
