package maelstrom

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
)

// envelope is a line of the node protocol (Maelstrom, doc/protocol.md).
type envelope struct {
	Src  string          `json:"src"`
	Dest string          `json:"dest"`
	Body json.RawMessage `json:"body"`
}

// request is the body of what a client asks, all kinds in one.
type request struct {
	Type     string              `json:"type"`
	ID       *int64              `json:"msg_id"`
	NodeID   string              `json:"node_id"`
	NodeIDs  []string            `json:"node_ids"`
	Topology map[string][]string `json:"topology"`
	Message  json.RawMessage     `json:"message"`
}

// reply is the body of an answer.
type reply struct {
	Type     string   `json:"type"`
	To       *int64   `json:"in_reply_to,omitempty"`
	Messages *[]int64 `json:"messages,omitempty"`
	Code     *Code    `json:"code,omitempty"`
	Text     string   `json:"text,omitempty"`
}

// typeGossip is the type of a datagram between nodes.
const typeGossip = "gossip"

// datagram is the body of what nodes say to each other; link.go says what it
// means.
type datagram struct {
	Type   string `json:"type"`
	Link   uint64 `json:"link"`
	Close  bool   `json:"close,omitempty"`
	Ack    uint64 `json:"ack,omitempty"`
	Seq    uint64 `json:"seq,omitempty"`
	Frames []byte `json:"frames,omitempty"` // of package wire, one after the other; base64 in JSON
}

// Code is an error code of Maelstrom's protocol.
type Code int

// The error codes that a node answers with. All are definite: what was asked
// did not and will not happen.
const (
	// NotSupported: no such request.
	NotSupported Code = 10
	// Unavailable: not now; the node has not been initialised.
	Unavailable Code = 11
	// Malformed: the request makes no sense.
	Malformed Code = 12
	// PreconditionFailed: the node is initialised already.
	PreconditionFailed Code = 22
)

// refusal is an error that the client is told.
type refusal struct {
	code Code
	text string
}

func (r *refusal) Error() string { return r.text }

func refuse(code Code, format string, args ...any) error {
	return &refusal{code, fmt.Sprintf(format, args...)}
}

// parseLine reads a line as far as it can be read: an envelope is returned with
// an error if only its body makes no sense, so that the sender can be told.
func parseLine(line []byte) (*envelope, *request, error) {
	env := new(envelope)
	if err := json.Unmarshal(line, env); err != nil {
		return nil, nil, fmt.Errorf("maelstrom: a line that is no message: %w", err)
	}
	if env.Src == "" {
		return nil, nil, errors.New("maelstrom: a message without src")
	}
	req := new(request)
	if err := json.Unmarshal(env.Body, req); err != nil {
		// The number to answer to may be all right even so.
		var id struct {
			ID *int64 `json:"msg_id"`
		}
		if json.Unmarshal(env.Body, &id) == nil {
			req.ID = id.ID
		}
		return env, req, refuse(Malformed, "the body cannot be read: %v", jsonCause(err))
	}
	if req.Type == "" {
		return env, req, refuse(Malformed, "the body has no type")
	}
	return env, req, nil
}

// jsonCause is what is wrong with JSON, in words that do not name Go's types.
func jsonCause(err error) string {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return fmt.Sprintf("%s cannot be %s", cmp.Or(wrong.Field, "it"), wrong.Value)
	}
	return err.Error()
}

// value reads what a client broadcasts.
func (r *request) value() (int64, error) {
	var v int64
	if r.Message == nil {
		return 0, refuse(Malformed, "broadcast without a message")
	}
	if err := json.Unmarshal(r.Message, &v); err != nil || string(r.Message) == "null" {
		return 0, refuse(Malformed, "message %.40s is no integer of 64 bits", r.Message)
	}
	return v, nil
}
