package journal

import "testing"

// NextEpoch is what a start waits for: two files brought to the disk.
func BenchmarkNextEpoch(b *testing.B) {
	j := open(b, b.TempDir())
	for b.Loop() {
		if _, err := j.NextEpoch(); err != nil {
			b.Fatal(err)
		}
	}
}

// Open checks every byte of a full journal.
func BenchmarkOpen(b *testing.B) {
	folder := b.TempDir()
	j := open(b, folder)
	if err := j.SavePeers(testPeers(0, MaxPeers)); err != nil {
		b.Fatal(err)
	}
	shut(b, j)
	for b.Loop() {
		shut(b, open(b, folder))
	}
}

// SavePeers renews 100 peers of a full journal.
func BenchmarkSavePeers(b *testing.B) {
	j := open(b, b.TempDir())
	if err := j.SavePeers(testPeers(0, MaxPeers)); err != nil {
		b.Fatal(err)
	}
	peers := testPeers(0, 100)
	for b.Loop() {
		if err := j.SavePeers(peers); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPeers(b *testing.B) {
	j := open(b, b.TempDir())
	if err := j.SavePeers(testPeers(0, MaxPeers)); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := j.Peers(); err != nil {
			b.Fatal(err)
		}
	}
}
