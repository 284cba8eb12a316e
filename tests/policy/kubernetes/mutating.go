package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	v1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/mutating/patch"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// converter reads the definitions of kinds, in OpenAPI, from a folder of files as webhook/schema/kubernetes is, or
// (custom) from one definition.
func converter(folder string, custom json.RawMessage, gvk schema.GroupVersionKind) managedfields.TypeConverter {
	models := map[string]*spec.Schema{}
	files, err := filepath.Glob(filepath.Join(folder, "io.*.json"))
	if err != nil {
		panic(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			panic(err)
		}
		found := map[string]*spec.Schema{}
		if err := json.Unmarshal(text, &found); err != nil {
			panic(err)
		}
		name := filepath.Base(file)
		for kind, s := range found {
			models[name[:len(name)-len("json")]+kind] = s
		}
	}
	mark := func(s *spec.Schema, group, version, kind string) {
		s.AddExtension("x-kubernetes-group-version-kind", []interface{}{map[string]interface{}{"group": group, "version": version, "kind": kind}})
	}
	text, err := os.ReadFile(filepath.Join(folder, "index.json"))
	if err != nil {
		panic(err)
	}
	var index struct{ Kinds map[string]map[string]string }
	if err := json.Unmarshal(text, &index); err != nil {
		panic(err)
	}
	for apiVersion, kinds := range index.Kinds {
		gv, _ := schema.ParseGroupVersion(apiVersion)
		for kind, name := range kinds {
			mark(models[name], gv.Group, gv.Version, kind)
		}
	}
	if custom != nil {
		s := &spec.Schema{}
		if err := json.Unmarshal(custom, s); err != nil {
			panic(err)
		}
		mark(s, gvk.Group, gvk.Version, gvk.Kind)
		models["custom"] = s
	}
	c, err := managedfields.NewTypeConverter(models, false)
	if err != nil {
		panic(err)
	}
	return c
}

// Mutation is a MutatingAdmissionPolicy and a request; Schema is that of the kind, if it is a custom one.
type Mutation struct {
	Policy    v1.MutatingAdmissionPolicy
	Operation string
	Resource  []string
	Kind      []string
	Name, NS  string
	Schema    json.RawMessage
}

var (
	builtin managedfields.TypeConverter
	customs = map[string]managedfields.TypeConverter{}
)

func compileMutations(p *v1.MutatingAdmissionPolicy, mode environment.Type) (m matchconditions.Matcher, c *cel.CompositedCompiler, patchers []patch.Patcher, errs []string) {
	o := cel.OptionalVariableDeclarations{HasParams: p.Spec.ParamKind != nil, HasAuthorizer: true}
	c, err := cel.NewCompositedCompiler(base)
	if err != nil {
		panic(err)
	}
	for _, v := range p.Spec.Variables {
		r := c.CompileAndStoreVariable(&validating.Variable{Name: v.Name, Expression: v.Expression}, o, mode)
		if r.Error != nil {
			errs = append(errs, "variable: "+r.Error.Detail)
		}
	}
	if n := len(p.Spec.MatchConditions); n > 0 {
		acc := make([]cel.ExpressionAccessor, n)
		for i := range p.Spec.MatchConditions {
			acc[i] = (*matchconditions.MatchCondition)(&p.Spec.MatchConditions[i])
		}
		m = matchconditions.NewMatcher(c.CompileCondition(acc, o, mode), p.Spec.FailurePolicy, "policy", "validate", p.Name)
	}
	o.HasPatchTypes = true
	for _, x := range p.Spec.Mutations {
		var accessor cel.ExpressionAccessor
		if x.PatchType == v1.PatchTypeJSONPatch {
			accessor = &patch.JSONPatchCondition{Expression: x.JSONPatch.Expression}
		} else {
			accessor = &patch.ApplyConfigurationCondition{Expression: x.ApplyConfiguration.Expression}
		}
		func() {
			defer func() {
				if r := recover(); r != nil {
					errs = append(errs, fmt.Sprint("panic: ", r))
				}
			}()
			if r := c.CompileCELExpression(accessor, o, mode); r.Error != nil {
				errs = append(errs, r.Error.Detail)
			}
			e := c.CompileMutatingEvaluator(accessor, o, mode)
			if x.PatchType == v1.PatchTypeJSONPatch {
				patchers = append(patchers, patch.NewJSONPatcher(e))
			} else {
				patchers = append(patchers, patch.NewApplyConfigurationPatcher(e))
			}
		}()
	}
	return
}

// mutate does as the mutating plugin's dispatcher with one policy, once.
func mutate(m *Mutation, object, old, params map[string]interface{}, ns *caseNamespace) (out map[string]interface{}) {
	matcher, compiler, patchers, refused := compileMutations(&m.Policy, environment.NewExpressions)
	if len(refused) > 0 {
		return map[string]interface{}{"refused": refused}
	}
	gvr := schema.GroupVersionResource{Group: m.Resource[0], Version: m.Resource[1], Resource: m.Resource[2]}
	gvk := schema.GroupVersionKind{Group: m.Kind[0], Version: m.Kind[1], Kind: m.Kind[2]}
	a := admission.NewAttributesRecord(obj(object), obj(old), gvk, m.NS, m.Name, gvr, m.Resource[3], admission.Operation(m.Operation), nil, false, &user.DefaultInfo{Name: "jane", Groups: []string{"dev"}})
	va := &admission.VersionedAttributes{Attributes: a, VersionedKind: gvk}
	va.VersionedObject.Set(obj(object))
	if old != nil {
		va.VersionedOldObject.Set(obj(old))
	}
	c := builtin
	if m.Schema != nil {
		key := gvk.String() + string(m.Schema)
		if customs[key] == nil {
			customs[key] = converter(os.Args[1], m.Schema, gvk)
		}
		c = customs[key]
	}
	var p runtime.Object
	if params != nil {
		p = obj(params)
	}
	ctx := compiler.CreateContext(context.TODO())
	errs := []string{}
	if matcher != nil {
		r := matcher.Match(ctx, va, p, nil)
		if r.Error != nil {
			return map[string]interface{}{"errors": []string{r.Error.Error()}, "object": object}
		}
		if !r.Matches {
			return map[string]interface{}{"errors": errs, "object": object}
		}
	}
	for _, patcher := range patchers {
		func() {
			defer func() {
				if r := recover(); r != nil {
					errs = append(errs, fmt.Sprint("panic: ", r))
				}
			}()
			changed, err := patcher.Patch(ctx, patch.Request{
				MatchedResource:     gvr,
				VersionedAttributes: va,
				ObjectInterfaces:    admission.NewObjectInterfacesFromScheme(runtime.NewScheme()),
				OptionalVariables:   cel.OptionalVariableBindings{VersionedParams: p},
				Namespace:           ns,
				TypeConverter:       c,
			}, celconfig.RuntimeCELCostBudget)
			if err != nil {
				errs = append(errs, err.Error())
				return
			}
			va.UpdateObject(changed)
		}()
	}
	return map[string]interface{}{"errors": errs, "object": va.VersionedObject.Object().(*unstructured.Unstructured).Object}
}
