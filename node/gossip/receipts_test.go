package gossip

import (
	"testing"
	"time"
)

func TestReceiptsBeyondPushes(t *testing.T) {
	n := alone(t)
	n.up("B", 7)
	n.mute["B"] = true
	n.publish(7, "a")
	n.publish(7, "b")
	n.recv("B", &Receipt{[]Verdict{VerdictNew}})
	if got := n.s.Status().Neighbours[0].Unanswered; got != 1 {
		t.Errorf("%d unanswered", got)
	}
	n.recv("B", &Receipt{[]Verdict{VerdictNew, VerdictNew}})
	n.cutOff(t, "B")
}

// Receipts are batched for receiptDelay, and leave early when many wait.
func TestReceiptBatches(t *testing.T) {
	n := alone(t)
	n.subscribe(1, false, 7)
	n.up("B", 7)
	for i := range uint64(10) {
		n.recv("B", &Push{Rumor: rumorOf(t, "Z", i+1, "x"), Hops: 1})
	}
	if len(sent[*Receipt](n, "B")) != 0 {
		t.Error("answered one by one")
	}
	n.wait(n.s.receiptDelay())
	if got := sent[*Receipt](n, "B"); len(got) != 1 || len(got[0].Verdicts) != 10 {
		t.Errorf("receipts: %v", got)
	}
	for i := range uint64(MaxVerdicts / 16) {
		n.recv("B", &Push{Rumor: rumorOf(t, "Z", i+11, "x"), Hops: 1})
	}
	if got := len(verdictsTo(n, "B")); got != 10+MaxVerdicts/16 {
		t.Errorf("%d verdicts, a full batch waits for its time", got)
	}
}

// What is waiting to be answered goes with a push or a Have the other way, if it has
// waited for a while: who is pushed much is not answered with each of them.
func TestReceiptRides(t *testing.T) {
	n := alone(t, func(c *Config) { c.Push = PushShared })
	n.module(1, 7)
	n.up("B", 7)
	n.up("C", 7)
	n.forget()
	receipts := func() int { return len(sent[*Receipt](n, "B")) }
	count := func(what string, got, want int) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %d, want %d", what, got, want)
		}
	}
	n.recv("B", &Push{Rumor: rumorOf(t, "Z", 1, "x"), Hops: 1})
	n.publish(7, "at once")
	count("receipts with a push at once", receipts(), 0)
	n.wait(n.s.receiptDelay() / 4)
	n.publish(7, "later")
	count("receipts with a later push", receipts(), 1)
	n.publish(7, "again")
	count("receipts with another push", receipts(), 1)

	n.s.links["B"].lazy[7] = true
	n.publish(7, "told")
	n.recv("B", &Push{Rumor: rumorOf(t, "Z", 2, "x"), Hops: 1})
	n.wait(n.s.haveDelay(7))
	count("IDs told", len(sent[*Have](n, "B")), 1)
	count("receipts with it", receipts(), 2)

	// Each link's receipts have their own time.
	n.recv("B", &Push{Rumor: rumorOf(t, "Z", 3, "x"), Hops: 1})
	n.wait(n.s.receiptDelay() / 2)
	n.recv("C", &Push{Rumor: rumorOf(t, "Y", 1, "x"), Hops: 1})
	n.wait(n.s.receiptDelay() / 2)
	count("receipts of B's time", receipts(), 3)
	count("receipts of C's time", len(sent[*Receipt](n, "C")), 0)
	n.wait(n.s.receiptDelay() / 2)
	count("receipts of C's time", len(sent[*Receipt](n, "C")), 1)
}

// A neighbour that is late with its receipt may be dead: those who only heard
// of the rumor hear of it again.
func TestLateReceipt(t *testing.T) {
	n := alone(t, func(c *Config) { c.AckTimeout = 500 * time.Millisecond })
	n.module(1, 7)
	n.up("B", 7)
	n.up("C", 7)
	n.mute["B"] = true
	n.s.links["C"].lazy[7] = true
	n.publish(7, "a")
	n.wait(400 * time.Millisecond) // less than the time-out, more than haveDelay
	if got := len(sent[*Have](n, "C")); got != 1 {
		t.Fatalf("%d announcements to a lazy neighbour", got)
	}
	n.wait(100*time.Millisecond + n.s.cfg.HaveDelay)
	if got := n.s.Status().Counters.LateReceipts; got != 1 {
		t.Errorf("%d late receipts", got)
	}
	if got := len(sent[*Have](n, "C")); got != 2 {
		t.Errorf("%d announcements to a lazy neighbour, want one more", got)
	}
	n.wait(4 * time.Second)
	if got := n.s.Status().Counters.LateReceipts; got != 1 {
		t.Errorf("%d late receipts for one push", got)
	}
	mustEqual(t, "pushed", pushedTo(n, "B"), []string{"a"})
}

func TestAckTimeoutOff(t *testing.T) {
	n := alone(t, func(c *Config) { c.AckTimeout = 0 })
	n.module(1, 7)
	n.up("B", 7)
	n.publish(7, "a")
	n.wait(time.Minute)
	if got := n.s.Status().Counters.LateReceipts; got != 0 {
		t.Errorf("%d late receipts though none is waited for", got)
	}
}

// A neighbour that is alive but never answers gets a rumor once: the link is
// reliable, and if it breaks that will be noticed.
func TestSilentNeighbourIsPushedOnce(t *testing.T) {
	for _, taken := range []bool{false, true} {
		n := alone(t)
		if taken {
			n.module(1, 7)
		}
		n.up("B", 7)
		n.mute["B"] = true
		n.publish(7, "a")
		for range 20 {
			n.wait(time.Second)
			n.recv("B", &Ping{1})
		}
		if n.s.links["B"] == nil {
			t.Fatal("the link is gone")
		}
		mustEqual(t, "pushed", pushedTo(n, "B"), []string{"a"})
	}
}

// Nor is who is late with one rumor pushed it again because another one is, too.
func TestTwoSilentNeighboursArePushedOnce(t *testing.T) {
	n := alone(t, func(c *Config) { c.AckTimeout = 500 * time.Millisecond })
	n.module(1, 7)
	for _, p := range []PeerID{"B", "C"} {
		n.up(p, 7)
		n.mute[p] = true
	}
	n.publish(7, "a")
	for range 20 {
		n.wait(time.Second)
		n.recv("B", &Ping{1})
		n.recv("C", &Ping{1})
	}
	for _, p := range []PeerID{"B", "C"} {
		mustEqual(t, "pushed", pushedTo(n, p), []string{"a"})
	}
}

// However long verdicts are held up, a Receipt stays within its cap.
func TestReceiptCap(t *testing.T) {
	n := alone(t)
	n.subscribe(1, false, 7)
	n.up("B", 7)
	n.s.links["B"].receipts = make([]Verdict, 2*MaxVerdicts+5)
	n.push("B", rumorOf(t, "Z", 1, "a"))
	n.wait(time.Second)
	var sizes []int
	for _, r := range sent[*Receipt](n, "B") {
		sizes = append(sizes, len(r.Verdicts))
	}
	mustEqual(t, "receipts of", sizes, []int{MaxVerdicts, MaxVerdicts, 6})
}
