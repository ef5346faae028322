package gossip

import "slices"

// typeSet is a set of data types, ascending. Most have few, and each is looked at
// for every rumor on every link, where a map takes several times as long.
type typeSet []uint16

// newTypeSet makes a set of what is listed in any order; it is not nil.
func newTypeSet(types []uint16) typeSet {
	set := append(make(typeSet, 0, len(types)), types...)
	slices.Sort(set)
	return slices.Compact(set)
}

func (set typeSet) has(t uint16) bool {
	if len(set) > 8 {
		_, found := slices.BinarySearch(set, t)
		return found
	}
	return slices.Contains(set, t)
}
