package main

import (
	"errors"
	"slices"
	"testing"
)

// TestClimb: whatever is the highest step and wherever it begins, it is found, no
// step is tried twice, and a good guess is cheap.
func TestClimb(t *testing.T) {
	const n = 20
	for top := -1; top < n; top++ {
		for start := -1; start <= n; start++ {
			var tried []int
			got, err := climb(n, start, func(step int) (bool, error) {
				if slices.Contains(tried, step) {
					t.Errorf("top %d, start %d: step %d is tried twice", top, start, step)
				}
				tried = append(tried, step)
				return step <= top, nil
			})
			if err != nil || got != top {
				t.Errorf("top %d, start %d: found %d, %v", top, start, got, err)
			}
			limit := 10
			if start == top || start == top+1 {
				limit = 2
			}
			if len(tried) > limit {
				t.Errorf("top %d, start %d: %d tries: %v", top, start, len(tried), tried)
			}
		}
	}
	broken := errors.New("broken")
	if _, err := climb(n, 3, func(int) (bool, error) { return true, broken }); err != broken {
		t.Errorf("the error is %v", err)
	}
}

// TestLadder: rates ascend in steps that tell systems apart, and every first
// guess is one of them.
func TestLadder(t *testing.T) {
	for i := 1; i < len(ladder); i++ {
		if r := ladder[i] / ladder[i-1]; r <= 1 || r > 2 {
			t.Errorf("%v follows %v", ladder[i], ladder[i-1])
		}
	}
	for _, c := range saturation() {
		if !slices.Contains(ladder, c.Rate) {
			t.Errorf("%s begins at %v, which is not on the ladder", c.System, c.Rate)
		}
	}
}
