package node

import (
	"testing"

	"hearsay/node/gossip"
)

// What the node has no setting for is as the core's defaults are: without its delays
// every ID and every receipt would be a message of its own.
func TestCoreHasItsDefaults(t *testing.T) {
	n, stop := startNode(t, func(*Config) {})
	defer stop()
	got, want := n.coreConfig(1), gossip.DefaultConfig()
	if got.HaveDelay != want.HaveDelay || got.ReceiptDelay != want.ReceiptDelay || got.CacheBytes != want.CacheBytes || got.Push != want.Push {
		t.Errorf("IDs are gathered for %v, receipts for %v, %d bytes are kept, push mode %d; the defaults are %v, %v, %d and %d",
			got.HaveDelay, got.ReceiptDelay, got.CacheBytes, got.Push, want.HaveDelay, want.ReceiptDelay, want.CacheBytes, want.Push)
	}
}
