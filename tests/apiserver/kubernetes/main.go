// Answers what Kubernetes' own scheme makes of an object: one JSON object a line, one JSON object a line back. With the
// arguments "types INDEX" it prints the Go types of the kinds in an index of schemas instead, from which
// webhook.apiserver.generate makes its tables; with "defaulters INDEX
// PATH=FOLDER…" it prints what Kubernetes' defaulting code calls
// where, for webhook.apiserver.defaults.generate.
//
// The same program is built of earlier Kubernetes versions, with another go.mod and installs.go (../minors.py).
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/install"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kjson "k8s.io/apimachinery/pkg/runtime/serializer/json"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	aggregator "k8s.io/kube-aggregator/pkg/apis/apiregistration/install"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
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

var all = installed()

func installed() []*runtime.Scheme {
	extensions, aggregated := runtime.NewScheme(), runtime.NewScheme()
	apiextensions.Install(extensions)
	aggregator.Install(aggregated)
	return []*runtime.Scheme{legacyscheme.Scheme, extensions, aggregated}
}

func schemes() []*runtime.Scheme {
	return all
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
	if len(os.Args) > 3 && os.Args[1] == "defaulters" {
		if err := printDefaulters(os.Args[2], os.Args[3:]); err != nil {
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
