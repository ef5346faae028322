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
	"syscall"
)

// maxAnswer bounds what a client reads of one answer: a peer list of 4,096 with
// 16 addresses each, and then some.
const maxAnswer = 16 << 20

// Client asks one running node. Its methods may be called from several
// goroutines; each ends when its context does. They fail with [ErrNoNode] if the
// node is gone, and with an [Error] if it refused.
type Client struct {
	dir  string
	file file
	http *http.Client
}

// Open finds the node that runs with the state folder dir. It fails with
// [ErrNoNode] if there is none; whether one really answers shows with the first
// request. [Client.Close] frees the connection.
func Open(dir string) (*Client, error) {
	f, err := readFile(dir)
	if err != nil {
		return nil, err
	}
	return &Client{dir: dir, file: f, http: &http.Client{
		Transport: &http.Transport{DisableCompression: true, IdleConnTimeout: idleTimeout}, // and no proxy
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // the token goes nowhere else
		},
	}}, nil
}

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
	req, err := http.NewRequestWithContext(ctx, method, "http://"+c.file.Address+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.file.Token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
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
	var network *net.OpError
	if errors.Is(err, syscall.ECONNREFUSED) || errors.As(err, &network) && network.Op == "dial" {
		return fmt.Errorf("%w with the state folder %s: its %s is left over from one that did not end properly", ErrNoNode, c.dir, FileName)
	}
	return fmt.Errorf("the node at %s does not answer: %w", c.file.Address, err)
}

// Stream is a sequence of events. It is for one goroutine, but Close may come
// from another.
type Stream[T any] struct {
	name  string
	body  io.Closer
	lines *bufio.Scanner
	gone  func(error) error
}

// open starts a stream and waits until nothing more can be missed.
func open[T any](ctx context.Context, c *Client, path, name string) (*Stream[T], error) {
	resp, err := c.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	s := &Stream[T]{name: name, body: resp.Body, lines: bufio.NewScanner(resp.Body), gone: func(err error) error { return c.gone(ctx, err) }}
	s.lines.Buffer(nil, maxBody)
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
func (s *Stream[T]) Close() { s.body.Close() }

// event reads up to the end of the next event with this name and returns its
// data. Other events and comments are skipped.
func (s *Stream[T]) event(name string) ([]byte, error) {
	var got, data []byte
	for s.lines.Scan() {
		line := s.lines.Bytes()
		field, value, _ := bytes.Cut(line, []byte(": "))
		switch {
		case len(line) == 0 && string(got) == name:
			return data, nil
		case len(line) == 0:
			got, data = nil, nil
		case string(field) == "event":
			got = bytes.Clone(value)
		case string(field) == "data":
			data = bytes.Clone(value)
		}
	}
	if err := s.lines.Err(); err != nil {
		return nil, s.gone(err)
	}
	return nil, ErrEnded
}
