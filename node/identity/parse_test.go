package identity

import (
	"bytes"
	"crypto/rand"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

const keyFolder = "testdata/test-only-keys"

// fixture is the content of a committed test key.
func fixture(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(keyFolder, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func parsed(t testing.TB, name string) *Identity {
	t.Helper()
	id, err := Parse(fixture(t, name))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return id
}

func TestParseAccepts(t *testing.T) {
	// The peer IDs are golden, computed from what openssl says of the keys: a
	// hostkey that changes its ID is another node.
	const (
		rsa2048 = "QmZkKmqeN4vScWaqoVboX3ZxJwTZ8bRnYSvhauUg8QDzLN"
		rsa4096 = "QmSPfx3Fi6k6C73WX6dx8nsfHernEX1fbaFTj3QCmvyJeb"
		ed25519 = "12D3KooWN9kZFVsk47yFqBKHFEMgv7ryT1VimsJFZa5mSJydJZYq"
	)
	ed := fixture(t, "ed25519-pkcs8.pem")
	for _, c := range []struct {
		name string
		text []byte
		id   string
		kind string
		bits int
	}{
		{"RSA PKCS#1", fixture(t, "rsa2048-pkcs1.pem"), rsa2048, RSA, 2048},
		{"RSA PKCS#8", fixture(t, "rsa2048-pkcs8.pem"), rsa2048, RSA, 2048},
		{"with public key and white space", fixture(t, "rsa2048-with-public.pem"), rsa2048, RSA, 2048},
		{"with RSA public key", fixture(t, "rsa2048-with-rsa-public.pem"), rsa2048, RSA, 2048},
		{"RSA 4096", fixture(t, "rsa4096-pkcs1.pem"), rsa4096, RSA, 4096},
		{"Ed25519", ed, ed25519, Ed25519, 256},
		{"CRLF", bytes.ReplaceAll(ed, []byte("\n"), []byte("\r\n")), ed25519, Ed25519, 256},
		{"byte order mark", append([]byte("\xef\xbb\xbf"), ed...), ed25519, Ed25519, 256},
		{"text before", append([]byte("Bag Attributes\n    friendlyName: node\n"), ed...), ed25519, Ed25519, 256},
		{"no final newline", bytes.TrimSpace(ed), ed25519, Ed25519, 256},
		{"public key first", append(fixture(t, "refused-public.pem"), ed...), ed25519, Ed25519, 256},
	} {
		t.Run(c.name, func(t *testing.T) {
			id, err := Parse(c.text)
			if err != nil {
				t.Fatal(err)
			}
			if id.ID().String() != c.id || id.Kind() != c.kind || id.Bits() != c.bits {
				t.Errorf("got %v, want %s (%s, %d bits)", id, c.id, c.kind, c.bits)
			}
			if !id.ID().MatchesPrivateKey(id.PrivKey()) {
				t.Error("the peer ID does not belong to the private key")
			}
			if embedded := c.kind == Ed25519; (id.Public() == nil) != embedded {
				t.Errorf("public key %x, embedded in the peer ID: %v", id.Public(), embedded)
			}
			again, err := id.MarshalPEM()
			if err != nil {
				t.Fatal(err)
			}
			if id2, err := Parse(again); err != nil || id2.ID() != id.ID() {
				t.Errorf("parsing what MarshalPEM gives: %v, %v", id2, err)
			}
		})
	}
}

// Each refusal must say what the thing is and what to do about it.
func TestParseRefuses(t *testing.T) {
	ed := string(fixture(t, "ed25519-pkcs8.pem"))
	rsa := string(fixture(t, "rsa2048-pkcs1.pem"))
	for _, c := range []struct {
		name   string
		text   string
		what   string
		advice string
	}{
		{"RSA 512", file(t, "refused-rsa512.pem"), "RSA with 512 bits, and at least 2048", "hearsay key new"},
		{"RSA 1024", file(t, "refused-rsa1024-pkcs8.pem"), "RSA with 1024 bits, and at least 2048", "hearsay key new"},
		{"RSA 8193", bigRSA(t, 8193, 65537), "RSA with 8193 bits, and at most 8192", "hearsay key new"},
		{"RSA exponent", file(t, "refused-rsa2048-exponent.pem"), "exponent above 65537", "hearsay key new"},
		{"RSA with huge exponent", bigRSA(t, 2048, -1), "exponent above 65537", "hearsay key new"},
		{"RSA not prime", bigRSA(t, 2048, 65537), "damaged RSA private key", "hearsay key new"},
		{"multi-prime RSA", file(t, "refused-rsa2048-multiprime.pem"), "multi-prime RSA", "hearsay key new"},
		{"RSA-PSS", file(t, "refused-rsapss.pem"), "kind RSA-PSS", "hearsay key new"},
		{"EC", file(t, "refused-ec.pem"), "kind EC", "hearsay key new"},
		{"EC with parameters", file(t, "refused-ec-with-parameters.pem"), "kind EC", "hearsay key new"},
		{"EC PKCS#8", file(t, "refused-ec-pkcs8.pem"), "kind EC", "hearsay key new"},
		{"X25519", file(t, "refused-x25519.pem"), "kind X25519", "hearsay key new"},
		{"Ed448", file(t, "refused-ed448.pem"), "kind Ed448", "hearsay key new"},
		{"DSA", strings.ReplaceAll(ed, "PRIVATE", "DSA PRIVATE"), "kind DSA", "hearsay key new"},
		{"OpenSSH", file(t, "refused-openssh.pem"), "kind OpenSSH", "hearsay key new"},
		{"encrypted PKCS#1", file(t, "refused-encrypted-pkcs1.pem"), "encrypted", "openssl pkey -in FILE -out NEWFILE"},
		{"encrypted PKCS#8", file(t, "refused-encrypted-pkcs8.pem"), "encrypted", "openssl pkey -in FILE -out NEWFILE"},
		{"certificate", file(t, "refused-certificate.pem"), `"CERTIFICATE"`, "hearsay key new"},
		{"certificate and key", file(t, "refused-certificate-and-key.pem"), `"CERTIFICATE"`, "remove the block"},
		{"public key", file(t, "refused-public.pem"), "only public keys (1)", "hearsay key new"},
		{"two keys", file(t, "refused-two.pem"), "two private keys", "keep only"},
		{"one key twice", ed + ed, "two private keys", "keep only"},
		{"text behind", file(t, "refused-text-behind.pem"), "behind the last PEM block", "remove it"},
		{"DER", file(t, "refused-der.pem"), "DER", "openssl pkey -inform DER"},
		{"unknown block", strings.ReplaceAll(ed, "PRIVATE KEY", "SECRET"), `"SECRET"`, "hearsay key new"},
		{"empty", "", "empty", "hearsay key new"},
		{"blank", " \r\n\t", "empty", "hearsay key new"},
		{"junk", "hello", "no PEM block", "hearsay key new"},
		{"cut", rsa[:len(rsa)/2], "damaged (cut short", "restore"},
		{"damaged, then another", strings.Replace(rsa, "M", "~", 5) + ed, "damaged (cut short", "restore"},
		{"changed", strings.Replace(rsa, "MII", "MIJ", 1), "damaged RSA", "restore"},
		{"Ed25519 with short seed", text(blockPKCS8, "300b020100300506032b65700000"), "damaged", "restore"},
		{"DER with more behind", text(blockPKCS8, "302e020100300506032b657004220420000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f00"), "damaged PKCS#8", "1 bytes too many"},
		{"not ASN.1", text(blockPKCS1, "ffff"), "damaged RSA", "restore"},
	} {
		t.Run(c.name, func(t *testing.T) {
			id, err := Parse([]byte(c.text))
			if err == nil {
				t.Fatalf("accepted as %v", id)
			}
			if !strings.Contains(err.Error(), c.what) || !strings.Contains(err.Error(), c.advice) {
				t.Errorf("error %q, want %q and the advice %q", err, c.what, c.advice)
			}
		})
	}
}

func file(t testing.TB, name string) string { return string(fixture(t, name)) }

func text(label, hexDER string) string {
	der, ok := new(big.Int).SetString(hexDER, 16)
	if !ok {
		panic("bad hex: " + hexDER)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der.Bytes()}))
}

// bigRSA has the form of a PKCS#1 key with a modulus of the given size; its
// numbers are random. An exponent of -1 stands for one as long as the modulus.
func bigRSA(t testing.TB, bits int, exponent int64) string {
	t.Helper()
	number := func(bits int) *big.Int {
		n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), uint(bits-1)))
		if err != nil {
			t.Fatal(err)
		}
		return n.SetBit(n, bits-1, 1).SetBit(n, 0, 1)
	}
	e := big.NewInt(exponent)
	if exponent < 0 {
		e = number(bits)
	}
	half := func() *big.Int { return number(bits / 2) }
	der, err := asn1.Marshal(struct {
		Version                     int
		N, E, D, P, Q, Dp, Dq, Qinv *big.Int
	}{0, number(bits), e, number(bits), half(), half(), half(), half(), half()})
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: blockPKCS1, Bytes: der}))
}

// A key of any size is refused within 100 ms: its size is read before anything
// is computed with it.
func TestParseRefusesLargeKeysQuickly(t *testing.T) {
	for _, bits := range []int{16384, 65536, 98304} {
		key := []byte(bigRSA(t, bits, 65537))
		quickest := time.Hour
		for range 5 { // others may have had the processor, but not each time
			start := time.Now()
			if _, err := Parse(key); err == nil {
				t.Errorf("RSA with %d bits accepted", bits)
			}
			quickest = min(quickest, time.Since(start))
		}
		if quickest > 100*time.Millisecond {
			t.Errorf("refusing RSA with %d bits took %v", bits, quickest)
		}
	}
}

// FuzzParse: whatever the bytes, Parse returns; and what it accepts is a key
// within the limits that survives being written and read again.
func FuzzParse(f *testing.F) {
	entries, err := os.ReadDir(keyFolder)
	if err != nil {
		f.Fatal(err)
	}
	for _, e := range entries {
		f.Add(fixture(f, e.Name()))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		id, err := Parse(text)
		if err != nil {
			return
		}
		switch {
		case id.Kind() == Ed25519 && id.Bits() == 256:
		case id.Kind() == RSA && id.Bits() >= MinRSABits && id.Bits() <= MaxRSABits:
		default:
			t.Fatalf("accepted a key outside the limits: %v", id)
		}
		if want, err := peer.IDFromPrivateKey(id.PrivKey()); err != nil || want != id.ID() {
			t.Fatalf("peer ID %v, want %v (%v)", id.ID(), want, err)
		}
		again, err := id.MarshalPEM()
		if err != nil {
			t.Fatal(err)
		}
		if id2, err := Parse(again); err != nil || id2.ID() != id.ID() {
			t.Fatalf("%v became %v (%v)", id, id2, err)
		}
	})
}
