package docs

import (
	"testing"

	"hearsay/apibridge/client"
	"hearsay/integration"
)

// This file has the Go that pages show authors of modules: TestGoBlocks compares.

func TestMyModule(t *testing.T) {
	c := integration.New(t, 3)        // three nodes, each the neighbour of the others
	startMyModule(t, c.Node(0).API()) // "127.0.0.1:40123": as argument, environment, configuration …
	startMyModule(t, c.Node(2).API())
	c.AwaitInterest(0, 1000) // it has sent NOTIFY, and node 0's neighbours know
	c.AwaitInterest(2, 1000)

	heard := c.Listen(1, 1001)             // the answers; who takes 1000 hears the rumor itself
	c.Announce(1, 1000, []byte("a rumor")) // what the modules are to be told
	if got := heard.Next(); string(got.Data) != "the answer" {
		t.Errorf("heard %q", got.Data)
	}
}

// startMyModule starts a module that answers what is announced of type 1000 by an
// announcement of type 1001.
func startMyModule(t *testing.T, api string) {
	ctx := t.Context()
	m, err := client.Dial(ctx, api)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	go func() {
		m.Notify(ctx, 1000)
		for {
			n, err := m.Next(ctx)
			if err != nil {
				return
			}
			m.Validate(ctx, n.ID, true)
			m.Announce(ctx, 0, 1001, []byte("the answer"))
		}
	}()
}
