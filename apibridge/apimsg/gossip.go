package apimsg

import "encoding/binary"

// Announce (500) asks the peer to spread data. There is no reply.
type Announce struct {
	TTL      uint8  // hops, 0 = unlimited
	DataType uint16 // any value is ordinary
	Data     []byte // up to MaxData bytes, may be empty
}

// Notify (501) asks to be told of data of a type, and says that this type is
// valid here.
type Notify struct {
	DataType uint16
}

// Notification (502) tells a module of data. Only the peer sends it.
type Notification struct {
	ID       uint16 // ties it to its Validation, on this connection alone
	DataType uint16
	Data     []byte // up to MaxData bytes, may be empty
}

// Validation (503) is the module's word on a Notification: whether the data
// are well-formed and may go to other peers.
type Validation struct {
	ID    uint16 // of the Notification
	Valid bool   // the lowest bit of the message
}

// Type returns TypeAnnounce.
func (*Announce) Type() Type { return TypeAnnounce }

// Type returns TypeNotify.
func (*Notify) Type() Type { return TypeNotify }

// Type returns TypeNotification.
func (*Notification) Type() Type { return TypeNotification }

// Type returns TypeValidation.
func (*Validation) Type() Type { return TypeValidation }

// Size returns 8 bytes and those of the data.
func (m *Announce) Size() int { return dataHeader + len(m.Data) }

// Size returns 8 bytes.
func (*Notify) Size() int { return 8 }

// Size returns 8 bytes and those of the data.
func (m *Notification) Size() int { return dataHeader + len(m.Data) }

// Size returns 8 bytes.
func (*Validation) Size() int { return 8 }

func (*Announce) check() error     { return nil }
func (*Notify) check() error       { return nil }
func (*Notification) check() error { return nil }
func (*Validation) check() error   { return nil }

func (m *Announce) appendBody(dst []byte) []byte {
	dst = append(dst, m.TTL, 0)
	dst = binary.BigEndian.AppendUint16(dst, m.DataType)
	return append(dst, m.Data...)
}

func (m *Announce) decode(frame []byte) error {
	m.TTL = frame[4]
	m.DataType = binary.BigEndian.Uint16(frame[6:])
	m.Data = frame[dataHeader:]
	return nil
}

func (m *Notify) appendBody(dst []byte) []byte {
	dst = append(dst, 0, 0)
	return binary.BigEndian.AppendUint16(dst, m.DataType)
}

func (m *Notify) decode(frame []byte) error {
	m.DataType = binary.BigEndian.Uint16(frame[6:])
	return nil
}

func (m *Notification) appendBody(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, m.ID)
	dst = binary.BigEndian.AppendUint16(dst, m.DataType)
	return append(dst, m.Data...)
}

func (m *Notification) decode(frame []byte) error {
	m.ID = binary.BigEndian.Uint16(frame[4:])
	m.DataType = binary.BigEndian.Uint16(frame[6:])
	m.Data = frame[dataHeader:]
	return nil
}

func (m *Validation) appendBody(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, m.ID)
	return append(dst, 0, bit(m.Valid))
}

func (m *Validation) decode(frame []byte) error {
	m.ID = binary.BigEndian.Uint16(frame[4:])
	m.Valid = frame[7]&1 == 1
	return nil
}

// bit is the lowest bit of a byte whose other bits are reserved.
func bit(set bool) byte {
	if set {
		return 1
	}
	return 0
}
