package node

import (
	"errors"
	"testing"
	"time"

	"hearsay/node/gossip"
)

// While the goodbyes are waited for nobody who has an event is held up.
func TestEventsAreDiscardedWhileLeaving(t *testing.T) {
	n := &Node{events: make(chan gossip.Event), done: make(chan struct{})}
	stop := n.discardEvents()
	emitted := make(chan struct{})
	go func() {
		for range 100 {
			n.emit(gossip.Tick{})
			n.emit(gossip.LinkDown{Peer: "a"})
		}
		close(emitted)
	}()
	select {
	case <-emitted:
	case <-time.After(10 * time.Second):
		t.Error("events are not taken")
	}
	stop()
	close(n.done)
}

// That of a LinkDown returns when the core knows of it.
func TestLinkDownIsAwaited(t *testing.T) {
	n, _ := startNode(t, nil)
	entered, hold := make(chan struct{}), make(chan struct{})
	n.post(func(time.Time) { close(entered); <-hold })
	<-entered
	told, others := make(chan struct{}), len(n.events)
	go func() { n.emit(gossip.LinkDown{Peer: "a"}); close(told) }()
	eventually(t, "the event is queued", func() bool { return len(n.events) > others })
	select {
	case <-told:
		t.Error("it is not handled yet")
	default:
	}
	close(hold)
	select {
	case <-told:
	case <-time.After(10 * time.Second):
		t.Error("whoever told of it waits for ever")
	}
}

// A module is told when there is no room for a data type.
func TestSubscribeIsRefusedInWords(t *testing.T) {
	n, _ := startNode(t, nil)
	var types []uint16
	for i := range gossip.MaxInterests {
		types = append(types, uint16(i))
	}
	l, err := n.Listen(types)
	if err != nil {
		t.Fatal(err)
	}
	m, err := n.Modules().Open(func([32]byte, uint16, []byte) {})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Modules().Subscribe(m, gossip.MaxInterests); !errors.Is(err, gossip.ErrTypes) {
		t.Errorf("one type too many: %v", err)
	}
	if err := n.Modules().Subscribe(m, 7); err != nil {
		t.Errorf("a type that is taken already: %v", err)
	}
	if _, err := n.Listen([]uint16{gossip.MaxInterests}); !errors.Is(err, gossip.ErrTypes) || n.Status().Modules != 2 {
		t.Errorf("listening to one type too many: %v, %d modules", err, n.Status().Modules)
	}
	l.Close()
	if err := n.Modules().Subscribe(m, gossip.MaxInterests); err != nil {
		t.Errorf("when there is room again: %v", err)
	}
}
