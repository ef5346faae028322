package node

import (
	"errors"
	"testing"
	"testing/synctest"
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

// That of a LinkDown returns when it has been handled, and not before.
func TestLinkDownIsAwaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &Node{events: make(chan gossip.Event), done: make(chan struct{})}
		defer close(n.done) // so that nobody waits for ever
		told := make(chan struct{})
		go func() { n.emit(gossip.LinkDown{Peer: "a"}); close(told) }()
		isTold := func() bool {
			synctest.Wait()
			select {
			case <-told:
				return true
			default:
				return false
			}
		}
		if isTold() {
			t.Error("nobody has taken it yet")
		}
		down, ok := (<-n.events).(awaited)
		if !ok || down.Peer != "a" {
			t.Fatalf("the loop is given %+v", down)
		}
		if isTold() {
			t.Error("it is not handled yet")
		}
		close(down.handled)
		if !isTold() {
			t.Error("whoever told of it waits for ever")
		}
	})
}

// It has been handled when the core knows of it, and then whoever told of it is told.
func TestLinkDownIsHandled(t *testing.T) {
	n, _ := startNode(t, nil)
	before, after := 0, 0
	n.call(func(time.Time) {
		n.handle(gossip.LinkUp{Peer: "a"})
		before = len(n.core.Status().Neighbours)
		defer func() {
			if recover() == nil {
				t.Error("nobody is told")
			}
			after = len(n.core.Status().Neighbours)
		}()
		n.handle(awaited{gossip.LinkDown{Peer: "a"}, nil}) // ends where it would tell
	})
	if before != 1 || after != 0 {
		t.Errorf("when it tells that the link is down there are %d neighbours, before %d", after, before)
	}
	told := make(chan struct{})
	go func() { n.emit(gossip.LinkDown{Peer: "a"}); close(told) }()
	next(t, told)
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
