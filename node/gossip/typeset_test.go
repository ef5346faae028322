package gossip

import "testing"

// TestTypeSet: a set has what was listed, whatever its order, and nothing else, be it
// short or long.
func TestTypeSet(t *testing.T) {
	for _, n := range []int{0, 1, 8, 9, 300} {
		var types []uint16
		for i := range n {
			types = append(types, uint16(3*(n-i)), uint16(3*(n-i)))
		}
		set := newTypeSet(types)
		if set == nil || len(set) != n {
			t.Errorf("of %d types the set has %d (nil: %v)", n, len(set), set == nil)
		}
		for x := range uint16(3*n + 4) {
			if want := x > 0 && x%3 == 0 && int(x) <= 3*n; set.has(x) != want {
				t.Errorf("of %d types: has(%d) is %v", n, x, !want)
			}
		}
	}
}
