package control

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node/mail"
)

func decode[T any](t *testing.T, body []byte) (v T) {
	t.Helper()
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%.200s: %v", body, err)
	}
	return v
}

func TestSend(t *testing.T) {
	f := &fake{}
	s := testServer(t, f)
	w := reply(t, s, request(s, "POST", "/v1/send", fmt.Sprintf(`{"to":[%q,%q],"data":"aGk="}`, carol, bob)))
	sent := decode[Sent](t, w.Body.Bytes())
	if w.Code != 200 || len(sent.Deliveries) != 2 || sent.Deliveries[0].Way != "direct" || sent.Deliveries[0].Arrived.IsZero() ||
		sent.Deliveries[1].Way != "relayed" || !sent.Deliveries[1].Arrived.IsZero() || sent.Deliveries[1].Problem == "" {
		t.Errorf("%d, %s", w.Code, w.Body)
	}
	w = reply(t, s, request(s, "GET", "/v1/sent?id="+sent.ID, ""))
	if again := decode[Sent](t, w.Body.Bytes()); w.Code != 200 || again.ID != sent.ID {
		t.Errorf("%d, %s", w.Code, w.Body)
	}
	reply(t, s, request(s, "POST", "/v1/send", fmt.Sprintf(`{"to":[%q],"data":"","no_receipt":true,"relay":true,"key_wait_ms":1500}`, bob)))
	if !f.last.NoReceipt || !f.last.Relay || f.last.Patience != 1500*time.Millisecond {
		t.Errorf("sent with %+v", f.last)
	}
}

// carol can be reached straight.
const carol = peer.ID("\x00\x05carol")

func TestSendRefused(t *testing.T) {
	f := &fake{}
	s := testServer(t, f)
	many := strings.TrimSuffix(strings.Repeat(`"`+bob.String()+`",`, 65), ",")
	for name, c := range map[string]struct {
		method, path, body string
		err                error
		status             int
		says               string
	}{
		"nobody":        {"POST", "/v1/send", `{"to":[],"data":"aGk="}`, nil, 400, "0 recipients"},
		"too many":      {"POST", "/v1/send", `{"to":[` + many + `],"data":"aGk="}`, nil, 400, "65 recipients"},
		"no peer ID":    {"POST", "/v1/send", `{"to":["bob"],"data":"aGk="}`, nil, 400, "no peer ID"},
		"too long":      {"POST", "/v1/send", `{"to":["x"],"data":"` + strings.Repeat("AAAA", mail.MaxText/3+1) + `"}`, nil, 413, "at most 49117"},
		"endless key":   {"POST", "/v1/send", `{"to":["x"],"data":"","key_wait_ms":600001}`, nil, 400, "600001"},
		"endless wait":  {"POST", "/v1/send", `{"to":["x"],"data":"","wait_ms":600001}`, nil, 400, "600001"},
		"unknown field": {"POST", "/v1/send", `{"whom":["x"],"data":""}`, nil, 400, "whom"},
		"itself":        {"POST", "/v1/send", `{"to":["` + alice.String() + `"],"data":""}`, mail.ErrRecipients, 400, "recipients"},
		"unknown":       {"POST", "/v1/send", `{"to":["` + bob.String() + `"],"data":""}`, mail.ErrNobody, 409, "no recipient"},
		"no message":    {"GET", "/v1/sent?id=00", "", nil, 400, "names no message"},
		"forgotten":     {"GET", "/v1/sent?id=" + strings.Repeat("00", 16), "", nil, 404, "no message"},
		"no event":      {"GET", "/v1/inbox?after=-1", "", nil, 400, "no event"},
		"after twice":   {"GET", "/v1/inbox?after=1&after=2", "", nil, 400, "after"},
		"other":         {"GET", "/v1/inbox?before=1", "", nil, 400, "before"},
	} {
		f.sendErr = c.err
		w := reply(t, s, request(s, c.method, c.path, c.body))
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s: %d, %.300s", name, w.Code, w.Body)
		}
	}
}

// Who waits is answered when the receipt comes, or when the time is up.
func TestSendWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		s := testServer(t, f)
		ask := func(wait int) (sent Sent, took time.Duration) {
			began := time.Now()
			w := reply(t, s, request(s, "POST", "/v1/send", fmt.Sprintf(`{"to":[%q],"data":"aGk=","wait_ms":%d}`, bob, wait)))
			return decode[Sent](t, w.Body.Bytes()), time.Since(began)
		}
		go func() {
			time.Sleep(3 * time.Second)
			f.acknowledge(mail.ID{1})
		}()
		if sent, took := ask(60_000); took != 3*time.Second || sent.Deliveries[0].Arrived.IsZero() {
			t.Errorf("after %v: %+v", took, sent)
		}
		if sent, took := ask(5000); took != 5*time.Second || !sent.Deliveries[0].Arrived.IsZero() {
			t.Errorf("without a receipt after %v: %+v", took, sent)
		}
	})
}

// Who waits for keys or receipts keeps nobody from announcing, and not all others from
// anything.
func TestSendWaitsAside(t *testing.T) {
	for name, waits := range map[string]string{"a key": "key_wait_ms", "a receipt": "wait_ms"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{}
				f.noKey = waits == "key_wait_ms"
				s := testServer(t, f)
				send := func() int { // several at once
					w := httptest.NewRecorder()
					s.handler().ServeHTTP(w, request(s, "POST", "/v1/send", fmt.Sprintf(`{"to":[%q],"data":"aGk=","%s":600000}`, bob, waits)))
					return w.Code
				}
				var running sync.WaitGroup
				for range maxWaiting {
					running.Go(func() {
						if code := send(); code != 200 {
							t.Errorf("sent, and answered %d", code)
						}
					})
					synctest.Wait()
				}
				if w := reply(t, s, request(s, "POST", "/v1/announce", `{"type":7,"data":""}`)); w.Code != 200 {
					t.Errorf("announced beside: %d %s", w.Code, w.Body)
				}
				if code := send(); code != 503 {
					t.Errorf("one too many is answered %d", code)
				}
				running.Wait()
				if len(s.announces) != 0 || len(s.waits) != 0 {
					t.Errorf("%d places for work and %d for waiting are held", len(s.announces), len(s.waits))
				}
				if w := reply(t, s, request(s, "POST", "/v1/send", fmt.Sprintf(`{"to":[%q],"data":"aGk="}`, bob))); w.Code != 200 {
					t.Errorf("afterwards: %d %s", w.Code, w.Body)
				}
			})
		})
	}
}

// The inbox is taken up where it was left.
func TestInbox(t *testing.T) {
	f := &fake{}
	dir := t.TempDir()
	running(t, dir, f)
	c := client(t, dir)
	for i := range 3 {
		f.put(mail.Event{Letter: &mail.Letter{ID: mail.ID{byte(i)}, From: bob, To: []peer.ID{alice}, Text: fmt.Append(nil, "message ", i), Way: mail.Direct}})
	}
	read := func(after string, n int) (got []string) {
		stream, err := c.Inbox(t.Context(), after)
		if err != nil {
			t.Fatal(err)
		}
		defer stream.Close()
		if after == "" {
			f.put(mail.Event{Receipt: &mail.Receipt{ID: mail.ID{9}, By: bob}})
		}
		for range n {
			e, err := stream.Next()
			if err != nil {
				t.Fatal(err)
			}
			check(t, e.Data, "components", "schemas", map[string]string{"message": "PrivateMessage", "receipt": "Receipt"}[e.Name])
			text := e.Name
			if e.Name == "message" {
				text = string(decode[PrivateMessage](t, e.Data).Data)
			}
			got = append(got, e.ID+" "+text)
		}
		return got
	}
	for after, want := range map[string]string{"0": "[1 message 0 2 message 1 3 message 2]", "2": "[3 message 2]"} {
		if got := fmt.Sprint(read(after, strings.Count(want, "message"))); got != want {
			t.Errorf("after %s: %s, want %s", after, got, want)
		}
	}
	if got := fmt.Sprint(read("", 1)); got != "[4 receipt]" {
		t.Errorf("from now on: %s", got)
	}
}

func TestState(t *testing.T) {
	f := &fake{}
	dir := t.TempDir()
	running(t, dir, f)
	c := client(t, dir)
	ctx := t.Context()
	stream, err := c.WatchState(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if _, err := c.SetState(ctx, "mood", []byte("good")); err != nil {
		t.Fatal(err)
	}
	got, err := c.State(ctx, "", "mood")
	if err != nil || len(got.State) != 1 || string(got.State[0].Value) != "good" || got.State[0].Peer != alice.String() {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := c.State(ctx, bob.String(), ""); err != nil || len(got.State) != 0 {
		t.Errorf("of bob: %+v, %v", got, err)
	}
	if e, err := stream.Next(); err != nil || e.Key != "mood" || string(e.Value) != "good" || e.Gone != "" {
		t.Errorf("told %+v, %v", e, err)
	}
	if got, err := c.DeleteState(ctx, "mood"); err != nil || len(got.State) != 0 {
		t.Errorf("after deleting: %+v, %v", got, err)
	}
	if e, err := stream.Next(); err != nil || e.Gone != "deleted" {
		t.Errorf("told %+v, %v", e, err)
	}
	for name, try := range map[string]struct {
		status int
		do     func() error
	}{
		"no such key": {404, func() error { _, err := c.DeleteState(ctx, "mood2"); return err }},
		"a long key":  {400, func() error { _, err := c.SetState(ctx, strings.Repeat("k", 129), nil); return err }},
		"no key":      {400, func() error { _, err := c.SetState(ctx, "", nil); return err }},
		"a bell":      {400, func() error { _, err := c.SetState(ctx, "a\a", nil); return err }},
		"a long value": {400, func() error {
			_, err := c.SetState(ctx, "k", make([]byte, 4097))
			return err
		}},
		"no peer": {400, func() error { _, err := c.State(ctx, "bob", ""); return err }},
		"too many keys": {409, func() (err error) {
			for i := range 65 {
				if _, err = c.SetState(ctx, fmt.Sprint("key", i), nil); err != nil {
					break
				}
			}
			return err
		}},
	} {
		err := try.do()
		if refused, ok := err.(*Error); !ok || refused.Status != try.status || refused.Hint == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
