package apimsg

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
)

// The applications that the port map of a PEER names.
const (
	AppGossip uint16 = 500
	AppNSE    uint16 = 520
	AppOnion  uint16 = 560
	AppDHT    uint16 = 650
)

// RPSQuery (540) asks for a random peer. The answer is one RPSPeer.
type RPSQuery struct{}

// RPSPeer (541) is a random peer of the network.
type RPSPeer struct {
	Port    uint16     // P2P port
	Ports   []AppPort  // 1 to MaxPorts entries: known clients crash on none
	Addr    netip.Addr // IPv4, or IPv6 without a zone
	Hostkey []byte     // DER SubjectPublicKeyInfo, may be empty
}

// AppPort is an entry of a port map: where one application of a peer listens.
type AppPort struct {
	App  uint16 // AppGossip and so on
	Port uint16
}

// Type returns TypeRPSQuery.
func (*RPSQuery) Type() Type { return TypeRPSQuery }

// Type returns TypeRPSPeer.
func (*RPSPeer) Type() Type { return TypeRPSPeer }

// Size returns 4 bytes.
func (*RPSQuery) Size() int { return HeaderSize }

// Size returns 8 bytes and those of the port map, address and hostkey.
func (m *RPSPeer) Size() int {
	return peerHeader + portEntrySize*len(m.Ports) + m.Addr.BitLen()/8 + len(m.Hostkey)
}

func (*RPSQuery) check() error { return nil }

func (m *RPSPeer) check() error {
	switch {
	case !m.Addr.IsValid():
		return errors.New("no address")
	case m.Addr.Zone() != "":
		return fmt.Errorf("address %v: a zone means nothing to others", m.Addr)
	case len(m.Ports) == 0:
		return errors.New("an empty port map, on which known clients crash")
	case len(m.Ports) > MaxPorts:
		return fmt.Errorf("a port map of %d entries: at most %d fit", len(m.Ports), MaxPorts)
	}
	return nil
}

func (*RPSQuery) appendBody(dst []byte) []byte { return dst }
func (*RPSQuery) decode([]byte) error          { return nil }

func (m *RPSPeer) appendBody(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, m.Port)
	dst = append(dst, byte(len(m.Ports)), bit(m.Addr.Is6()))
	for _, p := range m.Ports {
		dst = binary.BigEndian.AppendUint16(dst, p.App)
		dst = binary.BigEndian.AppendUint16(dst, p.Port)
	}
	if m.Addr.Is6() {
		a := m.Addr.As16()
		dst = append(dst, a[:]...)
	} else {
		a := m.Addr.As4()
		dst = append(dst, a[:]...)
	}
	return append(dst, m.Hostkey...)
}

// decode takes an empty port map, too: it harms nobody here.
func (m *RPSPeer) decode(frame []byte) error {
	entries, v6 := int(frame[6]), frame[7]&1 == 1
	address := peerHeader + portEntrySize*entries
	hostkey := address + 4
	if v6 {
		hostkey = address + 16
	}
	if len(frame) < hostkey {
		return &Violation{Kind: BadLength, Type: TypeRPSPeer, Size: len(frame)}
	}
	m.Port = binary.BigEndian.Uint16(frame[4:])
	m.Ports = m.Ports[:0]
	for e := frame[peerHeader:address]; len(e) > 0; e = e[portEntrySize:] {
		m.Ports = append(m.Ports, AppPort{binary.BigEndian.Uint16(e), binary.BigEndian.Uint16(e[2:])})
	}
	m.Addr, _ = netip.AddrFromSlice(frame[address:hostkey])
	m.Hostkey = frame[hostkey:]
	return nil
}
