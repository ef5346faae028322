package apimsg

import "fmt"

// Sizes that the u16 size field and the layouts lead to, in bytes.
const (
	HeaderSize = 4     // size and type
	MaxSize    = 65535 // the largest message, header included

	// MaxData is the most data that ANNOUNCE and NOTIFICATION carry.
	MaxData = MaxSize - dataHeader
	// MaxValue is the largest DHT value: what PUT can carry, 4 bytes less than
	// SUCCESS could.
	MaxValue = MaxSize - putHeader
	// KeySize is the size of a DHT key.
	KeySize = 32
	// MaxPorts is the most entries that the port map of a PEER can have.
	MaxPorts = 255
)

const (
	dataHeader    = HeaderSize + 4           // of ANNOUNCE and NOTIFICATION
	keyedHeader   = HeaderSize + KeySize     // of GET, SUCCESS and FAILURE
	putHeader     = HeaderSize + 4 + KeySize // of PUT
	peerHeader    = HeaderSize + 4           // of PEER, before the port map
	portEntrySize = 4
)

// Type is the number of a message type.
type Type uint16

// The message types. Gossip owns 500–519, NSE 520–539, RPS 540–559, DHT 650–679.
const (
	TypeAnnounce     Type = 500
	TypeNotify       Type = 501
	TypeNotification Type = 502
	TypeValidation   Type = 503

	TypeNSEQuery    Type = 520
	TypeNSEEstimate Type = 521

	TypeRPSQuery Type = 540
	TypeRPSPeer  Type = 541

	TypePut     Type = 650
	TypeGet     Type = 651
	TypeSuccess Type = 652
	TypeFailure Type = 653
)

// allTypes are the types that a Reader without a choice accepts.
var allTypes = []Type{
	TypeAnnounce, TypeNotify, TypeNotification, TypeValidation, TypeNSEQuery, TypeNSEEstimate,
	TypeRPSQuery, TypeRPSPeer, TypePut, TypeGet, TypeSuccess, TypeFailure,
}

// String returns the name that the specification uses.
func (t Type) String() string {
	switch t {
	case TypeAnnounce:
		return "ANNOUNCE"
	case TypeNotify:
		return "NOTIFY"
	case TypeNotification:
		return "NOTIFICATION"
	case TypeValidation:
		return "VALIDATION"
	case TypeNSEQuery:
		return "NSE QUERY"
	case TypeNSEEstimate:
		return "NSE ESTIMATE"
	case TypeRPSQuery:
		return "RPS QUERY"
	case TypeRPSPeer:
		return "RPS PEER"
	case TypePut:
		return "DHT PUT"
	case TypeGet:
		return "DHT GET"
	case TypeSuccess:
		return "DHT SUCCESS"
	case TypeFailure:
		return "DHT FAILURE"
	}
	return fmt.Sprintf("type %d", uint16(t))
}

// limits returns the smallest and the largest size that a message of the type
// can have; known is false for numbers that no message has.
func (t Type) limits() (least, most int, known bool) {
	switch t {
	case TypeAnnounce, TypeNotification:
		return dataHeader, MaxSize, true
	case TypeNotify, TypeValidation:
		return 8, 8, true
	case TypeNSEQuery, TypeRPSQuery:
		return HeaderSize, HeaderSize, true
	case TypeNSEEstimate:
		return 12, 12, true
	case TypeRPSPeer:
		return peerHeader + 4, MaxSize, true // the port map is counted in the body
	case TypePut:
		return putHeader + 1, MaxSize, true // an empty value is a violation
	case TypeSuccess:
		return keyedHeader + 1, keyedHeader + MaxValue, true // what no PUT can have stored is one, too
	case TypeGet, TypeFailure:
		return keyedHeader, keyedHeader, true
	}
	return 0, 0, false
}

// newMessage returns an empty message of a known type.
func (t Type) newMessage() Message {
	switch t {
	case TypeAnnounce:
		return new(Announce)
	case TypeNotify:
		return new(Notify)
	case TypeNotification:
		return new(Notification)
	case TypeValidation:
		return new(Validation)
	case TypeNSEQuery:
		return new(NSEQuery)
	case TypeNSEEstimate:
		return new(NSEEstimate)
	case TypeRPSQuery:
		return new(RPSQuery)
	case TypeRPSPeer:
		return new(RPSPeer)
	case TypePut:
		return new(Put)
	case TypeGet:
		return new(Get)
	case TypeSuccess:
		return new(Success)
	case TypeFailure:
		return new(Failure)
	}
	return nil
}
