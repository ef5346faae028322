package integration_test

import (
	"encoding/binary"
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// unread asks the kernel how many bytes have arrived at the other end of a
// connection, which is on this machine too, and wait there to be read. An end
// that is gone has none. (sock_diag(7): one lookup costs the same however many
// sockets there are, which reading /proc/net/tcp does not.)
func unread(c *net.TCPConn) (int, error) {
	const byFamily, reqSize, queueAt = 20, 56, 56
	s, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_INET_DIAG)
	if err != nil {
		return 0, os.NewSyscallError("socket", err)
	}
	defer unix.Close(s)

	ne := binary.NativeEndian
	req := ne.AppendUint32(nil, unix.NLMSG_HDRLEN+reqSize)
	req = ne.AppendUint16(req, byFamily)
	req = ne.AppendUint16(req, unix.NLM_F_REQUEST)
	req = append(req, make([]byte, 8)...) // sequence number, port
	req = append(req, unix.AF_INET, unix.IPPROTO_TCP, 0, 0)
	req = ne.AppendUint32(req, 1<<32-1) // any state
	theirs, ours := c.RemoteAddr().(*net.TCPAddr), c.LocalAddr().(*net.TCPAddr)
	req = binary.BigEndian.AppendUint16(req, uint16(theirs.Port))
	req = binary.BigEndian.AppendUint16(req, uint16(ours.Port))
	for _, ip := range []net.IP{theirs.IP, ours.IP} {
		req = append(append(req, ip.To4()...), make([]byte, 12)...)
	}
	req = ne.AppendUint32(req, 0)       // any interface
	req = ne.AppendUint64(req, 1<<64-1) // any cookie
	if err := unix.Sendto(s, req, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, os.NewSyscallError("sendto", err)
	}
	b := make([]byte, 4096)
	n, _, err := unix.Recvfrom(s, b, 0)
	if err != nil {
		return 0, os.NewSyscallError("recvfrom", err)
	}
	kind, body := ne.Uint16(b[4:]), b[unix.NLMSG_HDRLEN:n]
	if kind == unix.NLMSG_ERROR {
		if errno := unix.Errno(-int32(ne.Uint32(body))); errno != unix.ENOENT {
			return 0, os.NewSyscallError("sock_diag", errno)
		}
		return 0, nil
	}
	return int(ne.Uint32(body[queueAt:])), nil
}

// segments is how many segments with data have come in on a connection. What the
// other end writes at once, and is not too large for one, comes in one.
func segments(c *net.TCPConn) (n int, known bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, false
	}
	raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			n, known = int(info.Data_segs_in), true
		}
	})
	return n, known
}

func TestUnread(t *testing.T) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	near, err := net.Dial("tcp4", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	far, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	for _, want := range []int{0, 5, 3} {
		switch want {
		case 5:
			near.Write([]byte("hello"))
		case 3:
			far.Read(make([]byte, 2))
		}
		if got, err := unread(near.(*net.TCPConn)); got != want || err != nil {
			t.Errorf("%d bytes unread, %v; want %d", got, err, want)
		}
	}
}
