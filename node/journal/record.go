package journal

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
)

// A sealed record is the CRC-32C of key and body (4 bytes, big-endian) and the
// body, JSON. bbolt has no checksums for what it stores.

func seal(key []byte, value any) ([]byte, error) {
	body, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	return append(binary.BigEndian.AppendUint32(nil, sum(key, body)), body...), nil
}

// unseal decodes record into value; the error wraps errDamaged.
func unseal(key, record []byte, value any) error {
	if len(record) < 4 || binary.BigEndian.Uint32(record) != sum(key, record[4:]) {
		return fmt.Errorf("%w: record %q fails its checksum", errDamaged, key)
	}
	if err := json.Unmarshal(record[4:], value); err != nil {
		return fmt.Errorf("%w: record %q: %w", errDamaged, key, err)
	}
	return nil
}

func sum(key, body []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, body)
}
