package main

import (
	"bufio"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	logging "github.com/ipfs/go-log/v2"
)

// What the control API complains of is in the node's log, from the configured level on.
func TestControlLog(t *testing.T) {
	as := begin(t, "[gossip]\np2p_address = 127.0.0.1:0\napi_address = 127.0.0.1:0\n[hearsay]\nlab_api = true\n")
	if err := setLogLevel(slog.LevelWarn); err != nil {
		t.Fatal(err)
	}
	pipe := logging.NewPipeReader()
	var lines []string
	read := make(chan struct{})
	go func() {
		defer close(read)
		for scan := bufio.NewScanner(pipe); scan.Scan(); {
			lines = append(lines, scan.Text())
		}
	}()
	controlLog.Info("this is not worth a line")
	// More than it has room for, to nodes of the lab that take nothing.
	version := 0
	say := func(port, ttl int) {
		t.Helper()
		version++
		body := fmt.Sprintf(`{"uuid":"u%d","port":%d,"version":%d,"ttl":%d,"payload":1}`, version, port, version, ttl)
		resp, err := http.Post("http://"+as.control.Addr()+"/gossip/", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Fatal(resp.Status)
		}
	}
	for range 60 {
		silent, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
		say(silent.Addr().(*net.TCPAddr).Port, 0)
	}
	for range 10 {
		say(1, 1)
	}
	pipe.Close()
	<-read
	told := 0
	for _, line := range lines {
		if strings.Contains(line, "not worth a line") {
			t.Errorf("below the level: %s", line)
		}
		if strings.Contains(line, `"logger":"hearsay/control"`) && strings.Contains(line, `"level":"warn"`) && strings.Contains(line, "a message of the lab is lost") {
			told++
		}
	}
	if told == 0 {
		t.Error("a message is lost, and the log does not say so")
	}
}
