package envelope

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

var rewrite = flag.Bool("rewrite", false, "write the golden file anew")

const goldenFile = "testdata/golden.json"

// golden is what a later version must be able to open.
type golden struct {
	What        string
	Network     string
	Origin      string // peer ID in text
	DataType    uint16
	Epoch, Seq  uint64
	Certificate string // of the first recipient; bytes in hexadecimal
	Key         string // the first recipient's
	Sealed      string
	Text        string
	Recipients  []string
}

// TestGolden: envelopes and certificates of earlier builds are still understood.
func TestGolden(t *testing.T) {
	if *rewrite {
		writeGolden(t)
	}
	text, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	var vectors []golden
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) < 3 {
		t.Errorf("only %d vectors", len(vectors))
	}
	for _, v := range vectors {
		bytes := func(s string) []byte {
			b, err := hex.DecodeString(s)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		origin, err := peer.Decode(v.Origin)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := ParseCertificate(bytes(v.Certificate), time.UnixMilli(0))
		if err != nil {
			t.Fatalf("%s: %v", v.What, err)
		}
		key, err := ParseKey(bytes(v.Key))
		if err != nil {
			t.Fatalf("%s: %v", v.What, err)
		}
		if string(key.private.PublicKey().Bytes()) != string(cert.Key[:]) {
			t.Errorf("%s: the certificate is for another key", v.What)
		}
		m, err := Open(About{v.Network, origin, v.DataType, v.Epoch, v.Seq}, cert.Peer, key, bytes(v.Sealed))
		if err != nil {
			t.Errorf("%s: %v", v.What, err)
			continue
		}
		if string(m.Text) != v.Text || len(m.Recipients) != len(v.Recipients) {
			t.Errorf("%s: %+v", v.What, m)
		}
		for i, r := range m.Recipients {
			if r.String() != v.Recipients[i] {
				t.Errorf("%s: recipient %d is %v", v.What, i, r)
			}
		}
	}
}

func writeGolden(t *testing.T) {
	t.Helper()
	var vectors []golden
	for what, n := range map[string]int{"one recipient": 1, "three recipients in four slots": 3, "nine recipients in sixteen slots": 9} {
		a, to := newParty(t), parties(t, n)
		where := about(a)
		if n == 3 {
			where.Epoch, where.Seq = 1_800_000_000_000, 42
		}
		key, err := to[0].key.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		cert, err := Certify(to[0].id, to[0].key, 3, time.UnixMilli(4_000_000_000_000))
		if err != nil {
			t.Fatal(err)
		}
		v := golden{What: what, Network: where.Network, Origin: a.id.ID().String(), DataType: where.DataType, Epoch: where.Epoch, Seq: where.Seq,
			Certificate: hex.EncodeToString(cert.Bytes), Key: hex.EncodeToString(key), Text: "to " + what}
		sealed := seal(t, where, a, to, []byte(v.Text))
		m, err := Open(where, to[0].id.ID(), to[0].key, sealed)
		if err != nil {
			t.Fatal(err)
		}
		v.Sealed = hex.EncodeToString(sealed)
		for _, r := range m.Recipients {
			v.Recipients = append(v.Recipients, r.String())
		}
		vectors = append(vectors, v)
	}
	text, err := json.MarshalIndent(vectors, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll("testdata", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(goldenFile, append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
