package health

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// maxConditions bounds the conditions that a Monitor remembers: more than that
// nobody reads. Those of the most important kinds are kept.
const maxConditions = 256

// Monitor remembers since when conditions hold. Its zero value is ready. Its
// methods may be called by several goroutines at once.
type Monitor struct {
	mu   sync.Mutex
	held map[key]*holding
}

type key struct {
	code  Code
	about string
}

type holding struct {
	Condition
	since time.Time
}

// Update tells the conditions that hold now: all of them, each time. A condition
// that is not among them any more has ended, and begins anew should it come back.
func (m *Monitor) Update(now time.Time, conditions []Condition) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(conditions) > maxConditions {
		conditions = slices.Clone(conditions)
		slices.SortStableFunc(conditions, func(a, b Condition) int { return cmp.Compare(kindOf[a.Code], kindOf[b.Code]) })
		conditions = conditions[:maxConditions]
	}
	held := make(map[key]*holding, len(conditions))
	for _, c := range conditions {
		k := key{c.Code, c.About}
		h := &holding{c, now}
		if before := m.held[k]; before != nil {
			h.since = before.since
		}
		held[k] = h
	}
	m.held = held
}

// Findings are the conditions that have lasted for as long as their kinds' delay,
// the most important first.
func (m *Monitor) Findings(now time.Time) []Finding {
	m.mu.Lock()
	defer m.mu.Unlock()
	var findings []Finding
	for _, h := range m.held {
		if now.Sub(h.since) >= kinds[kindOf[h.Code]].Delay {
			findings = append(findings, FindingOf(h.Condition, h.since))
		}
	}
	Sort(findings)
	return findings
}

// Sort orders findings: the worst first, then the most important kinds.
func Sort(findings []Finding) {
	order := []Severity{Error, Warning, Info}
	slices.SortFunc(findings, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(slices.Index(order, a.Severity), slices.Index(order, b.Severity)),
			cmp.Compare(kindOf[a.Code], kindOf[b.Code]),
			cmp.Compare(a.About, b.About),
		)
	})
}
