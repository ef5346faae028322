package scenario

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
)

// Baseline is what scenarios came to before, by Result.Key. It is kept as JSON,
// with sorted keys, so that a change shows as such in a diff.
type Baseline map[string]Figures

// LoadBaseline reads a baseline. A file that is not there is an error that
// wraps fs.ErrNotExist.
func LoadBaseline(path string) (Baseline, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	b := make(Baseline)
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&b); err != nil {
		return nil, fmt.Errorf("%s is no baseline: %w", path, err)
	}
	return b, nil
}

// Save writes the baseline to a file.
func (b Baseline) Save(path string) error {
	text, err := json.MarshalIndent(b, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// Difference is a figure that is not what the baseline says, by more than
// chance explains.
type Difference struct {
	Key    string  `json:"key"`
	Figure string  `json:"figure"`
	Was    float64 `json:"was"`
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
	return fmt.Sprintf("%s: %s is %s, was %s: %s", d.Key, d.Figure, d.format(d.Is), d.format(d.Was), how)
}

// ErrNotInBaseline is wrapped by the error of Compare for a result of which the
// baseline says nothing.
var ErrNotInBaseline = errors.New("not in the baseline")

// Compare holds a result against the baseline. A figure that is the scenario's own,
// not the core's, must be the same: if it is not, the scenario was changed, and
// Worse is true.
func (b Baseline) Compare(r *Result) ([]Difference, error) {
	was, ok := b[r.Key()]
	if !ok {
		return nil, fmt.Errorf("%s: %w", r.Key(), ErrNotInBaseline)
	}
	var all []Difference
	for _, f := range figures {
		old, now := f.value(&was), f.value(&r.Figures)
		if now == old || math.Abs(now-old) <= max(f.least, f.part*math.Abs(old)) {
			continue
		}
		worse := f.worse == 0 || (now > old) == (f.worse > 0)
		all = append(all, Difference{r.Key(), f.name, finite(old), finite(now), worse, f.format})
	}
	return all, nil
}

// finite makes of never what Figures.Settled has for it.
func finite(x float64) float64 {
	if math.IsInf(x, 1) {
		return -1
	}
	return x
}
