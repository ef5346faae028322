package gossip

import (
	"fmt"
	"testing"
	"time"
)

// Those who come to a newcomer fill none of its places where neighbours have network
// groups, on a LAN they do. Once it had neighbours enough of its own choice, those
// who came count.
func TestNewcomerChooses(t *testing.T) {
	for _, net := range []NetGroup{"", "1.2.0.0/16"} {
		t.Run(string(net), func(t *testing.T) {
			n := alone(t, func(c *Config) { c.Degree = 6 })
			n.s.grown = false
			for i := range 6 {
				n.do(LinkUp{Peer: PeerID(fmt.Sprint("Y", i)), Net: net})
			}
			for i := range 20 {
				n.do(Candidate{Peer: PeerID(fmt.Sprint("Z", i)), Source: SourceExchange})
			}
			own, last := 0, PeerID("")
			for range 60 {
				dialled := n.dials()
				n.forget()
				for _, p := range dialled {
					n.do(LinkUp{Peer: p, Dialled: true})
					own, last = own+1, p
				}
				n.wait(200 * time.Millisecond)
			}
			want := 6
			if net == "" {
				want = 3
			}
			if own != want {
				t.Errorf("%d neighbours of own choice, want %d", own, want)
			}
			n.do(LinkDown{last})
			if got := n.s.places() > 0 || n.s.dials > 0; got != (net == "") {
				t.Errorf("a neighbour of own choice was lost, and another is wanted: %v", got)
			}
		})
	}
}
