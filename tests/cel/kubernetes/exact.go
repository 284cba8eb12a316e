package main

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/blang/semver/v4"
	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"k8s.io/apimachinery/pkg/api/resource"
)

// exact is a value as JSON that tells all types apart: null, true, {"int": "1"}, {"uint": "1"}, {"double": the bits in
// hexadecimal, or NaN}, {"string": text, or {"hex"} where it is not UTF-8}, {"bytes": hexadecimal}, {"list": [...]},
// {"map": [[key, value], ...]} in the order of the keys' JSON, {"timestamp": as string() writes it},
// {"duration": nanoseconds}, {"type": name}, {"optional": [] or [value]}, {"opaque": [type, text]}, see opaque.
func exact(value ref.Val) any {
	switch typed := value.(type) {
	case types.Null:
		return nil
	case types.Bool:
		return bool(typed)
	case types.Int:
		return tagged("int", strconv.FormatInt(int64(typed), 10))
	case types.Uint:
		return tagged("uint", strconv.FormatUint(uint64(typed), 10))
	case types.Double:
		if math.IsNaN(float64(typed)) {
			return tagged("double", "NaN")
		}
		return tagged("double", fmt.Sprintf("%016x", math.Float64bits(float64(typed))))
	case types.String:
		if !utf8.ValidString(string(typed)) {
			return tagged("string", tagged("hex", hex.EncodeToString([]byte(typed))))
		}
		return tagged("string", string(typed))
	case types.Bytes:
		return tagged("bytes", hex.EncodeToString(typed))
	case types.Timestamp:
		return tagged("timestamp", typed.Format(time.RFC3339Nano))
	case types.Duration:
		return tagged("duration", strconv.FormatInt(int64(typed.Duration), 10))
	case *types.Optional:
		if !typed.HasValue() {
			return tagged("optional", []any{})
		}
		return tagged("optional", []any{exact(typed.GetValue())})
	case traits.Mapper:
		return tagged("map", entries(typed))
	case traits.Lister:
		items := []any{}
		for at := types.Int(0); at < typed.Size().(types.Int); at++ {
			items = append(items, exact(typed.Get(at)))
		}
		return tagged("list", items)
	}
	if value.Type() == types.TypeType {
		return tagged("type", value.(ref.Type).TypeName())
	}
	return tagged("opaque", []any{value.Type().TypeName(), opaque(value)})
}

// opaque tells two values of an opaque type apart, if expressions can; "" for types whose values nothing compares.
func opaque(value ref.Val) string {
	switch typed := value.Value().(type) {
	case *resource.Quantity:
		copied := typed.DeepCopy()
		decimal := copied.AsDec()
		if scale := decimal.Scale(); scale < -5000 || scale > 5000 {
			return "huge"
		}
		number, _ := new(big.Rat).SetString(decimal.String())
		return number.String()
	case semver.Version:
		typed.Build = nil
		return typed.String()
	case *url.URL, netip.Addr, netip.Prefix:
		return fmt.Sprint(typed)
	}
	return ""
}

func tagged(tag string, content any) map[string]any {
	return map[string]any{tag: content}
}

func entries(value traits.Mapper) []any {
	texts := map[string][]any{}
	order := []string{}
	for keys := value.Iterator(); keys.HasNext() == types.True; {
		key := keys.Next()
		held, found := value.Find(key)
		pair := []any{exact(key), "not found"}
		if found {
			pair[1] = exact(held)
		}
		text, err := json.Marshal(pair[0])
		if err != nil {
			panic(err)
		}
		if texts[string(text)] == nil {
			order = append(order, string(text))
		}
		texts[string(text)] = append(texts[string(text)], pair)
	}
	sort.Strings(order)
	pairs := []any{}
	for _, text := range order {
		pairs = append(pairs, texts[text]...)
	}
	return pairs
}

// bound is the value of a variable: a tagged value of the conformance suite, in which a double is a JSON number or text,
// bytes are base64, and lists, maps and texts are as above.
func bound(raw json.RawMessage) ref.Val {
	var content map[string]json.RawMessage
	if err := json.Unmarshal(raw, &content); err != nil {
		panic(err)
	}
	for tag, held := range content {
		return untagged(tag, held)
	}
	panic("no tag: " + string(raw))
}

func untagged(tag string, held json.RawMessage) ref.Val {
	switch tag {
	case "null":
		return types.NullValue
	case "bool":
		return types.Bool(string(held) == "true")
	case "double":
		number, err := strconv.ParseFloat(strings.Trim(string(held), `"`), 64)
		must(err)
		return types.Double(number)
	case "list":
		var items []json.RawMessage
		must(json.Unmarshal(held, &items))
		made := []ref.Val{}
		for _, item := range items {
			made = append(made, bound(item))
		}
		return types.NewRefValList(types.DefaultTypeAdapter, made)
	case "map":
		var pairs [][]json.RawMessage
		must(json.Unmarshal(held, &pairs))
		made := map[ref.Val]ref.Val{}
		for _, pair := range pairs {
			made[bound(pair[0])] = bound(pair[1])
		}
		return types.NewRefValMap(types.DefaultTypeAdapter, made)
	}
	var text string
	must(json.Unmarshal(held, &text))
	switch tag {
	case "int":
		number, err := strconv.ParseInt(text, 10, 64)
		must(err)
		return types.Int(number)
	case "uint":
		number, err := strconv.ParseUint(text, 10, 64)
		must(err)
		return types.Uint(number)
	case "string":
		return types.String(text)
	case "bytes":
		content, err := base64.StdEncoding.DecodeString(text)
		must(err)
		return types.Bytes(content)
	}
	panic("no such tag: " + tag)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// typeOf is the type of a name such as map(string, list(int)).
func typeOf(text string) *cel.Type {
	name, rest, nested := strings.Cut(strings.TrimSuffix(text, ")"), "(")
	if nested && name == "list" {
		return cel.ListType(typeOf(rest))
	}
	if nested && name == "map" {
		key, value, _ := strings.Cut(rest, ", ")
		return cel.MapType(typeOf(key), typeOf(value))
	}
	simple := map[string]*cel.Type{
		"dyn": cel.DynType, "bool": cel.BoolType, "int": cel.IntType, "uint": cel.UintType, "double": cel.DoubleType,
		"string": cel.StringType, "bytes": cel.BytesType, "null": cel.NullType, "type": cel.TypeType,
		"duration": cel.DurationType, "timestamp": cel.TimestampType,
	}
	if simple[text] == nil {
		panic("no such type: " + text)
	}
	return simple[text]
}
