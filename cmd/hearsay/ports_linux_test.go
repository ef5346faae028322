package main

import (
	"fmt"
	"os"
	"testing"
)

// Nodes that share ports take turns whatever folders they have: two that started in one
// instant with different ones shared port 6001, and never met.
func TestTakeTurns(t *testing.T) {
	name := fmt.Sprint("hearsay-test-", os.Getpid())
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	unlock, taken := lockStarts(name)
	if taken {
		t.Fatal("the lock is taken before anybody took it")
	}
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	if _, taken := lockStarts(name); !taken {
		t.Error("two have the lock")
	}
	unlock()
	unlock, taken = lockStarts(name)
	if taken {
		t.Fatal("the lock is taken after it was given back")
	}
	unlock()
}
