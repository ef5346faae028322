package main

import "testing"

// On a terminal the key of a text is shown, and its value in quotes.
func TestValueOnTerminal(t *testing.T) {
	_, hearsay := startNode(t)
	if out, err := hearsay("dht", "put", "greeting", "hello").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	ours, theirs := openTerminal(t)
	get := hearsay("dht", "get", "greeting")
	get.Stdout = theirs
	shown := new(screen)
	go shown.follow(ours)
	if err := get.Run(); err != nil {
		t.Fatal(err)
	}
	shown.await(t, "key 18f6b0200b6fd32ce4e85b6c841f72247964195b8e1cd7c52e046dc51e48f779 (SHA-256 of \"greeting\")\r\n\"hello\"\r\n")
}
