package discovery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

const (
	localPoll = time.Second      // how often the folder is read
	localBeat = 10 * time.Second // how often our file's time is renewed
	// localStale is when a file is taken for left behind by a node that was
	// killed, and removed. One that lives notices, and writes it again.
	localStale = 4 * localBeat
	// localAgain is when a node that is not connected is handed over again.
	localAgain = 10 * time.Second
	// localFiles and localBytes bound what is read.
	localFiles = 256
	localBytes = 4096

	localSuffix = ".addrs"
)

// machine finds nodes of the same user on the same machine, network or not:
// each leaves a file <peer ID>.addrs with an address per line in a folder that
// belongs to the user alone. Nothing of the system is changed.
type machine struct {
	*mechanism
	base      string // configured; "" for the default
	network   string
	watch     *watcher
	connected func(peer.ID) bool

	wrote   string // what our file says
	beat    time.Time
	handed  map[string]handedOver // by peer ID; at most localFiles entries
	scratch []byte
}

type handedOver struct {
	at      time.Time
	content string
}

func (m *machine) run(ctx context.Context) {
	t := time.NewTicker(localPoll)
	defer t.Stop()
	folder := ""
	for ctx.Err() == nil {
		var err error
		if folder == "" {
			folder, err = localFolder(m.base, m.network)
		}
		if err == nil {
			m.update(func(s *MechanismStatus) { s.Where = folder })
			err = errors.Join(m.publish(folder), m.read(folder))
		}
		if err != nil {
			m.failed(err)
		} else {
			m.working()
		}
		select {
		case <-ctx.Done():
		case <-t.C:
		}
	}
	if folder != "" {
		os.Remove(m.file(folder))
	}
	m.failed(nil)
}

func (m *machine) file(folder string) string {
	return filepath.Join(folder, m.self.String()+localSuffix)
}

// publish keeps our file up to date and its time fresh.
func (m *machine) publish(folder string) error {
	around, _ := m.watch.current()
	text, now := localAddrs(around.listen), time.Now()
	if text == "" {
		return nil // not listening: nobody could call
	}
	file := m.file(folder)
	if text == m.wrote {
		if now.Sub(m.beat) < localBeat {
			if _, err := os.Lstat(file); err == nil {
				return nil
			}
		} else if os.Chtimes(file, now, now) == nil {
			m.beat = now
			return nil
		}
	}
	if err := writeWhole(file, text); err != nil {
		return fmt.Errorf("cannot tell other nodes on this machine the address: %w", err)
	}
	m.wrote, m.beat = text, now
	return nil
}

// localAddrs returns a node's addresses, one per line: loopback if it listens
// there, because nothing on this machine is nearer.
func localAddrs(listen []ma.Multiaddr) string {
	addrs := slices.DeleteFunc(slices.Clone(listen), func(a ma.Multiaddr) bool { return !manet.IsIPLoopback(a) })
	if len(addrs) == 0 {
		addrs = listen
	}
	var text strings.Builder
	for _, a := range addrs[:min(len(addrs), maxAddrs)] {
		fmt.Fprintln(&text, a)
	}
	return text.String()
}

// writeWhole writes a file so that nobody ever reads half of it.
func writeWhole(file, text string) error {
	tmp, err := os.CreateTemp(filepath.Dir(file), "*.tmp")
	if err != nil {
		return err
	}
	_, err = tmp.WriteString(text)
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		os.Remove(tmp.Name())
	}
	return err
}

// read hands over whoever left a file and is not connected.
func (m *machine) read(folder string) error {
	dir, err := os.Open(folder)
	if err != nil {
		return err
	}
	entries, err := dir.ReadDir(localFiles)
	dir.Close()
	if err != nil && err != io.EOF {
		return err
	}
	now, handed := time.Now(), make(map[string]handedOver, len(entries))
	for _, e := range entries {
		path := filepath.Join(folder, e.Name())
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if now.Sub(info.ModTime()).Abs() > localStale {
			os.Remove(path)
			continue
		}
		name, ok := strings.CutSuffix(e.Name(), localSuffix)
		if !ok {
			continue
		}
		id, err := peer.Decode(name)
		if err != nil || id == m.self {
			continue
		}
		if m.connected(id) {
			continue // and if it is no longer, it is handed over at once
		}
		last, content := m.handed[name], m.content(path)
		if content != last.content || now.Sub(last.at) >= localAgain {
			m.candidate(peer.AddrInfo{ID: id, Addrs: parseAddrs(content)})
			last = handedOver{now, content}
		}
		handed[name] = last
	}
	m.handed = handed
	return nil
}

// content returns the beginning of a file, "" if it cannot be read.
func (m *machine) content(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	if m.scratch == nil {
		m.scratch = make([]byte, localBytes)
	}
	n, _ := io.ReadFull(f, m.scratch)
	return string(bytes.TrimSpace(m.scratch[:n]))
}

// parseAddrs reads addresses, one per line, and skips what is none.
func parseAddrs(content string) []ma.Multiaddr {
	var out []ma.Multiaddr
	for line := range strings.Lines(content) {
		a, err := ma.NewMultiaddr(strings.TrimSpace(line))
		if err == nil && isUnicast(a) && len(out) < maxAddrs {
			out = append(out, a)
		}
	}
	return out
}

// localFolder returns the folder of a network, made if need be. Each network
// namespace has one of its own: what is one node's loopback is not another's.
func localFolder(base, network string) (string, error) {
	if base != "" {
		if err := privateFolder(base); err != nil {
			return "", err
		}
	} else {
		var err error
		if base, err = UserFolder(); err != nil {
			return "", err
		}
	}
	name := networkLabel(network)
	if ns, err := os.Readlink("/proc/self/ns/net"); err == nil {
		name += "@" + strings.Trim(ns, "net:[]")
	}
	folder := filepath.Join(base, name)
	return folder, privateFolder(folder)
}

// UserFolder is where what the nodes of one user on this machine share is, a folder
// that nobody else can read or write: $XDG_RUNTIME_DIR/hearsay, or hearsay-UID among
// the temporary files. It is made if need be; an error says why it cannot be had.
func UserFolder() (string, error) {
	folder := filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "hearsay")
	if filepath.IsAbs(folder) && privateFolder(folder) == nil {
		return folder, nil
	}
	folder = filepath.Join(os.TempDir(), "hearsay-"+strconv.Itoa(os.Geteuid()))
	return folder, privateFolder(folder)
}

// privateFolder makes a folder, or checks that the one that is there cannot be
// read or written by anybody else: in a folder for temporary files anybody can
// make it before us.
func privateFolder(folder string) error {
	if err := os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("cannot make the folder in which nodes on this machine meet: %w", err)
	}
	info, err := os.Lstat(folder)
	if err != nil {
		return err
	}
	if !info.IsDir() || !isPrivate(info) {
		return fmt.Errorf("%s must be a folder of this user alone (mode 0700): remove it or choose another", folder)
	}
	return nil
}
