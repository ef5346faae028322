package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"hearsay/node/control"
	"hearsay/node/mail"
)

// sending is the command send with these flags, before it runs.
func sending(t *testing.T, flags string) *cobra.Command {
	t.Helper()
	cmd := new(app).sendCommand()
	cmd.SetContext(t.Context())
	if err := cmd.ParseFlags(strings.Fields(flags)); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// The request has the time that --wait needs, unless --timeout says how long.
func TestSendTime(t *testing.T) {
	for _, test := range []struct {
		flags string
		want  time.Duration // 0 = for ever
	}{
		{"", time.Minute + 10*time.Second},
		{"--wait 0", time.Minute},
		{"--wait 10m", 21 * time.Minute},
		{"--wait 10m --timeout 1m", time.Minute},
		{"--timeout 0", 0},
	} {
		cmd := sending(t, test.flags)
		wait, err := cmd.Flags().GetDuration("wait")
		if err != nil {
			t.Fatal(err)
		}
		timeFor(cmd, wait)
		ctx, cancel, err := timeout(cmd)
		if err != nil {
			t.Fatal(err)
		}
		defer cancel()
		end, ends := ctx.Deadline()
		if left := time.Until(end); ends != (test.want > 0) || ends && (left > test.want || left < test.want-30*time.Second) {
			t.Errorf("send %s: ends %v, in %v, want %v", test.flags, ends, left, test.want)
		}
	}
}

// A receipt that is missing fails only whoever said how long to wait for it, as the
// help has it.
func TestMissingReceipt(t *testing.T) {
	sent := control.Sent{Deliveries: []control.Delivery{{Peer: "x", Way: string(mail.Relayed)}}}
	for flags, want := range map[string]int{"": exitOK, "--wait 5s": exitTimeout, "--wait 5s --no-receipt": exitOK} {
		cmd, code := sending(t, flags), exitOK
		var f *failure
		if err := new(app).judge(cmd, sent, strings.Contains(flags, "--no-receipt")); errors.As(err, &f) {
			code = f.code
		}
		if code != want {
			t.Errorf("send %s: exit code %d, want %d", flags, code, want)
		}
	}
	if help := new(app).sendCommand().Long; !strings.Contains(help, "Only with --wait is a receipt that is missing then\nexit code 5") {
		t.Error(help)
	}
}
