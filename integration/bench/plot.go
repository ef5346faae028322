package main

import (
	"bytes"
	"fmt"
	"math"
	"slices"
)

// drawings are small plots, by file name: that of the group that they belong to.
func drawings(rs results) map[string][]byte {
	plots := make(map[string][]byte)
	for _, g := range plan() {
		if g.Climb || g.Cells[0].Kind != "spread" {
			continue
		}
		if svg := latencyBars(rs, g); svg != nil {
			plots[g.Name+".svg"] = svg
		}
	}
	if svg := costBars(rs); svg != nil {
		plots["main-cost.svg"] = svg
	}
	if svg := saturationBars(rs); svg != nil {
		plots["saturation.svg"] = svg
	}
	if svg := growthLines(rs); svg != nil {
		plots["growth.svg"] = svg
	}
	return plots
}

// style has colours for light and for dark surroundings; there is no background.
const style = `<style>
text{fill:#333;font:12px sans-serif}.u{stroke:#333;stroke-opacity:.25;stroke-dasharray:2 3}.o{fill:none;stroke-width:2}
.a{fill:#b3541e}.b{fill:#e6b995}.c{fill:#4a6785}.d{fill:#b3c4d5}.e{stroke:#b3541e}.f{stroke:#4a6785}.g{stroke:#6a8f3c}
@media (prefers-color-scheme:dark){text{fill:#ddd}.u{stroke:#ddd}
.a{fill:#e58a4e}.b{fill:#7d4a2c}.c{fill:#85a8ca}.d{fill:#41566b}.e{stroke:#e58a4e}.f{stroke:#85a8ca}.g{stroke:#a3c970}}
</style>
`

const (
	barHeight = 18
	barStep   = barHeight + 6
	barLeft   = 110
	barWidth  = 400
	barTop    = 28
)

// bar is one of a plot: it ends at Value, and in a lighter tone at Beyond, if
// that is more.
type bar struct {
	Name          string
	Value, Beyond float64
}

// bars draws bars below each other over a scale, which is logarithmic if log.
func bars(title string, log bool, list []bar) []byte {
	if len(list) == 0 {
		return nil
	}
	low, high := math.Inf(1), 0.0
	for _, r := range list {
		low, high = min(low, r.Value), max(high, r.Value, r.Beyond)
	}
	at := func(v float64) float64 { return barWidth * v / high }
	var ticks []float64
	if log {
		low = math.Pow(10, math.Floor(math.Log10(low/1.5)))
		at = func(v float64) float64 { return barWidth * math.Log(v/low) / math.Log(high/low) }
		for v := low; v <= high; v *= 10 {
			ticks = append(ticks, v)
		}
	} else {
		step := math.Pow(10, math.Floor(math.Log10(high)))
		if high/step < 3 {
			step /= 2
		}
		for v := 0.0; v <= high; v += step {
			ticks = append(ticks, v)
		}
	}
	var b bytes.Buffer
	bottom := barTop + len(list)*barStep
	svg(&b, barLeft+barWidth+110, bottom+20, title)
	for i, r := range list {
		y := barTop + i*barStep
		strong, weak := "c", "d"
		if r.Name == "hearsay" {
			strong, weak = "a", "b"
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text>`, barLeft-8, y+13, r.Name)
		label := number(r.Value)
		if r.Beyond > r.Value {
			fmt.Fprintf(&b, `<rect class="%s" x="%d" y="%d" width="%.1f" height="%d"/>`, weak, barLeft, y, at(r.Beyond), barHeight)
			label += " / " + number(r.Beyond)
		}
		fmt.Fprintf(&b, `<rect class="%s" x="%d" y="%d" width="%.1f" height="%d"/>`, strong, barLeft, y, at(r.Value), barHeight)
		fmt.Fprintf(&b, `<text x="%.1f" y="%d">%s</text>`+"\n", barLeft+at(max(r.Value, r.Beyond))+6, y+13, label)
	}
	for _, v := range ticks {
		x := barLeft + at(v)
		fmt.Fprintf(&b, `<line class="u" x1="%.1f" y1="%d" x2="%.1f" y2="%d"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", x, barTop-4, x, bottom, x, bottom+14, number(v))
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

func svg(b *bytes.Buffer, width, height int, title string) {
	fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d">`+"\n%s", width, height, width, height, style)
	fmt.Fprintf(b, `<text x="8" y="16">%s</text>`+"\n", title)
}

func latencyBars(rs results, g group) []byte {
	var list []bar
	for _, c := range g.Cells {
		some := rs.of(g.Name, c.System)
		if p50 := some.figure("p50_ms"); p50.N > 0 {
			list = append(list, bar{c.System, p50.Median, some.figure("p99_ms").Median})
		}
	}
	return bars("delivery in ms, logarithmic: strong to p50, weak to p99", true, list)
}

func costBars(rs results) []byte {
	var list []bar
	for _, s := range append(all[:len(all):len(all)], "serf") {
		if f := rs.of("main", s).figure("wire_bytes_per_payload_byte"); f.N > 0 {
			list = append(list, bar{Name: s, Value: f.Median})
		}
	}
	return bars("bytes on the wire per delivered payload byte", false, list)
}

func saturationBars(rs results) []byte {
	var list []bar
	for _, s := range all {
		if f := rs.saturation(s); f.N > 0 && f.Median > 0 {
			list = append(list, bar{Name: s, Value: f.Median})
		}
	}
	return bars("messages a second that get through", false, list)
}

// growthLines draws what a node costs against the number of nodes, each relative
// to what it costs at the fewest: a flat line is what does not grow.
func growthLines(rs results) []byte {
	const left, width, height = 50, 400, 180
	quiet := rs.of("growth", "quiet")
	var sizes []int
	for _, r := range quiet {
		if !slices.Contains(sizes, r.Cell.Hosts) && r.Error == "" {
			sizes = append(sizes, r.Cell.Hosts)
		}
	}
	slices.Sort(sizes)
	if len(sizes) < 2 {
		return nil
	}
	lines := []struct{ figure, name, class string }{
		{"bytes_per_delivery", "bytes per delivery", "e"}, {"idle_bytes_per_s_and_node", "idle bytes/s", "f"}, {"heap_kib_per_node", "memory", "g"},
	}
	value := func(figure string, n int) float64 {
		return quiet.where(func(c *cell) bool { return c.Hosts == n }).figure(figure).Median
	}
	low, high := 0.5, 2.0
	for _, l := range lines {
		for _, n := range sizes {
			v := value(l.figure, n) / value(l.figure, sizes[0])
			low, high = min(low, v), max(high, v)
		}
	}
	first, last := float64(sizes[0]), float64(sizes[len(sizes)-1])
	x := func(n int) float64 { return left + width*math.Log(float64(n)/first)/math.Log(last/first) }
	y := func(v float64) float64 { return barTop + height*(1-math.Log(v/low)/math.Log(high/low)) }
	var b bytes.Buffer
	svg(&b, left+width+150, barTop+height+24, "per node, relative to "+fmt.Sprint(sizes[0])+" nodes, both axes logarithmic (quiet)")
	for _, n := range sizes {
		fmt.Fprintf(&b, `<line class="u" x1="%.1f" y1="%d" x2="%.1f" y2="%d"/><text x="%.1f" y="%d" text-anchor="middle">%d</text>`+"\n", x(n), barTop, x(n), barTop+height, x(n), barTop+height+15, n)
	}
	for v := math.Pow(2, math.Ceil(math.Log2(low))); v <= high; v *= 2 {
		fmt.Fprintf(&b, `<line class="u" x1="%d" y1="%.1f" x2="%d" y2="%.1f"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n", left, y(v), left+width, y(v), left-6, y(v)+4, number(v))
	}
	ends := make([]float64, 0, len(lines)) // of labels, so that none covers another
	for _, l := range lines {
		fmt.Fprintf(&b, `<polyline class="o %s" points="`, l.class)
		end := 0.0
		for _, n := range sizes {
			end = y(value(l.figure, n) / value(l.figure, sizes[0]))
			fmt.Fprintf(&b, "%.1f,%.1f ", x(n), end)
		}
		for slices.ContainsFunc(ends, func(other float64) bool { return math.Abs(other-end) < 13 }) {
			end += 13
		}
		ends = append(ends, end)
		fmt.Fprintf(&b, `"/><line class="o %s" x1="%d" y1="%.1f" x2="%d" y2="%.1f"/><text x="%d" y="%.1f">%s</text>`+"\n", l.class, left+width+6, end, left+width+18, end, left+width+22, end+4, l.name)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}
