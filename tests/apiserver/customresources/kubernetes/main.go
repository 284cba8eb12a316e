// Answers what the API server makes of CustomResourceDefinitions and their objects, by its own packages.
//
// It reads one JSON object a line: a definition and objects of it, each with an old object for updates. It answers, one
// line to each, the refusals of the definition, and for each object its unknown fields, the object after pruning and
// defaults, and the refusals of validation.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strconv"

	"k8s.io/apiextensions-apiserver/pkg/apihelpers"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/model"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apiextensions-apiserver/pkg/registry/customresource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/environment"
	kjson "sigs.k8s.io/json"
)

type question struct {
	Definition json.RawMessage `json:"definition"`
	Objects    []struct {
		Object json.RawMessage `json:"object"`
		Old    json.RawMessage `json:"old"`
	} `json:"objects"`
}

type outcome struct {
	Unknown []string       `json:"unknown"`
	Failed  string         `json:"failed,omitempty"`
	Object  map[string]any `json:"object"`
	Errors  []string       `json:"errors"`
}

type answer struct {
	Failed  string    `json:"failed,omitempty"`
	Errors  []string  `json:"errors"`
	Objects []outcome `json:"objects"`
	Costs   []string  `json:"costs"`
}

func main() {
	reader := bufio.NewReaderSize(os.Stdin, 1<<20)
	writer := json.NewEncoder(os.Stdout)
	writer.SetEscapeHTML(false)
	for {
		line, err := reader.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			_ = writer.Encode(answered(line))
		}
		if err != nil {
			return
		}
	}
}

func answered(line []byte) answer {
	var asked question
	if err := utiljson.Unmarshal(line, &asked); err != nil {
		return answer{Failed: err.Error()}
	}
	external := &v1.CustomResourceDefinition{}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(asked.Definition, external); err != nil {
		return answer{Failed: err.Error()}
	}
	v1.SetDefaults_CustomResourceDefinition(external)
	v1.SetDefaults_CustomResourceDefinitionSpec(&external.Spec)
	internal := &apiextensions.CustomResourceDefinition{}
	if err := v1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(external, internal, nil); err != nil {
		return answer{Failed: err.Error()}
	}
	for _, version := range internal.Spec.Versions {
		if version.Storage {
			internal.Status.StoredVersions = []string{version.Name}
		}
	}
	costs := estimated(external)
	result := answer{Costs: costs, Errors: texts(crdvalidation.ValidateCustomResourceDefinition(context.Background(), internal))}
	if len(result.Errors) > 0 {
		return result
	}
	for _, each := range asked.Objects {
		result.Objects = append(result.Objects, judged(external, each.Object, each.Old))
	}
	return result
}

// estimated is the most that each rule of spec may cost, without how often it may run.
func estimated(crd *v1.CustomResourceDefinition) []string {
	found := []string{}
	if len(crd.Spec.Versions) == 0 {
		return found
	}
	made := structural(crd, crd.Spec.Versions[0].Name)
	if made == nil {
		return found
	}
	spec, ok := made.Properties["spec"]
	if !ok {
		return found
	}
	declared := model.SchemaDeclType(&spec, false)
	base := environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion())
	results, err := cel.Compile(&spec, declared, celconfig.PerCallLimit, base, cel.NewExpressionsEnvLoader())
	if err != nil {
		return found
	}
	for _, result := range results {
		if result.Error != nil {
			found = append(found, result.Error.Detail)
		} else {
			found = append(found, strconv.FormatUint(result.MaxCost, 10))
		}
	}
	return found
}

func texts(errs field.ErrorList) []string {
	found := []string{}
	for _, err := range errs {
		found = append(found, err.Error())
	}
	return found
}

func judged(crd *v1.CustomResourceDefinition, raw, rawOld json.RawMessage) outcome {
	object, unknown, failed := decoded(crd, raw)
	if failed != "" {
		return outcome{Failed: failed}
	}
	version := object.GroupVersionKind().Version
	declared, err := apihelpers.GetSchemaForVersion(crd, version)
	if err != nil {
		return outcome{Failed: err.Error()}
	}
	converted := &apiextensions.CustomResourceValidation{}
	_ = v1.Convert_v1_CustomResourceValidation_To_apiextensions_CustomResourceValidation(declared, converted, nil)
	validator, _, err := validation.NewSchemaValidator(converted.OpenAPIV3Schema)
	if err != nil {
		return outcome{Failed: err.Error()}
	}
	subresources, _ := apihelpers.GetSubresourcesForVersion(crd, version)
	var status *apiextensions.CustomResourceSubresourceStatus
	var scale *apiextensions.CustomResourceSubresourceScale
	if subresources != nil && subresources.Status != nil {
		status = &apiextensions.CustomResourceSubresourceStatus{}
	}
	if subresources != nil && subresources.Scale != nil {
		scale = &apiextensions.CustomResourceSubresourceScale{}
		_ = v1.Convert_v1_CustomResourceSubresourceScale_To_apiextensions_CustomResourceSubresourceScale(subresources.Scale, scale, nil)
	}
	kind := schema.GroupVersionKind{Group: crd.Spec.Group, Version: version, Kind: crd.Spec.Names.Kind}
	strategy := customresource.NewStrategy(nil, crd.Spec.Scope == v1.NamespaceScoped, kind, validator, nil, structural(crd, version), status, scale, nil)
	result := outcome{Unknown: unknown}
	if len(rawOld) > 0 && string(rawOld) != "null" {
		old, _, failed := decoded(crd, rawOld)
		if failed != "" {
			return outcome{Failed: failed}
		}
		strategy.PrepareForUpdate(context.Background(), object, old)
		result.Object = object.DeepCopy().Object
		result.Errors = texts(strategy.ValidateUpdate(context.Background(), object, old))
	} else {
		strategy.PrepareForCreate(context.Background(), object)
		result.Object = object.DeepCopy().Object
		result.Errors = texts(strategy.Validate(context.Background(), object))
	}
	return result
}

func structural(crd *v1.CustomResourceDefinition, version string) *structuralschema.Structural {
	declared, err := apihelpers.GetSchemaForVersion(crd, version)
	if err != nil || declared == nil {
		return nil
	}
	converted := &apiextensions.CustomResourceValidation{}
	_ = v1.Convert_v1_CustomResourceValidation_To_apiextensions_CustomResourceValidation(declared, converted, nil)
	made, err := structuralschema.NewStructural(converted.OpenAPIV3Schema)
	if err != nil {
		return nil
	}
	made = made.DeepCopy()
	_ = defaulting.PruneDefaults(made)
	return made
}

// decoded does what the custom resource handler's decoder does, which is not exported.
func decoded(crd *v1.CustomResourceDefinition, raw json.RawMessage) (*unstructured.Unstructured, []string, string) {
	object := &unstructured.Unstructured{}
	if err := utiljson.Unmarshal(raw, &object.Object); err != nil {
		return nil, nil, err.Error()
	}
	kind, apiVersion := object.GetKind(), object.GetAPIVersion()
	meta, found, unknown, err := objectmeta.GetObjectMetaWithOptions(object.Object, objectmeta.ObjectMetaOptions{ReturnUnknownFieldPaths: true})
	if err != nil {
		return nil, nil, err.Error()
	}
	made := structural(crd, object.GroupVersionKind().Version)
	options := structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}
	unknown = append(unknown, pruning.PruneWithOptions(object.Object, made, true, options)...)
	defaulting.PruneNonNullableNullsWithoutDefaults(object.Object, made)
	failed, paths := objectmeta.CoerceWithOptions(nil, object.Object, made, false, objectmeta.CoerceOptions{ReturnUnknownFieldPaths: true})
	if failed != nil {
		return nil, nil, failed.Error()
	}
	unknown = append(unknown, paths...)
	object.SetKind(kind)
	object.SetAPIVersion(apiVersion)
	if found {
		if err := objectmeta.SetObjectMeta(object.Object, meta); err != nil {
			return nil, nil, err.Error()
		}
	}
	defaulting.Default(runtime.Unstructured(object).UnstructuredContent(), made)
	return object, unknown, ""
}
