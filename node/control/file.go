package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// FileName is the file in a node's state folder that tells its owner's tools
// where the node listens for them, and the token it wants to hear.
const FileName = "control.json"

// maxFile bounds the control file, in bytes.
const maxFile = 4096

// file is the content of the control file.
type file struct {
	Version int    `json:"version"`
	Address string `json:"address"` // host:port
	Token   string `json:"token"`
	PID     int    `json:"pid"`
}

// write puts f in dir so that readers find all of it or none, and nobody but
// its owner can read it.
func (f file) write(dir string) error {
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(dir, "."+FileName+"-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = temp.Write(append(text, '\n'))
	err = errors.Join(err, temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), filepath.Join(dir, FileName))
	}
	if err != nil {
		os.Remove(temp.Name())
	}
	return err
}

// remove deletes the control file of dir if it is still f's.
func (f file) remove(dir string) error {
	now, err := readFile(dir)
	if errors.Is(err, ErrNoNode) || err == nil && now.Token != f.Token {
		return nil
	}
	return os.Remove(filepath.Join(dir, FileName))
}

// Forget deletes the control file of a node that was killed. It is for who has got the
// lock of the state folder dir: with that, the file would be taken for one of a node
// that runs. No file is no error.
func Forget(dir string) error {
	err := os.Remove(filepath.Join(dir, FileName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// readFile reads the control file of a state folder. It fails with ErrNoNode if
// there is none.
func readFile(dir string) (file, error) {
	path := filepath.Join(dir, FileName)
	var f file
	info, err := os.Stat(path) // before opening: opening a FIFO would wait for its writer
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f, fmt.Errorf("%w with the state folder %s", ErrNoNode, dir)
	case err != nil:
		return f, err
	case !info.Mode().IsRegular() || info.Size() > maxFile:
		return f, fmt.Errorf("%s is not a control file: remove it and restart the node", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return f, err
	}
	if err := json.Unmarshal(text, &f); err != nil || f.Address == "" || f.Token == "" {
		return f, fmt.Errorf("%s is damaged: remove it and restart the node", path)
	}
	return f, nil
}
