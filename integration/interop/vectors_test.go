package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write the test vectors anew")

const folder = "../../docs/protocol/vectors"

// files are the vectors by the names of their files. Where nothing is left to
// chance, they are made anew each time, and the file has to say the same.
func files(m *maker) map[string][]*vector {
	return map[string][]*vector{
		"keys.json":         m.keys(),
		"records.json":      m.records(),
		"rumors.json":       m.rumors(),
		"presences.json":    m.presences(),
		"frames.json":       m.frames(),
		"fingerprints.json": m.fingerprints(),
		"private.json":      m.private(),
		"dht.json":          m.dht(),
		"refused.json":      m.refused(),
	}
}

// TestVectors: the program's packages give these bytes, and none else.
func TestVectors(t *testing.T) {
	for name, vectors := range files(newMaker(t)) {
		path := filepath.Join(folder, name)
		text, err := json.MarshalIndent(vectors, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, '\n')
		if *rewrite {
			if err := os.WriteFile(path, text, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		old, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(old, text) {
			t.Errorf("%s is not what is made now: go test ./integration/interop -run TestVectors -rewrite makes it anew, which is right only where the protocol has changed", path)
		}
	}
}

func all(t testing.TB) map[string][]*vector {
	paths, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no vectors in %s: %v", folder, err)
	}
	files := make(map[string][]*vector)
	for _, path := range paths {
		if files[filepath.Base(path)], err = load(path); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// TestSecondImplementation: what was written from the specification alone
// understands them.
func TestSecondImplementation(t *testing.T) {
	kinds, n := make(map[string]int), 0
	for name, vectors := range all(t) {
		for _, v := range vectors {
			if err := v.verify(); err != nil {
				t.Errorf("%s: %s: %v", name, v.What, err)
			}
			kinds[v.Kind]++
			n++
		}
	}
	for kind := range decoders {
		if kinds[kind] == 0 {
			t.Errorf("there is no vector of a %s", kind)
		}
	}
	t.Logf("%d vectors: %v", n, kinds)
}
