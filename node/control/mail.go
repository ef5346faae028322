package control

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node/envelope"
	"hearsay/node/mail"
)

// Mail is the part of the node that has to do with private messages.
type Mail interface {
	Send(ctx context.Context, to []peer.ID, data []byte, o mail.Options) (mail.Sent, error)
	Sent(id mail.ID) (mail.Sent, bool)
	// Inbox reads what came after an event, 0 = all that is kept; InboxNew what
	// comes from now on.
	Inbox(after uint64) MailReader
	InboxNew() MailReader
}

// MailReader is a reader of private messages that never makes the node wait.
type MailReader interface {
	Next(ctx context.Context) (mail.Event, error)
}

var mailRoutes = []route{
	{method: "POST", path: "/v1/send", summary: "Sends a private message; answers when it has arrived or is on its way to each recipient.",
		in: SendRequest{}, out: Sent{}, loop: true, handle: (*Server).postSend},
	{method: "GET", path: "/v1/sent", summary: "What became of a private message of this node's, as far as it is known.",
		query: []param{{"id", "The message, 32 hexadecimal digits.", "", true}},
		out:   Sent{}, handle: (*Server).getSent},
	{method: "GET", path: "/v1/inbox", summary: "Private messages that came, and receipts, as they come.",
		query:   []param{{"after", "Begin after the event with this ID; 0, or more than any has had = with all that are kept. Left out = with the next one.", uint64(0), false}},
		headers: []param{{"Last-Event-ID", "Begin after the event with this ID.", "", false}},
		events: []event{opening, {"message", "A private message for this node.", PrivateMessage{}},
			{"receipt", "A recipient has a message of this node's.", Receipt{}}}, handle: (*Server).getInbox},
}

var mailFeeds = []feed{{
	events: []event{
		{"message", "A private message for this node; /v1/inbox has all of a long one.", PrivateMessage{}},
		{"receipt", "A recipient has a message of this node's.", Receipt{}},
	},
	start: (*Server).feedMail,
}}

// maxFedText is how much of a private message the combined stream has, in bytes.
const maxFedText = 4 << 10

// maxWait is how long POST /v1/send waits for receipts at most.
const maxWait = 10 * time.Minute

// SendRequest is the body of POST /v1/send. Unknown fields are refused.
type SendRequest struct {
	To        []string `json:"to"`                    // peer IDs, 1 to 64
	Data      []byte   `json:"data"`                  // base64 in JSON; up to 49,117 bytes
	Wait      int      `json:"wait_ms,omitempty"`     // milliseconds to wait for the receipts of those that are not reached straight, up to 600,000
	NoReceipt bool     `json:"no_receipt,omitempty"`  // ask for no receipts
	Relay     bool     `json:"relay,omitempty"`       // by a rumor only, even to those that can be reached straight
	KeyWait   int      `json:"key_wait_ms,omitempty"` // milliseconds to wait for the key of a recipient of which none is known yet, up to 600,000
}

// Sent answers POST /v1/send and GET /v1/sent; the fields are those of [mail.Sent].
type Sent struct {
	Version    int        `json:"version"`
	ID         string     `json:"id"` // of the message, 32 hexadecimal digits
	Created    time.Time  `json:"created"`
	Expires    time.Time  `json:"expires"`
	Deliveries []Delivery `json:"deliveries"` // in the order of the request
}

// Delivery is one of [Sent].
type Delivery struct {
	Peer    string    `json:"peer"`
	Way     string    `json:"way"`               // direct, relayed, none
	Arrived time.Time `json:"arrived,omitzero"`  // when the recipient said that it has it
	Problem string    `json:"problem,omitempty"` // why the way is none, or not direct
}

// PrivateMessage is the data of an event "message".
type PrivateMessage struct {
	Version  int       `json:"version"`
	Seq      uint64    `json:"seq"` // of the event, for after
	ID       string    `json:"id"`  // 32 hexadecimal digits
	From     string    `json:"from"`
	To       []string  `json:"to"`   // all recipients
	Data     []byte    `json:"data"` // base64 in JSON
	Size     int       `json:"size"` // bytes of the whole text; in /v1/events data may have only the first 4,096
	Created  time.Time `json:"created"`
	Received time.Time `json:"received"`
	Way      string    `json:"way"`              // direct, relayed
	Missed   bool      `json:"missed,omitempty"` // events before this one are not kept any more
}

// Receipt is the data of an event "receipt".
type Receipt struct {
	Version int       `json:"version"`
	Seq     uint64    `json:"seq"` // of the event, for after
	ID      string    `json:"id"`  // of the message, 32 hexadecimal digits
	By      string    `json:"by"`
	Time    time.Time `json:"time"`
	Missed  bool      `json:"missed,omitempty"` // events before this one are not kept any more
}

func (s *Server) postSend(w http.ResponseWriter, r *http.Request) error {
	var req SendRequest
	if err := readJSON(w, r, &req, `{"to": [peer IDs], "data": base64}`); err != nil {
		return err
	}
	wait, keyWait := time.Duration(req.Wait)*time.Millisecond, time.Duration(req.KeyWait)*time.Millisecond
	switch {
	case len(req.Data) > mail.MaxText:
		return refuse(http.StatusRequestEntityTooLarge, "split it", "the message has %d bytes, and at most %d fit", len(req.Data), mail.MaxText)
	case len(req.To) == 0 || len(req.To) > envelope.MaxRecipients:
		return refuse(http.StatusBadRequest, "name 1 to 64 recipients", "%d recipients are named", len(req.To))
	case wait < 0 || wait > maxWait:
		return refuse(http.StatusBadRequest, "wait up to 600000 ms", "a wait of %d ms", req.Wait)
	case keyWait < 0 || keyWait > maxWait:
		return refuse(http.StatusBadRequest, "wait up to 600000 ms", "a wait of %d ms for keys", req.KeyWait)
	}
	var to []peer.ID
	for _, text := range req.To {
		p, err := peer.Decode(text)
		if err != nil {
			return refuse(http.StatusBadRequest, "ask /v1/peers for the peer IDs", "%.80q is no peer ID", text)
		}
		to = append(to, p)
	}
	work := s.work
	if wait+keyWait > 0 {
		select {
		case s.waits <- struct{}{}:
			defer func() { <-s.waits }()
		default:
			return refuse(http.StatusServiceUnavailable, "try again when some have what they wait for", "%d messages wait for keys or receipts", maxWaiting)
		}
		work = func() (func(), error) { return s.awaitWork(r.Context()) }
	}
	done := func() {} // gives back the place for the work, which is not for waiting
	defer func() { done() }()
	inbox := s.node.InboxNew()
	sent, err := s.node.Send(r.Context(), to, req.Data, mail.Options{NoReceipt: req.NoReceipt, Relay: req.Relay, Patience: keyWait, Begin: func() error {
		leave, err := work()
		if err == nil {
			done = sync.OnceFunc(leave)
		}
		return err
	}})
	done()
	switch {
	case errors.Is(err, mail.ErrRecipients):
		return refuse(http.StatusBadRequest, "name each recipient once, and not this node", "%v", err)
	case errors.Is(err, mail.ErrNobody):
		return refuse(http.StatusConflict, "see who is here: hearsay peers", "%v", err)
	case err != nil:
		return err
	}
	if wait > 0 {
		sent = s.awaitReceipts(r.Context(), inbox, sent, wait)
	}
	s.answer(w, http.StatusOK, sentOf(sent))
	return nil
}

// awaitReceipts waits until everybody to whom a message is on its way has it.
func (s *Server) awaitReceipts(ctx context.Context, inbox MailReader, sent mail.Sent, wait time.Duration) mail.Sent {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for {
		open := false
		for _, d := range sent.Deliveries {
			open = open || d.Way == mail.Relayed && d.Arrived.IsZero()
		}
		if !open {
			return sent
		}
		if _, err := inbox.Next(ctx); err != nil {
			return sent
		}
		if now, ok := s.node.Sent(sent.ID); ok {
			sent = now
		}
	}
}

func (s *Server) getSent(w http.ResponseWriter, r *http.Request) error {
	values, err := only(r, "id")
	if err != nil {
		return err
	}
	id, err := mail.ParseID(values.Get("id"))
	if err != nil {
		return refuse(http.StatusBadRequest, "ask for /v1/sent?id=…", "%v", err)
	}
	sent, ok := s.node.Sent(id)
	if !ok {
		return refuse(http.StatusNotFound, "the last 1,024 are remembered, until the node stops", "no message %s is remembered", id)
	}
	s.answer(w, http.StatusOK, sentOf(sent))
	return nil
}

func (s *Server) getInbox(w http.ResponseWriter, r *http.Request) error {
	values, err := only(r, "after")
	if err != nil {
		return err
	}
	after := values.Get("after")
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		after = last
	}
	inbox := s.node.InboxNew()
	if after != "" {
		n, err := strconv.ParseUint(after, 10, 64)
		if err != nil {
			return refuse(http.StatusBadRequest, "say the seq of an event, or 0", "%.80q is no event", after)
		}
		inbox = s.node.Inbox(n)
	}
	leave, err := s.admit()
	if err != nil {
		return err
	}
	defer leave()
	streamNext(w, r, inbox.Next, func(e mail.Event) (string, string, any) {
		name, data := mailEventOf(e, mail.MaxText)
		return strconv.FormatUint(e.Seq, 10), name, data
	})
	return nil
}

// feedMail adds what comes from now on to the combined stream.
func (s *Server) feedMail(emit emitter) (stop func(), err error) {
	inbox := s.node.InboxNew()
	return pull(inbox.Next, func(e mail.Event) { emit(mailEventOf(e, maxFedText)) }), nil
}

// only are the parameters of a request that takes these and no others.
func only(r *http.Request, names ...string) (url.Values, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "write it as NAME=VALUE&…", "the query cannot be read: %v", err)
	}
next:
	for name, all := range values {
		for _, n := range names {
			if n == name && len(all) == 1 {
				continue next
			}
		}
		return nil, refuse(http.StatusBadRequest, "see the documentation of the control API", "%s does not take the parameter %.80q, or not twice", r.URL.Path, name)
	}
	return values, nil
}

func sentOf(m mail.Sent) Sent {
	out := Sent{Version: Version, ID: m.ID.String(), Created: m.Created, Expires: m.Expires, Deliveries: []Delivery{}}
	for _, d := range m.Deliveries {
		out.Deliveries = append(out.Deliveries, Delivery{d.Peer.String(), string(d.Way), d.Arrived, d.Problem})
	}
	return out
}

// mailEventOf is an event's name and data, with at most so many bytes of text.
func mailEventOf(e mail.Event, most int) (name string, data any) {
	if r := e.Receipt; r != nil {
		return "receipt", Receipt{Version, e.Seq, r.ID.String(), r.By.String(), r.Time, e.Missed}
	}
	l := e.Letter
	m := PrivateMessage{Version: Version, Seq: e.Seq, ID: l.ID.String(), From: l.From.String(), To: []string{}, Data: list(l.Text[:min(len(l.Text), most)]),
		Size: len(l.Text), Created: l.Created, Received: l.Received, Way: string(l.Way), Missed: e.Missed}
	for _, p := range l.To {
		m.To = append(m.To, p.String())
	}
	return "message", m
}

// Send sends a private message. It returns when it has arrived or is on its way to
// each recipient, and if the request says so when it has arrived or the time is up.
func (c *Client) Send(ctx context.Context, req SendRequest) (Sent, error) {
	body, err := json.Marshal(req)
	if err != nil {
		return Sent{}, err
	}
	return ask[Sent](ctx, c, http.MethodPost, "/v1/send", body)
}

// Sent asks what became of a message.
func (c *Client) Sent(ctx context.Context, id string) (Sent, error) {
	return get[Sent](ctx, c, "/v1/sent?id="+url.QueryEscape(id))
}

// Inbox streams the events "message" and "receipt": after the one with a number,
// from "0" on all that are kept, "" = from now on.
func (c *Client) Inbox(ctx context.Context, after string) (*EventStream, error) {
	path := "/v1/inbox"
	if after != "" {
		path += "?after=" + url.QueryEscape(after)
	}
	return c.openEvents(ctx, path, "")
}
