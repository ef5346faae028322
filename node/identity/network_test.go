package identity

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/pnet"
)

// What every libp2p program reads we read too, and the same key from it.
func TestNetworkKeyFormats(t *testing.T) {
	var want NetworkKey
	for i := range want {
		want[i] = byte(i*7 + 1)
	}
	base64 := base64.StdEncoding.EncodeToString(want[:])
	for name, text := range map[string]string{
		"base16":            fmt.Sprintf("/key/swarm/psk/1.0.0/\n/base16/\n%x", want[:]),
		"base16, upper":     fmt.Sprintf("/key/swarm/psk/1.0.0/\n/base16/\n%X\n", want[:]),
		"base16, Windows":   fmt.Sprintf("/key/swarm/psk/1.0.0/\r\n/base16/\r\n%x\r\n", want[:]),
		"base64":            "/key/swarm/psk/1.0.0/\n/base64/\n" + base64,
		"base64, line ends": "/key/swarm/psk/1.0.0/\n/base64/\n" + base64 + "\n\n",
		"bin":               "/key/swarm/psk/1.0.0/\n/bin/\n" + string(want[:]),
	} {
		got, err := ParseNetworkKey([]byte(text))
		if err != nil || got != want {
			t.Errorf("%s: %x, %v", name, got, err)
		}
		if !strings.Contains(name, "Windows") {
			if theirs, err := pnet.DecodeV1PSK(strings.NewReader(text)); err != nil || !bytes.Equal(theirs, want[:]) {
				t.Errorf("%s: libp2p reads %x, %v", name, theirs, err)
			}
		}
	}
}

func TestNetworkKeyRefusals(t *testing.T) {
	digits := strings.Repeat("ab", 32)
	for name, test := range map[string]struct{ text, want string }{
		"empty":             {"", "the file is empty"},
		"blank":             {"\n \n", "the file is empty"},
		"a hostkey":         {"-----BEGIN PRIVATE KEY-----\n", "hostkey"},
		"no header":         {digits, "does not begin with"},
		"another version":   {"/key/swarm/psk/2.0.0/\n/base16/\n" + digits, "does not begin with"},
		"no encoding":       {"/key/swarm/psk/1.0.0/\n" + digits, "no key follows"},
		"unknown encoding":  {"/key/swarm/psk/1.0.0/\n/base58/\n" + digits, `"/base58/"`},
		"nothing after":     {"/key/swarm/psk/1.0.0/\n/base16/\n", "of 0 bytes"},
		"short":             {"/key/swarm/psk/1.0.0/\n/base16/\n" + digits[:62], "of 31 bytes"},
		"long":              {"/key/swarm/psk/1.0.0/\n/base16/\n" + digits + "cd", "of 33 bytes"},
		"odd":               {"/key/swarm/psk/1.0.0/\n/base16/\n" + digits[:63], "not of that encoding"},
		"no digits":         {"/key/swarm/psk/1.0.0/\n/base16/\n" + digits[:63] + "x", "not of that encoding"},
		"bad base64":        {"/key/swarm/psk/1.0.0/\n/base64/\n!!!!", "not of that encoding"},
		"long base64":       {"/key/swarm/psk/1.0.0/\n/base64/\n" + base64.StdEncoding.EncodeToString(make([]byte, 64)), "of 64 bytes"},
		"bin and line end":  {"/key/swarm/psk/1.0.0/\n/bin/\n" + strings.Repeat("k", 32) + "\n", "of 33 bytes"},
		"two keys":          {"/key/swarm/psk/1.0.0/\n/base16/\n" + digits + "\n" + digits, "of 64 bytes"},
		"long encoding":     {"/key/swarm/psk/1.0.0/\n/" + strings.Repeat("x", 9999) + "\n" + digits, "second line"},
		"encoding and key…": {"/key/swarm/psk/1.0.0/\n/base16/" + digits, "no key follows"},
	} {
		_, err := ParseNetworkKey([]byte(test.text))
		if err == nil || !strings.Contains(err.Error(), test.want) || len(err.Error()) > 300 {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// A key's file is held to the rules of a hostkey's.
func TestNetworkKeyFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "new", "swarm.key")
	k := NewNetworkKey()
	if err := k.Write(path); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	got, err := LoadNetworkKey(path, os.Geteuid())
	if err != nil || got != k || got.Fingerprint() != k.Fingerprint() {
		t.Errorf("read back: %v", err)
	}
	if k.Fingerprint() == NewNetworkKey().Fingerprint() || len(k.Fingerprint()) != 16 {
		t.Errorf("fingerprint %q", k.Fingerprint())
	}
	if err := NewNetworkKey().Write(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("written over: %v", err)
	}
	if _, err := LoadNetworkKey(filepath.Join(dir, "none"), os.Geteuid()); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "hearsay key new --network") {
		t.Errorf("a missing file: %v", err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadNetworkKey(path, os.Geteuid()); err == nil || !strings.Contains(err.Error(), "others may access it (mode 0640), and a network key is secret") {
		t.Errorf("a file for others: %v", err)
	}
	if _, err := LoadNetworkKey(dir, os.Geteuid()); err == nil || !strings.Contains(err.Error(), "a folder") {
		t.Errorf("a folder: %v", err)
	}
}

func FuzzParseNetworkKey(f *testing.F) {
	f.Add([]byte("/key/swarm/psk/1.0.0/\n/base16/\n" + strings.Repeat("ab", 32)))
	f.Add([]byte("/key/swarm/psk/1.0.0/\r\n/bin/\n" + strings.Repeat("k", 32)))
	f.Fuzz(func(t *testing.T, text []byte) {
		k, err := ParseNetworkKey(text)
		if err != nil {
			return
		}
		// Whatever we take, libp2p takes for the same key, but for line ends.
		plain := bytes.ReplaceAll(bytes.TrimPrefix(text, []byte("\ufeff")), []byte("\r\n"), []byte("\n"))
		if theirs, err := pnet.DecodeV1PSK(bytes.NewReader(plain)); err == nil && !bytes.Contains(plain, []byte("/bin/")) && !bytes.Equal(theirs, k[:]) {
			t.Errorf("libp2p reads %x, we %x", theirs, k)
		}
	})
}
