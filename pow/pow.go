// Package pow prices rumors: whoever announces one must first spend processor
// time on it, and whoever receives it checks that with a single hash.
//
// The puzzle is Hashcash (Back, "Hashcash: A Denial of Service
// Counter-Measure", 2002) on SHA-256: a nonce is valid work for a rumor id when
//
//	SHA-256(id ‖ nonce)    id: 32 bytes, nonce: 8 bytes, big-endian
//
// begins with at least the demanded number of zero bits. Both fields have a
// fixed width, so no two (id, nonce) pairs share an input, and the 40 bytes
// fill exactly one SHA-256 block, the least that a hash can cost. The id is
// itself the SHA-256 of everything its origin signed (origin, epoch, sequence
// number, times, payload), hence neither a nonce nor a stock of nonces can be
// moved to another rumor. Nothing that changes on the way, such as the hop
// count, is part of the id, hence relays verify and never solve.
//
// Work deters senders who only have processors like everybody else's. A
// graphics card solves the same puzzle orders of magnitude faster: rate limits
// per origin and neighbour, not this package, bound what such a sender can do.
package pow

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
)

const (
	// MaxBits is the highest difficulty, in leading zero bits (10 hex digits).
	//
	// Solving n bits takes 2^n hashes on average. At the 1.8·10^7 hashes
	// per second of one core (see README.md) 40 bits are 17 core hours, beyond
	// the lifetime of nearly every rumor on nearly every machine: a larger
	// figure is a slip in a configuration, and is named as one instead of
	// keeping a node busy for days.
	MaxBits = 40

	// bitsPerHexDigit converts the unit of the inherited configuration.
	bitsPerHexDigit = 4

	// inputSize is the length of id ‖ nonce in bytes.
	inputSize = sha256.Size + 8
)

// Bits converts a difficulty given in leading zero hex digits of the digest,
// the unit of the inherited `difficulty` setting, to leading zero bits:
// 4 digits are 16 bits. A count outside 0 … MaxBits/4 gives a number outside
// 0 … MaxBits, which [Solve] and [Verify] refuse.
func Bits(hexDigits int) int {
	// Clamped before it is multiplied: a product that wraps round could land
	// on a valid difficulty.
	const most = MaxBits/bitsPerHexDigit + 1
	return max(-1, min(hexDigits, most)) * bitsPerHexDigit
}

// Verify reports whether nonce is valid work of at least bits leading zero
// bits for the rumor id. It costs one hash of one block and allocates nothing.
// A difficulty outside 0 … [MaxBits] is met by nothing; 0 by everything.
func Verify(id [32]byte, nonce uint64, bits int) bool {
	if bits < 0 || bits > MaxBits {
		return false
	}
	return meets(head(id, nonce), bits)
}

// head returns the first 8 bytes of SHA-256(id ‖ nonce) as a big-endian
// number: all that a difficulty of up to 64 bits looks at.
func head(id [32]byte, nonce uint64) uint64 {
	var in [inputSize]byte
	copy(in[:], id[:])
	binary.BigEndian.PutUint64(in[sha256.Size:], nonce)
	sum := sha256.Sum256(in[:])
	return binary.BigEndian.Uint64(sum[:])
}

// meets reports whether a digest that begins with head has n leading zero bits.
func meets(head uint64, n int) bool {
	return bits.LeadingZeros64(head) >= n
}
