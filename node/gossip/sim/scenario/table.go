package scenario

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"hearsay/node/gossip/sim"
)

// columns are the figures that a table shows, in this order.
var columns = []string{"deliveries", "delivery", "missing", "redundancy", "bytes_per_byte", "messages_per_delivery", "stretch", "hops", "p50", "p95", "p99", "max", "settled", "violations"}

// WriteTable prints results, one to a row. A figure that the scenario does not
// have is a dash.
func WriteTable(w io.Writer, results []*Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	head := []string{"scenario"}
	for _, name := range columns {
		f, _ := figureNamed(name)
		head = append(head, f.title)
	}
	fmt.Fprintln(t, strings.Join(head, "\t")+"\t")
	for _, r := range results {
		row := []string{r.Key()}
		for _, name := range columns {
			f, _ := figureNamed(name)
			text := f.format(f.value(&r.Figures))
			if f.value(&r.Figures) == 0 && (name == "settled" || name == "stretch") || r.Deliveries == 0 && name != "violations" {
				text = "-"
			}
			row = append(row, text)
		}
		fmt.Fprintln(t, strings.Join(row, "\t")+"\t")
	}
	return t.Flush()
}

// WriteKinds prints a result's messages by kind, most bytes first.
func WriteKinds(w io.Writer, r *Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "%s\tmessages\tbytes\t\n", r.Key())
	kinds := slices.SortedFunc(maps.Keys(r.Kinds), func(a, b string) int {
		return cmp.Or(cmp.Compare(r.Kinds[b].Bytes, r.Kinds[a].Bytes), cmp.Compare(a, b))
	})
	sum := sim.Count{}
	for _, k := range kinds {
		c := r.Kinds[k]
		sum.Messages += c.Messages
		sum.Bytes += c.Bytes
		fmt.Fprintf(t, "%s\t%d\t%d\t\n", k, c.Messages, c.Bytes)
	}
	fmt.Fprintf(t, "all\t%d\t%d\t\n", sum.Messages, sum.Bytes)
	return t.Flush()
}
