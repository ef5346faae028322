package main

import (
	"errors"
	"unicode"
	"unicode/utf8"
)

// letter is what an envelope says; see docs/protocol/private.md, "Letters".
type letter struct {
	Kind    uint64   `json:"kind"`
	Flags   uint64   `json:"flags"`
	Receipt bool     `json:"wants_receipt"`
	ID      octets   `json:"id"`
	Created uint64   `json:"created"`
	Expires uint64   `json:"expires"`
	Text    string   `json:"text,omitempty"`
	For     []octets `json:"acknowledges,omitempty"`
}

func readLetter(b []byte) (*letter, error) {
	in := reader{rest: b}
	version := in.u8()
	l := &letter{Kind: in.u8(), Flags: in.u8(), ID: in.take(16), Created: in.u64(), Expires: in.u64()}
	l.Receipt = l.Flags&1 != 0
	if in.short || version != 1 || l.Created >= 1<<52 || l.Expires <= l.Created || l.Expires-l.Created > 86_400_000 {
		return nil, errors.New("a letter out of form")
	}
	var err error
	switch l.Kind {
	case 1:
		l.Text = string(in.rest)
	case 2:
		if l.For, err = split(in.rest, 16, 64); len(l.For) == 0 {
			return nil, errors.New("a receipt for nothing")
		}
	default:
		return nil, errors.New("a letter of another kind")
	}
	return l, err
}

// stateValue is the payload of shared state; see docs/protocol/spreading.md.
type stateValue struct {
	Key     string `json:"key"`
	Flags   uint64 `json:"flags"`
	Deleted bool   `json:"deleted"`
	Set     uint64 `json:"set"`
	Value   octets `json:"value"`
}

// decodeStateVector reads a value whose key stands in the rumor's header.
func decodeStateVector(v *vector) (any, error) {
	var given struct {
		Key string `json:"key"`
	}
	if err := strict(v.Given, &given); err != nil {
		return nil, err
	}
	if given.Key == "" || len(given.Key) > 128 || !utf8.ValidString(given.Key) {
		return nil, errors.New("a key out of its limits")
	}
	for _, r := range given.Key {
		if !unicode.IsPrint(r) {
			return nil, errors.New("a key that cannot be printed")
		}
	}
	in := reader{rest: v.Bytes}
	version := in.u8()
	s := stateValue{Key: given.Key, Flags: in.u8(), Set: in.u64(), Value: in.rest}
	s.Deleted = s.Flags&1 != 0
	if in.short || version != 1 || len(s.Value) > 4096 {
		return nil, errors.New("a value out of form")
	}
	return s, nil
}
