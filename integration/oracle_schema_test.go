package integration_test

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// oracleFrame is what hearsay.proto calls a Frame, read from that file: what an
// oracle knows of the wire is there and nowhere else.
var oracleFrame = sync.OnceValues(func() (protoreflect.MessageDescriptor, error) {
	text, err := os.ReadFile("../node/wire/hearsay.proto")
	if err != nil {
		return nil, err
	}
	file, err := compile(string(text))
	if err != nil {
		return nil, fmt.Errorf("hearsay.proto: %w", err)
	}
	return file.Messages().ByName("Frame"), nil
})

var (
	protoField = regexp.MustCompile(`^(repeated )?(\w+) (\w+) = (\d+);$`)
	protoValue = regexp.MustCompile(`^(\w+) = (\d+);$`)
)

// compile reads as much of the protobuf language as hearsay.proto uses: messages
// without messages in them, a oneof, and enums inside of messages.
func compile(text string) (protoreflect.FileDescriptor, error) {
	file := &descriptorpb.FileDescriptorProto{Name: proto.String("hearsay.proto"), Syntax: proto.String("proto3")}
	var message *descriptorpb.DescriptorProto
	var enum *descriptorpb.EnumDescriptorProto
	oneof := false
	number := func(s string) *int32 {
		n, _ := strconv.Atoi(s) // digits, as the expression says
		return proto.Int32(int32(n))
	}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "//")
		line = strings.TrimSpace(line)
		word := strings.Fields(line + " . .")
		switch {
		case line == "" || word[0] == "syntax":
		case word[0] == "package":
			file.Package = proto.String(strings.TrimSuffix(word[1], ";"))
		case word[0] == "message":
			message = &descriptorpb.DescriptorProto{Name: proto.String(word[1])}
			file.MessageType = append(file.MessageType, message)
		case word[0] == "oneof":
			oneof = true
			message.OneofDecl = append(message.OneofDecl, &descriptorpb.OneofDescriptorProto{Name: proto.String(word[1])})
		case word[0] == "enum":
			enum = &descriptorpb.EnumDescriptorProto{Name: proto.String(word[1])}
			message.EnumType = append(message.EnumType, enum)
		case line == "}" && enum != nil:
			enum = nil
		case line == "}" && oneof:
			oneof = false
		case line == "}":
		case enum != nil && protoValue.MatchString(line):
			m := protoValue.FindStringSubmatch(line)
			enum.Value = append(enum.Value, &descriptorpb.EnumValueDescriptorProto{Name: proto.String(m[1]), Number: number(m[2])})
		case message != nil && protoField.MatchString(line):
			m := protoField.FindStringSubmatch(line)
			f := &descriptorpb.FieldDescriptorProto{Name: proto.String(m[3]), Number: number(m[4])}
			f.Label = descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()
			if m[1] != "" {
				f.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
			}
			if oneof {
				f.OneofIndex = proto.Int32(0)
			}
			name := "." + file.GetPackage() + "."
			switch scalar, ok := descriptorpb.FieldDescriptorProto_Type_value["TYPE_"+strings.ToUpper(m[2])]; {
			case ok:
				f.Type = descriptorpb.FieldDescriptorProto_Type(scalar).Enum()
			case m[2] == "Mode": // an enum of this message, which follows its fields
				f.Type = descriptorpb.FieldDescriptorProto_TYPE_ENUM.Enum()
				f.TypeName = proto.String(name + message.GetName() + "." + m[2])
			default:
				f.Type = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum()
				f.TypeName = proto.String(name + m[2])
			}
			message.Field = append(message.Field, f)
		default:
			return nil, fmt.Errorf("no idea what this means: %q", line)
		}
	}
	return protodesc.FileOptions{}.New(file, nil)
}
