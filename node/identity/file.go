package identity

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxFileSize is the most that a hostkey file may hold: an RSA key of 8192
// bits with its public key takes 8 KiB as PEM text.
const maxFileSize = 64 << 10

// Load reads the hostkey at path; see [Parse] for what may be in it. It must
// be a regular file (or a symbolic link to one) of at most 64 KiB that belongs
// to the user of this process or to root and that nobody else may read or
// write. Anything else, pipes and devices included, is refused without
// waiting. A missing file gives an error that satisfies [fs.ErrNotExist].
func Load(path string) (*Identity, error) { return LoadFor(path, os.Geteuid()) }

// LoadFor reads the hostkey at path as [Load] does in a process of the user uid. It
// is for root, who looks at the key of a node that is to run as somebody else.
func LoadFor(path string, uid int) (*Identity, error) {
	text, err := readPrivate(path, hostkeyFile, uid)
	if err != nil {
		return nil, fmt.Errorf("hostkey %q: %w", path, err)
	}
	id, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("hostkey %q: %w", path, err)
	}
	return id, nil
}

// secretFile is a kind of file that holds a secret, in the words of errors.
type secretFile struct{ name, create string }

var hostkeyFile = secretFile{"a hostkey", "hearsay key new"}

// ReadPrivate reads a file with a secret of this user's, for example "a message
// key", under the same conditions as [Load] reads a hostkey; create is the command
// that makes one.
func ReadPrivate(path, name, create string) ([]byte, error) {
	return readPrivate(path, secretFile{name, create}, os.Geteuid())
}

func readPrivate(path string, kind secretFile, uid int) ([]byte, error) {
	// Looked at before it is opened, since opening alone can set off a device;
	// looked at again afterwards, since it may have been replaced in between.
	info, err := os.Stat(path)
	if err != nil {
		return nil, missing(path, kind, err)
	}
	if err := checkFile(path, kind, info, uid); err != nil {
		return nil, err
	}
	// O_NONBLOCK: a pipe put there in between must not make us wait.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, missing(path, kind, err)
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, err
	}
	if err := checkFile(path, kind, info, uid); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFileSize {
		return nil, errors.New("more than 64 KiB, so it is no key; make one with: " + kind.create + " NEWFILE")
	}
	return text, nil
}

// missing words the error of a file that could not be opened.
func missing(path string, kind secretFile, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if target, linkErr := os.Readlink(path); linkErr == nil {
		// Deliberately no fs.ErrNotExist: there is something at path.
		return fmt.Errorf("a symbolic link to %q, which does not exist", target)
	}
	return fmt.Errorf("%w; make one with: %s %s", fs.ErrNotExist, kind.create, shellQuote(path))
}

func checkFile(path string, kind secretFile, info fs.FileInfo, uid int) error {
	mode := info.Mode()
	switch mode.Type() {
	case 0:
	case fs.ModeDir:
		return errors.New("a folder; name the key file in it")
	case fs.ModeNamedPipe:
		return errors.New("a named pipe, and " + kind.name + " is a regular file")
	case fs.ModeSocket:
		return errors.New("a socket, and " + kind.name + " is a regular file")
	default:
		return errors.New("a device, and " + kind.name + " is a regular file")
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && int(owner.Uid) != uid && owner.Uid != 0 {
		runs := "this process runs"
		if uid != os.Geteuid() {
			runs = "the node is to run"
		}
		return fmt.Errorf("it belongs to user %d, who can change it, and %s as user %d; chown it, or run as its owner",
			owner.Uid, runs, uid)
	}
	if mode.Perm()&0o077 != 0 {
		return fmt.Errorf("others may access it (mode %04o), and %s is secret; run: chmod 600 %s", mode.Perm(), kind.name, shellQuote(path))
	}
	return nil
}

// LoadOrCreate loads the hostkey at path. If there is none it makes an Ed25519
// key, writes it there as [Identity.Write] does, and reports created. Two
// processes that do so at the same time end with the same key.
func LoadOrCreate(path string) (id *Identity, created bool, err error) {
	id, err = Load(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return id, false, err
	}
	if id, err = New(); err != nil {
		return nil, false, err
	}
	err = id.Write(path)
	if errors.Is(err, fs.ErrExist) { // somebody was faster
		id, err = Load(path)
		return id, false, err
	}
	if err != nil {
		return nil, false, err
	}
	return id, true, nil
}

// Write puts the key into a new file at path: PKCS#8 PEM, mode 0600, folders
// that are missing made with mode 0700. Nothing that exists is overwritten (the
// error then satisfies [fs.ErrExist]), the file is complete from the instant at
// which it appears under its name, and when Write returns it is on the disk.
func (i *Identity) Write(path string) error {
	text, err := i.MarshalPEM()
	if err != nil {
		return err
	}
	if err := create(path, text); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("hostkey %q: %w, and a hostkey is never overwritten; move it away first", path, fs.ErrExist)
		}
		return fmt.Errorf("hostkey %q: it cannot be written: %w", path, err)
	}
	return nil
}

func create(path string, text []byte) (err error) {
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	// The key is complete and synced under a temporary name (O_EXCL, 0600)
	// before the link gives it its own. A link, unlike a rename, fails if the
	// name is taken.
	temp, err := os.CreateTemp(folder, ".hostkey-*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, os.Remove(temp.Name()))
	}()
	_, err = temp.Write(text)
	if err = errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if err := os.Link(temp.Name(), path); err != nil {
		return err
	}
	return SyncFolder(folder)
}

// SyncFolder makes a new name in folder survive a loss of power, where the
// file system can promise that at all (some network ones answer EINVAL).
func SyncFolder(folder string) error {
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

// shellQuote makes path one word of a shell command that can be copied.
func shellQuote(path string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+,:@%", r)
	}
	if path != "" && strings.IndexFunc(path, func(r rune) bool { return !plain(r) }) < 0 {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
