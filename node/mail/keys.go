package mail

import (
	"crypto/ecdh"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"hearsay/node/envelope"
	"hearsay/node/identity"
)

// KeyFile is the name of the file in the state folder that has the keys to which
// private messages are sealed: PEM, PKCS #8, X25519, mode 0600. The first is the
// one that others are told; the next, if there is one, it replaced.
const KeyFile = "messagekey.pem"

const (
	// keyAge is how long a key is told to others. What is sealed to a key can be
	// read by whoever steals it, so old ones are forgotten.
	keyAge = 30 * 24 * time.Hour
	// certificateLife is how long others may seal to a key without hearing of it
	// again, and certificateAge how often they are told.
	certificateLife = 72 * time.Hour
	certificateAge  = 24 * time.Hour
	// clockPatience is how long a clock may be not set yet after a start.
	clockPatience = time.Hour

	pemType    = "PRIVATE KEY"
	pemCreated = "Created"
)

// Keys are the keys to which private messages to this node are sealed: the one
// that its certificate tells, and, for what is under way, the one before. Both
// are made anew if their file is lost; what was sealed to a lost key is never
// read, and its sender hears nothing.
type Keys struct {
	id   *identity.Identity
	path string // "" = in memory

	mu      sync.Mutex
	keys    []*envelope.Key // newest first, one or two
	created []time.Time
	seq     uint64    // of the last certificate
	ahead   time.Time // since when the newest key is of the far future, by the monotonic clock
}

// LoadKeys reads the keys in a state folder, "" = none, and makes what is missing.
func LoadKeys(dir string, id *identity.Identity, now time.Time) (*Keys, error) {
	k := &Keys{id: id}
	if dir != "" {
		k.path = filepath.Join(dir, KeyFile)
		removeTemporary(dir)
		text, err := identity.ReadPrivate(k.path, "a message key", "hearsay run")
		if err == nil {
			err = k.parse(text)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("message key %q: %w; to have a new one made, move it away", k.path, err)
		}
	}
	if _, err := k.renew(now); err != nil {
		return nil, err
	}
	return k, nil
}

// Keys and certificates are dated for others, by the wall clock, and so it counts when
// they are renewed: the monotonic clock stands still while a machine sleeps, and does
// not follow when a wrong clock is set right.

// certificateDue reports whether the certificate that was made at some time, zero =
// none, is to be made anew: it is old, or of a time that has not come yet.
func certificateDue(made, now time.Time) bool {
	age := now.Round(0).Sub(made.Round(0))
	return age >= certificateAge || age < 0
}

// keyDue reports whether the key that was made at some time is old, and to be replaced.
func keyDue(made, now time.Time) bool {
	return now.Round(0).Sub(made.Round(0)) > keyAge
}

// keyAhead reports whether the key that was made at some time is of the far future. Most
// often the clock is not set yet, as at the start of a machine that keeps no time; a key
// made then would push out the one that others seal to.
func keyAhead(made, now time.Time) bool {
	return made.Round(0).Sub(now.Round(0)) > keyAge
}

func (k *Keys) parse(text []byte) error {
	for len(text) > 0 && len(k.keys) < 2 {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		created, err := time.Parse(time.RFC3339, block.Headers[pemCreated])
		if block.Type != pemType || err != nil {
			return fmt.Errorf("a PEM block of type %q, created %q", block.Type, block.Headers[pemCreated])
		}
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return err
		}
		private, ok := key.(*ecdh.PrivateKey)
		if !ok || private.Curve() != ecdh.X25519() {
			return fmt.Errorf("a %T, and message keys are X25519", key)
		}
		sealing, err := envelope.ParseKey(private.Bytes())
		if err != nil {
			return err
		}
		k.keys, k.created = append(k.keys, sealing), append(k.created, created)
	}
	if len(k.keys) == 0 {
		return errors.New("no PEM block in it")
	}
	return nil
}

// renew makes a key if there is none or the newest is old, and forgets the one
// before when nothing that was sealed to it can be under way. It reports whether
// there is a new one. A key that is of the far future for longer than it takes to set
// a clock was made by a wrong one: it is dated anew, so as not to be told for years.
func (k *Keys) renew(now time.Time) (renewed bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	keys, created := k.keys, k.created
	redated := false
	switch {
	case len(keys) == 0 || !keyAhead(created[0], now):
		k.ahead = time.Time{}
	case k.ahead.IsZero():
		k.ahead = now
	case now.Sub(k.ahead) >= clockPatience:
		redated = true
		created = slices.Clone(created)
		created[0] = now.Round(0)
	}
	now = now.Round(0) // see certificateDue
	if len(keys) > 1 && now.Sub(created[0]) > certificateLife+maxLife {
		keys, created = keys[:1], created[:1]
	}
	if len(keys) == 0 || keyDue(created[0], now) {
		key, err := envelope.NewKey()
		if err != nil {
			return false, err
		}
		renewed = true
		keys = append([]*envelope.Key{key}, keys[:min(len(keys), 1)]...)
		created = append([]time.Time{now}, created[:min(len(created), 1)]...)
	}
	if len(keys) == len(k.keys) && !renewed && !redated {
		return false, nil
	}
	if err := k.write(keys, created); err != nil {
		return false, fmt.Errorf("message key %q: %w", k.path, err)
	}
	k.keys, k.created = keys, created
	return renewed, nil
}

// temporary is how the names of files begin that are to become KeyFile.
const temporary = "." + KeyFile + "-"

// removeTemporary removes what is left of keys that were being written when a process
// ended: nobody was ever told of them. The state folder is this process's alone.
func removeTemporary(dir string) {
	files, err := os.ReadDir(dir)
	for _, f := range files {
		if strings.HasPrefix(f.Name(), temporary) {
			err = errors.Join(err, os.Remove(filepath.Join(dir, f.Name())))
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Warnf("temporary files of message keys cannot be removed: %v", err)
	}
}

// write puts keys on the disk so that readers find all of them or those before; when
// it returns they are there after a loss of power, too.
func (k *Keys) write(keys []*envelope.Key, created []time.Time) error {
	if k.path == "" {
		return nil
	}
	var text []byte
	for i, key := range keys {
		raw, err := key.Bytes()
		if err != nil {
			return err
		}
		private, err := ecdh.X25519().NewPrivateKey(raw)
		if err != nil {
			return err
		}
		der, err := x509.MarshalPKCS8PrivateKey(private)
		if err != nil {
			return err
		}
		block := &pem.Block{Type: pemType, Bytes: der, Headers: map[string]string{pemCreated: created[i].UTC().Format(time.RFC3339)}}
		text = append(text, pem.EncodeToMemory(block)...)
	}
	temp, err := os.CreateTemp(filepath.Dir(k.path), temporary+"*") // mode 0600
	if err != nil {
		return err
	}
	_, err = temp.Write(text)
	err = errors.Join(err, temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), k.path)
	}
	if err != nil {
		os.Remove(temp.Name())
		return err
	}
	return identity.SyncFolder(filepath.Dir(k.path))
}

// certificate vouches for the newest key. Later ones have a greater sequence.
func (k *Keys) certificate(now time.Time) (*envelope.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.seq = max(k.seq+1, uint64(now.UnixMilli()))
	return envelope.Certify(k.id, k.keys[0], k.seq, now.Add(certificateLife).Truncate(time.Millisecond))
}

// open opens an envelope with the key that fits.
func (k *Keys) open(about envelope.About, self peer.ID, sealed []byte) (m *envelope.Message, err error) {
	k.mu.Lock()
	keys := k.keys
	k.mu.Unlock()
	for _, key := range keys {
		if m, err = envelope.Open(about, self, key, sealed); !errors.Is(err, envelope.ErrNotForUs) {
			return m, err
		}
	}
	return nil, err
}
