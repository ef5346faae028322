package browser

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	cdp "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node/control"
	"hearsay/node/mail"
)

// post is a made-up node that gets private messages.
type post struct {
	*crowd

	mu      sync.Mutex
	letters []letter
	more    chan struct{}
}

// letter is one, and whether it is lost to those who read only what is new.
type letter struct {
	mail.Event
	lost bool
}

func newPost() *post { return &post{crowd: newCrowd(3, nil), more: make(chan struct{})} }

// put has a message come from a peer, a second after the last.
func (p *post) put(from peer.ID, text string, lost bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.letters) + 1
	at := p.started.Add(time.Duration(n) * time.Second)
	p.letters = append(p.letters, letter{mail.Event{Seq: uint64(n), Letter: &mail.Letter{ID: mail.ID{byte(n)}, From: from, To: []peer.ID{p.id},
		Text: []byte(text), Created: at, Received: at, Way: mail.Direct}}, lost})
	close(p.more)
	p.more = make(chan struct{})
}

func (p *post) Inbox(after uint64) control.MailReader { return &postReader{p: p, next: int(after)} }

func (p *post) InboxNew() control.MailReader {
	p.mu.Lock()
	defer p.mu.Unlock()
	return &postReader{p, len(p.letters), true}
}

type postReader struct {
	p       *post
	next    int
	onlyNew bool
}

func (r *postReader) Next(ctx context.Context) (mail.Event, error) {
	for {
		r.p.mu.Lock()
		for r.next < len(r.p.letters) {
			l := r.p.letters[r.next]
			if r.next++; !l.lost || !r.onlyNew {
				r.p.mu.Unlock()
				return l.Event, nil
			}
		}
		more := r.p.more
		r.p.mu.Unlock()
		select {
		case <-more:
		case <-ctx.Done():
			return mail.Event{}, ctx.Err()
		}
	}
}

// meddle is a page's network as a test wants it: who the node is comes late, cut breaks
// the stream of everything, and so many questions for the inbox are refused as refuse says.
const meddle = `{
	const real = window.fetch;
	window.refuse = 0;
	window.fetch = async (path, options) => {
		if (path === "/v1/id") await new Promise((done) => setTimeout(done, 500));
		if (path.startsWith("/v1/inbox") && window.refuse > 0) {
			window.refuse--;
			return new Response('{"error": "16 streams are open already"}', { status: 503 });
		}
		if (path.startsWith("/v1/events")) {
			window.cut = new AbortController();
			options = { ...options, signal: AbortSignal.any([options.signal, window.cut.signal]) };
		}
		return real(path, options);
	};
}`

func meddling() chromedp.Action {
	return chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := cdp.AddScriptToEvaluateOnNewDocument(meddle).Do(ctx)
		return err
	})
}

// enter opens a conversation.
func (p *page) enter(id string) {
	p.t.Helper()
	room := fmt.Sprintf(`#chat-rooms li[data-peer="%s"]`, id)
	p.await("the conversation", fmt.Sprintf(`document.querySelector('%s')`, room))
	p.run(click(room))
}

// settled returns when the page has read all that the inbox has, and has drawn it.
func (p *page) settled() {
	p.t.Helper()
	wait := func(o *runtime.EvaluateParams) *runtime.EvaluateParams { return o.WithAwaitPromise(true) }
	p.run(chromedp.Evaluate(`import("/dashboard/mail.js").then((m) => m.history())
		.then(() => new Promise(requestAnimationFrame)).then(() => new Promise(requestAnimationFrame))`, nil, wait))
}

const (
	lines  = `[...document.querySelectorAll("#chat-log .text")].map((e) => e.textContent)`
	unread = `(document.getElementById("chat-badge").hidden ? "" : document.getElementById("chat-badge").textContent)`
)

// After a page is loaded again the conversations are as they were: in order, whole, and
// read as far as they were.
func TestMailAfterAReload(t *testing.T) {
	n := newPost()
	from := peerID(1)
	long := "long " + strings.Repeat("word ", 1500)
	n.put(from, "first", false)
	n.put(from, "second", false)
	p := visit(t, chromium(t), serve(t, n)(), "dark", meddling())
	p.await("two unread messages", unread+` === "2"`)
	n.crowd.say(peerID(2), peerID(2), 1000, []byte("theirs"))
	n.crowd.say(n.id, "", 1000, []byte("mine"))
	n.put(from, long, false)
	p.await("all unread", unread+` === "4"`)
	p.show("3", "chat")
	p.enter(from.String())
	p.await("the whole message", said(long)+` === 1`)
	p.await("nothing unread", unread+` === ""`)
	n.put(peerID(2), "unread before", false)
	p.await("one unread", unread+` === "1"`)
	n.put(peerID(2), "unread, too", false)

	p.run(chromedp.Reload())
	p.await("the page", `document.getElementById("self-id").textContent`)
	p.settled()
	if got := eval[string](p, unread); got != "2" {
		t.Errorf("loaded again, %q messages are unread, want 2", got)
	}
	p.show("3", "chat")
	p.await("all of everybody's", lines+`.length === 2`)
	if own := eval[[]string](p, `[...document.querySelectorAll("#chat-log li.own .text")].map((e) => e.textContent)`); len(own) != 1 || own[0] != "mine" {
		t.Errorf("of the lines %q its own are %q", eval[[]string](p, lines), own)
	}
	p.enter(from.String())
	p.await("all of one", lines+`.length === 3`)
	if got := eval[[]string](p, lines); got[0] != "first" || got[1] != "second" || got[2] != long {
		t.Errorf("in this order: %.40q", got)
	}
	p.wellBehaved()
}

// What the stream of everything has lost is read from the inbox when it is opened again,
// and if it is refused then, later.
func TestMailAfterAGap(t *testing.T) {
	n := newPost()
	n.put(peerID(1), "before", false)
	p := visit(t, chromium(t), serve(t, n)(), "dark", meddling())
	p.show("3", "chat")
	p.enter(peerID(1).String())
	p.await("what was there before", said("before")+` === 1`)
	p.settled()
	n.put(peerID(1), "in the gap", true)
	n.put(peerID(1), "after it", false)
	p.await("what came after it", said("after it")+` === 1`)
	p.run(chromedp.Evaluate(`window.refuse = 1; window.cut.abort()`, nil))
	p.await("what was lost", said("in the gap")+` === 1`)
	if got := eval[[]string](p, lines); len(got) != 3 || got[0] != "before" || got[1] != "in the gap" || got[2] != "after it" {
		t.Errorf("in this order: %q", got)
	}
	p.await("that all is well", `document.getElementById("link").dataset.state === "live"`)
}
