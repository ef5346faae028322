package control

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"time"

	"hearsay/node"
)

var dhtRoutes = []route{
	{method: "PUT", path: "/v1/dht/{key}", summary: "Puts a value under a key of 64 hexadecimal digits into the distributed hash table.",
		in: ValueRequest{}, out: StoredValue{}, handle: (*Server).putValue},
	{method: "GET", path: "/v1/dht/{key}", summary: "The values of a key of 64 hexadecimal digits, by signer, the one that counts first; none is no error.",
		out: Values{}, handle: (*Server).getValues},
}

// MaxValue is the largest value of the distributed hash table, in bytes.
const MaxValue = 65495

// ValueRequest is the body of PUT /v1/dht/{key}. Unknown fields are refused.
type ValueRequest struct {
	Value []byte `json:"value"`         // base64 in JSON; 1 to 65,495 bytes
	TTL   uint32 `json:"ttl,omitempty"` // seconds to live, at most 43,200 (12 h) count; left out or 0 = an hour
}

// StoredValue answers PUT /v1/dht/{key}.
type StoredValue struct {
	Version int       `json:"version"`
	Key     string    `json:"key"` // 64 hexadecimal digits
	Expires time.Time `json:"expires"`
	Copies  int       `json:"copies"` // other nodes that have it; 0 is no error: those that come get it
}

// Values answers GET /v1/dht/{key}.
type Values struct {
	Version int     `json:"version"`
	Key     string  `json:"key"` // 64 hexadecimal digits
	Values  []Value `json:"values"`
}

// Value is one of [Values].
type Value struct {
	Value   []byte    `json:"value"`  // base64 in JSON
	Signer  string    `json:"signer"` // peer ID of the node that put it
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
}

// keyOf reads the key in a request's path.
func keyOf(r *http.Request) (key node.ValueKey, err error) {
	text := r.PathValue("key")
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(key) {
		return key, refuse(http.StatusBadRequest, "give 64 hexadecimal digits, for a text those of its SHA-256", "%.80q is no key", text)
	}
	return node.ValueKey(b), nil
}

func (s *Server) putValue(w http.ResponseWriter, r *http.Request) error {
	key, err := keyOf(r)
	if err != nil {
		return err
	}
	var req ValueRequest
	if err := readJSON(w, r, &req, `{"value": base64, "ttl": seconds}`); err != nil {
		return err
	}
	switch n := len(req.Value); {
	case n == 0:
		return refuse(http.StatusBadRequest, "give it at least one byte", "the value is empty")
	case n > MaxValue:
		return refuse(http.StatusRequestEntityTooLarge, "split it: a value has at most 65,495 bytes", "the value has %d bytes", n)
	}
	leave, err := s.work()
	if err != nil {
		return err
	}
	defer leave()
	v, err := s.node.PutValue(r.Context(), key, req.Value, time.Duration(req.TTL)*time.Second)
	if err != nil {
		return err
	}
	s.answer(w, http.StatusOK, StoredValue{Version: Version, Key: hex.EncodeToString(key[:]), Expires: v.Expires, Copies: v.Copies})
	return nil
}

func (s *Server) getValues(w http.ResponseWriter, r *http.Request) error {
	if r.URL.RawQuery != "" {
		return noParameters(r)
	}
	key, err := keyOf(r)
	if err != nil {
		return err
	}
	leave, err := s.work()
	if err != nil {
		return err
	}
	defer leave()
	out := Values{Version: Version, Key: hex.EncodeToString(key[:]), Values: []Value{}}
	for _, v := range s.node.GetValues(r.Context(), key) {
		out.Values = append(out.Values, Value{Value: v.Data, Signer: v.Signer.String(), Created: v.Created, Expires: v.Expires})
	}
	s.answer(w, http.StatusOK, out)
	return nil
}

// PutValue puts a value into the distributed hash table. It returns when the
// nodes that should have it have answered.
func (c *Client) PutValue(ctx context.Context, key node.ValueKey, req ValueRequest) (StoredValue, error) {
	body, err := json.Marshal(req)
	if err != nil {
		return StoredValue{}, err
	}
	return ask[StoredValue](ctx, c, http.MethodPut, "/v1/dht/"+hex.EncodeToString(key[:]), body)
}

// Values looks a key up in the distributed hash table.
func (c *Client) Values(ctx context.Context, key node.ValueKey) (Values, error) {
	return get[Values](ctx, c, "/v1/dht/"+hex.EncodeToString(key[:]))
}
