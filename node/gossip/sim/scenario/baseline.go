package scenario

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
)

// BaselineSeeds is how many seeds a new baseline is made of.
const BaselineSeeds = 8

// Baseline is what scenarios came to before: for each (Result.Name) and each figure
// the least and the most that several seeds gave. So it knows how much of a
// difference is chance. It is kept as JSON, a figure to a line, so that a change
// shows as such in a diff.
type Baseline map[string]map[string]Band

// Band is the least and the most that a figure came to. -1 as the most of a time
// is never.
type Band [2]float64

// LoadBaseline reads a baseline. A file that is not there is an error that
// wraps fs.ErrNotExist.
func LoadBaseline(path string) (Baseline, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	b := make(Baseline)
	if err := json.Unmarshal(text, &b); err != nil {
		return nil, fmt.Errorf("%s is no baseline: %w", path, err)
	}
	for name, bands := range b {
		for figure := range bands {
			if _, ok := figureNamed(figure); !ok {
				return nil, fmt.Errorf("%s is no baseline: %s has no figure %q", path, name, figure)
			}
		}
	}
	return b, nil
}

// Save writes the baseline to a file.
func (b Baseline) Save(path string) error {
	var text bytes.Buffer
	text.WriteString("{")
	for i, name := range slices.Sorted(maps.Keys(b)) {
		if i > 0 {
			text.WriteString(",")
		}
		fmt.Fprintf(&text, "\n\t%q: {", name)
		first := true
		for _, f := range figures {
			band, ok := b[name][f.name]
			if !ok {
				continue
			}
			if !first {
				text.WriteString(",")
			}
			first = false
			pair, err := json.Marshal(band)
			if err != nil {
				return err
			}
			fmt.Fprintf(&text, "\n\t\t%q: %s", f.name, pair)
		}
		text.WriteString("\n\t}")
	}
	text.WriteString("\n}\n")
	return os.WriteFile(path, text.Bytes(), 0o644)
}

// Replace puts results in the place of what the baseline says about the same
// scenarios.
func (b Baseline) Replace(results []*Result) {
	fresh := make(Baseline)
	for _, r := range results {
		bands := fresh[r.Name()]
		if bands == nil {
			bands = make(map[string]Band)
			fresh[r.Name()] = bands
		}
		for _, f := range figures {
			x := f.value(&r.Figures)
			old, ok := bands[f.name]
			if !ok {
				old = Band{x, x}
			}
			bands[f.name] = Band{finite(min(never(old[0]), x)), finite(max(never(old[1]), x))}
		}
	}
	maps.Copy(b, fresh)
}

// Difference is a figure that lies outside of what the baseline says.
type Difference struct {
	Key    string  `json:"key"`
	Figure string  `json:"figure"`
	Was    Band    `json:"was"`
	Is     float64 `json:"is"`
	// Worse says whether that is bad news. Good news deserve a new baseline, so
	// that they are not lost again.
	Worse bool `json:"worse"`

	format func(float64) string
}

func (d Difference) String() string {
	how := "better"
	if d.Worse {
		how = "worse"
	}
	was := d.format(d.Was[0])
	if d.Was[1] != d.Was[0] {
		was += " to " + d.format(d.Was[1])
	}
	return fmt.Sprintf("%s: %s is %s, was %s: %s", d.Key, d.Figure, d.format(d.Is), was, how)
}

// ErrNotInBaseline is wrapped by the error of Compare for a result of which the
// baseline says nothing.
var ErrNotInBaseline = errors.New("not in the baseline")

// Compare holds a result against the baseline: a figure may lie beyond the band by
// a little that depends on the figure. One that is the scenario's own, not the
// core's, may do so in neither direction: if it does, the scenario was changed,
// and Worse is true.
func (b Baseline) Compare(r *Result) ([]Difference, error) {
	bands, ok := b[r.Name()]
	if !ok {
		return nil, fmt.Errorf("%s: %w", r.Name(), ErrNotInBaseline)
	}
	var all []Difference
	for _, f := range figures {
		band, ok := bands[f.name]
		if !ok {
			return nil, fmt.Errorf("%s of %s: %w", f.name, r.Name(), ErrNotInBaseline)
		}
		is := f.value(&r.Figures)
		least, most := never(band[0]), never(band[1])
		more := is > most && is-most > max(f.least, f.part*most)
		less := is < least && least-is > max(f.least, f.part*least)
		if more || less {
			worse := f.worse == 0 || more == (f.worse > 0)
			all = append(all, Difference{r.Key(), f.name, band, finite(is), worse, f.format})
		}
	}
	return all, nil
}

// finite makes of never what JSON can say, and never does the reverse.
func finite(x float64) float64 {
	if math.IsInf(x, 1) {
		return -1
	}
	return x
}

func never(x float64) float64 {
	if x < 0 {
		return math.Inf(1)
	}
	return x
}
