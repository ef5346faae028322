package client_test

import (
	"context"
	"fmt"
	"log"

	"hearsay/apibridge"
	"hearsay/apibridge/bridgetest"
	"hearsay/apibridge/client"
)

// Two modules of one node: the second one is told what the first announces. A
// real module would Dial the address of a running node.
func Example() {
	ln, err := apibridge.Listen("localhost:0", false)
	if err != nil {
		log.Fatal(err)
	}
	node := bridgetest.New()
	server := apibridge.NewGossip(node, apibridge.DefaultOptions())
	go server.Serve(ln)
	defer server.Close(context.Background())
	address := ln.Addr().String()

	ctx := context.Background()
	listener, err := client.Dial(ctx, address)
	if err != nil {
		log.Fatal(err)
	}
	defer listener.Close()
	announcer, err := client.Dial(ctx, address)
	if err != nil {
		log.Fatal(err)
	}
	defer announcer.Close()

	const chat = 1337 // a data type that these modules have agreed on
	if err := listener.Notify(ctx, chat); err != nil {
		log.Fatal(err)
	}
	// A real node tells what was announced just before, too; this one forgets.
	if err := node.Await(ctx, bridgetest.Subscribed, 1); err != nil {
		log.Fatal(err)
	}
	if err := announcer.Announce(ctx, 0, chat, []byte("hello")); err != nil {
		log.Fatal(err)
	}

	n, err := listener.Next(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("type %d: %s\n", n.DataType, n.Data)
	if err := listener.Validate(ctx, n.ID, true); err != nil {
		log.Fatal(err)
	}
	// Output: type 1337: hello
}
