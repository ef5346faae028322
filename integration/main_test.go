package integration_test

import (
	"fmt"
	"os"
	"testing"

	logging "github.com/ipfs/go-log/v2"
	"go.uber.org/goleak"
)

// long asks for the full numbers of the tests that have them: HEARSAY_LONG=1.
var long = os.Getenv("HEARSAY_LONG") != ""

func TestMain(m *testing.M) {
	if text := os.Getenv(childEnv); text != "" {
		logging.SetAllLoggers(logging.LevelFatal)
		if err := childMain(text); err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			os.Exit(1)
		}
		return
	}
	logging.SetAllLoggers(logging.LevelFatal) // tests provoke what nodes warn of
	goleak.VerifyTestMain(m,
		// The UPnP client of libp2p, which no test uses, starts this on import.
		goleak.IgnoreAnyFunction("go.opencensus.io/stats/view.(*worker).start"))
}
