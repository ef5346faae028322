package gossip

// due is a rumor and the Unix millisecond by which it is ordered.
type due struct {
	at int64
	id RumorID
}

// dueHeap gives the rumor with the earliest time first. Entries are not removed
// when a rumor goes early: whoever pops looks whether it is still there.
type dueHeap []due

func (h dueHeap) less(i, j int) bool {
	if h[i].at != h[j].at {
		return h[i].at < h[j].at
	}
	return string(h[i].id[:]) < string(h[j].id[:])
}

func (h *dueHeap) push(d due) {
	*h = append(*h, d)
	s := *h
	for i := len(s) - 1; i > 0; {
		parent := (i - 1) / 2
		if !s.less(i, parent) {
			return
		}
		s[i], s[parent] = s[parent], s[i]
		i = parent
	}
}

func (h *dueHeap) pop() due {
	s := *h
	top := s[0]
	last := len(s) - 1
	s[0] = s[last]
	s = s[:last]
	*h = s
	for i := 0; ; {
		small := i
		for child := 2*i + 1; child <= 2*i+2 && child < last; child++ {
			if s.less(child, small) {
				small = child
			}
		}
		if small == i {
			return top
		}
		s[i], s[small] = s[small], s[i]
		i = small
	}
}
