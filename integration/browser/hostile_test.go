package browser

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"hearsay/node"
	"hearsay/node/health"
)

// hostileTexts are what a stranger would call itself to run a program in another's
// page, to load something from elsewhere, to break a line or to turn it around.
func hostileTexts() (all []string) {
	const act = `window.pwned=1`
	for _, open := range []string{"", `">`, `'>`, "`>", "</script>", "</td></tr></table>", "-->", "]]>", "</textarea>", "\\u003c"} {
		all = append(all,
			open+"<script>"+act+"</script>",
			open+`<img src=x onerror="`+act+`">`,
			open+`<svg onload=`+act+`>`,
			open+`<iframe srcdoc="<script>parent.pwned=1</script>"></iframe>`,
			open+`<a href="javascript:`+act+`" autofocus onfocus=`+act+`>x</a>`,
			open+`<style>@import "http://evil.example/x.css";*{display:none}</style>`,
			open+`<link rel=stylesheet href=http://evil.example/x.css>`,
			open+`<base href="http://evil.example/">`,
		)
	}
	all = append(all,
		"{{constructor.constructor('"+act+"')()}}", "${"+act+"}", "javascript:"+act, "data:text/html,<script>"+act+"</script>",
		"event: open\ndata: {}\n\n", "\r\n\r\nHTTP/1.1 200 OK\r\n\r\n<script>"+act+"</script>",
		"\u202eecilA morf\u202c", "\u2066left\u2069 \u200fright", "\x1b]0;title\x07\x1b[2J", "nul\x00byte\x7f\u0085",
		"__proto__", "constructor", "<!--", "<![CDATA[<script>"+act+"</script>]]>", "%3Cscript%3E"+act+"%3C/script%3E",
		"&lt;script&gt;"+act+"&lt;/script&gt;", "&#60;img src=x onerror="+act+"&#62;", "<math><mtext><img src=x onerror="+act+">",
		"<template><script>"+act+"</script></template>", strings.Repeat("W", 900), strings.Repeat("Z\u0351\u036b", 150), "<plaintext>",
		"<object data=http://evil.example/x>", "<meta http-equiv=refresh content='0;url=http://evil.example/'>",
	)
	return all
}

// asSeen is how the page shows a text: control and direction characters as signs.
func asSeen(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n':
			return r
		case r < 0x20:
			return 0x2400 + r
		case r >= 0x7f && r <= 0x9f, r == 0x200e, r == 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x61c:
			return 0xfffd
		}
		return r
	}, text)
}

// A hundred hostile payloads and names are text, wherever they are shown.
func TestHostileTexts(t *testing.T) {
	texts := hostileTexts()
	if len(texts) < 100 {
		t.Fatalf("only %d texts", len(texts))
	}
	c := newCrowd(2*len(texts), texts)
	c.state = says(len(texts), texts)
	for _, text := range texts {
		c.findings = append(c.findings, health.Finding{Code: health.Code(text), About: text, Title: text, Severity: health.Severity(text), Text: text, Cure: text, Since: time.Now()})
		c.values = append(c.values, node.Value{Data: []byte(text), Signer: peerID(1), Created: time.Now(), Expires: time.Now().Add(time.Hour)})
	}
	p := visit(t, chromium(t), serve(t, c)(), "dark")
	p.await("all peers", fmt.Sprintf(`document.querySelectorAll("#peers tbody tr").length === %d`, 2*len(texts)))
	count := `document.querySelectorAll("script, iframe, object, embed, base, meta, link, style, img, template, math, a").length`
	elements := eval[int](p, count)

	for i, text := range texts {
		c.say(peerID(i), peerID(0), 1000, []byte(text))
	}
	p.show("3", "chat")
	p.await("all messages", fmt.Sprintf(`document.querySelectorAll("#chat-log .text").length === %d`, len(texts)))
	p.show("2", "rumors")
	p.await("all rumors", fmt.Sprintf(`document.querySelectorAll("#rumors tbody tr").length === %d`, len(texts)))
	p.picture("hostile-rumors")
	p.show("4", "state")
	p.await("all state", fmt.Sprintf(`document.querySelectorAll("#state tbody tr").length === %d`, len(texts)))
	p.show("5", "dht")
	p.run(setValue("#dht-get-key", texts[0]))
	p.run(click("#dht-get button"))
	p.await("all values", fmt.Sprintf(`document.querySelectorAll("#dht-values li").length === %d`, len(texts)))
	p.show("6", "health")
	p.picture("hostile-health")
	p.show("1", "network")
	p.picture("hostile-network")

	var want []string
	for _, text := range texts {
		want = append(want, asSeen(text))
	}
	list, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	for what, selector := range map[string]string{"chat": "#chat-log .text", "agents": "#peers td:nth-child(8)", "addresses": "#peers td.addr",
		"findings": "#findings strong + span", "state": "#state td:first-child"} {
		missing := eval[[]string](p, fmt.Sprintf(`{
			const seen = new Set([...document.querySelectorAll(%q)].map((e) => e.textContent));
			%s.filter((t) => !seen.has(t) && !seen.has(t.slice(0, 40)));
		}`, selector, list))
		for _, m := range missing {
			t.Errorf("%s: not shown as it is: %q", what, m)
		}
	}
	if got := eval[int](p, count); got != elements {
		t.Errorf("%d elements that should not be there", got-elements)
	}
	if eval[bool](p, `"pwned" in window`) {
		t.Error("a text has become a program")
	}
	if title := eval[string](p, `document.title + location.href`); strings.Contains(title, "evil") {
		t.Errorf("the page is now %s", title)
	}
	p.wellBehaved()
}
