package control

import (
	"errors"
	"fmt"
)

// Error is a refusal: what was wrong, and what to do about it. On the wire it
// is the JSON body of every answer with a status of 400 or more.
type Error struct {
	Status int    `json:"-"` // HTTP status code
	What   string `json:"error"`
	Hint   string `json:"hint,omitempty"`
}

// Error is what was wrong, without the hint.
func (e *Error) Error() string { return e.What }

// ErrNoNode is what a [Client] fails with when no node runs with its state
// folder: there is no control file, or it was left over by one that was killed, or
// by one that has been started anew since.
var ErrNoNode = errors.New("no node is running")

// ErrEnded is what a [Stream] fails with when the node ended it.
var ErrEnded = errors.New("the node ended the stream")

func refuse(status int, hint, format string, args ...any) *Error {
	return &Error{Status: status, What: fmt.Sprintf(format, args...), Hint: hint}
}
