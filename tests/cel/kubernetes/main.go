// Evaluates CEL expressions in the environment of a kube-apiserver: for the tests, which compare.
//
// Standard input has one JSON object a line, a question; standard output one line for each: {"compile": text},
// {"error": text, "cost": units} or {"value": text, "type": name, "exact": tagged value, "cost": units}, the cost being
// what the API server charges at run time. Lists and maps are JSON in "value"; "exact" (exact.go) tells all types apart.
// With a version, such as "1.30", expressions are compiled as new ones are there, else as all that may be stored.
//
// The variables are x, y, authorizer and those that a question declares. The variable authorizer refuses everything,
// and its reason is the question as it was put, in JSON.
//
// With the argument "check", expressions are only parsed and checked: see checking.go.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"reflect"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/apiserver/pkg/cel/library"
)

type question struct {
	Expression string         `json:"expression"`
	Bindings   map[string]any `json:"bindings"`
	Version    string         `json:"version"`
	// Types of further variables, and values in the form of exact.go.
	Variables map[string]string          `json:"variables"`
	Tagged    map[string]json.RawMessage `json:"tagged"`
	Container string                     `json:"container"`
	// Parsed only: everything is decided when the expression is evaluated.
	Unchecked bool `json:"unchecked"`
}

// environment is what compiling depends on.
func (asked question) environment() string {
	variables, err := json.Marshal(asked.Variables)
	if err != nil {
		panic(err)
	}
	return asked.Version + " " + asked.Container + " " + string(variables)
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "check" {
		checked()
		return
	}
	envs := map[string]*cel.Env{}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 1<<20), 1<<24)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked question
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			panic(err)
		}
		if envs[asked.environment()] == nil {
			envs[asked.environment()] = declared(asked)
		}
		if err := answers.Encode(answer(envs[asked.environment()], asked)); err != nil {
			panic(err)
		}
	}
	if err := lines.Err(); err != nil {
		panic(err)
	}
}

func declared(asked question) *cel.Env {
	known, target := version.MajorMinor(1, 37), asked.Version
	if target != "" {
		known = version.MustParseGeneric(target)
	}
	options := []cel.EnvOption{cel.Variable("x", cel.DynType), cel.Variable("y", cel.DynType)}
	if known.AtLeast(version.MajorMinor(1, 27)) {
		options = append(options, cel.Variable("authorizer", library.AuthorizerType))
	}
	for name, text := range asked.Variables {
		if name != "x" && name != "y" {
			options = append(options, cel.Variable(name, typeOf(text)))
		}
	}
	if asked.Container != "" {
		options = append(options, cel.Container(asked.Container))
	}
	extended, err := environment.MustBaseEnvSet(known).Extend(environment.VersionedOptions{
		IntroducedVersion: version.MajorMinor(1, 0),
		EnvOptions:        options,
	})
	if err != nil {
		panic(err)
	}
	if target != "" {
		return extended.NewExpressionsEnv()
	}
	return extended.StoredExpressionsEnv()
}

type refusing struct{}

func (refusing) Authorize(_ context.Context, asked authorizer.Attributes) (authorizer.Decision, string, error) {
	reason, err := json.Marshal(map[string]any{
		"user": asked.GetUser().GetName(), "groups": asked.GetUser().GetGroups(), "verb": asked.GetVerb(),
		"path": asked.GetPath(), "group": asked.GetAPIGroup(), "resource": asked.GetResource(),
		"subresource": asked.GetSubresource(), "namespace": asked.GetNamespace(), "name": asked.GetName(),
	})
	if err != nil {
		panic(err)
	}
	return authorizer.DecisionDeny, string(reason), nil
}

func answer(env *cel.Env, asked question) (answered map[string]any) {
	// Building a program of some constants panics: the request that would create the policy fails.
	defer func() {
		if problem := recover(); problem != nil {
			answered = map[string]any{"compile": fmt.Sprintf("panic: %v", problem)}
		}
	}()
	compile := env.Compile
	if asked.Unchecked {
		compile = env.Parse
	}
	ast, issues := compile(asked.Expression)
	if issues != nil && issues.Err() != nil {
		return map[string]any{"compile": issues.Err().Error()}
	}
	program, err := env.Program(ast, cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		return map[string]any{"compile": err.Error()}
	}
	bindings, _ := integers(asked.Bindings).(map[string]any)
	if bindings == nil {
		bindings = map[string]any{}
	}
	for name, value := range asked.Tagged {
		bindings[name] = bound(value)
	}
	asker := &user.DefaultInfo{Name: "ann", Groups: []string{"staff"}}
	bindings["authorizer"] = library.NewAuthorizerVal(asker, refusing{})
	value, details, err := program.Eval(bindings)
	cost := ""
	if spent := details.ActualCost(); spent != nil {
		cost = fmt.Sprint(*spent)
	}
	if err != nil {
		return map[string]any{"error": err.Error(), "cost": cost}
	}
	return map[string]any{
		"value": shown(value), "type": value.Type().TypeName(), "exact": exact(value), "cost": cost,
		"checked": ast.OutputType().String(),
	}
}

func shown(value ref.Val) string {
	if value.Type() != types.ListType && value.Type() != types.MapType {
		return fmt.Sprint(value.Value())
	}
	native, err := value.ConvertToNative(reflect.TypeFor[*structpb.Value]())
	if err != nil {
		return err.Error()
	}
	text, err := protojson.Marshal(native.(*structpb.Value))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// integers gives whole numbers the type that the API server's own JSON decoder gives them.
func integers(value any) any {
	switch typed := value.(type) {
	case float64:
		if typed == float64(int64(typed)) {
			return int64(typed)
		}
	case []any:
		for index := range typed {
			typed[index] = integers(typed[index])
		}
	case map[string]any:
		for key := range typed {
			typed[key] = integers(typed[key])
		}
	}
	return value
}
