package main

import (
	"net"
	"os"
)

// notify tells systemd of a service with Type=notify how far it is, such as
// READY=1 or STOPPING=1. Without systemd it does nothing. The protocol is that
// of sd_notify(3): a datagram to the socket that $NOTIFY_SOCKET names, where a
// leading @ stands for an abstract name (as it does in package net).
func notify(state string) error {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write([]byte(state))
	return err
}
