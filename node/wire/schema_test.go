package wire

import (
	"bufio"
	"bytes"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// TestSchema holds hearsay.proto to its word: protobuf's own implementation,
// given that file, understands every golden frame completely and writes the
// same bytes.
func TestSchema(t *testing.T) {
	frame := loadSchema(t, "hearsay.proto").Messages().ByName("Frame")
	streams := goldenStreams(t, "frame")
	if len(streams) < 20 {
		t.Fatalf("only %d golden frames", len(streams))
	}
	kinds := map[protoreflect.Name]bool{}
	for _, stream := range streams {
		body, err := ReadFrame(bufio.NewReader(bytes.NewReader(stream)))
		if err != nil {
			t.Fatal(err)
		}
		m := dynamicpb.NewMessage(frame)
		if err := (proto.UnmarshalOptions{DiscardUnknown: false}).Unmarshal(body, m); err != nil {
			t.Errorf("%x: %v", body, err)
			continue
		}
		if field := unknownField(m); field != "" {
			t.Errorf("%x: %s has fields that the schema does not", body, field)
		}
		again, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
		if err != nil || !bytes.Equal(again, body) {
			t.Errorf("%x: protobuf writes it as %x, %v", body, again, err)
		}
		kinds[m.WhichOneof(frame.Oneofs().ByName("kind")).Name()] = true
	}
	for i := range frame.Fields().Len() {
		if name := frame.Fields().Get(i).Name(); !kinds[name] {
			t.Errorf("no golden frame has a %s", name)
		}
	}
	if got, want := frame.Fields().Len(), len(schemas)-1; got != want {
		t.Errorf("the schema has %d kinds, the code %d", got, want)
	}
	// And message by message, the fields are those of the code.
	for i := range frame.Fields().Len() {
		kind := frame.Fields().Get(i)
		compareSchema(t, kind.Message(), schemas[kind.Number()])
	}
	compareSchema(t, loadSchema(t, "hearsay.proto").Messages().ByName("Range"), rangeSchema)
}

func compareSchema(t *testing.T, m protoreflect.MessageDescriptor, code schema) {
	t.Helper()
	n := 0
	for i := range code {
		if code[i] != 0 {
			n++
		}
	}
	if n != m.Fields().Len() {
		t.Errorf("%s: %d fields in the schema, %d in the code", m.Name(), m.Fields().Len(), n)
	}
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		want := varint
		switch f.Kind() {
		case protoreflect.Fixed64Kind:
			want = fixed64
		case protoreflect.BytesKind, protoreflect.StringKind, protoreflect.MessageKind:
			want = chunk
		}
		if f.IsPacked() {
			want = chunk
		} else if f.IsList() {
			want |= repeated
		}
		if int(f.Number()) >= len(code) || code[f.Number()] != want {
			t.Errorf("%s.%s is not like that in the code", m.Name(), f.Name())
		}
	}
}

func unknownField(m protoreflect.Message) string {
	if len(m.GetUnknown()) > 0 {
		return string(m.Descriptor().Name())
	}
	found := ""
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsList() && f.Message() != nil:
			for i := range v.List().Len() {
				found += unknownField(v.List().Get(i).Message())
			}
		case f.Message() != nil:
			found += unknownField(v.Message())
		}
		return found == ""
	})
	return found
}

// loadSchema reads as much of the protobuf language as hearsay.proto uses.
func loadSchema(t *testing.T, path string) protoreflect.FileDescriptor {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file := &descriptorpb.FileDescriptorProto{Name: proto.String(path), Syntax: proto.String("proto3")}
	var message *descriptorpb.DescriptorProto
	var enum *descriptorpb.EnumDescriptorProto
	oneof := false
	field := regexp.MustCompile(`^(repeated )?(\w+) (\w+) = (\d+);$`)
	value := regexp.MustCompile(`^(\w+) = (\d+);$`)
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "//")
		line = strings.TrimSpace(line)
		words := strings.Fields(line)
		switch {
		case line == "" || words[0] == "syntax":
		case words[0] == "package":
			file.Package = proto.String(strings.TrimSuffix(words[1], ";"))
		case words[0] == "message":
			message = &descriptorpb.DescriptorProto{Name: proto.String(words[1])}
			file.MessageType = append(file.MessageType, message)
			if strings.HasSuffix(line, "{}") {
				message = nil
			}
		case words[0] == "oneof":
			oneof = true
			message.OneofDecl = append(message.OneofDecl, &descriptorpb.OneofDescriptorProto{Name: proto.String(words[1])})
		case words[0] == "enum":
			enum = &descriptorpb.EnumDescriptorProto{Name: proto.String(words[1])}
			message.EnumType = append(message.EnumType, enum)
		case line == "}" && enum != nil:
			enum = nil
		case line == "}" && oneof:
			oneof = false
		case line == "}" && message != nil:
			message = nil
		case enum != nil && value.MatchString(line):
			m := value.FindStringSubmatch(line)
			enum.Value = append(enum.Value, &descriptorpb.EnumValueDescriptorProto{Name: proto.String(m[1]), Number: number(m[2])})
		case message != nil && field.MatchString(line):
			m := field.FindStringSubmatch(line)
			f := &descriptorpb.FieldDescriptorProto{Name: proto.String(m[3]), Number: number(m[4])}
			f.Label = descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()
			if m[1] != "" {
				f.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
			}
			if oneof {
				f.OneofIndex = proto.Int32(int32(len(message.OneofDecl) - 1))
			}
			if scalar, ok := descriptorpb.FieldDescriptorProto_Type_value["TYPE_"+strings.ToUpper(m[2])]; ok {
				f.Type = descriptorpb.FieldDescriptorProto_Type(scalar).Enum()
			} else {
				f.TypeName = proto.String(m[2]) // a message or an enum: protodesc finds out
			}
			message.Field = append(message.Field, f)
		default:
			t.Fatalf("%s: no idea what this means: %q", path, line)
		}
	}
	fd, err := protodesc.FileOptions{}.New(qualify(file), nil)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// qualify gives the types of fields their full names.
func qualify(file *descriptorpb.FileDescriptorProto) *descriptorpb.FileDescriptorProto {
	for _, m := range file.MessageType {
		for _, f := range m.Field {
			if f.Type != nil {
				continue
			}
			f.Type = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum()
			full := "." + file.GetPackage() + "."
			for _, e := range m.EnumType {
				if e.GetName() == f.GetTypeName() {
					f.Type = descriptorpb.FieldDescriptorProto_TYPE_ENUM.Enum()
					full += m.GetName() + "."
				}
			}
			f.TypeName = proto.String(full + f.GetTypeName())
		}
	}
	return file
}

func number(digits string) *int32 {
	n, _ := strconv.Atoi(digits)
	return proto.Int32(int32(n))
}
