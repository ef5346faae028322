package browser

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is how long one thing may take on a busy machine.
const patience = 60 * time.Second

// chromium starts a browser. A page that shall be seen all the time needs one of
// its own: what is behind another tab is not drawn.
func chromium(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("HEARSAY_BROWSER") == "1" {
			t.Fatal("no chromium: apt-get install chromium")
		}
		t.Skip("no chromium: apt-get install chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.NoSandbox, // tests may run as root; the pages are ours
		chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("no-proxy-server", true),
		// Nothing but loopback can be found, whatever a page or the browser tries.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
		chromedp.WSURLReadTimeout(patience),
	)
	ctx, end := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(end)
	ctx, endBrowser := chromedp.NewContext(ctx)
	t.Cleanup(endBrowser)
	if err := chromedp.Run(ctx); err != nil {
		t.Fatalf("starting chromium: %v", err)
	}
	return ctx
}

// page is a tab, and all that it did.
type page struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	requests []string
	faults   []string
}

// visit opens a link in a tab of its own, in a colour scheme, after other actions.
func visit(t *testing.T, browser context.Context, link, scheme string, before ...chromedp.Action) *page {
	t.Helper()
	ctx, end := chromedp.NewContext(browser)
	t.Cleanup(end)
	p := &page{t: t, ctx: ctx}
	chromedp.ListenTarget(ctx, p.note)
	if err := chromedp.Run(ctx); err != nil { // the tab lives as long as the context of its first Run
		t.Fatalf("opening a tab: %v", err)
	}
	p.run(
		network.Enable(), log.Enable(), runtime.Enable(),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
		chromedp.EmulateViewport(1440, 1000),
	)
	p.run(append(before, chromedp.Navigate(link))...)
	return p
}

// note keeps what a page asked for and what went wrong in it.
func (p *page) note(ev any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch ev := ev.(type) {
	case *network.EventRequestWillBeSent:
		p.requests = append(p.requests, ev.Request.URL)
	case *runtime.EventExceptionThrown:
		p.faults = append(p.faults, "exception: "+ev.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		if ev.Type == runtime.APITypeError || ev.Type == runtime.APITypeWarning {
			p.faults = append(p.faults, fmt.Sprintf("console: %s", ev.Args[0].Value))
		}
	case *log.EventEntryAdded:
		if ev.Entry.Level == log.LevelError || ev.Entry.Level == log.LevelWarning {
			p.faults = append(p.faults, fmt.Sprintf("log: %s %s", ev.Entry.Text, ev.Entry.URL))
		}
	}
}

// wellBehaved fails the test if a page complained of anything, or asked anybody
// but its own node.
func (p *page) wellBehaved() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.faults {
		p.t.Errorf("the page complains: %s", f)
	}
	if len(p.requests) < 10 {
		p.t.Errorf("only %d requests were seen", len(p.requests))
	}
	for _, r := range p.requests {
		if u, err := url.Parse(r); err != nil || u.Scheme != "http" || u.Hostname() != "127.0.0.1" {
			p.t.Errorf("a request leaves loopback: %s", r)
		}
	}
}

func (p *page) run(actions ...chromedp.Action) {
	p.t.Helper()
	ctx, end := context.WithTimeout(p.ctx, patience)
	defer end()
	if err := chromedp.Run(ctx, actions...); err != nil {
		p.t.Fatalf("in the browser: %v\n%s", err, p.state())
	}
}

// state is what a failed test shows of the page.
func (p *page) state() string {
	ctx, end := context.WithTimeout(p.ctx, 5*time.Second)
	defer end()
	var text string
	err := chromedp.Run(ctx, chromedp.Evaluate(`document.body.innerText`, &text))
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Sprintf("%.2000s\n%v\n%s", text, err, strings.Join(p.faults, "\n"))
}

// eval evaluates an expression.
func eval[T any](p *page, expression string) (v T) {
	p.t.Helper()
	p.run(chromedp.Evaluate(expression, &v))
	return v
}

// await waits until an expression is true. The page looks at it at every frame.
func (p *page) await(what, expression string) {
	p.t.Helper()
	ctx, end := context.WithTimeout(p.ctx, patience)
	defer end()
	err := chromedp.Run(ctx, chromedp.Poll(expression, nil, chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(patience)))
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, chromedp.ErrPollingTimeout) {
			err = errors.New("it did not come")
		}
		p.t.Fatalf("%s: %v\n%s", what, err, p.state())
	}
}

// show opens a view by its key, as a person at the keyboard does.
func (p *page) show(key, view string) {
	p.t.Helper()
	p.run(chromedp.Evaluate(`document.activeElement.blur()`, nil),
		input.DispatchKeyEvent(input.KeyDown).WithKey(key).WithText(key),
		input.DispatchKeyEvent(input.KeyUp).WithKey(key))
	p.await("view "+view, fmt.Sprintf(`!document.getElementById("view-%s").hidden`, view))
}

// picture writes what is seen to the folder of HEARSAY_SCREENSHOTS.
func (p *page) picture(name string) {
	p.t.Helper()
	dir := os.Getenv("HEARSAY_SCREENSHOTS")
	if dir == "" {
		return
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.t.Fatal(err)
	}
	var png []byte
	p.run(chromedp.CaptureScreenshot(&png))
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		p.t.Fatal(err)
	}
}
