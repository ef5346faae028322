package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/bits"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"hearsay/pow"
)

var background = context.Background()

const (
	// slices of each search, one after the other in turns.
	workSlices = 11
	workSlice  = 500 * time.Millisecond
	// searchBits is a difficulty at which a search of package pow tries four
	// million nonces on average: what its workers try beyond the one that is found,
	// some thousands, is within the noise.
	searchBits = 22
)

// searchesOf are the difficulties whose searches are timed, and how often.
var searchesOf = []struct{ bits, count int }{{8, 2000}, {12, 1000}, {16, 200}, {20, 20}}

// runWork measures the search for proof of work, in millions of hashes a second,
// beside a loop that does nothing but SHA-256 over 40 bytes by the standard
// library: on one core and on all. And how long a search takes by difficulty, and
// a check.
func runWork(c cell) (map[string]float64, error) {
	cores := runtime.NumCPU()
	rates := make(map[string][]float64)
	seed := c.Seed << 32
	for range workSlices {
		for _, n := range []int{1, cores} {
			name := "1"
			if n > 1 {
				name = "all"
			}
			bare := hashing(n)
			search, err := searching(n, &seed)
			if err != nil {
				return nil, err
			}
			rates["sha256_mh_per_s_"+name] = append(rates["sha256_mh_per_s_"+name], bare/1e6)
			rates["pow_mh_per_s_"+name] = append(rates["pow_mh_per_s_"+name], search/1e6)
			rates["pow_per_sha256_"+name] = append(rates["pow_per_sha256_"+name], search/bare)
		}
	}
	figures := map[string]float64{"cores": float64(cores)}
	for name, values := range rates {
		figures[name] = summarize(values).Median
	}
	if cores > 1 {
		linear := make([]float64, workSlices)
		for i := range linear {
			linear[i] = rates["pow_mh_per_s_all"][i] / rates["pow_mh_per_s_1"][i] / float64(cores)
		}
		figures["pow_linearity"] = summarize(linear).Median
	}
	for _, t := range searchesOf {
		took := make([]float64, t.count)
		for i := range took {
			began := time.Now()
			if _, err := pow.Solve(background, puzzle(&seed), t.bits); err != nil {
				return nil, err
			}
			took[i] = float64(time.Since(began)) / 1e6
		}
		sum := 0.0
		for _, ms := range took {
			sum += ms
		}
		slices.Sort(took)
		figures[fmt.Sprintf("solve_%d_mean_ms", t.bits)] = sum / float64(len(took))
		figures[fmt.Sprintf("solve_%d_p99_ms", t.bits)] = quantile(took, 0.99)
	}
	id := puzzle(&seed)
	nonce, err := pow.Solve(background, id, workBits)
	if err != nil {
		return nil, err
	}
	return figures, timed(figures, "verify_work", func() error { return must(pow.Verify(id, nonce, workBits)) })
}

// puzzle is a new one.
func puzzle(seed *uint64) (id [32]byte) {
	*seed++
	return sha256.Sum256(binary.BigEndian.AppendUint64(nil, *seed))
}

// searching is how many nonces package pow tries in a second on n cores: it tries
// them in ascending order, so the one that it finds counts them.
func searching(n int, seed *uint64) (perSecond float64, err error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
	hashes, began := 0.0, time.Now()
	for time.Since(began) < workSlice {
		nonce, err := pow.Solve(background, puzzle(seed), searchBits)
		if err != nil {
			return 0, err
		}
		hashes += float64(nonce) + 1
	}
	return hashes / time.Since(began).Seconds(), nil
}

// hashing is how many SHA-256 of 40 bytes n loops make in a second, looking at
// the beginning of each as a search does.
func hashing(n int) (perSecond float64) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
	var hashes, zeros atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	for i := range n {
		wg.Go(func() {
			var in [40]byte
			in[0] = byte(i)
			found := 0
			nonce := uint64(0)
			for ; time.Since(began) < workSlice; nonce += 4096 {
				for k := range uint64(4096) {
					binary.BigEndian.PutUint64(in[32:], nonce+k)
					sum := sha256.Sum256(in[:])
					if bits.LeadingZeros64(binary.BigEndian.Uint64(sum[:])) >= searchBits {
						found++
					}
				}
			}
			hashes.Add(int64(nonce))
			zeros.Add(int64(found))
		})
	}
	wg.Wait()
	return float64(hashes.Load()) / time.Since(began).Seconds()
}
