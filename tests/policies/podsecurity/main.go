// Answers what Kubernetes' own Pod Security admission makes of a request: one JSON object a line, one back. Asked is the
// admission itself, with no defaults and no exemptions, so that the labels of the Namespace decide.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/pod-security-admission/admission"
	"k8s.io/pod-security-admission/admission/api/load"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/metrics"
	"k8s.io/pod-security-admission/policy"
)

// Question is a request and the labels of its Namespace. Resource: group, version, resource, subresource.
type Question struct {
	Labels            map[string]string
	Operation         string
	Resource          [4]string
	Object, OldObject json.RawMessage
}

type namespaces map[string]string

func (labels namespaces) GetNamespace(_ context.Context, name string) (*corev1.Namespace, error) {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}, nil
}

type noPods struct{}

func (noPods) ListPods(context.Context, string) ([]*corev1.Pod, error) { return nil, nil }

type unrecorded struct{}

func (unrecorded) RecordEvaluation(metrics.Decision, api.LevelVersion, metrics.Mode, api.Attributes) {}
func (unrecorded) RecordExemption(api.Attributes)                                                     {}
func (unrecorded) RecordError(bool, api.Attributes)                                                   {}

func object(text json.RawMessage) runtime.Object {
	if len(text) == 0 || string(text) == "null" {
		return nil
	}
	found, _, err := scheme.Codecs.UniversalDeserializer().Decode(text, nil, nil)
	check(err)
	return found
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	configuration, err := load.LoadFromData(nil)
	check(err)
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	check(err)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<26)
	for lines.Scan() {
		var asked Question
		check(json.Unmarshal(lines.Bytes(), &asked))
		plugin := &admission.Admission{
			Configuration:    configuration,
			Evaluator:        evaluator,
			Metrics:          unrecorded{},
			PodSpecExtractor: admission.DefaultPodSpecExtractor{},
			NamespaceGetter:  namespaces(asked.Labels),
			PodLister:        noPods{},
		}
		check(plugin.CompleteConfiguration())
		check(plugin.ValidateConfiguration())
		answer := plugin.Validate(context.Background(), &api.AttributesRecord{
			Name:        "asked",
			Namespace:   "shop",
			Resource:    schema.GroupVersionResource{Group: asked.Resource[0], Version: asked.Resource[1], Resource: asked.Resource[2]},
			Subresource: asked.Resource[3],
			Operation:   admissionv1.Operation(asked.Operation),
			Object:      object(asked.Object),
			OldObject:   object(asked.OldObject),
		})
		said := map[string]string{}
		if !answer.Allowed {
			said["enforce"] = answer.Result.Message
		}
		if len(answer.Warnings) > 0 {
			said["warn"] = strings.Join(answer.Warnings, "\n")
		}
		if text, found := answer.AuditAnnotations[api.AuditViolationsAnnotationKey]; found {
			said["audit"] = text
		}
		text, err := json.Marshal(said)
		check(err)
		fmt.Println(string(text))
	}
	check(lines.Err())
}
