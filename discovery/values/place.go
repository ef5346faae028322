package values

import (
	"bytes"
	"crypto/sha256"

	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	// places is how many places in the key space a key has. With one, twenty
	// identities chosen near it hide a key for sure; with three they are seven a
	// place, fewer than placeNodes.
	places = 3
	// placeNodes is how many nodes keep a record at each place. 24 copies in all
	// are what Kademlia's usual 20 nearest ones would be.
	placeNodes = 8
)

// place is a point of the key space in which Kademlia measures distances: where
// nodes are by SHA-256 of their peer ID.
type place [sha256.Size]byte

// quarter is the bits of a place's first byte that say in which quarter of the key space
// it is.
const quarter = 3 << 6

// placesOf is where a key is: in different quarters, so that who is near one of its places
// is near no other.
func placesOf(key Key) (all [places]place) {
	for i := range all {
		p := sha256.Sum256(append([]byte{'h', 'e', 'a', 'r', 's', 'a', 'y', '/', 'p', 'l', 'a', 'c', 'e', byte(i)}, key[:]...))
		if i > 0 {
			p[0] = p[0]&^quarter | (all[0][0]^byte(i)<<6)&quarter
		}
		all[i] = p
	}
	return all
}

// home is where a node is.
func home(id peer.ID) place { return sha256.Sum256([]byte(id)) }

// distance is Kademlia's: XOR, compared as a number.
func (p place) distance(o place) (d place) {
	for i := range p {
		d[i] = p[i] ^ o[i]
	}
	return d
}

func (p place) less(o place) bool { return bytes.Compare(p[:], o[:]) < 0 }

// remoteness is how far a key is from a node: from the nearest of its places.
func remoteness(node place, key Key) place {
	_, d := nearestPlace(node, key)
	return d
}

// nearestPlace is which of a key's places is nearest to a node, and how far it is.
func nearestPlace(node place, key Key) (at int, least place) {
	for i, p := range placesOf(key) {
		if d := node.distance(p); i == 0 || d.less(least) {
			at, least = i, d
		}
	}
	return at, least
}
