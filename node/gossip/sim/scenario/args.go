package scenario

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// args are the arguments of a directive: words in their order, and options of
// the form key=value. The first mistake stays.
type args struct {
	words []string
	err   error
	hint  string
}

func (a *args) fail(format string, v ...any) {
	if a.err == nil {
		a.err = fmt.Errorf(format, v...)
	}
}

// word takes the next argument that is no option.
func (a *args) word(what string) string {
	for i, w := range a.words {
		if !strings.Contains(w, "=") || isOperator(w) {
			a.words = slices.Delete(a.words, i, i+1)
			return w
		}
	}
	a.fail("%s is missing", what)
	return ""
}

// flag takes an argument that is there or not.
func (a *args) flag(word string) bool {
	i := slices.Index(a.words, word)
	if i >= 0 {
		a.words = slices.Delete(a.words, i, i+1)
	}
	return i >= 0
}

// option takes the value of an option, otherwise if it is not there.
func (a *args) option(key, otherwise string) string {
	for i, w := range a.words {
		if k, v, ok := strings.Cut(w, "="); ok && k == key {
			a.words = slices.Delete(a.words, i, i+1)
			return v
		}
	}
	return otherwise
}

// over complains about arguments that nobody took.
func (a *args) over() {
	if len(a.words) > 0 {
		a.fail("%q does not belong here", a.words[0])
	}
}

func (a *args) duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		a.fail("%q is no duration, such as 250ms or 1m30s", text)
	}
	return d
}

func (a *args) integer(text string, least, most int) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		a.fail("%q is no number from %d to %d", text, least, most)
	}
	return n
}

func (a *args) dataType(text string) uint16 { return uint16(a.integer(text, 0, math.MaxUint16)) }

func (a *args) number(text string) float64 {
	x, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
		a.fail("%q is no number", text)
	}
	return x
}

// share reads a part of the whole: 30% or 0.3.
func (a *args) share(text string) float64 {
	scale := 1.0
	digits, percent := strings.CutSuffix(text, "%")
	if percent {
		scale = 100
	}
	x, err := strconv.ParseFloat(digits, 64)
	if err != nil || !(x >= 0 && x <= scale) {
		a.fail("%q is no share, such as 30%%", text)
	}
	return x / scale
}

// set reads who is meant. Nodes are chosen when it is used.
func (a *args) set(text string, nodes int) nodeSet {
	switch {
	case text == "all" || text == "up" || text == "down" || text == "hostile" || text == "honest":
		return nodeSet{word: text}
	case strings.HasSuffix(text, "%"):
		return nodeSet{share: a.share(text)}
	}
	from, to, span := strings.Cut(text, "..")
	if !span {
		to = from
	}
	first, err := strconv.Atoi(from)
	last, err2 := strconv.Atoi(to)
	if err != nil || err2 != nil || first < 0 || last < first || last >= nodes {
		a.fail("%q is no set of nodes", text)
		a.hint = fmt.Sprintf("write all, up, down, hostile, honest, 30%% (of those up), a node from 0 to %d, or a span like 0..9", nodes-1)
	}
	return nodeSet{word: "span", first: first, last: last}
}

// nodeSet is a set of nodes.
type nodeSet struct {
	word        string
	share       float64 // of those up, chosen by chance, if there is no word
	first, last int
}

// of lists the nodes of a set, ascending.
func (s nodeSet) of(r *runner) []int {
	var all []int
	for i := range r.net.Nodes() {
		member := false
		switch s.word {
		case "all":
			member = true
		case "down":
			member = !r.net.Up(i)
		case "hostile":
			member = r.hostile(i)
		case "honest":
			member = !r.hostile(i)
		case "span":
			member = i >= s.first && i <= s.last
		default: // "up", and a share of it
			member = r.net.Up(i)
		}
		if member {
			all = append(all, i)
		}
	}
	if s.word == "" {
		r.rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		all = all[:int(math.Round(s.share*float64(len(all))))]
		slices.Sort(all)
	}
	return all
}

func isOperator(w string) bool { return w == "<=" || w == ">=" || w == "=" }
