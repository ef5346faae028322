package integration_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"

	"hearsay/apibridge/client"
	"hearsay/integration"
)

// shout is the module under test: it turns what it is told into capitals and
// announces that. A module in another language would be started as a process
// with the address as its argument.
func shout(ctx context.Context, api string) error {
	const whispers, shouts = 1000, 1001
	c, err := client.Dial(ctx, api)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Notify(ctx, whispers); err != nil {
		return err
	}
	for {
		n, err := c.Next(ctx)
		if err != nil {
			return err
		}
		if err := c.Validate(ctx, n.ID, true); err != nil {
			return err
		}
		if err := c.Announce(ctx, 0, shouts, []byte(strings.ToUpper(string(n.Data)))); err != nil {
			return err
		}
	}
}

// A test of a module in a network of three nodes in a line: the module runs at
// the last one, and is told what the first one announces. In a test of yours,
// tb is its *testing.T.
func ExampleNew() {
	tb := new(program)
	defer tb.end()

	c := integration.New(tb, 3, integration.Line())
	go shout(tb.Context(), c.Node(2).API())

	c.AwaitInterest(2, 1000) // the module has subscribed, and node 1 knows
	relay := c.Listen(1, 1000, 1001)
	answers := c.Listen(0, 1001)
	c.Announce(0, 1000, []byte("is anybody there?"))

	fmt.Printf("%s\n", relay.Next().Data)
	fmt.Printf("%s\n", relay.Next().Data)
	fmt.Printf("%s\n", answers.Next().Data)
	// Output:
	// is anybody there?
	// IS ANYBODY THERE?
	// IS ANYBODY THERE?
}

// program stands in for a *testing.T where there is none.
type program struct{ cleanups []func() }

func (p *program) Helper()                           {}
func (p *program) Cleanup(f func())                  { p.cleanups = append(p.cleanups, f) }
func (p *program) Context() context.Context          { return context.Background() }
func (p *program) Errorf(format string, args ...any) { log.Printf(format, args...) }
func (p *program) Fatalf(format string, args ...any) { log.Panicf(format, args...) }

func (p *program) TempDir() string {
	dir, err := os.MkdirTemp("", "hearsay")
	if err != nil {
		log.Panic(err)
	}
	p.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func (p *program) end() {
	for i := len(p.cleanups) - 1; i >= 0; i-- {
		p.cleanups[i]()
	}
}
