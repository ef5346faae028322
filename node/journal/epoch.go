package journal

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"go.etcd.io/bbolt"
)

// castagnoli is the polynomial of CRC-32C: it notices every change within 32
// neighbouring bits, which is what failing disks and memory make.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// An epoch record is one line of fixed size, the same in the epoch file and in
// the database: format version, epoch in decimal, CRC-32C of what precedes it.
const (
	epochPrefix = "hearsay epoch v1 "
	epochDigits = 20
	epochSize   = len(epochPrefix) + epochDigits + len(" 01234567\n")
)

func formatEpoch(epoch uint64) []byte {
	line := fmt.Appendf(nil, "%s%0*d", epochPrefix, epochDigits, epoch)
	return fmt.Appendf(line, " %08x\n", crc32.Checksum(line, castagnoli))
}

// parseEpoch accepts exactly what formatEpoch writes.
func parseEpoch(text []byte) (uint64, error) {
	if len(text) == epochSize {
		digits := string(text[len(epochPrefix) : len(epochPrefix)+epochDigits])
		if epoch, err := strconv.ParseUint(digits, 10, 64); err == nil && string(formatEpoch(epoch)) == string(text) {
			return epoch, nil
		}
	}
	return 0, fmt.Errorf("%w: not an epoch record", errDamaged)
}

func (j *Journal) epochPath() string { return filepath.Join(filepath.Dir(j.path), "epoch") }

// readEpochFile returns 0 for a file that does not exist.
func readEpochFile(path string) (uint64, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() || info.Size() != int64(epochSize) {
		return 0, fmt.Errorf("%w: not an epoch file", errDamaged)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return parseEpoch(text)
}

// writeEpochFile replaces the file in one step: a crash leaves the old or the
// new one.
func writeEpochFile(path string, epoch uint64) error {
	temp := path + ".tmp" // one name is enough, since only one process writes
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(formatEpoch(epoch))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return syncFolder(filepath.Dir(path))
}

// NextEpoch begins a new epoch: greater than every one that this journal has
// ever given, and at least the clock's time in milliseconds since 1970. It is on
// the disk, twice, when NextEpoch returns; if it cannot be brought there, an
// error is returned instead of a number, and the node must not publish.
func (j *Journal) NextEpoch() (uint64, error) { return j.nextEpoch(0) }

// RaiseEpoch is [Journal.NextEpoch] with an epoch that is also greater than
// above: the highest one that others have seen of this node and that this node
// has forgotten. The caller must have verified the signature on what it goes by
// and that it is not far in the future, since an epoch is never lowered again.
func (j *Journal) RaiseEpoch(above uint64) (uint64, error) { return j.nextEpoch(above) }

func (j *Journal) nextEpoch(above uint64) (uint64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()

	last := max(j.epoch, above)
	if last == math.MaxUint64 {
		return 0, fmt.Errorf("journal %q: no epoch is left above %d; a node needs a new hostkey and state folder", j.path, last)
	}
	next := max(last+1, uint64(max(0, j.now().UnixMilli())))
	err := j.transactLocked(func() error {
		// Taken even if it gets lost on the way to the disk: it may have
		// arrived in one of the two places.
		j.epoch = next
		if err := writeEpochFile(j.epochPath(), next); err != nil {
			return err
		}
		return j.db.Update(func(tx *bbolt.Tx) error {
			return tx.Bucket(bucketEpoch).Put(keyEpoch, formatEpoch(next))
		})
	})
	if err != nil {
		return 0, fmt.Errorf("the new epoch cannot be saved, so nothing may be published: %w", err)
	}
	return next, nil
}
