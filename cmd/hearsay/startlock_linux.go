package main

import "net"

// lockStarts takes a lock of that name that all who share this machine's ports share,
// or reports that somebody has it. It is the name of an abstract socket: each network
// namespace has ports and such names of its own, whoever its users are and whatever
// files they see, and both are free again when a process ends. Others could have the
// name and keep it; that costs a start its patience.
func lockStarts(name string) (unlock func(), taken bool) {
	l, err := net.Listen("unix", "@"+name)
	if err != nil {
		return nil, true
	}
	return func() { l.Close() }, false
}
