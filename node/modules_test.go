package node

import (
	"testing"
	"time"

	"hearsay/node/gossip"
)

// What a judge says of a rumor is its vote.
func TestJudge(t *testing.T) {
	a, _ := startNode(t, nil)
	b, _ := startNode(t, nil)
	judged := make(chan string, 10)
	m, err := b.Modules().OpenJudge(func(_ [32]byte, _ uint16, data []byte) bool {
		judged <- string(data)
		return string(data) != "bad"
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Modules().Subscribe(m, 7); err != nil {
		t.Fatal(err)
	}
	seen := b.Observe()
	defer seen.Close()
	introduce(a, b)
	meet(t, a, b)
	for _, c := range []struct {
		text string
		want gossip.Outcome
	}{{"bad", gossip.OutcomeInvalid}, {"good", gossip.OutcomeValid}} {
		if _, err := a.Announce(t.Context(), Announcement{DataType: 7, Data: []byte(c.text)}); err != nil {
			t.Fatal(err)
		}
		if got := next(t, judged); got != c.text {
			t.Errorf("%q was judged, want %q", got, c.text)
		}
		if got := next(t, seen.C()); got.Verdict != "" || string(got.Rumor.Data) != c.text {
			t.Errorf("seen %+v, want %q", got, c.text)
		}
		if got := next(t, seen.C()); got.Verdict != c.want.String() {
			t.Errorf("%q is found %q, want %v", c.text, got.Verdict, c.want)
		}
	}
}

// next is what a channel gives within a while.
func next[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came")
	}
	return v
}
