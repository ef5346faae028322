package mail

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node/direct"
	"hearsay/node/envelope"
)

// A rumor goes out if a recipient is busy, and not if its answer says that it does not
// take these bytes; so it is with messages and with receipts.
func TestAnswers(t *testing.T) {
	for answer, rumors := range map[direct.Answer]int{direct.Told: 0, direct.Known: 0, direct.NotForUs: 0, direct.Busy: 1, direct.Refused: 0} {
		t.Run(answer.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &post{t: t, answer: make(map[peer.ID]direct.Answer)}
				a, b := p.add("", nil), p.add("", nil)
				p.answer[b.id.ID()] = answer
				sent, err := a.Send(t.Context(), []peer.ID{b.id.ID()}, []byte("x"), Options{NoReceipt: true})
				d := sent.Deliveries[0]
				way := map[bool]Way{true: Direct, false: Nowhere}[answer.Arrived()]
				if rumors > 0 {
					way = Relayed
				}
				if d.Way != way || errors.Is(err, ErrNobody) != (way == Nowhere) || (d.Problem == "") != (way == Direct) || a.relayed != rumors {
					t.Errorf("a message: %+v, %v, %d rumors", d, err, a.relayed)
				}

				p.answer = map[peer.ID]direct.Answer{a.id.ID(): answer}
				p.send(a, "y", Options{Relay: true}, b)
				time.Sleep(time.Minute)
				synctest.Wait()
				lost := uint64(1)
				if rumors > 0 || answer.Arrived() {
					lost = 0
				}
				if n := b.Counters()["mail_receipts_lost"]; b.relayed != rumors || n != lost {
					t.Errorf("a receipt: %d rumors, %d lost, want %d, %d", b.relayed, n, rumors, lost)
				}
			})
		})
	}
}

// Whose answer comes too late tells by a receipt, once, that it has what came by a rumor
// again, unless the rumor may be for others alone.
func TestLateAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &post{t: t}
		a, b, far := p.add("", nil), p.add("", nil), p.add("", nil)
		p.cut = func(_, to peer.ID) error {
			if to == far.id.ID() {
				return errNotReachable
			}
			return nil
		}
		p.late = map[peer.ID]bool{b.id.ID(): true}
		for _, silent := range []bool{false, true} {
			o, receipts := Options{NoReceipt: silent}, 1
			if silent {
				receipts = 0
			}
			before := a.Counters()["mail_opened"]
			sent := p.send(a, "x", o, b)
			if d := sent.Deliveries[0]; d.Way != Relayed || !d.Arrived.IsZero() {
				t.Fatalf("the answer is not late: %+v", d)
			}
			p.tell(p.carried[0])
			time.Sleep(time.Minute)
			p.tell(p.carried[0])
			time.Sleep(time.Minute)
			want(t, b, "x")
			_, told := a.got(t)
			came := a.Counters()["mail_opened"] - before
			if now, _ := a.Sent(sent.ID); told != receipts || came != uint64(receipts) || now.Arrived() != receipts {
				t.Errorf("with %+v: %d receipts came, of which %d are told; %+v", o, came, told, now.Deliveries)
			}
			p.carried = nil
		}
		p.late = nil
		before := a.Counters()["mail_opened"]
		p.send(a, "for both", Options{}, b, far)
		time.Sleep(time.Minute)
		want(t, b, "for both")
		if _, receipts := a.got(t); receipts != 1 || a.Counters()["mail_opened"] != before+1 {
			t.Errorf("%d receipts, want that of who got it by the rumor", receipts)
		}
	})
}

// Send fails if no recipient can be written to, for whatever reasons, and not if one
// can be.
func TestNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := errors.New("no proof of work")
		p := &post{t: t, relay: relay}
		a, keyless, far, strict, near := p.add("", nil), p.add("", nil), p.add("", nil), p.add("", nil), p.add("", nil)
		p.mu.Lock()
		keyless.cert = nil
		p.mu.Unlock()
		p.answer = map[peer.ID]direct.Answer{strict.id.ID(): direct.Refused}
		p.cut = func(_, to peer.ID) error {
			if to == far.id.ID() {
				return errNotReachable
			}
			return nil
		}
		for _, c := range []struct {
			to   []*person
			want error
		}{
			{[]*person{keyless}, ErrNobody},
			{[]*person{far}, relay},
			{[]*person{keyless, far}, relay},
			{[]*person{far, strict}, relay},
			{[]*person{strict, keyless}, ErrNobody},
			{[]*person{near, keyless, far, strict}, nil},
		} {
			var to []peer.ID
			for _, n := range c.to {
				to = append(to, n.id.ID())
			}
			sent, err := a.Send(t.Context(), to, []byte("x"), Options{})
			if !errors.Is(err, c.want) {
				t.Errorf("to %d: %v, want %v", len(to), err, c.want)
			}
			for i, d := range sent.Deliveries {
				if (d.Way == Nowhere) != (c.to[i] != near) || (d.Problem == "") != (c.to[i] == near) {
					t.Errorf("to %d: delivery %d is %+v", len(to), i, d)
				}
			}
		}
	})
}

// Work for a message begins when its keys are there. If it may not, there is no message.
func TestWorkBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &post{t: t}
		a, b := p.add("", nil), p.add("", nil)
		key := b.cert
		p.mu.Lock()
		b.cert = nil
		p.mu.Unlock()
		time.AfterFunc(2*time.Second, func() {
			p.mu.Lock()
			b.cert = key
			p.mu.Unlock()
			a.KeyKnown(b.id.ID(), key)
		})
		began, asked := time.Now(), 0
		busy := errors.New("too much work")
		o := Options{Relay: true, Patience: time.Minute, Begin: func() error {
			asked++
			if waited := time.Since(began); waited != 2*time.Second {
				t.Errorf("it begins after %v", waited)
			}
			return busy
		}}
		if _, err := a.Send(t.Context(), []peer.ID{b.id.ID()}, []byte("x"), o); !errors.Is(err, busy) || asked != 1 || a.relayed != 0 {
			t.Errorf("asked %d times, %v, %d rumors", asked, err, a.relayed)
		}
	})
}

// Carried rumors that wait to be tried are bounded in bytes, too, and give their room
// back.
func TestOpeningsAreBounded(t *testing.T) {
	o := openings{more: make(chan struct{}, 1)}
	largest := carried{sealed: make([]byte, envelope.MaxSize)}
	const fit = maxOpeningBytes / envelope.MaxSize
	for range 2 {
		taken := 0
		for range 2 * fit {
			if o.add(largest) {
				taken++
			}
		}
		if taken != fit {
			t.Errorf("%d of the largest rumors wait, want %d", taken, fit)
		}
		for range fit {
			o.next()
		}
		if _, more := o.next(); more || o.bytes != 0 || o.waiting != nil {
			t.Errorf("when all are tried %d bytes are left", o.bytes)
		}
	}
}
