// Answers what a kube-apiserver makes of a policy: one JSON object a line, a policy with a request to evaluate it on; one
// JSON object a line back. Of a ValidatingAdmissionPolicy: the compile errors and, if an operation is given, failures and
// audit annotations; with a folder of schemas (webhook/schema/kubernetes) as the argument, the warnings of the server's
// type checking instead. Of a MutatingAdmissionPolicy, with that argument: what is refused, or the errors and the object
// afterwards. Matching, bindings, params and reinvocation are not part of it.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	v1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/apiserver/pkg/cel/openapi/resolver"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

var base = environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion())

// plain is for expressions without variables of the policy. It takes milliseconds to make.
var plain = cel.NewCompiler(base)

type caseNamespace = corev1.Namespace

// Case is a policy and a request. Resource: group, version, resource, subresource; Kind: group, version, kind.
type Case struct {
	Policy    v1.ValidatingAdmissionPolicy
	Object    map[string]interface{}
	OldObject map[string]interface{}
	Params    map[string]interface{}
	Namespace *corev1.Namespace
	Operation string
	Resource  []string
	Kind      []string
	Name, NS  string
}

// compile does as the validating plugin's compilePolicy.
func compile(p *v1.ValidatingAdmissionPolicy) validating.Validator {
	o := cel.OptionalVariableDeclarations{HasParams: p.Spec.ParamKind != nil, HasAuthorizer: true}
	m := cel.OptionalVariableDeclarations{HasParams: p.Spec.ParamKind != nil, HasAuthorizer: false}
	c, err := cel.NewCompositedCompiler(base)
	if err != nil {
		panic(err)
	}
	var vars []cel.NamedExpressionAccessor
	for _, v := range p.Spec.Variables {
		vars = append(vars, &validating.Variable{Name: v.Name, Expression: v.Expression})
	}
	c.CompileAndStoreVariables(vars, o, environment.StoredExpressions)
	var matcher matchconditions.Matcher
	if n := len(p.Spec.MatchConditions); n > 0 {
		acc := make([]cel.ExpressionAccessor, n)
		for i := range p.Spec.MatchConditions {
			acc[i] = (*matchconditions.MatchCondition)(&p.Spec.MatchConditions[i])
		}
		matcher = matchconditions.NewMatcher(c.CompileCondition(acc, o, environment.StoredExpressions), p.Spec.FailurePolicy, "policy", "validate", p.Name)
	}
	var vs, ms, as []cel.ExpressionAccessor
	for _, v := range p.Spec.Validations {
		vs = append(vs, &validating.ValidationCondition{Expression: v.Expression, Message: v.Message, Reason: v.Reason})
		var me cel.ExpressionAccessor
		if len(v.MessageExpression) > 0 {
			me = &validating.MessageExpressionCondition{MessageExpression: v.MessageExpression}
		}
		ms = append(ms, me)
	}
	for _, a := range p.Spec.AuditAnnotations {
		as = append(as, &validating.AuditAnnotationCondition{Key: a.Key, ValueExpression: a.ValueExpression})
	}
	return validating.NewValidator(c.CompileCondition(vs, o, environment.StoredExpressions), matcher,
		c.CompileCondition(as, o, environment.StoredExpressions), c.CompileCondition(ms, m, environment.StoredExpressions), p.Spec.FailurePolicy, nil)
}

// compileErrors compiles as the API server does when a policy is created. (There, a panic fails the request.)
func compileErrors(p *v1.ValidatingAdmissionPolicy) (out []string) {
	defer func() {
		if r := recover(); r != nil {
			out = append(out, fmt.Sprint("panic: ", r))
		}
	}()
	o := cel.OptionalVariableDeclarations{HasParams: p.Spec.ParamKind != nil, HasAuthorizer: true}
	m := cel.OptionalVariableDeclarations{HasParams: p.Spec.ParamKind != nil, HasAuthorizer: false}
	add := func(where string, r cel.CompilationResult) {
		if r.Error != nil {
			out = append(out, where+": "+r.Error.Detail)
		}
	}
	for _, x := range p.Spec.MatchConditions {
		add("condition", plain.CompileCELExpression((*matchconditions.MatchCondition)(&x), o, environment.NewExpressions))
	}
	var comp cel.Compiler = plain
	var c *cel.CompositedCompiler
	if len(p.Spec.Variables) > 0 {
		c, _ = cel.NewCompositedCompiler(base)
		comp = c
	}
	for _, v := range p.Spec.Variables {
		add("variable", c.CompileAndStoreVariable(&validating.Variable{Name: v.Name, Expression: v.Expression}, o, environment.NewExpressions))
	}
	for _, v := range p.Spec.Validations {
		add("validation", comp.CompileCELExpression(&validating.ValidationCondition{Expression: v.Expression}, o, environment.NewExpressions))
		if v.MessageExpression != "" {
			add("message", comp.CompileCELExpression(&validating.MessageExpressionCondition{MessageExpression: v.MessageExpression}, m, environment.NewExpressions))
		}
	}
	for _, a := range p.Spec.AuditAnnotations {
		add("audit", comp.CompileCELExpression(&validating.AuditAnnotationCondition{ValueExpression: a.ValueExpression}, o, environment.NewExpressions))
	}
	return out
}

// schemas resolves kinds by the files of webhook/schema/kubernetes.
type schemas struct {
	definitions map[string]spec.Schema
	Kinds       map[string]map[string]string `json:"kinds"`
	Resources   map[string]map[string][]any  `json:"resources"`
}

func (s *schemas) ResolveSchema(gvk schema.GroupVersionKind) (*spec.Schema, error) {
	name, ok := s.Kinds[gvk.GroupVersion().String()][gvk.Kind]
	if !ok {
		return nil, resolver.ErrSchemaNotFound
	}
	return resolver.PopulateRefs(func(ref string) (*spec.Schema, bool) {
		found, ok := s.definitions[ref]
		return &found, ok
	}, name)
}

// typeChecker reads the schemas of a folder.
func typeChecker(folder string) *validating.TypeChecker {
	s := &schemas{definitions: map[string]spec.Schema{}}
	files, _ := filepath.Glob(filepath.Join(folder, "*.json"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			panic(err)
		}
		pkg := strings.TrimSuffix(filepath.Base(file), ".json")
		var into any = s
		named := map[string]spec.Schema{}
		if pkg != "index" {
			into = &named
		}
		if err := json.Unmarshal(text, into); err != nil {
			panic(err)
		}
		for name, definition := range named {
			s.definitions[pkg+"."+name] = definition
		}
	}
	mapper := meta.NewDefaultRESTMapper(nil)
	for version, kinds := range s.Resources {
		gv, _ := schema.ParseGroupVersion(version)
		for kind, resource := range kinds {
			plural := gv.WithResource(resource[0].(string))
			mapper.AddSpecific(gv.WithKind(kind), plural, plural, meta.RESTScopeNamespace)
		}
	}
	return &validating.TypeChecker{SchemaResolver: s, RestMapper: mapper}
}

func obj(m map[string]interface{}) runtime.Object {
	if m == nil {
		return nil
	}
	return &unstructured.Unstructured{Object: m}
}

func run(c *Case) (out map[string]interface{}) {
	defer func() {
		if r := recover(); r != nil {
			out = map[string]interface{}{"panic": fmt.Sprint(r)}
		}
	}()
	v := compile(&c.Policy)
	gvr := schema.GroupVersionResource{Group: c.Resource[0], Version: c.Resource[1], Resource: c.Resource[2]}
	gvk := schema.GroupVersionKind{Group: c.Kind[0], Version: c.Kind[1], Kind: c.Kind[2]}
	var options runtime.Object
	a := admission.NewAttributesRecord(obj(c.Object), obj(c.OldObject), gvk, c.NS, c.Name, gvr, c.Resource[3], admission.Operation(c.Operation), options, false, &user.DefaultInfo{Name: "jane", Groups: []string{"dev"}})
	va := &admission.VersionedAttributes{Attributes: a, VersionedKind: gvk}
	if c.Object != nil {
		va.VersionedObject.Set(obj(c.Object))
	}
	if c.OldObject != nil {
		va.VersionedOldObject.Set(obj(c.OldObject))
	}
	var p runtime.Object
	if c.Params != nil {
		p = obj(c.Params)
	}
	r := v.Validate(context.TODO(), gvr, va, p, c.Namespace, celconfig.RuntimeCELCostBudget, nil)
	failures := []map[string]interface{}{}
	for i, d := range r.Decisions {
		if d.Action == validating.ActionDeny {
			failures = append(failures, map[string]interface{}{"index": i, "message": d.Message, "reason": d.Reason, "error": d.Evaluation == validating.EvalError})
		}
	}
	annotations := [][]string{}
	errs := []string{}
	for _, x := range r.AuditAnnotations {
		switch x.Action {
		case validating.AuditAnnotationActionPublish:
			annotations = append(annotations, []string{x.Key, x.Value})
		case validating.AuditAnnotationActionError:
			errs = append(errs, x.Error)
		}
	}
	return map[string]interface{}{"failures": failures, "annotations": annotations, "errors": errs}
}

func main() {
	var checker *validating.TypeChecker
	if len(os.Args) > 1 {
		checker = typeChecker(os.Args[1])
	}
	s := bufio.NewScanner(os.Stdin)
	s.Buffer(nil, 1<<26)
	for s.Scan() {
		var c Case
		var raw map[string]interface{}
		if err := utiljson.Unmarshal(s.Bytes(), &raw); err != nil {
			panic(err)
		}
		if err := utiljson.Unmarshal(s.Bytes(), &c); err != nil {
			panic(err)
		}
		if policy, _ := raw["Policy"].(map[string]interface{}); policy["kind"] == "MutatingAdmissionPolicy" {
			var m Mutation
			if err := json.Unmarshal(s.Bytes(), &m); err != nil {
				panic(err)
			}
			get := func(k string) map[string]interface{} { v, _ := raw[k].(map[string]interface{}); return v }
			if builtin == nil {
				builtin = converter(os.Args[1], nil, schema.GroupVersionKind{})
			}
			b, err := json.Marshal(mutate(&m, get("Object"), get("OldObject"), get("Params"), c.Namespace))
			if err != nil {
				panic(err)
			}
			fmt.Println(string(b))
			continue
		}
		if checker != nil {
			b, _ := json.Marshal(map[string]any{"warnings": checker.Check(&c.Policy)})
			fmt.Println(string(b))
			continue
		}
		get := func(k string) map[string]interface{} { m, _ := raw[k].(map[string]interface{}); return m }
		c.Object, c.OldObject, c.Params = get("Object"), get("OldObject"), get("Params")
		out := map[string]interface{}{}
		if c.Operation != "" {
			out = run(&c)
		}
		out["compile"] = compileErrors(&c.Policy)
		b, _ := json.Marshal(out)
		fmt.Println(string(b))
	}
}
