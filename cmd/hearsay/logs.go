package main

import (
	"bytes"
	stdlog "log"
	"log/slog"
	"os"
	"strings"

	logging "github.com/ipfs/go-log/v2"
)

// setLogLevel lets our own packages log from this level on. Those of libp2p
// keep to errors: what they warn of is other nodes' business as a rule.
// $GOLOG_LOG_LEVEL, which can name each of them, has the last word.
func setLogLevel(level slog.Level) error {
	if os.Getenv("GOLOG_LOG_LEVEL") != "" {
		return nil
	}
	stdlog.SetFlags(0)
	stdlog.SetOutput(strayLog{})
	return logging.SetLogLevelRegex("^(hearsay|discovery)", strings.ToLower(level.String()))
}

// controlLog is where the control API complains. The logger of that name is what
// setLogLevel finds.
var controlLog = func() *slog.Logger {
	const name = "hearsay/control"
	logging.Logger(name)
	return slog.New(logging.SlogHandler().WithAttrs([]slog.Attr{slog.String("logger", name)}))
}()

// strayLog takes what libraries print through package log, such as that a
// machine has no IPv6: a user who did not ask for logs does not see it.
type strayLog struct{}

func (strayLog) Write(line []byte) (int, error) {
	log.Debugf("%s", bytes.TrimSpace(line))
	return len(line), nil
}
