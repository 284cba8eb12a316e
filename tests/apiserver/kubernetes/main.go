// Answers what Kubernetes' own scheme makes of an object: one JSON object a line, one JSON object a line back. With the
// arguments "types INDEX" it prints the Go types of the kinds in an index of schemas instead, from which
// webhook.apiserver.generate makes its tables; with "defaulters INDEX" it prints what Kubernetes' defaulting code calls
// where, for webhook.apiserver.defaults.generate.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apiserver"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kjson "k8s.io/apimachinery/pkg/runtime/serializer/json"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	aggregator "k8s.io/kube-aggregator/pkg/apiserver/scheme"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	_ "k8s.io/kubernetes/pkg/apis/admission/install"
	_ "k8s.io/kubernetes/pkg/apis/admissionregistration/install"
	_ "k8s.io/kubernetes/pkg/apis/apiserverinternal/install"
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	_ "k8s.io/kubernetes/pkg/apis/authentication/install"
	_ "k8s.io/kubernetes/pkg/apis/authorization/install"
	_ "k8s.io/kubernetes/pkg/apis/autoscaling/install"
	_ "k8s.io/kubernetes/pkg/apis/batch/install"
	_ "k8s.io/kubernetes/pkg/apis/certificates/install"
	_ "k8s.io/kubernetes/pkg/apis/coordination/install"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	_ "k8s.io/kubernetes/pkg/apis/discovery/install"
	_ "k8s.io/kubernetes/pkg/apis/events/install"
	_ "k8s.io/kubernetes/pkg/apis/extensions/install"
	_ "k8s.io/kubernetes/pkg/apis/flowcontrol/install"
	_ "k8s.io/kubernetes/pkg/apis/imagepolicy/install"
	_ "k8s.io/kubernetes/pkg/apis/lifecycle/install"
	_ "k8s.io/kubernetes/pkg/apis/networking/install"
	_ "k8s.io/kubernetes/pkg/apis/node/install"
	_ "k8s.io/kubernetes/pkg/apis/policy/install"
	_ "k8s.io/kubernetes/pkg/apis/rbac/install"
	_ "k8s.io/kubernetes/pkg/apis/resource/install"
	_ "k8s.io/kubernetes/pkg/apis/scheduling/install"
	_ "k8s.io/kubernetes/pkg/apis/storage/install"
	_ "k8s.io/kubernetes/pkg/apis/storagemigration/install"
)

// Question is an object, as its JSON text, and how far it goes: decode, default (decoded and defaulted) or convert (then
// converted to the internal version and back, as for admission).
type Question struct {
	Text string `json:"text"`
	Step string `json:"step"`
}

// Answer is the object in the form that policies see, or what is refused of it. Strict: the errors of strict decoding.
type Answer struct {
	Object map[string]any `json:"object,omitempty"`
	Strict []string       `json:"strict,omitempty"`
	Error  string         `json:"error,omitempty"`
}

func schemes() []*runtime.Scheme {
	return []*runtime.Scheme{legacyscheme.Scheme, apiextensions.Scheme, aggregator.Scheme}
}

func schemeOf(gvk schema.GroupVersionKind) *runtime.Scheme {
	for _, each := range schemes() {
		if each.Recognizes(gvk) {
			return each
		}
	}
	return legacyscheme.Scheme
}

// sent writes an object as kubectl sends it, which reads it without its type.
func sent(text string) ([]byte, error) {
	value := map[string]any{}
	if err := utiljson.Unmarshal([]byte(text), &value); err != nil {
		return nil, err
	}
	return json.Marshal(value)
}

func answer(question Question) (made Answer) {
	defer func() {
		if r := recover(); r != nil {
			made = Answer{Error: fmt.Sprint("panic: ", r)}
		}
	}()
	text, err := sent(question.Text)
	if err != nil {
		return Answer{Error: err.Error()}
	}
	gvk, err := kjson.DefaultMetaFactory.Interpret(text)
	if err != nil {
		return Answer{Error: err.Error()}
	}
	scheme := schemeOf(*gvk)
	serializer := kjson.NewSerializerWithOptions(kjson.DefaultMetaFactory, scheme, scheme, kjson.SerializerOptions{Strict: true})
	object, _, err := serializer.Decode(text, nil, nil)
	if err != nil {
		strict, ok := runtime.AsStrictDecodingError(err)
		if !ok {
			return Answer{Error: err.Error()}
		}
		for _, each := range strict.Errors() {
			made.Strict = append(made.Strict, each.Error())
		}
	}
	if question.Step != "decode" {
		scheme.Default(object)
	}
	if question.Step == "convert" {
		internal, err := scheme.ConvertToVersion(object, schema.GroupVersion{Group: gvk.Group, Version: runtime.APIVersionInternal})
		if err != nil {
			return Answer{Error: err.Error()}
		}
		if object, err = scheme.ConvertToVersion(internal, gvk.GroupVersion()); err != nil {
			return Answer{Error: err.Error()}
		}
	}
	object.GetObjectKind().SetGroupVersionKind(*gvk)
	written, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return Answer{Error: err.Error()}
	}
	made.Object = written
	return made
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "types" {
		if err := printTypes(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if len(os.Args) == 3 && os.Args[1] == "defaulters" {
		if err := printDefaulters(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 1<<20), 1<<26)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for lines.Scan() {
		var question Question
		made := Answer{}
		if err := json.Unmarshal(lines.Bytes(), &question); err != nil {
			made.Error = err.Error()
		} else {
			made = answer(question)
		}
		text, err := json.Marshal(made)
		if err != nil {
			text, _ = json.Marshal(Answer{Error: err.Error()})
		}
		out.Write(append(text, '\n'))
	}
}
