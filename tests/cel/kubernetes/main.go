// Evaluates CEL expressions in the environment of a kube-apiserver: for the tests, which compare.
//
// Standard input has one JSON object a line, {"expression", "bindings"}; standard output one line for each:
// {"compile": text}, {"error": text, "cost": units} or {"value": text, "type": name, "cost": units}, the cost being what
// the API server charges at run time.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"github.com/google/cel-go/cel"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/cel/environment"
)

type question struct {
	Expression string         `json:"expression"`
	Bindings   map[string]any `json:"bindings"`
}

func main() {
	env := declared("x", "y")
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 1<<20), 1<<24)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked question
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			panic(err)
		}
		if err := answers.Encode(answer(env, asked)); err != nil {
			panic(err)
		}
	}
	if err := lines.Err(); err != nil {
		panic(err)
	}
}

func declared(names ...string) *cel.Env {
	var options []cel.EnvOption
	for _, name := range names {
		options = append(options, cel.Variable(name, cel.DynType))
	}
	extended, err := environment.MustBaseEnvSet(version.MajorMinor(1, 36)).Extend(environment.VersionedOptions{
		IntroducedVersion: version.MajorMinor(1, 0),
		EnvOptions:        options,
	})
	if err != nil {
		panic(err)
	}
	return extended.StoredExpressionsEnv()
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
	value, details, err := program.Eval(integers(asked.Bindings))
	cost := ""
	if spent := details.ActualCost(); spent != nil {
		cost = fmt.Sprint(*spent)
	}
	if err != nil {
		return map[string]string{"error": err.Error(), "cost": cost}
	}
	return map[string]string{"value": fmt.Sprint(value.Value()), "type": value.Type().TypeName(), "cost": cost}
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
