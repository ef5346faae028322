package gossip

import "testing"

// What is gathered leaves with a rumor that travels in the last quarter of its time, to
// whomever that goes, and not before.
func TestEarly(t *testing.T) {
	mustBe := func(what string, got, want int) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %d, want %d", what, got, want)
		}
	}
	t.Run("receipts", func(t *testing.T) {
		n := alone(t)
		n.module(1, 7)
		n.up("B", 7)
		n.up("C") // what is published goes to B only
		n.up("D")
		n.wait(calmAfter)
		n.forget()
		receipts := func(p PeerID) int { return len(sent[*Receipt](n, p)) }
		gathered := n.s.receiptDelay()
		n.recv("C", &Push{Rumor: rumorOf(t, "Z", 1, "x"), Hops: 1})
		n.wait(gathered / 8)
		n.recv("D", &Push{Rumor: rumorOf(t, "Z", 2, "x"), Hops: 1})
		n.wait(gathered*5/8 - 1)
		n.publish(7, "too early")
		mustBe("long before their time", receipts("C"), 0)
		n.wait(1)
		n.publish(7, "in time")
		mustBe("soon before their time", receipts("C"), 1)
		mustBe("of another link, which are younger", receipts("D"), 0)
		n.wait(gathered / 4)
		mustBe("of another link", receipts("D"), 0)
		n.wait(gathered / 8)
		mustBe("of another link, in their own time", receipts("D"), 1)
	})
	t.Run("IDs", func(t *testing.T) {
		n := alone(t, func(c *Config) { c.Push = PushShared })
		n.module(1, 7)
		n.up("B", 7)
		n.up("C", 7)
		n.s.links["C"].lazy[7] = true
		n.wait(calmAfter)
		n.forget()
		haves := func() int { return len(sent[*Have](n, "C")) }
		gathered := n.s.haveDelay(7)
		n.publish(7, "to be told")
		n.wait(gathered*3/4 - 1)
		n.publish(7, "too early")
		mustBe("long before their time", haves(), 0)
		n.wait(1)
		n.publish(7, "in time")
		mustBe("soon before their time", haves(), 1)
	})
}
