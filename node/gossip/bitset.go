package gossip

// bitset is a set of small numbers. Neighbours have slots, counted from 0, so
// that who has a rumor fits into one word for most nodes.
type bitset struct {
	low  uint64   // 0 to 63
	high []uint64 // 64 and on
}

func (b *bitset) word(i int) *uint64 {
	if i < 64 {
		return &b.low
	}
	i = i/64 - 1
	for i >= len(b.high) {
		b.high = append(b.high, 0)
	}
	return &b.high[i]
}

func (b *bitset) set(i int) { *b.word(i) |= 1 << (i % 64) }

func (b *bitset) has(i int) bool {
	return (i < 64 || i/64 <= len(b.high)) && *b.word(i)&(1<<(i%64)) != 0
}

func (b *bitset) clear(i int) {
	if b.has(i) {
		*b.word(i) &^= 1 << (i % 64)
	}
}

func (b *bitset) empty() bool {
	for _, w := range b.high {
		if w != 0 {
			return false
		}
	}
	return b.low == 0
}
