package integration_test

import (
	"bufio"
	"encoding/binary"
	"io"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// What oracles say to what they hear, and how they write it.

func (o *oracle) onGossip(p peer.ID, frame protoreflect.Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := o.links[p]
	switch kind, m := unframe(frame); kind {
	case "interests":
		l.takes = make(map[uint64]bool)
		list := field(m, "types").List()
		for i := range list.Len() {
			l.takes[list.Get(i).Uint()] = true
		}
	case "push":
		verdict := byte(1) // duplicate
		r, err := o.parse(m)
		switch {
		case err != nil:
			o.t.Errorf("%v pushed what is not to be believed: %v", p, err)
			verdict = 5
		case o.keep(r, p):
			verdict = 0
		}
		l.gossip.say(frameOf("receipt", func(m protoreflect.Message) {
			set(m, "verdicts", protoreflect.ValueOfBytes([]byte{verdict}))
		}))
	case "ping":
		number := field(m, "number")
		l.gossip.say(frameOf("pong", func(m protoreflect.Message) { set(m, "number", number) }))
	case "have":
		group, ids := field(m, "group"), field(m, "ids")
		l.gossip.say(frameOf("graft", func(m protoreflect.Message) {
			set(m, "group", group)
			set(m, "ids", ids)
		}))
	case "graft":
		for _, id := range split(field(m, "ids").Bytes()) {
			if r := o.seen[id]; r != nil {
				l.gossip.say(r.message("push"))
			}
		}
	case "bye":
		delete(o.links, p)
	}
}

// onSync compares without fingerprints: it lists all that it has.
func (o *oracle) onSync(p peer.ID, frame protoreflect.Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := o.links[p]
	if l == nil {
		return
	}
	if l.sync == nil {
		l.sync = o.open(p, oracleSync, l.session, 0)
	}
	switch kind, m := unframe(frame); kind {
	case "sync":
		group, ranges := field(m, "group").Uint(), field(m, "ranges").List()
		lists, differs := false, false
		theirs := make(map[[32]byte]bool)
		for i := range ranges.Len() {
			r := ranges.Get(i).Message()
			switch field(r, "mode").Enum() {
			case 1:
				differs = true // as far as it can tell
			case 2:
				lists = true
				for _, id := range split(field(r, "ids").Bytes()) {
					theirs[id] = true
				}
			}
		}
		var ours, want []byte
		for id, r := range o.seen {
			if o.group(r) != group {
				continue
			}
			ours = append(ours, id[:]...)
			if lists && !theirs[id] && !differs && ranges.Len() == 1 {
				l.sync.say(r.message("fill"))
			}
			delete(theirs, id)
		}
		for id := range theirs {
			want = append(want, id[:]...)
		}
		if len(want) > 0 {
			l.sync.say(frameOf("want", func(m protoreflect.Message) {
				set(m, "group", protoreflect.ValueOfUint32(uint32(group)))
				set(m, "ids", protoreflect.ValueOfBytes(want))
			}))
		}
		if !lists && !differs {
			return // it had nothing to ask
		}
		l.sync.say(frameOf("sync", func(m protoreflect.Message) {
			set(m, "group", protoreflect.ValueOfUint32(uint32(group)))
			set(m, "floor", field(frameBody(frame), "floor"))
			list := m.Mutable(m.Descriptor().Fields().ByName("ranges")).List()
			r := list.NewElement()
			if differs {
				set(r.Message(), "mode", protoreflect.ValueOfEnum(2))
				set(r.Message(), "ids", protoreflect.ValueOfBytes(ours))
			}
			list.Append(r)
		}))
	case "want":
		group := field(m, "group")
		for _, id := range split(field(m, "ids").Bytes()) {
			if r := o.seen[id]; r != nil {
				l.sync.say(r.message("fill"))
			}
		}
		l.sync.say(frameOf("sync", func(m protoreflect.Message) { set(m, "group", group) }))
	case "fill":
		r, err := o.parse(m)
		if err != nil {
			o.t.Errorf("%v gave what is not to be believed: %v", p, err)
			return
		}
		o.keep(r, p)
	}
}

func (o *oracle) group(r *oracleRumor) uint64 {
	if r.kind == 3 {
		return oraclePresences
	}
	return r.dataType
}

func split(ids []byte) (list [][32]byte) {
	for ; len(ids) >= 32; ids = ids[32:] {
		list = append(list, [32]byte(ids))
	}
	return list
}

// oracleWriter is the frames that wait to be written on a stream.
type oracleWriter struct {
	mu     sync.Mutex
	frames [][]byte
	since  time.Time // of the oldest
	wake   chan struct{}
}

// say queues a frame: its length as a varint, and then itself.
func (w *oracleWriter) say(m proto.Message) {
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(err) // it was made here
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.frames) == 0 {
		w.since = time.Now()
	}
	w.frames = append(w.frames, append(binary.AppendUvarint(nil, uint64(len(body))), body...))
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// write opens a stream and writes what is queued, as the jam lets it.
func (o *oracle) write(w *oracleWriter, p peer.ID, id protocol.ID) {
	s, err := o.host.NewStream(o.ctx, p, id)
	if err != nil {
		return
	}
	defer s.Reset()
	for hello := true; ; hello = false {
		select {
		case <-w.wake:
		case <-o.ctx.Done():
			return
		}
		// Greetings are no packets: nothing can be jammed before them.
		for wait := true; wait && !hello; {
			w.mu.Lock()
			rest := time.Until(w.since.Add(o.jam.after))
			wait = len(w.frames) > 0 && len(w.frames) < o.jam.few && rest > 0
			w.mu.Unlock()
			if wait {
				timer := time.NewTimer(rest)
				select {
				case <-w.wake:
				case <-timer.C:
				case <-o.ctx.Done():
					timer.Stop()
					return
				}
				timer.Stop()
			}
		}
		if o.delay > 0 {
			select {
			case <-time.After(o.delay):
			case <-o.ctx.Done():
				return
			}
		}
		w.mu.Lock()
		burst := w.frames
		w.frames = nil
		w.mu.Unlock()
		for _, f := range burst {
			if _, err := s.Write(f); err != nil {
				return
			}
		}
	}
}

func readFrame(r *bufio.Reader) (protoreflect.Message, error) {
	n, err := binary.ReadUvarint(r)
	if err != nil {
		return nil, err
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, err
	}
	frame, err := oracleFrame()
	if err != nil {
		return nil, err
	}
	m := dynamicpb.NewMessage(frame)
	return m, proto.Unmarshal(body, m)
}

// frameOf makes a frame of a kind.
func frameOf(kind protoreflect.Name, fill func(protoreflect.Message)) proto.Message {
	frame, err := oracleFrame()
	if err != nil {
		panic(err) // newOracle has looked
	}
	m := dynamicpb.NewMessage(frame)
	fill(m.Mutable(frame.Fields().ByName(kind)).Message())
	return m
}

// unframe gives a frame's kind and what is in it.
func unframe(m protoreflect.Message) (protoreflect.Name, protoreflect.Message) {
	f := m.WhichOneof(m.Descriptor().Oneofs().Get(0))
	if f == nil {
		return "", nil
	}
	return f.Name(), m.Get(f).Message()
}

func frameBody(m protoreflect.Message) protoreflect.Message {
	_, body := unframe(m)
	return body
}

func field(m protoreflect.Message, name protoreflect.Name) protoreflect.Value {
	return m.Get(m.Descriptor().Fields().ByName(name))
}

func set(m protoreflect.Message, name protoreflect.Name, v protoreflect.Value) {
	m.Set(m.Descriptor().Fields().ByName(name), v)
}
