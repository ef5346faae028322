package pow

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestBits(t *testing.T) {
	for _, c := range []struct{ hexDigits, want int }{
		{0, 0}, {1, 4}, {4, 16}, {6, 24}, {10, MaxBits},
	} {
		if got := Bits(c.hexDigits); got != c.want {
			t.Errorf("Bits(%d) = %d, want %d", c.hexDigits, got, c.want)
		}
	}
	// What is out of range must stay out of range, also where a plain
	// multiplication would wrap round to a valid difficulty.
	for _, digits := range []int{-1, math.MinInt, 11, 16, math.MaxInt, 1 << 62, 1<<62 + 1, -1 << 62} {
		if got := Bits(digits); got >= 0 && got <= MaxBits {
			t.Errorf("Bits(%d) = %d is a valid difficulty", digits, got)
		}
	}
}

// naive is the definition, written without regard to speed.
func naive(id [32]byte, nonce uint64, bits int) bool {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(id[:], nonce))
	var digits strings.Builder
	for _, octet := range sum {
		fmt.Fprintf(&digits, "%08b", octet)
	}
	return strings.HasPrefix(digits.String(), strings.Repeat("0", bits))
}

func TestVerifyIsTheDefinition(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		id, nonce := randomID(random), random.Uint64()
		for bits := range 12 {
			if got, want := Verify(id, nonce, bits), naive(id, nonce, bits); got != want {
				t.Fatalf("Verify(%x, %d, %d) = %v, want %v", id, nonce, bits, got, want)
			}
		}
	}
}

func TestVerifyRefusesDifficultiesOutOfRange(t *testing.T) {
	id := sha256.Sum256([]byte("range"))
	for _, bits := range []int{-1, math.MinInt, MaxBits + 1, 64, 256, math.MaxInt} {
		if Verify(id, 0, bits) {
			t.Errorf("Verify accepts a difficulty of %d bits", bits)
		}
	}
	if !Verify(id, 0, 0) || !Verify(id, math.MaxUint64, 0) {
		t.Error("a difficulty of 0 bits must be met by every nonce")
	}
}

// golden holds the smallest valid nonce of each difficulty, so that another
// implementation can be held against this one.
var golden = []struct {
	text   string // id = SHA-256(text)
	bits   int
	nonce  uint64
	digest string // SHA-256(id ‖ nonce)
}{
	{"", 8, 181, "001deba2a5ae2a215cf0e3f659385d21a44ba4616d7254e6ffadf389eb6b0ce9"},
	{"hearsay", 16, 102874, "00001d959a810dbb9eed40b1a242fea68c568bb8fddb68d1a78deb7a5cb49688"},
	{"nobody knows who said it first", 20, 1111757, "00000dbfdd67052c3933a2aade2b8448e381ecd886fd7c53ad9a075857be11ec"},
	{"psst", 24, 5992974, "000000e259485fd9f3da7794277bb3e62704f0334ff58bf32b0b83453a4de786"},
}

func TestGolden(t *testing.T) {
	for _, g := range golden {
		id := sha256.Sum256([]byte(g.text))
		sum := sha256.Sum256(binary.BigEndian.AppendUint64(id[:], g.nonce))
		if got := hex.EncodeToString(sum[:]); got != g.digest {
			t.Errorf("%q: digest %s, want %s", g.text, got, g.digest)
		}
		if !Verify(id, g.nonce, g.bits) {
			t.Errorf("%q: nonce %d refused at %d bits", g.text, g.nonce, g.bits)
		}
	}
}

func TestSolvedIsVerified(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for bits := range 17 {
		for range 20 {
			id := randomID(random)
			nonce, err := Solve(t.Context(), id, bits)
			if err != nil {
				t.Fatalf("Solve(%x, %d): %v", id, bits, err)
			}
			if !Verify(id, nonce, bits) {
				t.Fatalf("Solve(%x, %d) = %d, which does not verify", id, bits, nonce)
			}
		}
	}
}

// Work is bound to each bit of the id and of the nonce. At 24 bits a changed
// bit passes by chance once in 16 million; none of these 288 does.
func TestEveryBitMatters(t *testing.T) {
	g := golden[len(golden)-1]
	id := sha256.Sum256([]byte(g.text))
	for bit := range 8 * len(id) {
		changed := id
		changed[bit/8] ^= 1 << (bit % 8)
		if Verify(changed, g.nonce, g.bits) {
			t.Errorf("work still valid with bit %d of the id flipped", bit)
		}
	}
	for bit := range 64 {
		if Verify(id, g.nonce^1<<bit, g.bits) {
			t.Errorf("work still valid with bit %d of the nonce flipped", bit)
		}
	}
}

func TestHasherAgreesWithSum256(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	id := randomID(random)
	fast := newHasher(id)
	if fast.state == nil {
		t.Error("the layout of crypto/sha256's marshalled state has changed: solving has lost its speed, nothing else")
	}
	plain := &hasher{id: id} // what newHasher falls back to
	for range 1000 {
		nonce := random.Uint64()
		want := head(id, nonce)
		if got := fast.head(nonce); got != want {
			t.Fatalf("nonce %d: fast hasher %016x, want %016x", nonce, got, want)
		}
		if got := plain.head(nonce); got != want {
			t.Fatalf("nonce %d: plain hasher %016x, want %016x", nonce, got, want)
		}
	}
}

func TestSolveRefusesDifficultiesOutOfRange(t *testing.T) {
	for _, bits := range []int{-1, MaxBits + 1, Bits(11), Bits(-1), math.MaxInt} {
		_, err := Solve(t.Context(), [32]byte{}, bits)
		if err == nil || !strings.Contains(err.Error(), "choose 0 to 40") {
			t.Errorf("Solve with %d bits: error %v does not tell the range", bits, err)
		}
	}
}

func TestSolveZeroBits(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	// Nothing is searched for, so there is nothing to give up either.
	if nonce, err := Solve(ctx, [32]byte{}, 0); nonce != 0 || err != nil {
		t.Errorf("Solve with 0 bits = %d, %v, want 0, nil", nonce, err)
	}
	if allocs := testing.AllocsPerRun(100, func() { Solve(ctx, [32]byte{}, 0) }); allocs != 0 {
		t.Errorf("0 bits cost %v allocations", allocs)
	}
}

func TestSolveEndsWithItsContext(t *testing.T) {
	reason := errors.New("node is leaving")
	for _, workers := range []int{1, 2, 8} {
		t.Run(fmt.Sprintf("workers=%d", workers), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(workers))
			ctx, cancel := context.WithCancelCause(t.Context())
			defer time.AfterFunc(10*time.Millisecond, func() { cancel(reason) }).Stop()
			// Hopeless within the test: 2^40 hashes.
			if nonce, err := Solve(ctx, [32]byte{1}, MaxBits); !errors.Is(err, reason) {
				t.Errorf("Solve = %d, %v, want an error that wraps the cause", nonce, err)
			}
		})
	}
}

func TestSolveWithEndedContextTriesNothing(t *testing.T) {
	ctx, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	_, err := Solve(ctx, [32]byte{1}, 1)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "after 0 nonces") {
		t.Errorf("error %v, want a deadline exceeded after 0 nonces", err)
	}
}

// One worker takes the nonces in order, stride after stride, and skips none.
func TestOneWorkerFindsTheSmallestNonce(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for _, g := range golden[:3] {
		id := sha256.Sum256([]byte(g.text))
		if nonce, err := Solve(t.Context(), id, g.bits); nonce != g.nonce || err != nil {
			t.Errorf("%q: Solve = %d, %v, want %d", g.text, nonce, err, g.nonce)
		}
	}
}

// Several workers share the supply: each nonce up to the last one taken has
// been tried by exactly one of them.
func TestWorkersShareTheNonces(t *testing.T) {
	id := sha256.Sum256([]byte("shared"))
	s := search{id: id, bits: 14}
	for {
		taken := s.next.Load()
		s.found.Store(nil)
		s.run(t.Context())
		nonce := *s.found.Load()
		for n := taken; n < nonce; n++ {
			if Verify(id, n, s.bits) {
				t.Fatalf("a worker that began at %d passed the solution %d and found %d", taken, n, nonce)
			}
		}
		if nonce < taken {
			t.Fatalf("a worker found %d, which belonged to another that had taken all below %d", nonce, taken)
		}
		if taken > 50*stride {
			return
		}
	}
}

func TestVerifyAllocatesNothing(t *testing.T) {
	id := sha256.Sum256([]byte("lean"))
	if allocs := testing.AllocsPerRun(100, func() { Verify(id, 42, 16) }); allocs != 0 {
		t.Errorf("Verify allocates %v times", allocs)
	}
}

func randomID(random *rand.Rand) (id [32]byte) {
	for i := range id {
		id[i] = byte(random.Uint32())
	}
	return id
}
