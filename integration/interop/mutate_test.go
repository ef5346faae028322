package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestMutatedVectors: whatever byte of a vector is another one, the second
// implementation notices. Of each byte one bit is turned, with HEARSAY_LONG=all
// each of its bits; numbers are one more and one less, lists end earlier.
func TestMutatedVectors(t *testing.T) {
	long := os.Getenv("HEARSAY_LONG") == "all"
	type mutant struct {
		where string
		v     *vector
	}
	mutants := make(chan mutant)
	var workers sync.WaitGroup
	var missed sync.Map
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for m := range mutants {
				if m.v.verify() == nil {
					missed.Store(m.where, true)
				}
			}
		})
	}
	n := 0
	for name, vectors := range all(t) {
		if name == "refused.json" {
			continue
		}
		for _, v := range vectors {
			mutate(t, v, long, func(where string, v *vector) {
				mutants <- mutant{fmt.Sprintf("%s: %s: %s", name, v.What, where), v}
				n++
			})
		}
	}
	close(mutants)
	workers.Wait()
	missed.Range(func(where, _ any) bool {
		t.Errorf("not noticed: %s", where)
		return true
	})
	t.Logf("%d mutants", n)
}

// mutate gives all that a vector can become by one change.
func mutate(t *testing.T, v *vector, long bool, give func(string, *vector)) {
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&tree); err != nil {
		t.Fatal(err)
	}
	delete(tree, "what") // is for people
	emit := func(where string) {
		text, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		m := new(vector)
		if err := strict(text, m); err != nil {
			return // it is not even a vector any more
		}
		m.What = v.What
		give(where, m)
	}
	walk(tree, "", long, emit)
}

// walk changes each leaf below a node in all ways, and then back again.
func walk(node any, path string, long bool, emit func(string)) {
	try := func(key string, old any, set func(any)) {
		at := path + "/" + key
		for _, changed := range changes(old, long) {
			set(changed)
			emit(fmt.Sprintf("%s = %v", at, changed))
		}
		set(old)
		walk(old, at, long, emit)
	}
	switch node := node.(type) {
	case map[string]any:
		keys := []string{}
		for key := range node {
			keys = append(keys, key)
		}
		slices.Sort(keys)
		for _, key := range keys {
			try(key, node[key], func(v any) { node[key] = v })
		}
	case []any:
		for i := range node {
			try(fmt.Sprint(i), node[i], func(v any) { node[i] = v })
		}
	}
}

// changes are what a leaf can become.
func changes(leaf any, long bool) (list []any) {
	switch leaf := leaf.(type) {
	case bool:
		return []any{!leaf}
	case nil:
		return []any{"", 0, []any{}, map[string]any{}}
	case []any:
		if n := len(leaf); n > 0 {
			list = append(list, leaf[:n-1])
		}
	case json.Number:
		digits := []byte(leaf)
		for i := range digits {
			other := bytes.Clone(digits)
			other[i] = '0' + (digits[i]-'0'+1)%10
			if other[0] != '0' || len(other) == 1 {
				list = append(list, json.Number(other))
			}
		}
	case string:
		b, err := hex.DecodeString(leaf)
		if err != nil || leaf == "" || strings.ToLower(leaf) != leaf {
			b = nil
		}
		if b == nil {
			for i := range leaf {
				list = append(list, leaf[:i]+string(leaf[i]^1)+leaf[i+1:])
			}
			return append(list, leaf+"x")
		}
		for i := 0; i < len(b); i += stride {
			for bit := range 8 {
				if long || bit == (i*5+3)%8 {
					other := bytes.Clone(b)
					other[i] ^= 1 << bit
					list = append(list, hex.EncodeToString(other))
				}
			}
		}
		list = append(list, hex.EncodeToString(b[1:]), hex.EncodeToString(append(bytes.Clone(b), 0)))
	}
	return list
}
