package control

import "time"

// Version is the version of all JSON of this package. Fields may be added to
// it; a change that breaks readers takes a new version and a new path.
const Version = 1

// opened is the data of the event "open", the first of each stream.
type opened struct {
	Version int `json:"version"`
}

// list makes nothing an empty list: JSON readers should not meet null.
func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
