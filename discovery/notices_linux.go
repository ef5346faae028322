package discovery

import "syscall"

// notices is what the kernel tells of interfaces and addresses when they change. To
// ask whether it has told something is one system call, to look at all of them a
// dozen or more.
type notices struct {
	socket int
	buffer [4096]byte
}

// maxNotices is how many are taken at once; to look is less work than to take more.
const maxNotices = 32

// openNotices begins to listen, in the network namespace of the calling thread.
func openNotices() (*notices, error) {
	s, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, syscall.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	const groups = 1<<(syscall.RTNLGRP_LINK-1) | 1<<(syscall.RTNLGRP_IPV4_IFADDR-1) | 1<<(syscall.RTNLGRP_IPV6_IFADDR-1)
	if err := syscall.Bind(s, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK, Groups: groups}); err != nil {
		syscall.Close(s)
		return nil, err
	}
	return &notices{socket: s}, nil
}

// any reports whether something was told since it was asked last, or may have been.
func (n *notices) any() (some bool) {
	for range maxNotices {
		switch _, _, err := syscall.Recvfrom(n.socket, n.buffer[:], 0); err {
		case syscall.EAGAIN:
			return some
		case nil, syscall.EINTR, syscall.ENOBUFS: // the last: so many that some were lost
			some = true
		default:
			return true
		}
	}
	return true
}

func (n *notices) close() { syscall.Close(n.socket) }
