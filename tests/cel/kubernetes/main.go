// Evaluates CEL expressions in the environment of a kube-apiserver: for the tests, which compare.
//
// Standard input has one JSON object a line, {"expression", "bindings", "version"}; standard output one line for each:
// {"compile": text}, {"error": text, "cost": units} or {"value": text, "type": name, "cost": units}, the cost being what
// the API server charges at run time. Lists and maps are JSON in "value". With a version, such as "1.30", expressions are
// compiled as new ones are there, else as all that may be stored.
//
// The variable authorizer refuses everything, and its reason is the question as it was put, in JSON.
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
		if envs[asked.Version] == nil {
			envs[asked.Version] = declared(asked.Version)
		}
		if err := answers.Encode(answer(envs[asked.Version], asked)); err != nil {
			panic(err)
		}
	}
	if err := lines.Err(); err != nil {
		panic(err)
	}
}

func declared(target string) *cel.Env {
	known := version.MajorMinor(1, 37)
	if target != "" {
		known = version.MustParseGeneric(target)
	}
	options := []cel.EnvOption{cel.Variable("x", cel.DynType), cel.Variable("y", cel.DynType)}
	if known.AtLeast(version.MajorMinor(1, 27)) {
		options = append(options, cel.Variable("authorizer", library.AuthorizerType))
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

func answer(env *cel.Env, asked question) map[string]string {
	ast, issues := env.Compile(asked.Expression)
	if issues != nil && issues.Err() != nil {
		return map[string]string{"compile": issues.Err().Error()}
	}
	program, err := env.Program(ast, cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		return map[string]string{"compile": err.Error()}
	}
	bindings, _ := integers(asked.Bindings).(map[string]any)
	if bindings == nil {
		bindings = map[string]any{}
	}
	asker := &user.DefaultInfo{Name: "ann", Groups: []string{"staff"}}
	bindings["authorizer"] = library.NewAuthorizerVal(asker, refusing{})
	value, details, err := program.Eval(bindings)
	cost := ""
	if spent := details.ActualCost(); spent != nil {
		cost = fmt.Sprint(*spent)
	}
	if err != nil {
		return map[string]string{"error": err.Error(), "cost": cost}
	}
	return map[string]string{"value": shown(value), "type": value.Type().TypeName(), "cost": cost}
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
