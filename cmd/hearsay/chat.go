package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"hearsay/node/control"
	"hearsay/node/mail"
)

const (
	// chatType is the data type that people talk on who have not agreed on another.
	chatType = 1000
	// chatGrace is how long what was typed before may take when Ctrl-C or Ctrl-D ends
	// the chat.
	chatGrace = 2 * time.Second
	// maxTyped is how many lines can be typed ahead while the node answers.
	maxTyped = 1000
	// maxLine is what is read at most of a line, in bytes; less of it can be said.
	maxLine = 1 << 20
)

func (a *app) chatCommand() *cobra.Command {
	var dataType uint16
	var linger time.Duration
	cmd := &cobra.Command{
		Use:   "chat",
		Short: "Talk to everybody who chats, and to some in private",
		Long: `Talk to everybody who chats: what you type goes to all nodes that take rumors of
the chat's data type, and what they say is shown. A line that begins with / is a
command:

  /msg PEER TEXT    say it to one node only; nobody else can read it
  /peers            who is here
  /help             this list
  /quit             end; so do Ctrl-D and Ctrl-C

PEER is what hearsay send takes. Input that is no terminal is read line by line;
chat ends with it, --linger later. What a line could not do is told on standard
error then, and is a failure in the end. Whatever others send is shown on one line,
with all that is not printable as an escape. With --json every event is one line.`,
		Example: `  hearsay chat
  echo "dinner is ready" | hearsay chat`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithCancel(cmd.Context())
			defer cancel()
			c, err := a.find(ctx)
			if err != nil {
				return err
			}
			defer c.Close()
			t := &chat{app: a, c: c, dataType: dataType, linger: linger, answer: announceTimeout, end: cancel}
			err = t.run(ctx)
			if errors.Is(err, context.Canceled) {
				return nil // Ctrl-C is how it ends
			}
			return err
		},
	}
	cmd.Flags().Uint16Var(&dataType, "type", chatType, "talk on this data `TYPE`")
	cmd.Flags().DurationVar(&linger, "linger", 0, "go on listening so `LONG` after the input has ended; ignored on a terminal")
	return cmd
}

// chat is one conversation.
type chat struct {
	*app
	c        *control.Client
	dataType uint16
	linger   time.Duration
	answer   time.Duration // how long the node may take to do what a line says
	end      context.CancelFunc
	self     string // the node's peer ID

	prompt   bool     // somebody types, and sees at once what does not work
	readErr  error    // why the lines ended before the input did; settled when they have ended
	failures int      // lines that did not work where nobody types
	first    *failure // the first of them

	mu    sync.Mutex // of what follows, and of lines written
	names *names
	out   io.Writer // where lines go: beside the prompt, if there is one
}

// chatEvent is a line of chat --json.
type chatEvent struct {
	Version int    `json:"version"`
	Event   string `json:"event"` // rumor, message, receipt, sent, peers, help
	Data    any    `json:"data"`
}

func (t *chat) run(ctx context.Context) error {
	var err error
	if t.names, err = t.app.names(ctx, t.c); err != nil {
		return err
	}
	t.self = t.names.self
	rumors, err := t.c.Listen(ctx, t.dataType)
	if err != nil {
		return err
	}
	defer rumors.Close()
	inbox, err := t.c.Inbox(ctx, "")
	if err != nil {
		return err
	}
	defer inbox.Close()
	lines, closeLines, err := t.input()
	if err != nil {
		return err
	}
	defer closeLines()
	if !t.json {
		t.say("You are %s. Type to talk to everybody, /msg PEER TEXT to one, /help for more.", t.self)
	}

	failed := make(chan error, 2)
	go func() { failed <- t.followRumors(rumors.Next, t.rumor) }()
	go func() { failed <- t.followMail(inbox) }()
	if err := t.converse(ctx, lines, failed); err != nil && ctx.Err() == nil {
		return err
	}
	return t.outcome()
}

// converse does what lines say until they or ctx end, and some time more.
func (t *chat) converse(ctx context.Context, lines <-chan string, failed <-chan error) error {
	for ctx.Err() == nil {
		select {
		case line, ok := <-lines:
			if !ok {
				if t.readErr != nil {
					t.complain(t.readErr)
				}
				return t.lingering(ctx, failed)
			}
			if quit := t.obey(ctx, line); quit {
				return nil
			}
		case err := <-failed:
			return err
		case <-ctx.Done():
		}
	}
	return nil
}

// outcome is the failure of lines that did not work, each of which has been told.
func (t *chat) outcome() error {
	if t.failures == 0 {
		return nil
	}
	return &failure{t.first.code, fmt.Errorf("%s did not work", count(t.failures, "line")), "why is told above"}
}

// lingering listens on after the end of the input.
func (t *chat) lingering(ctx context.Context, failed <-chan error) error {
	late := time.NewTimer(t.linger)
	defer late.Stop()
	select {
	case <-late.C:
	case <-ctx.Done():
	case err := <-failed:
		return err
	}
	return nil
}

// input gives what is typed, line by line; on a terminal with a prompt, editing and
// a history. The channel is closed at the end.
func (t *chat) input() (lines <-chan string, end func(), err error) {
	in, ok := t.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) || !isTerminal(t.stdout) || t.json {
		t.out = t.stdout
		c := make(chan string)
		go func() {
			defer close(c)
			scan := bufio.NewScanner(t.stdin)
			scan.Buffer(nil, maxLine)
			for scan.Scan() {
				c <- scan.Text()
			}
			if t.readErr = scan.Err(); errors.Is(t.readErr, bufio.ErrTooLong) {
				t.readErr = fail("split it: one announcement carries at most 65,527 bytes", "a line is longer than 1 MiB; neither it nor what follows was read")
			}
		}()
		return c, func() {}, nil
	}
	before, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, nil, err
	}
	terminal := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{in, t.stdout}, "> ")
	resize := func() {
		if w, h, err := term.GetSize(int(in.Fd())); err == nil && w > 0 && h > 0 { // else it is not known
			terminal.SetSize(w, h)
		}
	}
	resize()
	stop := onResize(resize)
	t.out = terminal // whose Write keeps the line that is being typed
	t.prompt, t.linger = true, 0
	// With room for lines, so that Ctrl-C, which is no signal here, is read while the
	// node takes its time for one.
	c := make(chan string, maxTyped)
	go func() {
		defer close(c)
		for {
			line, err := terminal.ReadLine()
			if err != nil { // Ctrl-C and Ctrl-D, too
				time.AfterFunc(chatGrace, t.end)
				return
			}
			c <- line
		}
	}()
	return c, func() {
		stop()
		term.Restore(int(in.Fd()), before)
		fmt.Fprintln(t.stdout)
	}, nil
}

// say writes a line.
func (t *chat) say(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.out, format+"\n", args...)
}

// tell writes an event, as JSON if that is wanted.
func (t *chat) tell(event string, data any, format string, args ...any) {
	if !t.json {
		t.say(format, args...)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	json.NewEncoder(t.out).Encode(chatEvent{control.Version, event, data})
}

// complain tells that something did not work: who types at once, others on standard
// error and in the end. The chat goes on.
func (t *chat) complain(err error) {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		err = &failure{exitTimeout, fmt.Errorf("the node has not answered in %v", t.answer), "see how it is: hearsay health"}
	case errors.Is(err, context.Canceled):
		err = fail("", "the chat ended before the node answered")
	}
	f := classify(err)
	if !t.prompt {
		t.report(f)
		t.failures++
		t.first = cmp.Or(t.first, f)
		return
	}
	text := oneLine(f.Error())
	if f.hint != "" {
		text += " (" + oneLine(f.hint) + ")"
	}
	t.say("! %s", text)
}

// clock is a time as a line begins with it.
func clock(at time.Time) string { return at.Local().Format(time.TimeOnly) }

// name is how a node is shown. One that is not known yet may be by now.
func (t *chat) name(id string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.names.of(id)
}

func (t *chat) followRumors(next func() (control.Rumor, error), take func(control.Rumor)) error {
	for {
		r, err := next()
		if err != nil {
			return err
		}
		take(r)
	}
}

func (t *chat) rumor(r control.Rumor) {
	if r.Origin != t.self { // the own line is on the screen
		t.tell("rumor", r, "%s  %s: %s", clock(r.Received), t.name(r.Origin), oneLine(shorten(r.Data)))
	}
}

// shorten cuts what is too long for a line.
func shorten(data []byte) string {
	if len(data) > maxShown {
		return string(data[:maxShown]) + "…"
	}
	return string(data)
}

func (t *chat) followMail(inbox *control.EventStream) error {
	for {
		e, err := inbox.Next()
		if err != nil {
			return err
		}
		switch e.Name {
		case "message":
			var m control.PrivateMessage
			if err := json.Unmarshal(e.Data, &m); err != nil {
				return err
			}
			t.tell("message", m, "%s  %s to %s: %s", clock(m.Received), t.name(m.From), t.recipients(m), oneLine(shorten(m.Data)))
		case "receipt":
			var r control.Receipt
			if err := json.Unmarshal(e.Data, &r); err != nil {
				return err
			}
			t.tell("receipt", r, "%s  %s has it", clock(r.Time), t.name(r.By))
		}
	}
}

// recipients are those of a message, this node first.
func (t *chat) recipients(m control.PrivateMessage) string {
	who := "you"
	for _, id := range m.To {
		if name := t.name(id); name != "you" {
			who += ", " + name
		}
	}
	return who
}

// obey does what a line says, within t.answer.
func (t *chat) obey(ctx context.Context, line string) (quit bool) {
	ctx, cancel := context.WithTimeout(ctx, t.answer)
	defer cancel()
	line = strings.TrimSpace(line)
	command, rest, _ := strings.Cut(line, " ")
	switch {
	case line == "":
	case command == "/quit":
		return true
	case command == "/help":
		const help = "/msg PEER TEXT   say it to one node only\n/peers           who is here\n/quit            end"
		t.tell("help", help, "%s", help)
	case command == "/peers":
		t.peers(ctx)
	case command == "/msg":
		to, text, _ := strings.Cut(strings.TrimSpace(rest), " ")
		if text = strings.TrimSpace(text); text == "" {
			t.complain(fail("say /msg PEER TEXT", "there is nothing to say, or nobody to say it to"))
			break
		}
		t.message(ctx, to, text)
	case strings.HasPrefix(line, "/") && !strings.HasPrefix(line, "//"):
		t.complain(fail("see /help, or write // for a text that begins with /", "there is no command %s", command))
	default:
		if strings.HasPrefix(line, "//") {
			line = line[1:]
		}
		told, err := t.c.Announce(ctx, control.AnnounceRequest{Type: t.dataType, Data: []byte(line)})
		if err != nil {
			t.complain(err)
		} else if t.json {
			t.tell("sent", told, "")
		}
	}
	return false
}

// message sends a private message.
func (t *chat) message(ctx context.Context, to, text string) {
	n, err := t.app.names(ctx, t.c) // somebody may have come
	var id string
	if err == nil {
		t.mu.Lock()
		t.names = n
		t.mu.Unlock()
		id, err = n.resolve(to)
	}
	var sent control.Sent
	if err == nil {
		sent, err = t.c.Send(ctx, control.SendRequest{To: []string{id}, Data: []byte(text)})
	}
	if err != nil {
		t.complain(err)
		return
	}
	d := sent.Deliveries[0]
	what := "has it"
	if d.Way == string(mail.Relayed) {
		what = "gets it by a rumor"
	}
	t.tell("sent", sent, "%s  %s %s", clock(sent.Created), t.name(d.Peer), what)
}

// peers lists who is here.
func (t *chat) peers(ctx context.Context) {
	peers, err := t.c.Peers(ctx)
	if err != nil {
		t.complain(err)
		return
	}
	if t.json {
		t.tell("peers", peers, "")
		return
	}
	n := 0
	for _, p := range peers.Peers {
		if p.State == "neighbour" || p.State == "member" {
			n++
			t.say("  %s  %s", t.name(p.ID), oneLine(p.ID))
		}
	}
	t.say("%s", count(n, "node")+" besides you")
}
