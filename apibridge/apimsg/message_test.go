package apimsg

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

var key = [KeySize]byte{0: 0xaa, 31: 0xbb}

const keyHex = "aa000000000000000000000000000000000000000000000000000000000000bb"

// golden are messages written out by hand from the specification.
var golden = []struct {
	name string
	hex  string
	m    Message
}{
	{"announce", "000b 01f4 05 00 0539 616263", &Announce{TTL: 5, DataType: 1337, Data: []byte("abc")}},
	{"announce nothing", "0008 01f4 00 00 0000", &Announce{Data: []byte{}}},
	{"announce high values", "0009 01f4 ff 00 8001 00", &Announce{TTL: 255, DataType: 0x8001, Data: []byte{0}}},
	{"notify", "0008 01f5 0000 0539", &Notify{DataType: 1337}},
	{"notification", "000a 01f6 ffff 0001 6869", &Notification{ID: 0xffff, DataType: 1, Data: []byte("hi")}},
	{"valid", "0008 01f7 1234 0001", &Validation{ID: 0x1234, Valid: true}},
	{"not valid", "0008 01f7 0000 0000", &Validation{}},
	{"nse query", "0004 0208", &NSEQuery{}},
	{"nse estimate", "000c 0209 00010203 00000007", &NSEEstimate{Peers: 0x10203, StandardDeviation: 7}},
	{"rps query", "0004 021c", &RPSQuery{}},
	{"rps peer IPv4", "0017 021d 1771 02 00 01f4 1b59 028a 1ce9 7f000001 303132", &RPSPeer{
		Port: 6001, Ports: []AppPort{{AppGossip, 7001}, {AppDHT, 7401}},
		Addr: netip.MustParseAddr("127.0.0.1"), Hostkey: []byte("012")}},
	{"rps peer IPv6", "001c 021d 0001 01 01 0230 0002 20010db8000000000000000000000001", &RPSPeer{
		Port: 1, Ports: []AppPort{{AppOnion, 2}}, Addr: netip.MustParseAddr("2001:db8::1"), Hostkey: []byte{}}},
	{"put", "002a 028a 0001 02 00" + keyHex + "7631", &Put{TTL: 1, Replication: 2, Key: key, Value: []byte("v1")}},
	{"get", "0024 028b" + keyHex, &Get{Key: key}},
	{"success", "0025 028c" + keyHex + "76", &Success{Key: key, Value: []byte("v")}},
	{"failure", "0024 028d" + keyHex, &Failure{Key: key}},
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestGolden(t *testing.T) {
	for _, g := range golden {
		t.Run(g.name, func(t *testing.T) {
			want := unhex(t, g.hex)
			got, err := Append([]byte("before"), g.m)
			if err != nil || !bytes.Equal(got, append([]byte("before"), want...)) {
				t.Errorf("Append: %x, %v; want %x behind what was there", got, err, want)
			}
			if g.m.Size() != len(want) {
				t.Errorf("Size %d, want %d", g.m.Size(), len(want))
			}
			m, err := Parse(want)
			if err != nil || !reflect.DeepEqual(m, g.m) {
				t.Errorf("Parse: %#v, %v; want %#v", m, err, g.m)
			}
		})
	}
}

// Real clients put 1 into reserved fields.
func TestReservedFieldsAreIgnored(t *testing.T) {
	for _, c := range []struct {
		hex  string
		want Message
	}{
		{"0009 01f4 05 ff 0539 61", &Announce{TTL: 5, DataType: 1337, Data: []byte("a")}},
		{"0008 01f5 ffff 0539", &Notify{DataType: 1337}},
		{"0008 01f7 1234 ffff", &Validation{ID: 0x1234, Valid: true}},
		{"0008 01f7 1234 fffe", &Validation{ID: 0x1234}},
		{"0008 01f7 1234 0100", &Validation{ID: 0x1234}},
		{"0029 028a 0001 02 ff" + keyHex + "76", &Put{TTL: 1, Replication: 2, Key: key, Value: []byte("v")}},
		{"0010 021d 0001 01 fe 01f4 0002 7f000001", &RPSPeer{Port: 1, Ports: []AppPort{{AppGossip, 2}},
			Addr: netip.MustParseAddr("127.0.0.1"), Hostkey: []byte{}}},
	} {
		m, err := Parse(unhex(t, c.hex))
		if err != nil || !reflect.DeepEqual(m, c.want) {
			t.Errorf("%s: %+v, %v; want %+v", c.hex, m, err, c.want)
		}
	}
}

func TestViolations(t *testing.T) {
	for _, c := range []struct {
		name string
		hex  string
		kind Kind
	}{
		{"nothing", "", BadSize},
		{"half a header", "0008 01", BadSize},
		{"size 0", "0000 01f4", BadSize},
		{"size 3", "0003 01f4", BadSize},
		{"type 0", "0008 0000 0000 0000", BadType},
		{"type between two APIs", "0008 01f8 0000 0000", BadType},
		{"HTTP POST", hex.EncodeToString([]byte("POST / HTTP/1.1\r\n\r\n")), BadType},
		{"announce without data type", "0006 01f4 0000", BadLength},
		{"announce of one byte less", "0007 01f4 000000", BadLength},
		{"notify too short", "0007 01f5 000000", BadLength},
		{"notify too long", "0009 01f5 0000 0000 00", BadLength},
		{"notification too short", "0007 01f6 000000", BadLength},
		{"validation too short", "0006 01f7 0000", BadLength},
		{"validation too long", "000a 01f7 0000 0000 0000", BadLength},
		{"nse query with a body", "0005 0208 00", BadLength},
		{"estimate too short", "000b 0209 00000000 000000", BadLength},
		{"estimate too long", "000d 0209 00000000 00000000 00", BadLength},
		{"rps query with a body", "0005 021c 00", BadLength},
		{"peer without address", "000b 021d 0000 00 00 7f0000", BadLength},
		{"peer whose port map leaves no address", "0010 021d 0000 02 00 0000 0000 00000000", BadLength},
		{"IPv6 peer with 4 bytes", "000c 021d 0000 00 01 7f000001", BadLength},
		{"put without value", "0028 028a 0001 01 00" + keyHex, BadLength},
		{"get without the whole key", "0023 028b" + keyHex[:62], BadLength},
		{"get with more", "0025 028b" + keyHex + "00", BadLength},
		{"success without value", "0024 028c" + keyHex, BadLength},
		{"failure with more", "0025 028d" + keyHex + "00", BadLength},
		{"longer than its size", "0008 01f5 0000 0000 00", BadLength},
		{"shorter than its size", "000a 01f6 0000 0000", BadLength},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := Parse(unhex(t, c.hex))
			var v *Violation
			if !errors.As(err, &v) || v.Kind != c.kind || m != nil {
				t.Fatalf("got %v, %v; want %v", m, err, c.kind)
			}
			if strings.Contains(v.Error(), "kind ") {
				t.Errorf("a kind without words: %v", v)
			}
		})
	}
}

// The size field leaves room for exactly so much, and Append refuses one more.
func TestLargest(t *testing.T) {
	for _, c := range []struct {
		most int
		make func(b []byte) Message
		size int
	}{
		{65527, func(b []byte) Message { return &Announce{Data: b} }, 65535},
		{65527, func(b []byte) Message { return &Notification{Data: b} }, 65535},
		{65495, func(b []byte) Message { return &Put{Value: b} }, 65535},
		{65495, func(b []byte) Message { return &Success{Value: b} }, 65531},
		{65519, func(b []byte) Message {
			return &RPSPeer{Addr: netip.MustParseAddr("127.0.0.1"), Ports: make([]AppPort, 1), Hostkey: b}
		}, 65535},
	} {
		b := bytes.Repeat([]byte{7}, c.most+1)
		m := c.make(b[:c.most])
		frame, err := Append(nil, m)
		if err != nil || len(frame) != c.size {
			t.Errorf("%v with %d bytes: %d, %v", m.Type(), c.most, len(frame), err)
			continue
		}
		if back, err := Parse(frame); err != nil || !reflect.DeepEqual(back, m) {
			t.Errorf("%v with %d bytes does not come back: %v", m.Type(), c.most, err)
		}
		if got, err := Append([]byte("x"), c.make(b)); err == nil || string(got) != "x" {
			t.Errorf("%v with one byte more was encoded", m.Type())
		}
	}
	if MaxData != 65527 || MaxValue != 65495 {
		t.Errorf("MaxData %d, MaxValue %d", MaxData, MaxValue)
	}
	// A SUCCESS that no PUT can have stored is known by its header.
	if _, err := Parse(append([]byte{0xff, 0xff, 0x02, 0x8c}, make([]byte, 65531)...)); err == nil {
		t.Error("a SUCCESS of 65,535 bytes was taken")
	}
}

func TestAppendRefuses(t *testing.T) {
	v4 := netip.MustParseAddr("127.0.0.1")
	for _, m := range []Message{
		nil,
		&Put{},
		&Success{},
		&RPSPeer{Ports: make([]AppPort, 1)},
		&RPSPeer{Addr: v4},
		&RPSPeer{Addr: v4, Ports: make([]AppPort, 256)},
		&RPSPeer{Addr: netip.MustParseAddr("fe80::1%eth0"), Ports: make([]AppPort, 1)},
	} {
		if got, err := Append([]byte("x"), m); err == nil || string(got) != "x" {
			t.Errorf("%#v was encoded", m)
		}
	}
}

// The table of limits, the list of all types and newMessage name the same types.
func TestTypesAgree(t *testing.T) {
	listed := make(map[Type]bool)
	for _, ty := range allTypes {
		listed[ty] = true
	}
	for n := range 1 << 16 {
		ty := Type(n)
		_, _, known := ty.limits()
		m := ty.newMessage()
		if known != listed[ty] || known != (m != nil) || known == strings.HasPrefix(ty.String(), "type ") {
			t.Errorf("type %d: limits %v, listed %v, message %v, name %q", n, known, listed[ty], m, ty)
		}
		if m != nil && m.Type() != ty {
			t.Errorf("type %d makes a %v", n, m.Type())
		}
	}
}

func TestAllocations(t *testing.T) {
	buf := make([]byte, 0, 2048)
	m := &Notification{ID: 1, DataType: 2, Data: make([]byte, 1024)}
	if n := testing.AllocsPerRun(100, func() { buf, _ = Append(buf[:0], m) }); n != 0 {
		t.Errorf("Append allocates %v times", n)
	}
	r := NewReader(&endless{frame: buf}, TypeNotification)
	if n := testing.AllocsPerRun(1000, func() {
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("Next allocates %v times", n)
	}
}
