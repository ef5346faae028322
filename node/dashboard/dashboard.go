package dashboard

import (
	"embed"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
)

//go:embed static
var files embed.FS

// policy lets the page load its own files, talk to its own server, and no more.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// types are the media types of the files; there are no others.
var types = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// Handler serves the page at / and its files at /dashboard/NAME. It has no
// secrets and asks for none: what there is to see the page asks the control API
// for.
func Handler() http.Handler {
	served := map[string][]byte{}
	names, err := fs.Glob(files, "static/*")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			panic(err) // it is embedded
		}
		served["/dashboard/"+strings.TrimPrefix(name, "static/")] = text
	}
	served["/"] = served["/dashboard/index.html"]
	delete(served, "/dashboard/index.html")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := served[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		h.Set("Cache-Control", "no-store") // the next version may listen on this port
		h.Set("Content-Type", typeOf(r.URL.Path))
		h.Set("Content-Length", strconv.Itoa(len(text)))
		w.Write(text) // a client that went away needs no answer
	})
}

func typeOf(path string) string {
	i := strings.LastIndexByte(path, '.')
	if i < 0 {
		return types[".html"]
	}
	return types[path[i:]]
}
