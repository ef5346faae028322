package mail

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Who is away can be written to as long as the certificate that it told last is valid,
// and gets it when back; of nodes with which messages were exchanged no crowd makes that
// forgotten. One that is here and has no key takes none.
func TestAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, dir := &post{t: t}, t.TempDir()
		a, b, writer, heard, unheard := p.add("", nil), p.add(dir, nil), p.add("", nil), p.add("", nil), p.add("", nil)
		for _, n := range []*person{b, writer, heard} {
			a.KeyKnown(n.id.ID(), n.certificate())
		}
		a.KeyKnown(unheard.id.ID(), nil)
		p.send(writer, "from one who leaves", Options{}, a)
		for _, n := range []*person{b, writer, heard, unheard} {
			p.goAway(n)
		}
		can := func(n *person) error {
			t.Helper()
			sent, err := a.Send(t.Context(), []peer.ID{n.id.ID()}, []byte("while away"), Options{NoReceipt: true})
			if (err == nil) != (sent.Deliveries[0].Way == Relayed) || err != nil && !errors.Is(err, ErrNobody) {
				t.Errorf("%+v, %v", sent.Deliveries, err)
			}
			return err
		}
		if err := can(b); err != nil {
			t.Errorf("to one whose key was told: %v", err)
		}
		if can(unheard) == nil {
			t.Error("there is a key of one that told none")
		}
		for i := range 3 * maxCertificates {
			a.KeyKnown(peer.ID(fmt.Sprint("crowd ", i)), heard.cert)
		}
		if most := max(a.known.correspondents.Len(), a.known.others.Len()); most > maxCertificates {
			t.Errorf("%d certificates are remembered", most)
		}
		for _, n := range []*person{b, writer} {
			if err := can(n); err != nil {
				t.Errorf("to a correspondent after a crowd: %v", err)
			}
		}
		if can(heard) == nil {
			t.Error("a crowd makes nobody forgotten")
		}

		time.Sleep(certificateLife - time.Minute)
		p.carried = nil
		if err := can(b); err != nil {
			t.Fatalf("shortly before its certificate expires: %v", err)
		}
		time.Sleep(time.Minute)
		if err := can(b); err == nil || !strings.Contains(err.Error(), "expired") {
			t.Errorf("after its certificate has expired: %v", err)
		}
		p.mu.Lock()
		b.away, b.cert = false, nil
		p.mu.Unlock()
		if err := can(b); err == nil || strings.Contains(err.Error(), "expired") {
			t.Errorf("here, and without a key: %v", err)
		}
		p.start(b, dir, nil)
		p.tell(p.carried[0])
		want(t, b, "while away")
	})
}

// Who hears of a sender only after its message sends the receipt then. Of those that never
// are heard of there are only so many.
func TestReceiptWaitsForKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &post{t: t, cut: unreachable}
		a, b := p.add("", nil), p.add("", nil)
		set := func(certificate []byte) (before []byte) {
			p.mu.Lock()
			defer p.mu.Unlock()
			before, a.cert = a.cert, certificate
			return before
		}
		key := set(nil)
		sent := p.send(a, "x", Options{}, b)
		time.Sleep(3 * sweepPause)
		if _, receipts := a.got(t); receipts != 0 {
			t.Error("there is a receipt for one whose key is not known")
		}
		set(key)
		time.Sleep(sweepPause + receiptDelay + receiptJitter)
		if now, _ := a.Sent(sent.ID); now.Arrived() != 1 || b.relayed != 1 {
			t.Errorf("with its key: %+v, %d rumors", now.Deliveries, b.relayed)
		}
		for i := range maxOwed + 3 {
			b.putOff(peer.ID(fmt.Sprint(i)), []ID{{1}, {2}})
		}
		b.putOff(peer.ID(fmt.Sprint(maxOwed)), make([]ID, maxAcknowledged))
		if n, lost := b.owed.keyless.Len(), b.Counters()["mail_receipts_lost"]; n != maxOwed || lost != 3*2+2 {
			t.Errorf("%d senders wait, and %d receipts are lost, want %d, 8", n, lost, maxOwed)
		}
	})
}
