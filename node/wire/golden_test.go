package wire

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"hearsay/node/gossip"
)

// TestGolden reads testdata/golden: frames in hexadecimal with what they mean,
// which no later version may change.
func TestGolden(t *testing.T) {
	datadriven.RunTest(t, "testdata/golden", func(t *testing.T, d *datadriven.TestData) string {
		stream := unhex(t, d.Input)
		switch d.Cmd {
		case "frame": // one that this package writes, byte for byte
			meaning, again := interpret(stream)
			if !bytes.Equal(again, stream) {
				t.Errorf("%s: encoded again it is %x", d.Pos, again)
			}
			return meaning
		case "read": // one that it only understands, or refuses
			meaning, _ := interpret(stream)
			return meaning
		}
		t.Fatalf("%s: unknown directive %q", d.Pos, d.Cmd)
		return ""
	})
}

// interpret reads the frames of a stream and puts them in words, and in bytes again.
func interpret(stream []byte) (meaning string, again []byte) {
	var words strings.Builder
	for r := bufio.NewReader(bytes.NewReader(stream)); ; {
		body, err := ReadFrame(r)
		if err == io.EOF {
			return words.String(), again
		}
		var m gossip.Message
		if err == nil {
			var h Hello
			if h, err = DecodeHello(body); err == nil {
				fmt.Fprintf(&words, "hello version=%d network=%q agent=%q session=%#x answers=%#x",
					h.Version, h.Network, h.Agent, h.Session, h.Answers)
				if h.Time != 0 || h.Work != 0 {
					fmt.Fprintf(&words, " time=%d work=%d", h.Time, h.Work)
				}
				words.WriteByte('\n')
				again, _ = AppendHello(again, h)
				continue
			}
			m, err = Decode(body)
		}
		if err != nil {
			fmt.Fprintf(&words, "%v\n", err)
			return words.String(), again
		}
		words.WriteString(describe(m))
		if m != nil {
			again, _ = AppendFrame(again, m)
		}
	}
}

func describe(m gossip.Message) string {
	var b strings.Builder
	switch m := m.(type) {
	case nil:
		b.WriteString("unknown kind, ignored\n")
	case *gossip.Interests:
		fmt.Fprintf(&b, "interests %v", m.Types)
		if m.Carries {
			b.WriteString(" carries")
		}
		b.WriteString("\n")
	case *gossip.Push:
		fmt.Fprintf(&b, "push hops=%d", m.Hops)
		if m.Rooted {
			b.WriteString(" rooted")
		}
		if m.Landmark != 0 {
			fmt.Fprintf(&b, " landmark=%#x", m.Landmark)
		}
		fmt.Fprintf(&b, "\n%s", describeRumor(m.Rumor))
	case *gossip.Fill:
		fmt.Fprintf(&b, "fill hops=%d\n%s", m.Hops, describeRumor(m.Rumor))
	case *gossip.Receipt:
		fmt.Fprintf(&b, "receipt %v\n", m.Verdicts)
	case *gossip.Ping:
		fmt.Fprintf(&b, "ping %d\n", m.Number)
	case *gossip.Pong:
		fmt.Fprintf(&b, "pong %d\n", m.Number)
	case *gossip.Bye:
		fmt.Fprintf(&b, "bye %d\n", m.Reason)
	case *gossip.PeersRequest:
		b.WriteString("peers request\n")
		for _, r := range m.Records {
			fmt.Fprintf(&b, "  record %x\n", r.Bytes)
		}
	case *gossip.PeerList:
		b.WriteString("peer list\n")
		for _, r := range m.Records {
			fmt.Fprintf(&b, "  record %x\n", r.Bytes)
		}
	case *gossip.Sync:
		fmt.Fprintf(&b, "sync group=%d floor=%d\n", m.Group, m.Floor)
		for _, r := range m.Ranges {
			end := "the end"
			if r.End != (gossip.Point{}) {
				end = fmt.Sprintf("%d·%x", r.End.Created, r.End.ID[:])
			}
			fmt.Fprintf(&b, "  to %s mode=%d", end, r.Mode)
			if r.Mode == gossip.RangeFingerprint {
				fmt.Fprintf(&b, " fingerprint=%x", r.Fingerprint)
			}
			for _, id := range r.IDs {
				fmt.Fprintf(&b, " %x", id[:])
			}
			b.WriteString("\n")
		}
	case *gossip.Want:
		fmt.Fprintf(&b, "want group=%d\n", m.Group)
		for _, id := range m.IDs {
			fmt.Fprintf(&b, "  %x\n", id[:])
		}
	case *gossip.Have:
		fmt.Fprintf(&b, "have group=%d held=%v ask=%v\n", m.Group, m.Held, m.Ask)
		for _, d := range m.Near {
			fmt.Fprintf(&b, "  landmark=%#x number=%d distance=%d parent=%v\n", d.Landmark, d.Number, d.Distance, d.Parent)
		}
		for _, id := range m.IDs {
			fmt.Fprintf(&b, "  %x\n", id[:])
		}
	case *gossip.Graft:
		fmt.Fprintf(&b, "graft group=%d\n", m.Group)
		for _, id := range m.IDs {
			fmt.Fprintf(&b, "  %x\n", id[:])
		}
		for _, id := range m.Origins {
			fmt.Fprintf(&b, "  origin of %x\n", id[:])
		}
	default:
		fmt.Fprintf(&b, "%T: no words for it\n", m)
	}
	return b.String()
}

func describeRumor(r *gossip.Rumor) string {
	return fmt.Sprintf("  network=%q kind=%d origin=%q epoch=%d seq=%d type=%d key=%q created=%d expires=%d ttl=%d\n"+
		"  payload=%q nonce=%#x signature=%x key=%x\n  id=%x\n",
		r.Network, r.Kind, string(r.Origin), r.Epoch, r.Seq, r.DataType, r.Key, r.Created, r.Expires, r.TTL,
		r.Payload, r.Nonce, r.Signature, r.PublicKey, r.ID[:])
}

// unhex reads hexadecimal with blanks, line breaks and comments from # on.
func unhex(t testing.TB, text string) []byte {
	t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		digits.WriteString(strings.Join(strings.Fields(line), ""))
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// goldenStreams are the inputs of testdata/golden: seeds for fuzzing and for
// the test of the schema.
func goldenStreams(t testing.TB, directives ...string) [][]byte {
	t.Helper()
	var streams [][]byte
	datadriven.RunTestAny(t, "testdata/golden", func(t testing.TB, d *datadriven.TestData) string {
		if slices.Contains(directives, d.Cmd) {
			streams = append(streams, unhex(t, d.Input))
		}
		return d.Expected
	})
	return streams
}
