package maelstrom

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// FuzzNode: whatever lines come, and in whatever pauses, a node says nothing but
// messages from itself, and keeps to its bounds.
func FuzzNode(f *testing.F) {
	f.Add(`{"src":"c1","dest":"n1","body":{"type":"topology","msg_id":1,"topology":{"n1":["n2"]}}}` + "\n" + `{"src":"c1","dest":"n1","body":{"type":"broadcast","msg_id":3,"message":1}}`)
	f.Add(`{"src":"n2","dest":"n1","body":{"type":"gossip","link":1,"seq":1,"frames":"AxICCAE="}}` + "\n\n" + `{"src":"n2","dest":"n1","body":{"type":"gossip","link":1,"ack":1,"close":true}}`)
	f.Add(`{"src":"n3","dest":"n1","body":{"type":"gossip","link":18446744073709551615,"seq":18446744073709551615,"frames":"AioAAioA"}}`)
	f.Add("{}\n[]\nnull\n" + `{"src":"c1","body":null}`)
	f.Fuzz(func(t *testing.T, text string) {
		now := start
		cfg := LowLatency()
		cfg.Epoch = 1
		n := NewNode(cfg, func(line []byte) {
			var env envelope
			if err := json.Unmarshal(line, &env); err != nil || bytes.ContainsRune(line, '\n') || env.Src != "n1" || env.Dest == "" {
				t.Fatalf("it says %q: %v", line, err)
			}
		})
		n.Handle(now, fmt.Appendf(nil, `{"src":"c0","dest":"n1","body":{"type":"init","msg_id":1,"node_id":"n1","node_ids":["n1","n2","n3"]}}`))
		for line := range strings.Lines(text) {
			if line == "\n" {
				for range 20 { // an empty line is a while without messages
					if at := n.Deadline(); !at.IsZero() && at.After(now) {
						now = at
					}
					n.Tick(now)
				}
				continue
			}
			now = now.Add(10 * time.Millisecond)
			n.Handle(now, []byte(line))
		}
		for _, l := range n.order {
			if len(l.early) > maxEarly || len(l.unacked) > maxQueue {
				t.Fatalf("the link to %s holds %d frames that came early and %d that go", l.peer, len(l.early), len(l.unacked))
			}
		}
	})
}
