package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/checker"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"k8s.io/apimachinery/pkg/util/version"
	plugin "k8s.io/apiserver/pkg/admission/plugin/cel"
	apiservercel "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/apiserver/pkg/cel/library"
)

// checkQuestion is {"expression", "version", "parse"}; the answer is {"text", "errors"} or {"tree"}, and {"functions"} to
// the expression "".
type checkQuestion struct {
	Expression string `json:"expression"`
	Version    string `json:"version"`
	Parse      bool   `json:"parse"`
}

func checked() {
	envs := map[string]*cel.Env{}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 1<<20), 1<<24)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked checkQuestion
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			panic(err)
		}
		if envs[asked.Version] == nil {
			envs[asked.Version] = checking(asked.Version)
		}
		if err := answers.Encode(checkAnswer(envs[asked.Version], asked)); err != nil {
			panic(err)
		}
	}
	if err := lines.Err(); err != nil {
		panic(err)
	}
}

// checking is an environment with a variable of every type.
func checking(target string) *cel.Env {
	known := version.MajorMinor(1, 37)
	if target != "" {
		known = version.MustParseGeneric(target)
	}
	request, namespace := plugin.BuildRequestType(), plugin.BuildNamespaceType()
	options := []cel.EnvOption{
		cel.Variable("x", cel.DynType), cel.Variable("y", cel.DynType), cel.Variable("object", cel.DynType),
		cel.Variable("i", cel.IntType), cel.Variable("u", cel.UintType), cel.Variable("d", cel.DoubleType),
		cel.Variable("b", cel.BoolType), cel.Variable("s", cel.StringType), cel.Variable("by", cel.BytesType),
		cel.Variable("t", cel.TimestampType), cel.Variable("du", cel.DurationType), cel.Variable("nu", cel.NullType),
		cel.Variable("l", cel.ListType(cel.IntType)), cel.Variable("ls", cel.ListType(cel.StringType)),
		cel.Variable("ld", cel.ListType(cel.DynType)), cel.Variable("ll", cel.ListType(cel.ListType(cel.IntType))),
		cel.Variable("m", cel.MapType(cel.StringType, cel.IntType)), cel.Variable("md", cel.MapType(cel.StringType, cel.DynType)),
		cel.Variable("ty", types.NewTypeTypeWithParam(cel.IntType)),
		cel.Variable("variables.foo", cel.StringType), cel.Variable("variables.bar", cel.ListType(cel.IntType)),
		cel.Variable("request", request.CelType()), cel.Variable("namespaceObject", namespace.CelType()),
	}
	if known.AtLeast(version.MajorMinor(1, 28)) {
		options = append(options, cel.Variable("o", cel.OptionalType(cel.IntType)), cel.Variable("q", apiservercel.QuantityType))
	}
	if known.AtLeast(version.MajorMinor(1, 27)) {
		options = append(options, cel.Variable("authorizer", library.AuthorizerType))
	}
	extended, err := environment.MustBaseEnvSet(known).Extend(environment.VersionedOptions{
		IntroducedVersion: version.MajorMinor(1, 0),
		EnvOptions:        options,
		DeclTypes:         []*apiservercel.DeclType{request, namespace},
	})
	if err != nil {
		panic(err)
	}
	if target != "" {
		return extended.NewExpressionsEnv()
	}
	return extended.StoredExpressionsEnv()
}

func checkAnswer(env *cel.Env, asked checkQuestion) map[string]any {
	if asked.Expression == "" {
		return map[string]any{"functions": functions(env)}
	}
	parsed, issues := env.Parse(asked.Expression)
	if issues == nil || issues.Err() == nil {
		if asked.Parse {
			return map[string]any{"tree": written(parsed.NativeRep(), parsed.NativeRep().Expr())}
		}
		parsed, issues = env.Check(parsed)
	}
	if issues != nil && issues.Err() != nil {
		text := issues.Err().Error() // sorts the errors
		errors := []any{}
		for _, each := range issues.Errors() {
			errors = append(errors, []any{each.Location.Line(), each.Location.Column() + 1, each.Message})
		}
		return map[string]any{"text": text, "errors": errors}
	}
	return map[string]any{"tree": written(parsed.NativeRep(), parsed.NativeRep().Expr())}
}

// written is a node as [id, offset, type, overloads, kind, …].
func written(tree *ast.AST, node ast.Expr) []any {
	place, _ := tree.SourceInfo().GetOffsetRange(node.ID())
	found := ""
	if known, ok := tree.TypeMap()[node.ID()]; ok {
		found = checker.FormatCELType(known)
	}
	overloads := []string{}
	if reference, ok := tree.ReferenceMap()[node.ID()]; ok {
		overloads = append(overloads, reference.OverloadIDs...)
	}
	head := []any{node.ID(), place.Start, found, overloads}
	all := func(nodes []ast.Expr) []any {
		result := []any{}
		for _, each := range nodes {
			result = append(result, written(tree, each))
		}
		return result
	}
	switch node.Kind() {
	case ast.LiteralKind:
		return append(head, "const", constant(node))
	case ast.IdentKind:
		return append(head, "ident", node.AsIdent())
	case ast.SelectKind:
		selected := node.AsSelect()
		return append(head, "select", written(tree, selected.Operand()), selected.FieldName(), selected.IsTestOnly())
	case ast.CallKind:
		call := node.AsCall()
		args := all(call.Args())
		if call.IsMemberFunction() {
			args = append([]any{written(tree, call.Target())}, args...)
		}
		return append(head, "call", call.FunctionName(), call.IsMemberFunction(), args)
	case ast.ListKind:
		return append(head, "list", all(node.AsList().Elements()), node.AsList().OptionalIndices())
	case ast.MapKind:
		entries := []any{}
		for _, each := range node.AsMap().Entries() {
			entry := each.AsMapEntry()
			entries = append(entries, []any{written(tree, entry.Key()), written(tree, entry.Value()), entry.IsOptional()})
		}
		return append(head, "map", entries)
	case ast.StructKind:
		fields := []any{}
		for _, each := range node.AsStruct().Fields() {
			field := each.AsStructField()
			fields = append(fields, []any{field.Name(), written(tree, field.Value()), field.IsOptional()})
		}
		return append(head, "struct", node.AsStruct().TypeName(), fields)
	case ast.ComprehensionKind:
		fold := node.AsComprehension()
		parts := []ast.Expr{fold.IterRange(), fold.AccuInit(), fold.LoopCondition(), fold.LoopStep(), fold.Result()}
		return append(head, "fold", fold.IterVar(), fold.IterVar2(), fold.AccuVar(), all(parts))
	}
	return append(head, "unspecified")
}

func constant(node ast.Expr) string {
	switch value := node.AsLiteral().(type) {
	case types.Bytes:
		return fmt.Sprintf("bytes %x", []byte(value))
	case types.Double:
		return fmt.Sprintf("double %x", math.Float64bits(float64(value)))
	case types.String:
		return "string " + string(value)
	case types.Null:
		return "null"
	default:
		return fmt.Sprintf("%s %v", value.Type().TypeName(), value.Value())
	}
}

// functions are the declarations, name -> [id, member, arguments, result] in their order.
func functions(env *cel.Env) map[string]any {
	result := map[string]any{}
	for name, function := range env.Functions() {
		overloads := []any{}
		for _, each := range function.OverloadDecls() {
			arguments := []string{}
			for _, argument := range each.ArgTypes() {
				arguments = append(arguments, checker.FormatCELType(argument))
			}
			overloads = append(overloads, []any{each.ID(), each.IsMemberFunction(), strings.Join(arguments, "; "), checker.FormatCELType(each.ResultType())})
		}
		result[name] = overloads
	}
	return result
}
