package discovery

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// checkNetwork accepts 1 to 32 of the characters a-z 0-9 - . _
func checkNetwork(name string) error {
	if len(name) < 1 || len(name) > 32 {
		return fmt.Errorf("network name %q has %d bytes: choose 1 to 32", name, len(name))
	}
	if bad := strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-._"); bad != "" {
		return fmt.Errorf("network name %q has %q in it: choose from a-z 0-9 - . _", name, bad)
	}
	return nil
}

// networkLabel turns a network name into one DNS label and file name. Names of
// letters, digits and inner hyphens stay readable, others are hashed: a dot
// would begin another label, ".." another folder, and since zeroconf compares
// the ends of names, "x_hearsay-b" would be heard in the network "b".
// Different names have different labels: a hashed one begins with two hyphens.
func networkLabel(name string) string {
	if name[0] != '-' && !strings.ContainsAny(name, "._") {
		return "hearsay-" + name
	}
	sum := sha256.Sum256([]byte(name))
	return "hearsay--" + hex.EncodeToString(sum[:16])
}

// mdnsService is the DNS-SD service type of a network (RFC 6763, section 7):
// its first label has up to 42 bytes of the 63 that DNS allows.
func mdnsService(network string) string { return "_" + networkLabel(network) + "._udp" }
