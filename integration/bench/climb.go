package main

// ladder are the rates among which is looked for the highest that gets through.
var ladder = []float64{50, 100, 150, 200, 300, 400, 500, 625, 750, 875, 1000, 1250, 1500, 1750, 2000, 2500, 3000, 3500, 4000, 5000, 6000, 8000}

// climb finds the highest of n steps at which try succeeds, taking it that it
// does at all below and at none above: -1 if at none. It begins at start, from
// which it goes in growing strides, so that a good guess costs two tries and any
// other about 2·log₂ n. An error of try ends it.
func climb(n, start int, try func(step int) (bool, error)) (int, error) {
	low, high := -1, n // it succeeds at low and fails at high
	at := max(0, min(start, n-1))
	for stride := 1; high-low > 1; {
		ok, err := try(at)
		if err != nil {
			return -1, err
		}
		if ok {
			low = at
		} else {
			high = at
		}
		switch {
		case high == n && low < n-1: // only successes so far
			at = min(low+stride, n-1)
			stride *= 2
		case low == -1 && high > 0: // only failures
			at = max(high-stride, 0)
			stride *= 2
		default:
			at = (low + high) / 2
		}
	}
	return low, nil
}
