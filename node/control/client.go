package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"

	"hearsay/node/folder"
)

// maxAnswer bounds what a client reads of one answer: a peer list of 4,096 with
// 16 addresses each, and then some.
const maxAnswer = 16 << 20

// maxEvent bounds one event: all of the peers may have changed at once.
const maxEvent = 16 << 20

// Client asks one running node. Its methods may be called from several
// goroutines; each ends when its context does. They fail with [ErrNoNode] if the
// node is gone, and with an [Error] if it refused.
type Client struct {
	dir  string
	file file
	http *http.Client
}

// Open finds the node that runs with the state folder dir, whose lock
// ([folder.Lock]) it has. It fails with [ErrNoNode] if there is none; whether it
// answers shows with the first request. [Client.Close] frees the connection.
func Open(dir string) (*Client, error) {
	f, err := readFile(dir)
	if err != nil {
		return nil, err
	}
	c := &Client{dir: dir, file: f}
	c.http = &http.Client{
		Transport: &http.Transport{DialContext: c.dial, DisableCompression: true, IdleConnTimeout: idleTimeout}, // and no proxy
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // the token goes nowhere else
		},
	}
	if err := c.runs(); err != nil {
		return nil, err
	}
	return c, nil
}

// runs fails with ErrNoNode unless the node runs that wrote the control file. Of one
// that was killed the file stays, and its port is anybody's.
func (c *Client) runs() error {
	if locked, err := folder.Locked(c.dir); err != nil {
		return err
	} else if !locked {
		return c.leftOver()
	}
	if now, err := readFile(c.dir); err != nil {
		return err
	} else if now != c.file {
		return fmt.Errorf("%w with the state folder %s as before: it was started anew", ErrNoNode, c.dir)
	}
	return nil
}

func (c *Client) leftOver() error {
	return fmt.Errorf("%w with the state folder %s: its %s is left over from one that did not end properly", ErrNoNode, c.dir, FileName)
}

// dial connects to the node. It looks after that whether the node runs: then the
// port is the node's, and nobody else is sent a token and a message.
func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if err := c.runs(); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// Dir is the state folder of the node.
func (c *Client) Dir() string { return c.dir }

// Close frees the client's idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func get[T any](ctx context.Context, c *Client, path string) (T, error) {
	return ask[T](ctx, c, http.MethodGet, path, nil)
}

func ask[T any](ctx context.Context, c *Client, method, path string, body []byte) (v T, err error) {
	resp, err := c.do(ctx, method, path, body)
	if err != nil {
		return v, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return v, c.gone(ctx, err)
	}
	if err := json.Unmarshal(text, &v); err != nil {
		return v, fmt.Errorf("the node's answer cannot be read: %w", err)
	}
	return v, nil
}

// do sends a request and turns refusals into errors.
func (c *Client) do(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	return c.doWith(ctx, method, path, body, "")
}

// doWith is do with the ID of the last event that was read, if there is one.
func (c *Client) doWith(ctx context.Context, method, path string, body []byte, last string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+c.file.Address+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.file.Token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.gone(ctx, err)
	}
	if resp.StatusCode == http.StatusOK && resp.Header.Get(versionHeader) != "" {
		return resp, nil
	}
	defer resp.Body.Close()
	if resp.Header.Get(versionHeader) == "" || resp.StatusCode == http.StatusUnauthorized {
		return nil, fmt.Errorf("%w with the state folder %s: its %s is stale, another program answers at %s",
			ErrNoNode, c.dir, FileName, c.file.Address)
	}
	refused := &Error{Status: resp.StatusCode}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil || json.Unmarshal(text, refused) != nil || refused.What == "" {
		refused.What = "the node answered " + resp.Status
	}
	return nil, refused
}

// gone explains a failed exchange: the caller's deadline, a node that is not
// there, or something else.
func (c *Client) gone(ctx context.Context, err error) error {
	if cause := ctx.Err(); cause != nil {
		return cause
	}
	var asked *url.Error
	if errors.Is(err, ErrNoNode) && errors.As(err, &asked) {
		return asked.Err // of dial
	}
	var network *net.OpError
	if errors.Is(err, syscall.ECONNREFUSED) || errors.As(err, &network) && network.Op == "dial" {
		return c.leftOver()
	}
	return fmt.Errorf("the node at %s does not answer: %w", c.file.Address, err)
}

// stream starts a stream of server-sent events.
func (c *Client) stream(ctx context.Context, path, last string) (*lines, error) {
	resp, err := c.doWith(ctx, http.MethodGet, path, nil, last)
	if err != nil {
		return nil, err
	}
	s := &lines{body: resp.Body, scan: bufio.NewScanner(resp.Body), gone: func(err error) error { return c.gone(ctx, err) }}
	s.scan.Buffer(nil, maxEvent)
	return s, nil
}

// Stream is a sequence of events of one kind. It is for one goroutine, but Close
// may come from another.
type Stream[T any] struct {
	name  string
	lines *lines
}

// open starts a stream and waits until nothing more can be missed.
func open[T any](ctx context.Context, c *Client, path, name string) (*Stream[T], error) {
	lines, err := c.stream(ctx, path, "")
	if err != nil {
		return nil, err
	}
	s := &Stream[T]{name, lines}
	if _, err := s.event("open"); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Next waits for the next event. It fails with [ErrEnded] when the node ended
// the stream, and with the context's error when that ended.
func (s *Stream[T]) Next() (v T, err error) {
	data, err := s.event(s.name)
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return v, fmt.Errorf("the node's event cannot be read: %w", err)
	}
	return v, nil
}

// Close ends the stream.
func (s *Stream[T]) Close() { s.lines.close() }

// event returns the data of the next event with this name. Others are skipped.
func (s *Stream[T]) event(name string) ([]byte, error) {
	for {
		if _, got, data, err := s.lines.event(); err != nil || got == name {
			return data, err
		}
	}
}

// lines reads server-sent events.
type lines struct {
	body io.Closer
	scan *bufio.Scanner
	gone func(error) error
}

func (s *lines) close() { s.body.Close() }

// event reads up to the end of the next event. Comments are skipped.
func (s *lines) event() (id, name string, data []byte, err error) {
	for s.scan.Scan() {
		line := s.scan.Bytes()
		field, value, _ := bytes.Cut(line, []byte(": "))
		switch {
		case len(line) == 0 && name != "":
			return id, name, data, nil
		case len(line) == 0:
			id, data = "", nil
		case string(field) == "id":
			id = string(value)
		case string(field) == "event":
			name = string(value)
		case string(field) == "data":
			data = bytes.Clone(value)
		}
	}
	if err := s.scan.Err(); err != nil {
		return "", "", nil, s.gone(err)
	}
	return "", "", nil, ErrEnded
}
