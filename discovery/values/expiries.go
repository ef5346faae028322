package values

// expiries are the kept records as a heap (container/heap), the one that expires
// first in front.
type expiries []*entry

// Len is heap.Interface's.
func (x expiries) Len() int { return len(x) }

// Less is heap.Interface's.
func (x expiries) Less(i, j int) bool { return x[i].Expires.Before(x[j].Expires) }

// Swap is heap.Interface's.
func (x expiries) Swap(i, j int) {
	x[i], x[j] = x[j], x[i]
	x[i].index, x[j].index = i, j
}

// Push is heap.Interface's.
func (x *expiries) Push(e any) {
	added := e.(*entry)
	added.index = len(*x)
	*x = append(*x, added)
}

// Pop is heap.Interface's.
func (x *expiries) Pop() any {
	last := len(*x) - 1
	e := (*x)[last]
	(*x)[last] = nil
	*x = (*x)[:last]
	return e
}
