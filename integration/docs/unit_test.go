package docs

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestUnit: systemd understands the unit and finds nothing in it that a service
// of this kind could do without. --threshold is the exposure times ten.
func TestUnit(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("no systemd-analyze here")
	}
	text, err := os.ReadFile(filepath.Join(root, "deploy/hearsay.service"))
	if err != nil {
		t.Fatal(err)
	}
	// It looks whether the program is there.
	installed := []byte("/usr/local/bin/hearsay")
	if !bytes.Contains(text, installed) {
		t.Fatalf("the unit does not run %s", installed)
	}
	program, err := exec.LookPath("true")
	if err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(t.TempDir(), "hearsay.service")
	if err := os.WriteFile(unit, bytes.ReplaceAll(text, installed, []byte(program)), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"verify", unit}, {"security", "--offline=true", "--threshold=20", "--no-pager", unit}} {
		out, err := exec.Command("systemd-analyze", args...).CombinedOutput()
		if err != nil || args[0] == "verify" && len(out) > 0 {
			t.Errorf("systemd-analyze %v: %v\n%s", args, err, out)
		}
	}
}
