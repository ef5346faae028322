package sim

import (
	"math"
	"math/rand/v2"
	"time"
)

// Delay is a distribution of one-way delays. It draws one for a link from one
// node to another, by their indices; the same arguments need not give the same
// delay, except that all chance must come from rng.
type Delay func(rng *rand.Rand, from, to int) time.Duration

// Constant is the same delay everywhere.
func Constant(d time.Duration) Delay {
	return func(*rand.Rand, int, int) time.Duration { return d }
}

// Uniform draws any delay from least to most with the same probability.
func Uniform(least, most time.Duration) Delay {
	return func(rng *rand.Rand, _, _ int) time.Duration {
		return least + time.Duration(rng.Int64N(int64(max(most-least, 0))+1))
	}
}

// LogNormal draws delays whose logarithm is normally distributed: half are
// shorter than median, and a few are much longer. Sigma is the standard
// deviation of the natural logarithm; round trips in the Internet have about
// 0.5. What is beyond 20 medians is cut off.
func LogNormal(median time.Duration, sigma float64) Delay {
	return func(rng *rand.Rand, _, _ int) time.Duration {
		return time.Duration(float64(median) * min(math.Exp(sigma*rng.NormFloat64()), 20))
	}
}

// Plane puts nodes on a square plane and makes delays proportional to distance:
// across the square's diagonal takes across, and least is added to all. With
// regions > 0 nodes gather round that many centres, a twentieth of the side
// away on average, as users do round cities; otherwise they are spread evenly.
// Where the nodes lie depends on seed alone, and both directions of a link take
// the same time.
func Plane(seed uint64, nodes, regions int, least, across time.Duration) Delay {
	rng := rand.New(rand.NewPCG(seed, 0x706c616e65))
	type place struct{ x, y float64 }
	centres := make([]place, regions)
	for i := range centres {
		centres[i] = place{rng.Float64(), rng.Float64()}
	}
	places := make([]place, nodes)
	for i := range places {
		if regions > 0 {
			c := centres[rng.IntN(regions)]
			places[i] = place{c.x + rng.NormFloat64()/20, c.y + rng.NormFloat64()/20}
		} else {
			places[i] = place{rng.Float64(), rng.Float64()}
		}
	}
	return func(_ *rand.Rand, from, to int) time.Duration {
		a, b := places[from], places[to]
		return least + time.Duration(math.Hypot(a.x-b.x, a.y-b.y)/math.Sqrt2*float64(across))
	}
}
