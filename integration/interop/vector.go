package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
)

// vector is one test vector: bytes, and what they have to turn out to be.
type vector struct {
	What  string `json:"what"` // for people
	Kind  string `json:"kind"` // what Bytes are
	Bytes octets `json:"bytes"`
	// Given is what a decoder needs besides.
	Given json.RawMessage `json:"given,omitempty"`
	// Is is what the bytes mean.
	Is json.RawMessage `json:"is,omitempty"`
	// Refused is why the bytes mean nothing. It is for people.
	Refused string `json:"refused,omitempty"`
}

// octets are bytes, in JSON in hexadecimal.
type octets []byte

func (o octets) MarshalJSON() ([]byte, error) { return json.Marshal(hex.EncodeToString(o)) }

func (o *octets) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	b, err := hex.DecodeString(s)
	*o = b
	return err
}

// decoders turn bytes into a value whose JSON is what a vector says it is.
var decoders = map[string]func(v *vector) (any, error){
	"key":         decodeKeyVector,
	"peer record": func(v *vector) (any, error) { return openRecord(v.Bytes) },
	"rumor":       decodeRumorVector,
	"presence":    func(v *vector) (any, error) { return readPresence(v.Bytes) },
	"frame":       decodeFrameVector,
	"fingerprint": decodeFingerprintVector,
	"certificate": func(v *vector) (any, error) { return readCertificate(v.Bytes) },
	"envelope":    decodeEnvelopeVector,
	"letter":      func(v *vector) (any, error) { return readLetter(v.Bytes) },
	"state value": decodeStateVector,
	"record":      func(v *vector) (any, error) { return readValue(v.Bytes) },
	"request":     func(v *vector) (any, error) { return readValueRequest(v.Bytes) },
	"answer":      func(v *vector) (any, error) { return readValueAnswer(v.Bytes) },
}

func load(path string) ([]*vector, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var vectors []*vector
	if err := strict(text, &vectors); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return vectors, nil
}

// strict reads JSON in which every field has its place.
func strict(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

var errAccepted = errors.New("it was to be refused and was accepted")

// verify decodes a vector and compares what comes out with what it says.
func (v *vector) verify() error {
	decode := decoders[v.Kind]
	if decode == nil {
		return fmt.Errorf("no idea what a %q is", v.Kind)
	}
	value, err := decode(v)
	if v.Refused != "" {
		if err == nil {
			return errAccepted
		}
		return nil
	}
	if err != nil {
		return err
	}
	got, err := plain(value)
	if err != nil {
		return err
	}
	var want any
	d := json.NewDecoder(bytes.NewReader(v.Is))
	d.UseNumber()
	if err := d.Decode(&want); err != nil {
		return err
	}
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("it is\n%v\nand not\n%v", got, want)
	}
	return nil
}

// plain is a value as JSON's own types.
func plain(value any) (v any, err error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}
