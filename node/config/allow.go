package config

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"
)

// parsePeer reads a peer ID.
func parsePeer(v string) ([]peer.ID, error) {
	id, err := peer.Decode(v)
	if err != nil {
		return []peer.ID{""}, fmt.Errorf("%s is no peer ID such as 12D3KooW…: hearsay id tells a node's", quote(v))
	}
	return []peer.ID{id}, nil
}

// maxAllowFile bounds a list of peers in bytes: more than ten thousand of them.
const maxAllowFile = 1 << 20

// LoadPeers reads a list of peers: a peer ID a line; # begins a comment. It
// reports what is wrong by line. A file without any is no error: it allows nobody.
func LoadPeers(path string) ([]peer.ID, error) {
	info, err := os.Stat(path) // before opening: opening a FIFO would wait for its writer
	if err != nil {
		return nil, fmt.Errorf("list of peers: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxAllowFile {
		return nil, fmt.Errorf("list of peers %s: it must be a file of at most 1 MiB", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("list of peers: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxAllowFile))
	if err != nil {
		return nil, fmt.Errorf("list of peers: %w", err)
	}
	var peers []peer.ID
	var errs []error
	lines := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	for n := 1; lines.Scan() && len(errs) <= maxErrors; n++ {
		word, _, _ := strings.Cut(lines.Text(), "#")
		if word = strings.TrimSpace(word); word == "" {
			continue
		}
		ids, err := parsePeer(word)
		if err != nil {
			errs = append(errs, fmt.Errorf("list of peers %s:%d: %w", path, n, err))
			continue
		}
		peers = append(peers, ids...)
	}
	if err := lines.Err(); err != nil {
		errs = append(errs, fmt.Errorf("list of peers %s: %w", path, err))
	}
	return peers, errors.Join(errs...)
}
