package control

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
)

var rewrite = flag.Bool("rewrite", false, "write openapi.json again")

// m is a JSON object; encoding/json writes its keys in order.
type m = map[string]any

// TestOpenAPI: the description that is served is the one that the routes, the
// message types and their comments make.
func TestOpenAPI(t *testing.T) {
	want := describe(t).document()
	if *rewrite {
		if err := os.WriteFile("openapi.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(openapi, want) {
		t.Error("openapi.json is not what the routes say; renew it: go test ./node/control -run TestOpenAPI -rewrite")
	}
	s := testServer(t, &fake{})
	w := reply(t, s, request(s, "GET", "/v1/openapi.json", ""))
	if !bytes.Equal(w.Body.Bytes(), want) {
		t.Error("what is served is not the file")
	}
}

// TestEverythingIsDescribed holds the file itself against the routes, without
// the code that writes it.
func TestEverythingIsDescribed(t *testing.T) {
	var doc struct {
		OpenAPI    string
		Paths      map[string]map[string]struct{ Summary, OperationID string }
		Components struct {
			Schemas map[string]struct {
				Description string
				Properties  map[string]struct{ Description string }
			}
		}
	}
	if err := json.Unmarshal(openapi, &doc); err != nil || doc.OpenAPI != "3.1.0" {
		t.Fatalf("OpenAPI %q: %v", doc.OpenAPI, err)
	}
	var described, served []string
	ids := map[string]bool{}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			described = append(described, strings.ToUpper(method)+" "+path)
			if op.Summary == "" || op.OperationID == "" || ids[op.OperationID] {
				t.Errorf("%s %s: summary %q, operationId %q", method, path, op.Summary, op.OperationID)
			}
			ids[op.OperationID] = true
		}
	}
	for _, r := range routes {
		served = append(served, r.method+" "+r.path)
	}
	slices.Sort(described)
	slices.Sort(served)
	if !slices.Equal(described, served) {
		t.Errorf("described %q\nserved    %q", described, served)
	}
	for name, s := range doc.Components.Schemas {
		if s.Description == "" {
			t.Errorf("%s says not what it is: its type has no comment", name)
		}
	}
}

// description collects what the document is made of.
type description struct {
	t        *testing.T
	comments map[string]string // of types, and of fields as Type.Field
	schemas  m
}

func describe(t *testing.T) *description {
	d := &description{t: t, comments: map[string]string{}, schemas: m{}}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			if gen, ok := decl.(*ast.GenDecl); ok && gen.Tok == token.TYPE {
				d.read(gen)
			}
		}
	}
	return d
}

// read takes the comments of a type and of its fields.
func (d *description) read(gen *ast.GenDecl) {
	for _, spec := range gen.Specs {
		ts := spec.(*ast.TypeSpec)
		d.comments[ts.Name.Name] = plain(gen.Doc.Text())
		fields, ok := ts.Type.(*ast.StructType)
		if !ok {
			continue
		}
		for _, f := range fields.Fields.List {
			text := plain(f.Doc.Text())
			if text == "" {
				text = plain(f.Comment.Text())
			}
			for _, name := range f.Names {
				d.comments[ts.Name.Name+"."+name.Name] = text
			}
		}
	}
}

// plain is a comment on one line, without the brackets of its links.
func plain(comment string) string {
	text := strings.Join(strings.Fields(comment), " ")
	for _, link := range []string{"node.", ""} {
		text = strings.ReplaceAll(text, "["+link, "[")
	}
	var b strings.Builder
	for i, r := range text {
		if r == '[' && i+1 < len(text) && unicode.IsUpper(rune(text[i+1])) || r == ']' && strings.Contains(text[:i], "[") && i > 0 && unicode.IsLetter(rune(text[i-1])) {
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// document is the whole description as indented JSON.
func (d *description) document() []byte {
	paths := m{}
	for _, r := range routes {
		if paths[r.path] == nil {
			paths[r.path] = m{}
		}
		paths[r.path].(m)[strings.ToLower(r.method)] = d.operation(r)
	}
	d.schema(reflect.TypeFor[Error]())
	failure := d.schemas["Error"].(m)
	failure["properties"].(m)["version"] = m{"type": "integer", "const": Version}
	failure["required"] = append([]string{"version"}, failure["required"].([]string)...)
	// In the order in which a reader wants it.
	doc := struct {
		OpenAPI    string `json:"openapi"`
		Info       m      `json:"info"`
		Servers    []m    `json:"servers"`
		Security   []m    `json:"security"`
		Paths      m      `json:"paths"`
		Components m      `json:"components"`
	}{
		OpenAPI: "3.1.0",
		Info: m{
			"title": "Hearsay control API", "version": "1",
			"description": "How a person's tools steer a running node. Its address and its token are in control.json in the node's state folder. " +
				"Every answer carries \"version\": 1; readers skip fields and events that they do not know.",
			"license": m{"name": "MIT", "identifier": "MIT"},
		},
		Servers:  []m{{"url": "http://127.0.0.1:{port}", "variables": m{"port": m{"default": "0", "description": "as control.json says"}}}},
		Security: []m{{"token": []string{}}},
		Paths:    paths,
		Components: m{
			"securitySchemes": m{"token": m{"type": "http", "scheme": "bearer"}},
			"schemas":         d.schemas,
			"responses": m{"refused": m{"description": "Refused: what was wrong, and what to do about it.",
				"content": m{"application/json": m{"schema": ref("Error")}}}},
		},
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(doc); err != nil {
		d.t.Fatal(err)
	}
	return b.Bytes()
}

func ref(name string) m { return m{"$ref": "#/components/schemas/" + name} }

func (d *description) operation(r route) m {
	op := m{"summary": r.summary, "operationId": operationID(r)}
	if r.open {
		op["security"] = []m{}
	}
	var params []m
	for _, segment := range strings.Split(r.path, "/") {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			params = append(params, m{"name": strings.TrimSuffix(name, "}"), "in": "path", "required": true, "schema": m{"type": "string"}})
		}
	}
	for _, p := range r.query {
		params = append(params, m{"name": p.name, "in": "query", "description": p.about, "required": p.required, "schema": d.schema(reflect.TypeOf(p.zero))})
	}
	for _, h := range r.headers {
		params = append(params, m{"name": h.name, "in": "header", "description": h.about, "required": h.required, "schema": d.schema(reflect.TypeOf(h.zero))})
	}
	if params != nil {
		op["parameters"] = params
	}
	if r.in != nil {
		schema := d.schema(reflect.TypeOf(r.in))
		if in := reflect.TypeOf(r.in); in != reflect.TypeFor[LabMessage]() { // others refuse unknown fields
			d.schemas[nameOf(in)].(m)["additionalProperties"] = false
		}
		op["requestBody"] = m{"required": true, "content": m{"application/json": m{"schema": schema}}}
	}
	op["responses"] = m{"200": d.success(r), "default": m{"$ref": "#/components/responses/refused"}}
	return op
}

func (d *description) success(r route) m {
	switch {
	case len(r.events) > 0:
		about := "Server-sent events:"
		data := []m{}
		for _, e := range r.events {
			schema := d.schema(reflect.TypeOf(e.data))
			about += "\n* `" + e.name + "`: " + e.about
			data = append(data, m{"type": "object", "required": []string{"event", "data"}, "properties": m{
				"event": m{"const": e.name}, "id": m{"type": "string"},
				"data": m{"type": "string", "contentMediaType": "application/json", "contentSchema": schema}}})
		}
		return m{"description": about, "content": m{"text/event-stream": m{"schema": m{"type": "string"}, "x-events": data}}}
	case r.out != nil:
		return m{"description": d.comments[nameOf(reflect.TypeOf(r.out))], "content": m{"application/json": m{"schema": d.schema(reflect.TypeOf(r.out))}}}
	default:
		return m{"description": r.summary, "content": m{r.content: m{}}}
	}
}

// operationID is like getPeers.
func operationID(r route) string {
	id := strings.ToLower(r.method)
	if strings.HasSuffix(r.path, "/") { // the lab's paths have names that ours have, too
		id += "Lab"
	}
	for _, word := range strings.FieldsFunc(strings.TrimPrefix(r.path, "/v1"), func(c rune) bool { return !unicode.IsLetter(c) }) {
		id += strings.ToUpper(word[:1]) + word[1:]
	}
	return id
}

func nameOf(t reflect.Type) string { return strings.ToUpper(t.Name()[:1]) + t.Name()[1:] }

// schema is the JSON schema of what encoding/json makes of a type.
func (d *description) schema(t reflect.Type) m {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return m{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[json.RawMessage]():
		return m{}
	case t == reflect.TypeFor[[]byte]():
		return m{"type": "string", "contentEncoding": "base64"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		s := d.schema(t.Elem())
		s["type"] = []string{s["type"].(string), "null"}
		return s
	case reflect.String:
		return m{"type": "string"}
	case reflect.Bool:
		return m{"type": "boolean"}
	case reflect.Float64:
		return m{"type": "number"}
	case reflect.Uint8:
		return m{"type": "integer", "minimum": 0, "maximum": math.MaxUint8}
	case reflect.Uint16:
		return m{"type": "integer", "minimum": 0, "maximum": math.MaxUint16}
	case reflect.Uint64, reflect.Uint32:
		return m{"type": "integer", "minimum": 0}
	case reflect.Int, reflect.Int64:
		return m{"type": "integer"}
	case reflect.Slice:
		return m{"type": "array", "items": d.schema(t.Elem())}
	case reflect.Map:
		return m{"type": "object", "additionalProperties": d.schema(t.Elem())}
	case reflect.Struct:
		d.structure(t)
		return ref(nameOf(t))
	}
	d.t.Fatalf("%v cannot be described", t)
	return nil
}

func (d *description) structure(t reflect.Type) {
	if d.schemas[nameOf(t)] != nil {
		return
	}
	properties, required := m{}, []string{}
	s := m{"type": "object", "description": d.comments[t.Name()], "properties": properties}
	d.schemas[nameOf(t)] = s
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		if name == "" {
			d.t.Fatalf("%v.%s has no JSON name", t, f.Name)
		}
		p := d.schema(f.Type)
		if text := d.comments[t.Name()+"."+f.Name]; text != "" {
			p["description"] = text
		}
		if name == "version" && f.Name == "Version" {
			p["const"] = Version
		}
		properties[name] = p
		if options == "" {
			required = append(required, name)
		}
	}
	s["required"] = required
}
