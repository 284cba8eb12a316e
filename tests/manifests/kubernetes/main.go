// Answers for the tests as a kube-apiserver would, by its own packages.
//
// Standard input has one JSON object a line, standard output one answer for each:
//
//	{"object": …}                    -> {"error": text}: why the object is not of its Kubernetes type, or ""
//	{"webhook": …, "request": …}     -> {"called": bool, "error": text}: whether a webhook is called for the
//	                                    AdmissionReview's request, or what its matchConditions fail with
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"

	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/predicates/rules"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/cel/environment"
)

type question struct {
	Object  json.RawMessage                            `json:"object"`
	Webhook *admissionregistrationv1.ValidatingWebhook `json:"webhook"`
	Request *admissionv1.AdmissionRequest              `json:"request"`
}

func main() {
	decoder := strict()
	compiler := cel.NewConditionCompiler(environment.MustBaseEnvSet(version.MajorMinor(1, 36)))
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 1<<20), 1<<24)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked question
		must(json.Unmarshal(lines.Bytes(), &asked))
		if asked.Webhook != nil {
			called, err := called(compiler, asked.Webhook, asked.Request)
			must(answers.Encode(map[string]any{"called": called, "error": text(err)}))
			continue
		}
		_, _, err := decoder.Decode(asked.Object, nil, nil)
		must(answers.Encode(map[string]any{"error": text(err)}))
	}
	must(lines.Err())
}

// strict refuses unknown and duplicate fields, and values of a wrong type.
func strict() runtime.Decoder {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		admissionregistrationv1.AddToScheme, appsv1.AddToScheme, corev1.AddToScheme, networkingv1.AddToScheme, rbacv1.AddToScheme,
		policyv1.AddToScheme,
	} {
		utilruntime.Must(add(scheme))
	}
	return serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
}

// called is the order of the API server: rules, namespaceSelector, objectSelector, matchConditions. The Namespace of a
// request is one that has no label but its name.
func called(
	compiler cel.ConditionCompiler, webhook *admissionregistrationv1.ValidatingWebhook, request *admissionv1.AdmissionRequest,
) (bool, error) {
	attributes := attributesOf(request)
	matched := false
	for _, rule := range webhook.Rules {
		matcher := rules.Matcher{Rule: rule, Attr: attributes}
		matched = matched || matcher.Matches()
	}
	if !matched {
		return false, nil
	}
	if request.Namespace != "" && webhook.NamespaceSelector != nil {
		if !selects(webhook.NamespaceSelector, labels.Set{corev1.LabelMetadataName: request.Namespace}) {
			return false, nil
		}
	}
	if webhook.ObjectSelector != nil && !selects(webhook.ObjectSelector, labelsOf(request.Object.Raw)) &&
		!selects(webhook.ObjectSelector, labelsOf(request.OldObject.Raw)) {
		return false, nil
	}
	conditions := compiled(compiler, webhook.MatchConditions)
	if errs := conditions.CompilationErrors(); len(errs) > 0 {
		return false, errs[0]
	}
	versioned := &admission.VersionedAttributes{Attributes: attributes, VersionedKind: attributes.GetKind()}
	versioned.VersionedObject.Set(attributes.GetObject())
	versioned.VersionedOldObject.Set(attributes.GetOldObject())
	fail := admissionregistrationv1.Fail
	result := matchconditions.NewMatcher(conditions, &fail, "webhook", "validating", webhook.Name).
		Match(context.Background(), versioned, nil, nil)
	return result.Matches, result.Error
}

// compiled compiles the conditions of a webhook once for all its requests.
func compiled(compiler cel.ConditionCompiler, found []admissionregistrationv1.MatchCondition) cel.ConditionEvaluator {
	key, err := json.Marshal(found)
	must(err)
	if known, ok := evaluators[string(key)]; ok {
		return known
	}
	expressions := make([]cel.ExpressionAccessor, len(found))
	for i, condition := range found {
		expressions[i] = &matchconditions.MatchCondition{Name: condition.Name, Expression: condition.Expression}
	}
	evaluators[string(key)] = compiler.CompileCondition(
		expressions, cel.OptionalVariableDeclarations{HasAuthorizer: true}, environment.NewExpressions,
	)
	return evaluators[string(key)]
}

var evaluators = map[string]cel.ConditionEvaluator{}

func attributesOf(request *admissionv1.AdmissionRequest) admission.Attributes {
	return admission.NewAttributesRecord(
		object(request.Object.Raw), object(request.OldObject.Raw), schema.GroupVersionKind(request.Kind), request.Namespace,
		request.Name, schema.GroupVersionResource(request.Resource), request.SubResource,
		admission.Operation(request.Operation), nil, false,
		&user.DefaultInfo{Name: request.UserInfo.Username, Groups: request.UserInfo.Groups},
	)
}

func object(raw []byte) runtime.Object {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	var content map[string]any
	must(json.Unmarshal(raw, &content))
	return &unstructured.Unstructured{Object: content}
}

func labelsOf(raw []byte) labels.Set {
	if decoded, ok := object(raw).(*unstructured.Unstructured); ok {
		return decoded.GetLabels()
	}
	return nil
}

func selects(selector *metav1.LabelSelector, set labels.Set) bool {
	parsed, err := metav1.LabelSelectorAsSelector(selector)
	must(err)
	return parsed.Matches(set)
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
