//go:build !js

package tasks

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/go-dept/dept/dept/metrics"
)

// inFile is a task as a YAML file has it. Source and Target are Layout's.
type inFile struct {
	Name    string
	Source  Template
	Target  string
	Labels  []string // of a task with classes
	Words   []string // what the model writes for them
	Numbers bool     // of a task whose answers are numbers from 0 to 5
	Metrics []metrics.Name
	Header  []string
	Line    Template
	Each    string
	Group   Template
}

// maxFile bounds the bytes of a task's file.
const maxFile = 1 << 20

// ReadFile reads a task of one's own from a YAML file, of which only name, source and target are
// obligatory:
//
//	name: jokes
//	source: "joke: {joke}"   # columns in braces
//	target: funny            # the column of the label, number or answer
//	labels: [dull, funny]    # in class order; without labels and numbers answers are free text
//	words: ["no", "yes"]     # what the model writes for them (default 0, 1, …)
//	numbers: true            # instead of labels
//	metrics: [accuracy, f1]  # the first one picks the best step
//	header: [funny, joke]    # of a table without a line of names
//	line, each, group        # as in Layout
func ReadFile(path string) (*Task, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	t, err := parseFile(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

func parseFile(text []byte) (*Task, error) {
	if len(text) > maxFile {
		return nil, fmt.Errorf("it has more than %d MiB, which is no task", maxFile>>20)
	}
	var f inFile
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&f); err != nil {
		return nil, inWords(err)
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	t := &Task{
		Name: f.Name, Labels: f.Labels, Metrics: f.Metrics,
		Layouts: []Layout{{Source: f.Source, Target: f.Target, Header: f.Header, Line: f.Line, Each: f.Each, Group: f.Group}},
	}
	usual := []metrics.Name{metrics.Accuracy}
	switch {
	case f.Numbers:
		t.Answer, usual = Number, []metrics.Name{metrics.Pearson, metrics.Spearman}
	case f.Labels == nil:
		t.Answer, usual = Text, []metrics.Name{metrics.ExactMatch, metrics.SquadF1}
	}
	if t.Metrics == nil {
		t.Metrics = usual
	}
	for _, m := range t.Metrics {
		if why := t.cannotScore(m); why != "" {
			return nil, fmt.Errorf("metrics: %s %s", m, why)
		}
	}
	if f.Words == nil {
		return t, nil
	}
	t, err := t.WithWords(f.Words)
	if err != nil {
		return nil, fmt.Errorf("words: %w", err)
	}
	return t, nil
}

func (f *inFile) check() error {
	switch {
	case !plainName.MatchString(f.Name):
		return fmt.Errorf("name %.40q: give the task one of letters, digits, - and _", f.Name)
	case f.Source == "":
		return errors.New(`there is no source: write one, as source: "text: {text}"`)
	case len(f.Source.Columns()) == 0 || !f.Source.closed():
		return fmt.Errorf("source %.60q: name a column or more between braces, as {text}", f.Source)
	case f.Target == "":
		return errors.New("there is no target: name the column of the labels or answers")
	case f.Labels != nil && f.Numbers:
		return errors.New("labels and numbers exclude each other: leave one out")
	case f.Labels != nil && len(f.Labels) < 2:
		return errors.New("labels: give two or more, in class order")
	case !f.Line.closed() || !f.Group.closed():
		return errors.New("line and group: a column stands between braces, as {text}")
	case f.Header != nil && !slices.Contains(f.Header, f.Target):
		return fmt.Errorf("header: it has no column %.40q, which is the target", f.Target)
	}
	if _, err := Lookup(f.Name); err == nil {
		return fmt.Errorf("name %s is that of a task that dept knows: give another", f.Name)
	}
	for i, label := range f.Labels {
		if strings.TrimSpace(label) == "" || slices.ContainsFunc(f.Labels[:i], func(l string) bool { return strings.EqualFold(l, label) }) {
			return fmt.Errorf("labels: label %d, %.40q, is empty or there twice", i+1, label)
		}
	}
	if f.Line != "" {
		for _, column := range append(f.Source.Columns(), f.Target) {
			if !slices.Contains(f.Line.Columns(), column) {
				return fmt.Errorf("line %.60q: it has no {%s}", f.Line, column)
			}
		}
	}
	return nil
}

var plainName = regexp.MustCompile(`^[\pL\pN_-]{1,60}$`)

// cannotScore says why a metric does not fit the task's answers; empty where it does.
func (t *Task) cannotScore(m metrics.Name) string {
	ofNumbers := []metrics.Name{metrics.Pearson, metrics.Spearman, metrics.PearsonRounded, metrics.SpearmanRounded}
	switch {
	case !slices.Contains(metrics.Names, m):
		return fmt.Sprintf("is none: the metrics are %v", metrics.Names)
	case m == metrics.F1 && len(t.Labels) != 2:
		return "is for two labels: take f1_macro"
	case m.NeedsLabels() && t.Answer != Class:
		return "is for labels"
	case slices.Contains(ofNumbers, m) != (t.Answer == Number):
		return "does not fit answers of this kind"
	}
	return ""
}

// inWords is the library's error without names of Go's types.
func inWords(err error) error {
	if err == io.EOF {
		return errors.New("it is empty: a task has a name, a source and a target")
	}
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	var mismatch *yaml.TypeError
	if errors.As(err, &mismatch) {
		text = mismatch.Errors[0]
	}
	text = ofType.ReplaceAllString(text, "")
	for kind, words := range map[string]string{"into []string": "where a list is expected", "into []metrics.Name": "where a list is expected", "into bool": "where true or false is expected"} {
		text = strings.Replace(text, kind, words, 1)
	}
	text = intoType.ReplaceAllString(text, "where a text is expected")
	return errors.New(strings.Replace(text, "cannot unmarshal ", "", 1))
}

var (
	ofType   = regexp.MustCompile(` in type \S+`)
	intoType = regexp.MustCompile(`into \S+$`)
)
