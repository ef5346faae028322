package control

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// compiler reads schemas of openapi.json, which are JSON Schema 2020-12.
var compiler = sync.OnceValue(func() *jsonschema.Compiler {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(openapi))
	if err != nil {
		panic(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("openapi.json", doc); err != nil {
		panic(err)
	}
	return c
})

// check holds a JSON value against the schema at a place of openapi.json, whose
// segments are escaped as JSON pointers want it.
func check(t *testing.T, body []byte, place ...string) {
	t.Helper()
	for i, segment := range place {
		place[i] = url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(segment))
	}
	schema, err := compiler().Compile("openapi.json#/" + strings.Join(place, "/"))
	if err != nil {
		t.Fatalf("%v: %v", place, err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		t.Fatalf("%.200s: %v", body, err)
	}
	if err := schema.Validate(v); err != nil {
		t.Errorf("%.300s is not as openapi.json says: %v", body, err)
	}
}

// conforms holds an answer against openapi.json.
func conforms(t *testing.T, r *http.Request, w *httptest.ResponseRecorder) {
	t.Helper()
	if w.Code != http.StatusOK {
		check(t, w.Body.Bytes(), "components", "schemas", "Error")
		return
	}
	mux := http.NewServeMux()
	for _, route := range routes {
		if route.out != nil {
			mux.HandleFunc(route.method+" "+route.path, func(http.ResponseWriter, *http.Request) {
				check(t, w.Body.Bytes(), "paths", route.path, strings.ToLower(route.method),
					"responses", "200", "content", "application/json", "schema")
			})
		}
	}
	mux.ServeHTTP(httptest.NewRecorder(), r)
}

// A schema that takes anything would make the checks above worthless.
func TestSchemasBite(t *testing.T) {
	for place, bad := range map[string]string{
		"Status":   `{"version":1}`,
		"Peer":     `{"id":"x","state":"neighbour","addrs":null}`,
		"Identity": `{"version":2,"id":"x","addrs":[],"network":"n","agent":"a","pid":1}`,
		"Rumor":    `{"version":1,"id":"","origin":"","type":65536,"data":"","created":"2026-01-02T03:04:05Z","expires":"2026-01-02T03:04:05Z","received":"2026-01-02T03:04:05Z"}`,
		"Error":    `{"version":1}`,
	} {
		schema, err := compiler().Compile("openapi.json#/components/schemas/" + place)
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if err := json.Unmarshal([]byte(bad), &v); err != nil {
			t.Fatal(err)
		}
		if schema.Validate(v) == nil {
			t.Errorf("%s takes %s", place, bad)
		}
	}
}
