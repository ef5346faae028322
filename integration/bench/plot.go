package main

import (
	"bytes"
	"fmt"
	"math"
)

// drawings are small plots, by file name.
func drawings(rs results) map[string][]byte {
	plots := make(map[string][]byte)
	for _, g := range []string{"main", "slow", "few", "kill"} {
		if len(rs.group(g)) > 0 {
			plots[g+".svg"] = bars(rs, g, all)
		}
	}
	return plots
}

const (
	barHeight = 18
	barLeft   = 110
	barWidth  = 420
)

// bars draws, for each system, p50 and p99 on a logarithmic scale: the dark bar
// ends at p50, the light one at p99.
func bars(rs results, group string, systems []string) []byte {
	low, high := math.Inf(1), 0.0
	for _, s := range systems {
		if f := rs.of(group, s); f.figure("p50_ms").N > 0 {
			low, high = min(low, f.figure("p50_ms").Median), max(high, f.figure("p99_ms").Median)
		}
	}
	low, high = math.Pow(10, math.Floor(math.Log10(low/1.5))), high*1.2
	at := func(ms float64) float64 { return barWidth * math.Log(ms/low) / math.Log(high/low) }
	var b bytes.Buffer
	height := (len(systems)+2)*(barHeight+6) + 8
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">`+"\n", barLeft+barWidth+90, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="#fff"/><text x="%d" y="16" fill="#333">delivery in ms (logarithmic): dark to p50, light to p99</text>`+"\n", barLeft)
	y := 26
	for _, s := range systems {
		f := rs.of(group, s)
		p50, p99 := f.figure("p50_ms"), f.figure("p99_ms")
		if p50.N == 0 {
			continue
		}
		dark, light := "#4a6785", "#b8c7d6"
		if s == "hearsay" {
			dark, light = "#b3541e", "#eac7ae"
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end" fill="#333">%s</text>`, barLeft-8, y+13, s)
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`, barLeft, y, at(p99.Median), barHeight, light)
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`, barLeft, y, at(p50.Median), barHeight, dark)
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" fill="#333">%s / %s</text>`+"\n", barLeft+at(p99.Median)+6, y+13, number(p50.Median), number(p99.Median))
		y += barHeight + 6
	}
	for ms := low; ms <= high; ms *= 10 {
		x := barLeft + at(ms)
		fmt.Fprintf(&b, `<line x1="%.1f" y1="22" x2="%.1f" y2="%d" stroke="#ccc" stroke-dasharray="2 3"/><text x="%.1f" y="%d" text-anchor="middle" fill="#666">%s</text>`+"\n", x, x, y, x, y+14, number(ms))
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}
