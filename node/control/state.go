package control

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node/shared"
)

// State is the part of the node that has to do with shared state.
type State interface {
	SetState(ctx context.Context, key string, value []byte) error
	DeleteState(ctx context.Context, key string) error
	State(of peer.ID, key string) []shared.Entry
	WatchState() StateWatcher
}

// StateWatcher is told what changes, and never makes the node wait.
type StateWatcher interface {
	Next(ctx context.Context) (shared.Change, error)
	Close()
}

var stateRoutes = []route{
	{method: "GET", path: "/v1/state", summary: "What nodes say of themselves.",
		query: []param{{"peer", "Only what this node says.", "", false}, {"key", "Only under this key.", "", false}},
		out:   States{}, handle: (*Server).getState},
	{method: "PUT", path: "/v1/state", summary: "Has this node say a value under a key; answers when it is on its way to everybody.",
		in: SetRequest{}, out: States{}, loop: true, handle: (*Server).putState},
	{method: "DELETE", path: "/v1/state", summary: "Has this node take a key back; answers when that is on its way to everybody.",
		query: []param{{"key", "The key.", "", true}}, out: States{}, loop: true, handle: (*Server).deleteState},
	{method: "GET", path: "/v1/state/watch", summary: "What nodes say of themselves: all of it first, then what changes.",
		events: []event{opening, {"state", "What a node says under a key, now or no longer.", StateChange{}}}, handle: (*Server).watchState},
}

var stateFeeds = []feed{{
	events: []event{{"state", "What a node says under a key, now or no longer.", StateChange{}}},
	start:  (*Server).feedState,
}}

// States answers GET /v1/state, and PUT and DELETE with what this node says.
type States struct {
	Version int          `json:"version"`
	State   []StateEntry `json:"state"` // by peer and key
}

// StateEntry is one of [States].
type StateEntry struct {
	Peer    string    `json:"peer"`
	Key     string    `json:"key"`
	Value   []byte    `json:"value"` // base64 in JSON; up to 4,096 bytes
	Set     time.Time `json:"set"`   // by that node's clock
	Expires time.Time `json:"expires"`
}

// SetRequest is the body of PUT /v1/state. Unknown fields are refused.
type SetRequest struct {
	Key   string `json:"key"`   // 1 to 128 bytes of printable text
	Value []byte `json:"value"` // base64 in JSON; up to 4,096 bytes
}

// StateChange is the data of an event "state".
type StateChange struct {
	Version int       `json:"version"`
	Peer    string    `json:"peer"`
	Key     string    `json:"key"`
	Value   []byte    `json:"value"` // base64 in JSON; up to 4,096 bytes
	Set     time.Time `json:"set"`   // by that node's clock
	Expires time.Time `json:"expires"`
	Gone    string    `json:"gone,omitempty"` // deleted or expired: then there is no value any more
}

func (s *Server) getState(w http.ResponseWriter, r *http.Request) error {
	values, err := only(r, "peer", "key")
	if err != nil {
		return err
	}
	var of peer.ID
	if text := values.Get("peer"); text != "" {
		if of, err = peer.Decode(text); err != nil {
			return refuse(http.StatusBadRequest, "ask /v1/peers for the peer IDs", "%.80q is no peer ID", text)
		}
	}
	s.answer(w, http.StatusOK, statesOf(s.node.State(of, values.Get("key"))))
	return nil
}

func (s *Server) putState(w http.ResponseWriter, r *http.Request) error {
	var req SetRequest
	if err := readJSON(w, r, &req, `{"key": text, "value": base64}`); err != nil {
		return err
	}
	return s.changeState(w, func() error { return s.node.SetState(r.Context(), req.Key, req.Value) })
}

func (s *Server) deleteState(w http.ResponseWriter, r *http.Request) error {
	values, err := only(r, "key")
	if err != nil {
		return err
	}
	return s.changeState(w, func() error { return s.node.DeleteState(r.Context(), values.Get("key")) })
}

// changeState makes a change and answers with what this node says then.
func (s *Server) changeState(w http.ResponseWriter, change func() error) error {
	leave, err := s.work()
	if err != nil {
		return err
	}
	defer leave()
	switch err := change(); {
	case errors.Is(err, shared.ErrKey) || errors.Is(err, shared.ErrValue):
		return refuse(http.StatusBadRequest, "shorten it, or announce what is large", "%v", err)
	case errors.Is(err, shared.ErrNoKey):
		return refuse(http.StatusNotFound, "see what there is: hearsay state get", "%v", err)
	case errors.Is(err, shared.ErrKeys):
		return refuse(http.StatusConflict, "delete some: hearsay state delete KEY", "%v", err)
	case err != nil:
		return err
	}
	s.answer(w, http.StatusOK, statesOf(s.node.State(s.node.Self().ID, "")))
	return nil
}

func (s *Server) watchState(w http.ResponseWriter, r *http.Request) error {
	if r.URL.RawQuery != "" {
		return noParameters(r)
	}
	leave, err := s.admit()
	if err != nil {
		return err
	}
	defer leave()
	watcher := s.node.WatchState()
	defer watcher.Close()
	streamNext(w, r, watcher.Next, func(c shared.Change) (string, string, any) { return "", "state", changeOf(c) })
	return nil
}

// feedState adds changes to the combined stream, all that there is first.
func (s *Server) feedState(emit emitter) (stop func(), err error) {
	watcher := s.node.WatchState()
	end := pull(watcher.Next, func(c shared.Change) { emit("state", changeOf(c)) })
	return func() { end(); watcher.Close() }, nil
}

func statesOf(all []shared.Entry) States {
	out := States{Version: Version, State: []StateEntry{}}
	for _, e := range all {
		out.State = append(out.State, entryOf(e))
	}
	return out
}

func entryOf(e shared.Entry) StateEntry {
	return StateEntry{e.Peer.String(), e.Key, list(e.Value), e.Set, e.Expires}
}

func changeOf(c shared.Change) StateChange {
	out := StateChange{Version: Version, Peer: c.Peer.String(), Key: c.Key, Value: list(c.Value), Set: c.Set, Expires: c.Expires}
	switch {
	case c.Deleted:
		out.Gone = "deleted"
	case c.Expired:
		out.Gone = "expired"
	}
	return out
}

// State asks what nodes say: one of them unless of is empty, under one key unless
// key is empty.
func (c *Client) State(ctx context.Context, of, key string) (States, error) {
	query := url.Values{}
	if of != "" {
		query.Set("peer", of)
	}
	if key != "" {
		query.Set("key", key)
	}
	return get[States](ctx, c, "/v1/state?"+query.Encode())
}

// SetState has the node say a value under a key, and returns all that it says.
func (c *Client) SetState(ctx context.Context, key string, value []byte) (States, error) {
	body, err := json.Marshal(SetRequest{key, list(value)})
	if err != nil {
		return States{}, err
	}
	return ask[States](ctx, c, http.MethodPut, "/v1/state", body)
}

// DeleteState has the node take a key back, and returns all that it says.
func (c *Client) DeleteState(ctx context.Context, key string) (States, error) {
	return ask[States](ctx, c, http.MethodDelete, "/v1/state?key="+url.QueryEscape(key), nil)
}

// WatchState streams what nodes say: all of it first, then what changes.
func (c *Client) WatchState(ctx context.Context) (*Stream[StateChange], error) {
	return open[StateChange](ctx, c, "/v1/state/watch", "state")
}
