package maelstrom

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestServe: two nodes in real time, each behind a pipe as Maelstrom has them,
// with the test as the network between them.
func TestServe(t *testing.T) {
	defer goleak.VerifyNone(t)
	var ins [2]*io.PipeWriter
	fromNodes := make(chan envelope, 100)
	ended := make(chan error, 2)
	for i := range ins {
		in, toNode := io.Pipe()
		fromNode, out := io.Pipe()
		ins[i] = toNode
		go func() {
			err := Serve(context.Background(), LowLatency(), in, out)
			out.Close()
			ended <- err
		}()
		go func() {
			for s := bufio.NewScanner(fromNode); s.Scan(); {
				var env envelope
				if err := json.Unmarshal(s.Bytes(), &env); err != nil {
					t.Errorf("node %d says %q: %v", i, s.Bytes(), err)
				}
				fromNodes <- env
			}
		}()
	}
	say := func(src, dest, body string) {
		fmt.Fprintf(ins[dest[1]-'0'], `{"src":%q,"dest":%q,"body":%s}`+"\n", src, dest, body)
	}
	// await carries datagrams until a client is answered.
	late := time.After(30 * time.Second)
	await := func() (client string, r reply) {
		for {
			select {
			case env := <-fromNodes:
				if env.Dest[0] == 'n' {
					say(env.Src, env.Dest, string(env.Body))
					continue
				}
				if err := json.Unmarshal(env.Body, &r); err != nil {
					t.Fatal(err)
				}
				return env.Dest, r
			case <-late:
				t.Fatal("no answer in 30 s")
			}
		}
	}
	for i := range ins {
		say("c0", name(i), fmt.Sprintf(`{"type":"init","msg_id":1,"node_id":%q,"node_ids":["n0","n1"]}`, name(i)))
		if _, r := await(); r.Type != "init_ok" {
			t.Fatalf("init is answered by %+v", r)
		}
	}
	for i := range ins {
		say(client(i), name(i), `{"type":"topology","msg_id":2,"topology":{"n0":["n1"],"n1":["n0"]}}`)
	}
	for range ins {
		if _, r := await(); r.Type != "topology_ok" {
			t.Fatalf("topology is answered by %+v", r)
		}
	}
	say("c0", "n0", `{"type":"broadcast","msg_id":3,"message":7}`)
	if _, r := await(); r.Type != "broadcast_ok" || *r.To != 3 {
		t.Fatalf("broadcast is answered by %+v", r)
	}
	for {
		say("c1", "n1", `{"type":"read","msg_id":4}`)
		_, r := await()
		if r.Type != "read_ok" || r.Messages == nil {
			t.Fatalf("read is answered by %+v", r)
		}
		if len(*r.Messages) == 1 && (*r.Messages)[0] == 7 {
			break
		}
	}
	for _, in := range ins {
		in.Close()
	}
	for range ins {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// TestServeEnds: with its context, or with what is wrong with its streams.
func TestServeEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	in, w := io.Pipe()
	defer w.Close()
	if err := Serve(ctx, LowLatency(), in, io.Discard); err != nil {
		t.Errorf("with its context it ends with %v", err)
	}
	if err := Serve(context.Background(), LowLatency(), strings.NewReader(strings.Repeat("x", maxLine+1)), io.Discard); !errors.Is(err, bufio.ErrTooLong) {
		t.Errorf("an endless line ends it with %v", err)
	}
	broken := errors.New("broken")
	in, out := io.Pipe()
	out.CloseWithError(broken)
	if err := Serve(context.Background(), LowLatency(), in, io.Discard); !errors.Is(err, broken) {
		t.Errorf("a broken input ends it with %v", err)
	}
	in, out = io.Pipe()
	in.CloseWithError(broken)
	if err := Serve(context.Background(), LowLatency(), strings.NewReader(`{"src":"c0","dest":"n0","body":{"type":"read","msg_id":1}}`), out); !errors.Is(err, broken) {
		t.Errorf("a broken output ends it with %v", err)
	}
}
