// Package journal is what a node remembers when it is restarted: its epoch, the
// peers that it knows, the identities of first contacts given by address, and
// values that other packages keep (values.go).
//
// # The epoch
//
// Every rumor is numbered (epoch, sequence), the sequence beginning at 1 in
// each epoch, and nodes drop numbers that they have seen. A number used twice
// would therefore be a lost rumor. So an epoch is on the disk before it is
// handed out, it is greater than every one before, and it is at least the time
// in milliseconds, so that a node that has lost its state folder does not fall
// behind either. It is kept twice, in a small file of its own and in the
// database, and the greater readable one counts: damage to one of them does not
// turn it back. When both are lost together with a correct clock, neighbours
// still remember; [Journal.RaiseEpoch] is for their answer.
//
// # Damage
//
// Everything carries checksums. A database or epoch file that does not stand up
// to them is moved aside, never deleted, and [Journal.Quarantined] tells where;
// the node starts with a fresh one. The database is a go.etcd.io/bbolt file:
// copy-on-write pages and two alternating headers keep it whole through a kill
// -9 or a loss of power at any instant. bbolt however trusts what it reads, and
// a flipped bit can make it read outside of its memory map, which nothing can
// recover from, or allocate without limit. Hence the file passes a check of our
// own (check.go) before bbolt sees it, then bbolt's, then that of our records.
package journal

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"hearsay/node/folder"
)

// maxFile bounds the database file in bytes. The most that the limits of this
// package let in is 33 MiB; copy-on-write and bbolt's doubling of the file
// leave that a factor of four.
const maxFile = 128 << 20

// errDamaged marks what is wrong with the content of a file, as opposed to
// what the system says about reading it: only the former is quarantined.
var errDamaged = errors.New("damaged")

// Journal is an open journal. It is safe for concurrent use.
type Journal struct {
	now         func() time.Time
	path        string
	quarantined []string

	// One lock for all: access is rare, and a failure inside bbolt must not
	// leave others waiting for locks that it never gave back.
	mu     sync.Mutex
	file   *os.File
	db     *bbolt.DB
	epoch  uint64 // the highest one persisted or attempted
	broken error  // why db must not be touched any more
}

// An Option changes how [Open] sets up a journal.
type Option func(*Journal)

// WithClock sets the clock that epochs and ages are taken from; the default is
// [time.Now].
func WithClock(now func() time.Time) Option { return func(j *Journal) { j.now = now } }

// ErrInUse means that another process has the journal open.
var ErrInUse = folder.ErrInUse

// Open opens the journal at path, a database file of mode 0600, and makes it,
// and its folder, if it is missing. A file named "epoch" beside it belongs to
// it, too. Damaged files are moved aside and replaced, see
// [Journal.Quarantined]; a file that another process has open gives an error
// that satisfies errors.Is(err, [ErrInUse]); other errors are the system's
// (no permission, read-only, disk full, input or output error).
func Open(path string, options ...Option) (*Journal, error) {
	j := &Journal{now: time.Now, path: path}
	for _, o := range options {
		o(j)
	}
	if err := j.open(); err != nil {
		return nil, fmt.Errorf("journal %q: %w", path, err)
	}
	return j, nil
}

func (j *Journal) open() error {
	if err := os.MkdirAll(filepath.Dir(j.path), 0o700); err != nil {
		return err
	}
	err := j.openDatabase()
	if errors.Is(err, errDamaged) {
		if failure := j.quarantine(j.path); failure != nil {
			return fmt.Errorf("%w, and it cannot be moved aside: %w", err, failure)
		}
		err = j.openDatabase()
	}
	if err != nil {
		return err
	}

	inFile, err := readEpochFile(j.epochPath())
	if errors.Is(err, errDamaged) {
		err = j.quarantine(j.epochPath())
	}
	if err != nil {
		return errors.Join(err, j.Close())
	}
	j.epoch = max(j.epoch, inFile)
	return nil
}

// openDatabase opens and checks the database and reads its epoch. The error
// wraps errDamaged if another file should take this one's place.
func (j *Journal) openDatabase() (err error) {
	// Looked at first: opening a pipe or a device can block or do things.
	if info, err := os.Stat(j.path); err == nil && !info.Mode().IsRegular() {
		return errors.New("not a regular file; name another one")
	}
	f, err := os.OpenFile(j.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			release(f) // bbolt may have done so already
		}
	}()
	// bbolt takes the same lock, but only after we would have read, and perhaps
	// moved aside, a file that somebody else is writing.
	if err := folder.LockFile(f); err != nil {
		return err
	}
	if err := checkDatabase(f); err != nil {
		return err
	}
	return j.guard(func() error {
		db, err := bbolt.Open(j.path, 0o600, &bbolt.Options{
			OpenFile:     func(string, int, os.FileMode) (*os.File, error) { return f, nil },
			MaxSize:      maxFile,
			NoStatistics: true,
		})
		if errors.Is(err, berrors.ErrInvalid) || errors.Is(err, berrors.ErrChecksum) || errors.Is(err, berrors.ErrVersionMismatch) {
			return fmt.Errorf("%w: %w", errDamaged, err)
		}
		if err != nil {
			return err
		}
		j.file, j.db = f, db
		if err := j.load(); err != nil {
			return errors.Join(err, db.Close())
		}
		return syncFolder(filepath.Dir(j.path))
	}, errDamaged)
}

// load takes the epoch from the database, has bbolt check all of it, reads
// every record once, and makes what is missing in a new one.
func (j *Journal) load() error {
	missing := false
	err := j.db.View(func(tx *bbolt.Tx) error {
		// The epoch first: it counts even if something else turns out damaged.
		if b := tx.Bucket(bucketEpoch); b != nil {
			if text := b.Get(keyEpoch); text != nil {
				epoch, err := parseEpoch(text)
				if err != nil {
					return err
				}
				j.epoch = max(j.epoch, epoch)
			}
		}
		var fault error
		for err := range tx.Check() { // to its end, since it is a goroutine
			fault = cmp.Or(fault, err)
		}
		if fault != nil {
			return fmt.Errorf("%w: %w", errDamaged, fault)
		}
		for _, name := range buckets {
			missing = missing || tx.Bucket(name) == nil
		}
		return checkRecords(tx)
	})
	if err != nil || !missing {
		return err
	}
	return j.db.Update(func(tx *bbolt.Tx) error {
		for _, name := range buckets {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return fmt.Errorf("%w: %w", errDamaged, err) // a plain value has that name
			}
		}
		return nil
	})
}

// Top-level buckets. A change of what they hold gets new names.
var (
	bucketEpoch    = []byte("epoch 1")    // keyEpoch → epoch record
	bucketPeers    = []byte("peers 1")    // peer ID → sealed peerRecord
	bucketContacts = []byte("contacts 1") // address → sealed contactRecord
	buckets        = [][]byte{bucketEpoch, bucketPeers, bucketContacts, []byte(Told), []byte(Letters), []byte(OwnState)}

	keyEpoch = []byte("epoch")
)

// checkRecords reads every record.
func checkRecords(tx *bbolt.Tx) error {
	peers := func(k, v []byte) error { _, err := decodePeer(k, v); return err }
	contacts := func(k, v []byte) error { _, err := decodeContact(k, v); return err }
	values := func(k, v []byte) error { _, err := decodeValue(k, v); return err }
	return errors.Join(
		eachRecord(tx.Bucket(bucketPeers), peers),
		eachRecord(tx.Bucket(bucketContacts), contacts),
		eachRecord(tx.Bucket([]byte(Told)), values),
		eachRecord(tx.Bucket([]byte(Letters)), values),
		eachRecord(tx.Bucket([]byte(OwnState)), values))
}

// eachRecord visits a bucket that may be missing.
func eachRecord(b *bbolt.Bucket, visit func(k, v []byte) error) error {
	if b == nil {
		return nil
	}
	return b.ForEach(visit)
}

// Close closes the journal and lets others open it. Nothing is lost by not
// calling it; calls after it return errors.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.broken != nil {
		// bbolt may wait forever for a lock of its own, so only the file, and
		// with it the lock on it, is given back.
		release(j.file)
		return j.broken
	}
	err := j.guard(j.db.Close, nil)
	j.broken = fs.ErrClosed
	if err != nil {
		return fmt.Errorf("journal %q: %w", j.path, err)
	}
	return nil
}

// Quarantined tells where Open has moved damaged files to, separated by ", ";
// it is empty when there were none. They are kept for inspection and may be
// deleted.
func (j *Journal) Quarantined() string { return strings.Join(j.quarantined, ", ") }

// quarantine renames a damaged file to <name>.corrupt-<unix time>.
func (j *Journal) quarantine(path string) error {
	to := fmt.Sprintf("%s.corrupt-%d", path, j.now().Unix())
	for n := 2; ; n++ {
		if _, err := os.Lstat(to); errors.Is(err, fs.ErrNotExist) {
			break
		}
		to = fmt.Sprintf("%s.corrupt-%d-%d", path, j.now().Unix(), n)
	}
	if err := os.Rename(path, to); err != nil {
		return err
	}
	j.quarantined = append(j.quarantined, to)
	return syncFolder(filepath.Dir(path))
}

// update runs fn in a write transaction, on the disk when update returns nil.
func (j *Journal) update(fn func(*bbolt.Tx) error) error {
	return j.transact(func() error { return j.db.Update(fn) })
}

// view runs fn in a read transaction.
func (j *Journal) view(fn func(*bbolt.Tx) error) error {
	return j.transact(func() error { return j.db.View(fn) })
}

func (j *Journal) transact(fn func() error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.transactLocked(fn)
}

func (j *Journal) transactLocked(fn func() error) error {
	err := j.broken
	if err == nil {
		err = j.guard(fn, nil)
	}
	if err != nil {
		return fmt.Errorf("journal %q: %w", j.path, err)
	}
	return nil
}

// guard turns a panic of bbolt, and a fault in its memory map (the file was
// changed or cut under our feet, or its disk fails), into an error that wraps
// cause if there is one. After either nothing in bbolt can be relied on,
// including that its locks are free, so it is not touched again.
func (j *Journal) guard(fn func() error, cause error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		reason := recover()
		if reason == nil {
			return
		}
		err = fmt.Errorf("the database fails (%v); restart the node to check and replace it", reason)
		if cause != nil {
			err = fmt.Errorf("%w: %v", cause, reason)
			return
		}
		j.broken = err
	}()
	return fn()
}

// release gives a locked file back. Closing alone would not do: a memory map
// that is left behind keeps the lock.
func release(f *os.File) {
	_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
	_ = f.Close()
}

// syncFolder makes new names in folder survive a loss of power, where the file
// system can promise that at all (some network ones answer EINVAL).
func syncFolder(folder string) error {
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return errors.Join(err, d.Close())
}

// readLimited reads at most limit bytes of f from its beginning.
func readLimited(f *os.File, limit int64) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%w: %d bytes, and at most %d are ever written", errDamaged, info.Size(), limit)
	}
	data := make([]byte, info.Size())
	n, err := f.ReadAt(data, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return data[:n], err
}
