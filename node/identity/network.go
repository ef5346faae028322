package identity

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
)

// NetworkKey is the secret that the nodes of a closed network share: whoever has
// another one, or none, cannot make a connection. It is libp2p's pre-shared key
// of private networks.
type NetworkKey [32]byte

// The lines by which a swarm.key file begins, and the encodings of what follows.
const (
	networkKeyHeader = "/key/swarm/psk/1.0.0/"
	encodingBase16   = "/base16/"
	encodingBase64   = "/base64/"
	encodingBin      = "/bin/"
)

const adviceNetworkKey = "make one with: hearsay key new --network NEWFILE"

var networkKeyFile = secretFile{"a network key", "hearsay key new --network"}

// NewNetworkKey makes a key by chance.
func NewNetworkKey() (k NetworkKey) {
	rand.Read(k[:]) // never fails (Go 1.24)
	return k
}

// LoadNetworkKey reads the key of a closed network at path, as the user uid may; see
// ParseNetworkKey for what may be in it. The file is held to the same rules as a
// hostkey's: see LoadFor.
func LoadNetworkKey(path string, uid int) (NetworkKey, error) {
	text, err := readPrivate(path, networkKeyFile, uid)
	if err != nil {
		return NetworkKey{}, fmt.Errorf("network key %q: %w", path, err)
	}
	k, err := ParseNetworkKey(text)
	if err != nil {
		return NetworkKey{}, fmt.Errorf("network key %q: %w", path, err)
	}
	return k, nil
}

// ParseNetworkKey reads a key in the format that libp2p's programs share, a
// swarm.key file: the line /key/swarm/psk/1.0.0/, a line with the encoding
// (/base16/, /base64/ or /bin/), and a key of 32 bytes. Unlike libp2p's own reader
// it refuses what is longer: a longer key would be cut, silently, and what was
// meant for two networks be one.
func ParseNetworkKey(text []byte) (k NetworkKey, err error) {
	header, rest, _ := cutLine(bytes.TrimPrefix(text, []byte("\ufeff")))
	switch {
	case len(bytes.TrimSpace(text)) == 0:
		return k, errors.New("the file is empty; " + adviceNetworkKey)
	case bytes.HasPrefix(header, []byte("-----BEGIN ")):
		return k, errors.New("a PEM file, which is what a hostkey is in; " + adviceNetworkKey)
	case string(header) != networkKeyHeader:
		return k, fmt.Errorf("it does not begin with the line %s; %s", networkKeyHeader, adviceNetworkKey)
	}
	encoding, coded, ok := cutLine(rest)
	if !ok {
		return k, fmt.Errorf("no key follows the first lines; %s", adviceNetworkKey)
	}
	key := coded
	switch string(encoding) {
	case encodingBase16:
		key = make([]byte, hex.DecodedLen(len(oneWord(coded))))
		_, err = hex.Decode(key, oneWord(coded))
	case encodingBase64:
		key, err = base64.StdEncoding.DecodeString(string(oneWord(coded)))
	case encodingBin:
	default:
		return k, fmt.Errorf("its second line is %q, and must be %s, %s or %s", encoding[:min(len(encoding), 40)], encodingBase16, encodingBase64, encodingBin)
	}
	if err != nil { // the decoders' errors would quote a byte of the key
		return k, fmt.Errorf("what follows %s is not of that encoding; %s", encoding, adviceNetworkKey)
	}
	if len(key) != len(k) {
		return k, fmt.Errorf("a key of %d bytes, and a network key has %d; %s", len(key), len(k), adviceNetworkKey)
	}
	return NetworkKey(key), nil
}

// cutLine cuts the first line off, whatever kind of line break ends it.
func cutLine(text []byte) (line, rest []byte, found bool) {
	line, rest, found = bytes.Cut(text, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r")), rest, found
}

// oneWord takes line breaks out of a coded key, and spaces off its ends.
func oneWord(coded []byte) []byte {
	return bytes.Join(bytes.Fields(coded), nil)
}

// Fingerprint tells two keys apart without telling them: 16 hexadecimal digits.
func (k NetworkKey) Fingerprint() string {
	sum := sha256.Sum256(append([]byte("hearsay network key fingerprint\x00"), k[:]...))
	return hex.EncodeToString(sum[:8])
}

// Write puts the key into a new file at path, as Identity.Write does, in the
// encoding that every program reads: base16.
func (k NetworkKey) Write(path string) error {
	text := fmt.Sprintf("%s\n%s\n%x\n", networkKeyHeader, encodingBase16, k[:])
	if err := create(path, []byte(text)); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("network key %q: %w, and a key is never overwritten; move it away first", path, fs.ErrExist)
		}
		return fmt.Errorf("network key %q: it cannot be written: %w", path, err)
	}
	return nil
}
