package discovery

import (
	"strings"
	"testing"
)

func TestNetworkNames(t *testing.T) {
	for _, good := range []string{"a", "hearsay", "my-home.v2_x", ".", "..", "-", strings.Repeat("x", 32)} {
		if err := checkNetwork(good); err != nil {
			t.Errorf("%q refused: %v", good, err)
		}
	}
	for _, bad := range []string{"", "Home", "a b", "a/b", "é", "a\x00", strings.Repeat("x", 33)} {
		if err := checkNetwork(bad); err == nil {
			t.Errorf("%q accepted", bad)
		}
	}
}

// zeroconf takes a record for one of a service if its name ends in the
// service's, so no network's service may end in another's.
func TestNetworksNeverMeet(t *testing.T) {
	names := []string{"b", "a-b", "x_hearsay-b", "x.hearsay-b", "_hearsay-b", ".", "..", "-", "--", "a.b", "a_b",
		"-41a0e2f2f9b1a1fb8c9a1b1a1b1a1b1", strings.Repeat("y", 32), strings.Repeat("_", 32)}
	for _, a := range names {
		label := networkLabel(a)
		if len("_"+label) > 63 || strings.ContainsAny(label, "./_") {
			t.Errorf("%q is no single label: %q", a, label)
		}
		for _, b := range names {
			if a != b && strings.HasSuffix("instance."+mdnsService(a)+".local.", mdnsService(b)+".local.") {
				t.Errorf("%q would be heard in the network %q", a, b)
			}
		}
	}
	if got := mdnsService("home"); got != "_hearsay-home._udp" {
		t.Errorf("a plain name is not readable: %q", got)
	}
}
