package dashboard

import (
	"io/fs"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func serve(path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w
}

// each calls f with every file.
func each(t *testing.T, f func(name, text string)) {
	t.Helper()
	names, err := fs.Glob(files, "static/*")
	if err != nil || len(names) < 10 {
		t.Fatalf("%d files, %v", len(names), err)
	}
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f(strings.TrimPrefix(name, "static/"), string(text))
	}
}

func TestServesItsFiles(t *testing.T) {
	each(t, func(name, text string) {
		path := "/dashboard/" + name
		if name == "index.html" {
			path = "/"
		}
		w := serve(path)
		if w.Code != 200 || w.Body.String() != text {
			t.Errorf("%s: %d", path, w.Code)
		}
		if got := w.Header().Get("Content-Type"); got != types[name[strings.LastIndex(name, "."):]] || got == "" {
			t.Errorf("%s is %q", path, got)
		}
	})
	for _, path := range []string{"/dashboard/", "/dashboard/index.html", "/dashboard/no.js", "/dashboard/../dashboard.go", "/static/app.js", "/x"} {
		if w := serve(path); w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

func TestHeaders(t *testing.T) {
	each(t, func(name, _ string) {
		if name == "index.html" {
			name = ""
		}
		path := strings.TrimSuffix("/dashboard/"+name, "dashboard/")
		h := serve(path).Header()
		for header, want := range map[string]string{
			"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
			"Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
		} {
			if got := h.Get(header); got != want {
				t.Errorf("%s: %s is %q", path, header, got)
			}
		}
	})
	for _, part := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "require-trusted-types-for 'script'"} {
		if !strings.Contains(policy, part) {
			t.Errorf("the policy does not say %s", part)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") || strings.Contains(policy, "data:") {
		t.Errorf("the policy is too wide: %s", policy)
	}
}

// Nothing that others say can become anything but text, because nothing here
// makes HTML or code out of text; and nothing comes from elsewhere.
func TestNothingMakesHTML(t *testing.T) {
	never := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|setHTML|srcdoc|` +
		`\beval\b|\bnew Function\b|\bFunction\(|setTimeout\(["'` + "`" + `]|setInterval\(["'` + "`" + `]|javascript:|import\(`)
	inline := regexp.MustCompile(`(?i)<script[^>]*>[^<]|<style|\son[a-z]+\s*=|\sstyle\s*=`)
	foreign := regexp.MustCompile(`(?i)(https?:)?//[a-z0-9.-]+\.[a-z]{2,}|@import|url\(`)
	each(t, func(name, text string) {
		if got := never.FindString(text); got != "" {
			t.Errorf("%s has %q", name, got)
		}
		if strings.HasSuffix(name, ".html") {
			if got := inline.FindString(text); got != "" {
				t.Errorf("%s has %q, which the policy forbids", name, got)
			}
		}
		if got := foreign.FindString(strings.ReplaceAll(text, "http://www.w3.org/2000/svg", "")); got != "" {
			t.Errorf("%s names something elsewhere: %q", name, got)
		}
		if lines := strings.Count(text, "\n"); lines > 500 {
			t.Errorf("%s has %d lines", name, lines)
		}
	})
}

// What the page asks for is there.
func TestReferences(t *testing.T) {
	refs := regexp.MustCompile(`"(/dashboard/[^"]+|\./[a-z]+\.js)"`)
	found := 0
	each(t, func(name, text string) {
		for _, m := range refs.FindAllStringSubmatch(text, -1) {
			found++
			path := strings.Replace(m[1], "./", "/dashboard/", 1)
			if serve(path).Code != 200 {
				t.Errorf("%s asks for %s", name, m[1])
			}
		}
	})
	if found < 20 {
		t.Errorf("only %d references were found", found)
	}
	ids := regexp.MustCompile(`\$\("([a-z-]+)"\)`)
	page, _ := files.ReadFile("static/index.html")
	each(t, func(name, text string) {
		for _, m := range ids.FindAllStringSubmatch(text, -1) {
			if !strings.HasSuffix(m[1], "-") && !strings.Contains(string(page), `id="`+m[1]+`"`) {
				t.Errorf("%s wants #%s, which the page has not", name, m[1])
			}
		}
	})
}
