//go:build !linux

package main

import (
	"errors"
	"path/filepath"

	"hearsay/discovery"
	"hearsay/node/folder"
)

// lockStarts takes a lock of that name that the nodes of this user share, or reports
// that one of them has it. Without a folder for it there is none.
func lockStarts(name string) (unlock func(), taken bool) {
	dir, err := discovery.UserFolder()
	if err != nil {
		return func() {}, false
	}
	release, err := folder.Lock(filepath.Join(dir, "."+name))
	if err != nil {
		return func() {}, errors.Is(err, folder.ErrInUse)
	}
	return func() { _ = release() }, false
}
