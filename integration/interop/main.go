// Interop is a second implementation of what the protocol's specification
// (docs/protocol.md) says about bytes: it decodes and verifies the test vectors
// beside it, and shares no code with the program. It was written from the
// specification alone, uses Go's standard library and nothing else, and refuses
// what the specification says is to be refused.
//
//	go run ./integration/interop docs/protocol/vectors
//
// What nodes do with what they decode is tried by another second implementation,
// the oracles in package integration, which take part in networks of real nodes.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: interop FOLDER   (docs/protocol/vectors)")
		os.Exit(2)
	}
	paths, err := filepath.Glob(filepath.Join(os.Args[1], "*.json"))
	if err == nil && len(paths) == 0 {
		err = fmt.Errorf("no vectors in %s", os.Args[1])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	failed := false
	for _, path := range paths {
		vectors, err := load(path)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		good := 0
		for _, v := range vectors {
			if err := v.verify(); err != nil {
				fmt.Fprintf(os.Stderr, "%s: %s: %v\n", filepath.Base(path), v.What, err)
				failed = true
				continue
			}
			good++
		}
		fmt.Printf("%-20s %d of %d vectors verified\n", filepath.Base(path), good, len(vectors))
	}
	if failed {
		os.Exit(1)
	}
}
