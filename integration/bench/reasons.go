package main

import (
	"errors"
	"os"
	"strings"
)

// reasonsFile is why goals do not hold, and remarks, written by people. Nothing
// here ever writes it.
const reasonsFile = "reasons.md"

// remarks is the name of its section that is not about a goal.
const remarks = "remarks"

// readReasons reads the sections of reasonsFile by their names: "## cpu" begins
// the one about goal "cpu". What comes before the first is for its writers.
func readReasons(path string) (map[string]string, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return parseReasons(string(text)), err
}

func parseReasons(text string) map[string]string {
	sections := make(map[string]string)
	name := ""
	for line := range strings.Lines(text) {
		if heading, ok := strings.CutPrefix(line, "## "); ok {
			name = strings.TrimSpace(heading)
			continue
		}
		if name != "" {
			sections[name] += line
		}
	}
	for name, text := range sections {
		if sections[name] = strings.TrimSpace(text); sections[name] == "" {
			delete(sections, name)
		}
	}
	return sections
}
