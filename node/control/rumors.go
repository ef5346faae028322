package control

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"hearsay/node"
	"hearsay/node/gossip"
)

var rumorRoutes = []route{
	{method: "POST", path: "/v1/announce", summary: "Spreads data; answers when the proof of work is done and the rumor is on its way.",
		in: AnnounceRequest{}, out: Announced{}, loop: true, handle: (*Server).postAnnounce},
	{method: "GET", path: "/v1/listen", summary: "The rumors of some data types, as they come.",
		query:  []param{{"type", "A data type to listen to, at most 256 of them.", []uint16(nil), true}},
		events: []event{opening, {"rumor", "A rumor.", Rumor{}}}, loop: true, handle: (*Server).getListen},
}

// AnnounceRequest is the body of POST /v1/announce. Unknown fields are refused.
type AnnounceRequest struct {
	Type uint16 `json:"type"`          // data type
	TTL  *uint8 `json:"ttl,omitempty"` // hops, 0 = unlimited; left out = what the node is configured to
	Data []byte `json:"data"`          // base64 in JSON; up to 65,527 bytes
}

// Announced answers POST /v1/announce.
type Announced struct {
	Version    int     `json:"version"`
	ID         string  `json:"id"`         // of the rumor, 64 hexadecimal digits
	Neighbours int     `json:"neighbours"` // that it was pushed to at once
	Work       float64 `json:"work_ms"`    // milliseconds of queueing, proof of work and signature
}

// Rumor is the data of an event "rumor" of /v1/listen.
type Rumor struct {
	Version  int       `json:"version"`
	ID       string    `json:"id"` // 64 hexadecimal digits
	Origin   string    `json:"origin"`
	Type     uint16    `json:"type"`
	Data     []byte    `json:"data"` // base64 in JSON
	Created  time.Time `json:"created"`
	Expires  time.Time `json:"expires"`
	Received time.Time `json:"received"`
	Dropped  uint64    `json:"dropped,omitempty"` // rumors lost to this reader so far because it was slow
}

func (s *Server) postAnnounce(w http.ResponseWriter, r *http.Request) error {
	var req AnnounceRequest
	if err := readJSON(w, r, &req, `{"type": number, "ttl": number, "data": base64}`); err != nil {
		return err
	}
	if len(req.Data) > gossip.MaxPayload {
		return refuse(http.StatusRequestEntityTooLarge, "split it: one announcement carries at most 65,527 bytes",
			"the data has %d bytes", len(req.Data))
	}
	leave, err := s.work()
	if err != nil {
		return err
	}
	defer leave()
	ttl := s.ttl
	if req.TTL != nil {
		ttl = *req.TTL
	}
	told, err := s.node.Announce(r.Context(), node.Announcement{DataType: req.Type, TTL: ttl, Data: req.Data})
	if err != nil {
		return err
	}
	s.answer(w, http.StatusOK, announcedOf(told))
	return nil
}

// work takes one of the places for what needs a proof of work; leave gives it back.
func (s *Server) work() (leave func(), err error) {
	select {
	case s.announces <- struct{}{}:
		return func() { <-s.announces }, nil
	default:
		return nil, refuse(http.StatusServiceUnavailable, "try again when some are done", "%d announcements and messages are being worked on", maxPending)
	}
}

// awaitWork is work for who waits until a place is free, or ctx ends.
func (s *Server) awaitWork(ctx context.Context) (leave func(), err error) {
	select {
	case s.announces <- struct{}{}:
		return func() { <-s.announces }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (s *Server) getListen(w http.ResponseWriter, r *http.Request) error {
	types, err := parseTypes(r.URL.RawQuery)
	if err != nil {
		return err
	}
	leave, err := s.admit()
	if err != nil {
		return err
	}
	defer leave()
	l, err := s.node.Listen(types)
	if err != nil {
		return err
	}
	defer l.Close()
	stream(w, r, "rumor", l.C(), func(m node.Rumor) any { return rumorOf(m, l.Dropped()) })
	return nil
}

// parseTypes reads type=1&type=2, each a data type, in any order and repeated
// or not.
func parseTypes(query string) ([]uint16, error) {
	const hint = "ask for /v1/listen?type=1&type=2 with data types from 0 to 65535"
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, hint, "the query cannot be read: %v", err)
	}
	for name := range values {
		if name != "type" {
			return nil, refuse(http.StatusBadRequest, hint, "there is no parameter %q", name)
		}
	}
	types, err := typesOf(values["type"], hint)
	if err == nil && len(types) == 0 {
		err = refuse(http.StatusBadRequest, hint, "no data type is given")
	}
	return types, err
}

// typesOf reads data types, in any order and repeated or not.
func typesOf(values []string, hint string) (types []uint16, err error) {
	for _, v := range values {
		t, err := strconv.ParseUint(v, 10, 16)
		if err != nil {
			return nil, refuse(http.StatusBadRequest, hint, "%q is no data type", v)
		}
		types = append(types, uint16(t))
	}
	slices.Sort(types)
	types = slices.Compact(types)
	if len(types) > MaxTypes {
		return nil, refuse(http.StatusBadRequest, fmt.Sprintf("use several streams of at most %d", MaxTypes), "%d data types are too many", len(types))
	}
	return types, nil
}

func announcedOf(a node.Announced) Announced {
	return Announced{Version: Version, ID: hex.EncodeToString(a.ID[:]), Neighbours: a.Neighbours, Work: milliseconds(a.Work)}
}

func rumorOf(r node.Rumor, dropped uint64) Rumor {
	return Rumor{
		Version: Version, ID: hex.EncodeToString(r.ID[:]), Origin: r.Origin.String(),
		Type: r.DataType, Data: list(r.Data),
		Created: r.Created, Expires: r.Expires, Received: r.Received, Dropped: dropped,
	}
}

// Announce spreads data. It returns when the proof of work is done and the
// rumor is on its way.
func (c *Client) Announce(ctx context.Context, req AnnounceRequest) (Announced, error) {
	body, err := json.Marshal(req)
	if err != nil {
		return Announced{}, err
	}
	return ask[Announced](ctx, c, http.MethodPost, "/v1/announce", body)
}

// Listen streams the rumors of these data types from now on.
func (c *Client) Listen(ctx context.Context, types ...uint16) (*Stream[Rumor], error) {
	query := url.Values{}
	for _, t := range types {
		query.Add("type", strconv.Itoa(int(t)))
	}
	return open[Rumor](ctx, c, "/v1/listen?"+query.Encode(), "rumor")
}
