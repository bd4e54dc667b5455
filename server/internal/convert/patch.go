package convert

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/server/internal/fault"
)

// outputOnly are the fields of a connection that Configure does not set.
var outputOnly = map[string]bool{
	"default": true, "etag": true, "status": true, "create_time": true, "update_time": true, "owner": true,
	"smtp.has_password": true, "smtp.has_client_key": true, "custom.stored_secrets": true,
}

// Patch gives stored with the fields of paths as they are in wanted, set or
// not. Neither is changed.
func Patch(stored, wanted *postilionv1.Connection, paths []string) (*postilionv1.Connection, error) {
	out := proto.CloneOf(stored)
	if len(paths) == 0 {
		return nil, fault.Invalid("update_mask", "is empty", "name the fields to change, or leave the mask away to replace all")
	}
	for _, path := range paths {
		// JSON masks have lowerCamelCase, which the codec has turned into
		// snake_case; a prefix "connection." is a natural mistake.
		path = strings.TrimPrefix(path, "connection.")
		if path == "name" {
			continue
		}
		if top, _, _ := strings.Cut(path, "."); outputOnly[top] || outputOnly[path] {
			return nil, fault.Invalid("update_mask", fmt.Sprintf("%q cannot be set", path), "leave it out")
		}
		if err := patch(out.ProtoReflect(), wanted.ProtoReflect(), strings.Split(path, ".")); err != nil {
			return nil, fault.Invalid("update_mask", fmt.Sprintf("%.100q is not a field of Connection", path), "use the names of the API, such as \"smtp.password\"")
		}
	}
	return out, nil
}

var errNoField = fmt.Errorf("no such field")

func patch(to, from protoreflect.Message, path []string) error {
	field := to.Descriptor().Fields().ByName(protoreflect.Name(path[0]))
	if field == nil {
		return errNoField
	}
	if len(path) == 1 {
		if from.Has(field) {
			to.Set(field, from.Get(field))
		} else {
			to.Clear(field)
		}
		return nil
	}
	if field.Kind() != protoreflect.MessageKind || field.IsList() || field.IsMap() {
		return errNoField
	}
	return patch(to.Mutable(field).Message(), from.Get(field).Message(), path[1:])
}
