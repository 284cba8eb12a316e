// Answers which objects kubectl reads from files: the resource builder of `kubectl create -f` and `kubectl apply -f`,
// without a server. One JSON question a line, one JSON answer a line.
package main

import (
	"bufio"
	"encoding/json"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/resource"
)

type question struct {
	Path      string `json:"path"`
	Recursive bool   `json:"recursive"`
}

type found struct {
	Source string         `json:"source"`
	Object map[string]any `json:"object"`
}

type answer struct {
	Objects []found  `json:"objects"`
	Errors  []string `json:"errors"`
}

func read(asked question) answer {
	answered := answer{Objects: []found{}, Errors: []string{}}
	files := resource.FilenameOptions{Filenames: []string{asked.Path}, Recursive: asked.Recursive}
	visitor := resource.NewLocalBuilder().Unstructured().ContinueOnError().FilenameParam(false, &files).Flatten().Do()
	err := visitor.Visit(func(info *resource.Info, err error) error {
		if err != nil {
			return err
		}
		if object, ok := info.Object.(*unstructured.Unstructured); ok {
			answered.Objects = append(answered.Objects, found{info.Source, object.Object})
		}
		return nil
	})
	if err != nil {
		answered.Errors = append(answered.Errors, err.Error())
	}
	return answered
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 1<<20), 1<<20)
	write := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked question
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			panic(err)
		}
		if err := write.Encode(read(asked)); err != nil {
			panic(err)
		}
	}
}
