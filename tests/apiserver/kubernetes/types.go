package main

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Types with a JSON form of their own.
var special = map[reflect.Type]string{
	reflect.TypeFor[metav1.Time]():                                  "time",
	reflect.TypeFor[metav1.MicroTime]():                             "microtime",
	reflect.TypeFor[metav1.FieldsV1]():                              "fields",
	reflect.TypeFor[resource.Quantity]():                            "quantity",
	reflect.TypeFor[intstr.IntOrString]():                           "intstr",
	reflect.TypeFor[runtime.RawExtension]():                         "raw",
	reflect.TypeFor[[]byte]():                                       "bytes",
	reflect.TypeFor[apiextensionsv1.JSON]():                         "json",
	reflect.TypeFor[apiextensionsv1.JSONSchemaPropsOrBool]():        "schemaorbool",
	reflect.TypeFor[apiextensionsv1.JSONSchemaPropsOrStringArray](): "schemaorstrings",
	reflect.TypeFor[apiextensionsv1.JSONSchemaPropsOrArray]():       "schemaorarray",
}

// definition is the name of a Go type as OpenAPI documents have it: k8s.io/api/core/v1.Pod is io.k8s.api.core.v1.Pod.
func definition(t reflect.Type) string {
	parts := strings.Split(t.PkgPath(), "/")
	host := strings.Split(parts[0], ".")
	for i, j := 0, len(host)-1; i < j; i, j = i+1, j-1 {
		host[i], host[j] = host[j], host[i]
	}
	parts[0] = strings.Join(host, ".")
	return strings.Join(parts, ".") + "." + t.Name()
}

type field struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Flags string `json:"flags,omitempty"` // e: omitempty, z: omitzero
	Path  string `json:"path,omitempty"`  // the embedded structs that it stands in, as in ProbeHandler
}

type tables struct {
	Release string                       `json:"release"`
	Kinds   map[string]map[string]string `json:"kinds"`   // apiVersion -> kind -> struct
	Structs map[string][]field           `json:"structs"` // struct -> fields
}

// expression writes a type: *T, [T, {K}T (a map with the Go name of its keys), NAME=T (a named type), @STRUCT, or a word.
func (t *tables) expression(typ reflect.Type) string {
	if word, ok := special[typ]; ok {
		return word
	}
	named := ""
	if typ.Name() != "" && typ.PkgPath() != "" {
		named = typ.String() + "="
	}
	switch typ.Kind() {
	case reflect.Pointer:
		return "*" + t.expression(typ.Elem())
	case reflect.Slice:
		if typ.Elem().Kind() == reflect.Uint8 {
			return named + "bytes"
		}
		return named + "[" + t.expression(typ.Elem())
	case reflect.Map:
		if typ.Key().Kind() != reflect.String {
			panic(fmt.Sprint("a map with keys of ", typ.Key()))
		}
		return named + "{" + typ.Key().String() + "}" + t.expression(typ.Elem())
	case reflect.Struct:
		t.add(typ)
		return "@" + definition(typ)
	case reflect.Interface, reflect.Array, reflect.Chan, reflect.Func:
		panic(fmt.Sprint("no form for ", typ))
	default:
		return named + typ.Kind().String()
	}
}

func (t *tables) add(typ reflect.Type) {
	name := definition(typ)
	if _, ok := t.Structs[name]; ok {
		return
	}
	if reflect.PointerTo(typ).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		panic(fmt.Sprint(name, " has a JSON form of its own: add it to the special ones"))
	}
	t.Structs[name] = []field{}
	t.Structs[name] = t.fields(typ, "")
}

func (t *tables) fields(typ reflect.Type, path string) []field {
	found := []field{}
	for i := 0; i < typ.NumField(); i++ {
		each := typ.Field(i)
		name, options, _ := strings.Cut(each.Tag.Get("json"), ",")
		if name == "-" || !each.IsExported() {
			continue
		}
		if each.Anonymous && name == "" {
			if each.Type.Kind() != reflect.Struct {
				panic(fmt.Sprint(typ, " embeds ", each.Type))
			}
			found = append(found, t.fields(each.Type, path+each.Name+".")...)
			continue
		}
		if name == "" {
			name = each.Name
		}
		made := field{Name: name, Type: t.expression(each.Type), Path: strings.TrimSuffix(path, ".")}
		for _, option := range strings.Split(options, ",") {
			switch option {
			case "omitempty":
				made.Flags += "e"
			case "omitzero":
				made.Flags += "z"
			case "", "inline":
			default:
				panic(fmt.Sprint(typ, ".", each.Name, " has the option ", option))
			}
		}
		found = append(found, made)
	}
	return found
}

// printTypes writes the types of the kinds in an index of shipped schemas (webhook/schema/kubernetes/index.json).
func printTypes(index string) error {
	var shipped struct {
		Release string                       `json:"release"`
		Kinds   map[string]map[string]string `json:"kinds"`
	}
	text, err := os.ReadFile(index)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &shipped); err != nil {
		return err
	}
	made := tables{Release: shipped.Release, Kinds: map[string]map[string]string{}, Structs: map[string][]field{}}
	for version, kinds := range shipped.Kinds {
		made.Kinds[version] = map[string]string{}
		parsed, err := schema.ParseGroupVersion(version)
		if err != nil {
			return err
		}
		for kind, name := range kinds {
			gvk := parsed.WithKind(kind)
			typ, ok := schemeOf(gvk).AllKnownTypes()[gvk]
			if !ok {
				return fmt.Errorf("the scheme does not have %v", gvk)
			}
			if name != definition(typ) {
				return fmt.Errorf("%v is %s, but its schema is %s", gvk, definition(typ), name)
			}
			made.Kinds[version][kind] = name
			made.add(typ)
		}
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(made)
}
