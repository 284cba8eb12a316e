// Answers what a LabelSelector matches: metav1.LabelSelectorAsSelector. One JSON question a line, one JSON answer a line.
package main

import (
	"bufio"
	"encoding/json"
	"os"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

type question struct {
	Selector json.RawMessage `json:"selector"`
	Labels   labels.Set      `json:"labels"`
}

type answer struct {
	Matches bool   `json:"matches"`
	Error   string `json:"error"`
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
		var selector *metav1.LabelSelector
		var answered answer
		if err := json.Unmarshal(asked.Selector, &selector); err != nil {
			answered.Error = err.Error()
		} else if compiled, err := metav1.LabelSelectorAsSelector(selector); err != nil {
			answered.Error = err.Error()
		} else {
			answered.Matches = compiled.Matches(asked.Labels)
		}
		if err := write.Encode(answered); err != nil {
			panic(err)
		}
	}
}
