package health

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"testing"
	"time"
)

func codes(fs []Finding) (s string) {
	for _, f := range fs {
		s += string(f.Code) + " " + f.About + ";"
	}
	return s
}

// A condition is shown when it has lasted; one that ends and comes back has to
// last again.
func TestDelay(t *testing.T) {
	var m Monitor
	lonely := []Condition{{Code: NoNeighbour, Text: "first"}}
	m.Update(noon, lonely)
	if fs := m.Findings(noon.Add(29 * time.Second)); len(fs) != 0 {
		t.Errorf("too soon: %+v", fs)
	}
	m.Update(noon.Add(10*time.Second), []Condition{{Code: NoNeighbour, Text: "second"}})
	fs := m.Findings(noon.Add(30 * time.Second))
	if len(fs) != 1 || !fs[0].Since.Equal(noon) || fs[0].Text != "second" || fs[0].Title != "No neighbour" {
		t.Errorf("after its delay: %+v", fs)
	}
	m.Update(noon.Add(40*time.Second), nil)
	if fs := m.Findings(noon.Add(40 * time.Second)); len(fs) != 0 {
		t.Errorf("when it has ended: %+v", fs)
	}
	m.Update(noon.Add(41*time.Second), lonely)
	if fs := m.Findings(noon.Add(70 * time.Second)); len(fs) != 0 {
		t.Errorf("back, and too soon: %+v", fs)
	}
	if fs := m.Findings(noon.Add(71 * time.Second)); len(fs) != 1 || !fs[0].Since.Equal(noon.Add(41*time.Second)) {
		t.Errorf("back: %+v", fs)
	}
}

func TestOrderAndHealth(t *testing.T) {
	var m Monitor
	m.Update(noon, []Condition{
		{Code: PortMoved, About: "b"}, {Code: PortMoved, About: "a"}, {Code: VotesLate}, {Code: DiskFull, Severity: Error}, {Code: HostkeyCopied},
	})
	fs := m.Findings(noon)
	if got, want := codes(fs), "hostkey-copied ;disk-full ;votes-late ;port-moved a;port-moved b;"; got != want {
		t.Errorf("in order: %s\nwant      %s", got, want)
	}
	if Healthy(fs) || Healthy(fs[2:]) || !Healthy(fs[3:]) || !Healthy(nil) {
		t.Error("an error or a warning makes a node unhealthy, what is good to know does not")
	}
}

func TestConditionsAreBounded(t *testing.T) {
	var m Monitor
	var many []Condition
	for i := range 10 * maxConditions {
		many = append(many, Condition{Code: PortMoved, About: fmt.Sprint(i)})
	}
	m.Update(noon, append(many, Condition{Code: HostkeyCopied}))
	fs := m.Findings(noon)
	if len(fs) != maxConditions || fs[0].Code != HostkeyCopied {
		t.Errorf("%d findings, the first is %s", len(fs), fs[0].Code)
	}
}

func TestMachine(t *testing.T) {
	if free := DiskFree(t.TempDir()); free < -1 {
		t.Errorf("%d bytes free", free)
	}
	if free := DiskFree("/nowhere/at/all"); free != -1 {
		t.Errorf("%d bytes free in a folder that does not exist", free)
	}
	open, most := Files()
	if open < 0 || open > most {
		t.Errorf("%d of %d files", open, most)
	}
}

// The process that listens on a port is found, and only that one.
func TestPortHolder(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only known on Linux")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if h := PortHolder(port); h.PID != os.Getpid() || h.Name == "" {
		t.Errorf("the holder is %+v, this process is %d", h, os.Getpid())
	}
	l.Close()
	if h := PortHolder(port); h.PID != 0 {
		t.Errorf("after closing the holder is %+v", h)
	}
}
