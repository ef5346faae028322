package transport

import (
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
)

var (
	errLeaving  = errors.New("this node leaves")
	errClosed   = errors.New("this node stops")
	errEnded    = errors.New("the peer ended the link")
	errReplaced = errors.New("the peer began a new link")
	errSlow     = errors.New("the peer takes too little, too slowly")
	errStalled  = errors.New("the peer began a frame and did not end it in time")
	errRationed = errors.New("the relay between allows no more; it is tried again")
	errDirect   = errors.New("a direct way was found, which takes over")
	errNoAnswer = errors.New("the peer did not answer the greeting in time")
)

var (
	// ErrNetwork: the peer's network has another name.
	ErrNetwork = errors.New("the peer is in another network")
	// ErrHandshake: somebody answers at the peer's address, but does not
	// understand this node. So it is with another network key, or with none; it
	// can also be a program of another kind, or a machine without time.
	ErrHandshake = errors.New("somebody answers there and cannot be talked to, as with another network key (network_key) on one side, or none")
)

// Codes by which a peer learns why its stream was reset, where the transport
// below carries them (yamux does). libp2p reserves 0x1000 to 0x1fff.
const (
	codeNetwork network.StreamErrorCode = 0x4801 // the networks' names differ
	codeStale   network.StreamErrorCode = 0x4802 // of a link that is over
	codeSlow    network.StreamErrorCode = 0x4803 // not read fast enough
	codeStalled network.StreamErrorCode = 0x4804 // a frame that did not end
)

// code is what the peer is told about the end of a link.
func code(why cause) network.StreamErrorCode {
	switch {
	case why == endLeave || why == endClose:
		return network.StreamShutdown
	case why == endReplaced:
		return network.StreamSupplanted
	case why.violation():
		return network.StreamProtocolViolation
	case why == endSlow:
		return codeSlow
	case why == endStalled:
		return codeStalled
	}
	return network.StreamNoError
}

// explain puts into words why the peer reset a stream, if it said so.
func explain(err error) error {
	var se *network.StreamError
	if !errors.As(err, &se) || !se.Remote {
		return fmt.Errorf("the connection to the peer broke: %w", err)
	}
	switch se.ErrorCode {
	case codeNetwork:
		return ErrNetwork
	case codeStale:
		return errors.New("the peer had given the link up")
	case codeSlow:
		return errors.New("the peer found this node too slow in reading")
	case codeStalled:
		return errors.New("the peer found that a frame of this node did not end")
	case network.StreamShutdown:
		return errors.New("the peer stopped")
	case network.StreamSupplanted:
		return errors.New("the peer took a newer link for this one")
	case network.StreamProtocolViolation:
		return errors.New("the peer says that this node broke the protocol")
	case network.StreamResourceLimitExceeded, network.StreamRateLimited:
		return errors.New("the peer has too many streams or connections")
	}
	return fmt.Errorf("the peer reset the link: %w", err)
}

// abort ends a stream at once. The deadline, which in-memory networks do not
// know, frees who waits for a stuck connection; the reset itself may have to
// wait for one, so that nobody waits for the reset.
func abort(s network.Stream, code network.StreamErrorCode) {
	s.SetDeadline(time.Unix(1, 0))
	go s.ResetWithError(code)
}
