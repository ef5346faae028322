package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// hearsay builds the program once.
var hearsay = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "hearsay-browser-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "hearsay")
	build := exec.Command("go", "build", "-o", path, "./cmd/hearsay")
	build.Dir = filepath.Join("..", "..") // a module of its own
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := hearsay(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// process is a node as its user runs it.
type process struct {
	id, dir, addr string
	cmd           *exec.Cmd
	ended         chan struct{}
}

// launch runs a node; contact is the address of another, "" = none.
func launch(t *testing.T, contact string) *process {
	t.Helper()
	path, err := hearsay()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{dir: t.TempDir(), ended: make(chan struct{})}
	config := "[gossip]\np2p_address = 127.0.0.1:0\napi_address = 127.0.0.1:0\ndifficulty = 1\n"
	if contact != "" {
		config += "bootstrapper = " + contact + "\n"
	}
	config += "[hearsay]\nmdns = false\nkademlia = false\ncontrol_address = 127.0.0.1:0\nstate_dir = " + p.dir + "\n"
	file := filepath.Join(p.dir, "node.ini")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p.cmd = exec.Command(path, "run", "--json", "-c", file)
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	type banner struct { // its first line
		ID    string
		Addrs []string
	}
	ready := make(chan banner, 1)
	go func() {
		defer close(p.ended)
		var b banner
		if json.NewDecoder(out).Decode(&b) == nil && len(b.Addrs) > 0 {
			ready <- b
		}
		io.Copy(io.Discard, out)
		p.cmd.Wait()
	}()
	t.Cleanup(p.kill)
	select {
	case b := <-ready:
		p.id, p.addr = b.ID, b.Addrs[0]
	case <-p.ended:
		t.Fatal("a node ended as it started")
	case <-time.After(patience):
		t.Fatal("a node does not start")
	}
	return p
}

// kill ends the process without a word, as a crash would.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.ended
}

// link runs hearsay dashboard.
func (p *process) link(t *testing.T) string {
	t.Helper()
	path, err := hearsay()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "--state-dir", p.dir, "dashboard").Output()
	if err != nil {
		t.Fatalf("hearsay dashboard: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// write writes a message into the conversation that is open.
func (p *page) write(text string) {
	p.t.Helper()
	p.run(chromedp.SendKeys("#chat-text", text+"\r", chromedp.ByQuery))
}

// said is an expression: how many messages with this text are in the log.
func said(text string) string {
	return fmt.Sprintf(`[...document.querySelectorAll("#chat-log li:not(.own) .text")].filter((e) => e.textContent === %q).length`, text)
}

// Three nodes, each with its page: what is said at one arrives at the others, what
// is private where it should and nowhere else, and who is killed turns grey.
func TestThreeNodes(t *testing.T) {
	a := launch(t, "")
	nodes := []*process{a, launch(t, a.addr), launch(t, a.addr)}
	var pages []*page
	for i, n := range nodes {
		p := visit(t, chromium(t), n.link(t), []string{"dark", "light", "dark"}[i])
		pages = append(pages, p)
	}
	for i, p := range pages {
		for j, n := range nodes {
			if i != j {
				p.await("a neighbour", fmt.Sprintf(`document.querySelector('#peers tr[data-id="%s"]')?.dataset.state === "neighbour"`, n.id))
			}
		}
		p.show("3", "chat")
	}

	// Broadcast.
	pages[0].write("Good morning, all")
	for _, p := range pages[1:] {
		p.await("the broadcast", said("Good morning, all")+" === 1")
	}
	pages[1].write("Morning! Is the gateway back?")
	pages[2].write("Since an hour ago.")
	pages[0].await("two answers", `document.querySelectorAll("#chat-log li:not(.own)").length === 2`)
	for i, p := range pages {
		p.picture(fmt.Sprintf("chat-%d", i))
	}

	// Private, from the second to the third. The first carries the keys of both and
	// may carry the message; it shows nothing.
	pages[1].run(chromedp.Poll(fmt.Sprintf(`document.querySelector('#chat-to option[value="%s"]')`, nodes[2].id), nil))
	pages[1].run(chromedp.Evaluate(fmt.Sprintf(`{ const s = document.querySelector("#chat-to"); s.value = %q; s.dispatchEvent(new Event("change")); }`, nodes[2].id), nil))
	pages[1].write("between you and me")
	pages[1].await("the receipt", `document.querySelector("#chat-log li.own .how")?.textContent.startsWith("arrived")`)
	pages[2].await("an unread conversation", fmt.Sprintf(`document.querySelector('#chat-rooms li[data-peer="%s"] .badge')?.textContent === "1"`, nodes[1].id))
	pages[2].run(chromedp.Click(fmt.Sprintf(`#chat-rooms li[data-peer="%s"]`, nodes[1].id), chromedp.ByQuery))
	pages[2].await("the private message", said("between you and me")+" === 1")
	pages[2].picture("chat-private")
	// Whatever is to arrive at the first has: a broadcast that was said later is there.
	pages[2].run(chromedp.Click(`#chat-rooms li[data-peer=""]`, chromedp.ByQuery))
	pages[2].write("that was later")
	pages[0].await("a later broadcast", said("that was later")+" === 1")
	if eval[bool](pages[0], `document.body.textContent.includes("between you and me") || document.querySelectorAll("#chat-rooms li").length > 1`) {
		t.Error("the private message shows at the first node")
	}

	// State.
	pages[0].show("4", "state")
	pages[0].run(setValue("#state-key", "room"), setValue("#state-value", "2.14"), chromedp.Click("#state-form button", chromedp.ByQuery))
	for _, p := range pages[1:] {
		p.show("4", "state")
		p.await("the other's state", `[...document.querySelectorAll('#state tr[data-key="room"] .data')].some((e) => e.textContent === "2.14")`)
	}
	pages[1].picture("state")

	for i, p := range pages {
		p.show("1", "network")
		p.picture(fmt.Sprintf("network-%d", i))
		p.show("2", "rumors")
		p.await("rumors", `document.querySelectorAll("#rumors tbody tr").length >= 4`)
		p.picture(fmt.Sprintf("rumors-%d", i))
		p.show("1", "network")
	}

	// A kill.
	nodes[2].kill()
	began := time.Now()
	for i, p := range pages[:2] {
		row := fmt.Sprintf(`#peers tr[data-id="%s"]`, nodes[2].id)
		p.await("grey", fmt.Sprintf(`["down", "lost"].includes(document.querySelector('%s')?.dataset.state)`, row))
		took := time.Since(began)
		t.Logf("page %d: grey %v after the kill", i, took.Round(10*time.Millisecond))
		if took > 10*time.Second {
			t.Errorf("page %d shows the killed node alive for %v", i, took)
		}
		if !eval[bool](p, fmt.Sprintf(`{
			const grey = getComputedStyle(document.documentElement).getPropertyValue("--away").trim();
			const probe = document.createElement("i");
			probe.style.color = grey;
			document.body.append(probe);
			const want = getComputedStyle(probe).color;
			probe.remove();
			getComputedStyle(document.querySelector('%s td.id')).color === want;
		}`, row)) {
			t.Errorf("page %d: the killed node is not grey", i)
		}
		p.picture(fmt.Sprintf("killed-%d", i))
		p.show("6", "health")
		p.picture(fmt.Sprintf("health-%d", i))
		p.wellBehaved()
	}
}
