package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"os"
)

// checkDatabase reads a bbolt file and makes sure that following any reference
// in it stays inside it and comes to an end, and that every page serves exactly
// one purpose. bbolt takes all that for granted: it casts bytes of its memory
// map to structures and follows their offsets.
//
// The format, version 2, has not changed since 2014 (bbolt's internal/common).
// Numbers are in the byte order of the machine, so that a file carried to one
// of the other order counts as damaged.
//
//	file    page 0 and 1: meta, alternating; then freelist, branch, leaf pages
//	page    id u64 · flags u16 · count u16 · overflow u32 · content
//	meta    magic u32 · version u32 · page size u32 · flags u32 ·
//	        root bucket (page u64 · sequence u64) · freelist page u64 ·
//	        number of pages u64 · transaction u64 · FNV-1a-64 of these
//	branch  count × (offset u32 · key size u32 · child page u64), keys
//	leaf    count × (flags u32 · offset u32 · key size u32 · value size u32), keys and values
//
// An empty file is sound: bbolt fills it.
func checkDatabase(f *os.File) error {
	data, err := readLimited(f, maxFile)
	if err != nil || len(data) == 0 {
		return err
	}
	return checkImage(data)
}

const (
	pageHeader   = 16
	elementSize  = 16 // of branch and leaf pages alike
	bucketHeader = 16
	metaSize     = 56 // before its checksum
	metaMagic    = 0xED0CDAED
	metaVersion  = 2
	minPageSize  = 1 << 10
	maxPageSize  = 1 << 16

	flagBranch   = 0x01
	flagLeaf     = 0x02
	flagFreelist = 0x10

	flagBucket = 0x01 // of a leaf element
)

var native = binary.NativeEndian

// image is a database file as it is checked.
type image struct {
	data     []byte
	pageSize uint64
	pages    uint64 // number of pages in use
	claimed  []bool // pages whose purpose has been found
}

func damage(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{errDamaged}, args...)...)
}

func checkImage(data []byte) error {
	m, err := findMeta(data)
	if err != nil {
		return err
	}
	im := &image{data: data, pageSize: m.pageSize, pages: m.pages}
	if m.pages < 4 || m.pages > uint64(len(data))/m.pageSize {
		return damage("%d pages in a file of %d bytes", m.pages, len(data))
	}
	im.claimed = make([]bool, m.pages)
	im.claimed[0], im.claimed[1] = true, true
	if err := im.freelist(m.freelist); err != nil {
		return err
	}
	if err := im.tree(m.root); err != nil {
		return err
	}
	for id, claimed := range im.claimed {
		if !claimed {
			return damage("page %d is neither used nor free", id)
		}
	}
	return nil
}

type meta struct{ pageSize, root, freelist, pages, transaction uint64 }

// findMeta finds the meta page that bbolt will go by: of the valid ones that of
// the later transaction. One may be invalid, since it is where a crash hits.
func findMeta(data []byte) (meta, error) {
	first, ok := readMeta(data, 0)
	if ok {
		if second, ok := readMeta(data, first.pageSize); ok && second.transaction > first.transaction {
			if second.pageSize != first.pageSize {
				return meta{}, damage("two page sizes")
			}
			return second, nil
		}
		return first, nil
	}
	for size := uint64(minPageSize); size <= maxPageSize; size *= 2 {
		if second, ok := readMeta(data, size); ok && second.pageSize == size {
			return second, nil
		}
	}
	return meta{}, damage("no valid meta page")
}

func readMeta(data []byte, at uint64) (m meta, ok bool) {
	if at+pageHeader+metaSize+8 > uint64(len(data)) {
		return m, false
	}
	b := data[at+pageHeader:]
	checksum := fnv.New64a()
	checksum.Write(b[:metaSize])
	m = meta{
		pageSize:    uint64(native.Uint32(b[8:])),
		root:        native.Uint64(b[16:]),
		freelist:    native.Uint64(b[32:]),
		pages:       native.Uint64(b[40:]),
		transaction: native.Uint64(b[48:]),
	}
	return m, native.Uint32(b) == metaMagic && native.Uint32(b[4:]) == metaVersion &&
		native.Uint64(b[metaSize:]) == checksum.Sum64() &&
		m.pageSize >= minPageSize && m.pageSize <= maxPageSize && m.pageSize&(m.pageSize-1) == 0
}

// page claims the page id with its overflow pages and returns all of it.
func (im *image) page(id uint64) (content []byte, flags uint16, err error) {
	if id < 2 || id >= im.pages {
		return nil, 0, damage("a reference to page %d of %d", id, im.pages)
	}
	head := im.data[id*im.pageSize:]
	size := uint64(native.Uint32(head[12:])) + 1
	if native.Uint64(head) != id || size > im.pages-id {
		return nil, 0, damage("page %d says that it is page %d and %d pages long", id, native.Uint64(head), size)
	}
	for i := range size {
		if err := im.claim(id + i); err != nil {
			return nil, 0, err
		}
	}
	return head[:size*im.pageSize], native.Uint16(head[8:]), nil
}

func (im *image) claim(id uint64) error {
	if id < 2 || id >= im.pages || im.claimed[id] {
		return damage("page %d of %d is used twice", id, im.pages)
	}
	im.claimed[id] = true
	return nil
}

// freelist claims the pages that are free.
func (im *image) freelist(id uint64) error {
	p, flags, err := im.page(id)
	if err != nil {
		return err
	}
	if flags != flagFreelist {
		return damage("page %d should be the freelist", id)
	}
	count, list := uint64(native.Uint16(p[10:])), p[pageHeader:]
	if count == 0xffff { // then the first entry tells
		count, list = native.Uint64(list), list[8:]
	}
	if count > uint64(len(list))/8 {
		return damage("%d free pages in a list of %d bytes", count, len(list))
	}
	for i := range count {
		if err := im.claim(native.Uint64(list[8*i:])); err != nil {
			return err
		}
	}
	return nil
}

// tree claims and checks the pages below a root page. The recursion ends
// because no page can be claimed twice.
func (im *image) tree(root uint64) error {
	p, flags, err := im.page(root)
	if err != nil {
		return err
	}
	switch flags {
	case flagLeaf:
		return im.leaf(p, false)
	case flagBranch:
		if native.Uint16(p[10:]) == 0 {
			return damage("branch page %d is empty", root)
		}
		return elements(p, 0, func(head, _ []byte) error { return im.tree(native.Uint64(head[8:])) })
	}
	return damage("page %d has flags %x", root, flags)
}

// leaf checks a leaf page, either one of the file or, inline, one that is kept
// in a value of another leaf; the latter has no buckets of its own.
func (im *image) leaf(p []byte, inline bool) error {
	return elements(p, 4, func(head, value []byte) error {
		switch flags := native.Uint32(head); {
		case flags == 0:
			return nil
		case flags != flagBucket || inline || len(value) < bucketHeader:
			return damage("an element with flags %x and %d bytes", flags, len(value))
		}
		if root := native.Uint64(value); root != 0 {
			return im.tree(root)
		}
		value = value[bucketHeader:]
		if len(value) < pageHeader || native.Uint16(value[8:]) != flagLeaf {
			return damage("an inline bucket of %d bytes", len(value))
		}
		return im.leaf(value, true)
	})
}

// elements visits the elements of page p, after checking that they lie in it
// and that their keys ascend. Their offsets and sizes begin sizesAt bytes into
// the head of each; branches (sizesAt 0) have no values.
func elements(p []byte, sizesAt int, visit func(head, value []byte) error) error {
	table := pageHeader + elementSize*uint64(native.Uint16(p[10:]))
	if table > uint64(len(p)) {
		return damage("a table of %d bytes in a page of %d", table, len(p))
	}
	var last []byte
	for at := uint64(pageHeader); at < table; at += elementSize {
		head := p[at : at+elementSize]
		sizes := head[sizesAt:]
		key := at + uint64(native.Uint32(sizes))
		value := key + uint64(native.Uint32(sizes[4:]))
		end := value
		if sizesAt > 0 {
			end += uint64(native.Uint32(sizes[8:]))
		}
		if key < table || value == key || end > uint64(len(p)) {
			return damage("an element from %d to %d in a page of %d bytes", key, end, len(p))
		}
		if bytes.Compare(last, p[key:value]) >= 0 {
			return damage("keys out of order")
		}
		last = p[key:value]
		if err := visit(head, p[value:end]); err != nil {
			return err
		}
	}
	return nil
}
