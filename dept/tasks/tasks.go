// Package tasks is the table of tasks: how the files that they are published in become text to
// text, and by which metrics answers are scored.
package tasks

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Task is one row of the task table: how its files become source and target text, and how
// its predictions are scored. The target of class i is i in decimal: "0", "1", ….
type Task struct {
	Name    string
	Labels  []string // the name of class i in the published files
	Metrics []Metric // the first one picks the best checkpoint
	Layouts []Layout // the first one whose columns a file has is used
}

// Layout is one way in which a published file keeps a task's rows.
type Layout struct {
	// Source is the source text, with the column to put in between braces:
	// "sentence1: {sentence1} sentence2: {sentence2}".
	Source Template
	// Target is the column of the class: its name in Labels, in any case, or its index.
	Target string
	// Header names the columns of a table that has no line of its own for them.
	Header []string
	// Labels spells class i where the file does it in a way of its own, and only in that.
	Labels []string
	// Packed takes Source's columns out of one column "text" that holds them all.
	Packed Template
}

// known is the table. Templates are those of the DePT authors' code (no task name in front); AG News,
// which they do not have, follows their other one-sentence tasks.
var known = []Task{
	{
		Name:    "sst2",
		Labels:  []string{"negative", "positive"},
		Metrics: []Metric{Accuracy},
		Layouts: []Layout{{Source: "sentence: {sentence}", Target: "label"}},
	},
	{
		Name:    "cola",
		Labels:  []string{"unacceptable", "acceptable"},
		Metrics: []Metric{Matthews, Accuracy},
		Layouts: []Layout{{
			Source: "sentence: {sentence}", Target: "label",
			Header: []string{"source", "label", "mark", "sentence"},
		}},
	},
	{
		Name:    "rte",
		Labels:  []string{"entailment", "not_entailment"},
		Metrics: []Metric{Accuracy},
		Layouts: []Layout{{Source: "sentence1: {sentence1} sentence2: {sentence2}", Target: "label"}},
	},
	{
		Name:    "wic",
		Labels:  []string{"false", "true"},
		Metrics: []Metric{Accuracy},
		Layouts: []Layout{
			{Source: wicSource, Target: "label"},
			{Source: wicSource, Target: "label", Packed: "Word: {word}. Sentence 1: {sentence1} Sentence 2: {sentence2}"},
		},
	},
	{
		Name:    "agnews",
		Labels:  []string{"World", "Sports", "Business", "Sci/Tech"},
		Metrics: []Metric{Accuracy},
		Layouts: []Layout{
			{
				Source: "sentence: {Title} {Description}", Target: "Class Index",
				Header: []string{"Class Index", "Title", "Description"},
				Labels: []string{"1", "2", "3", "4"},
			},
			{
				Source: "sentence: {sentence}", Target: "label",
				Header: []string{"sentence", "label"},
			},
			{Source: "sentence: {text}", Target: "label"},
		},
	},
}

const wicSource = "sentence1: {sentence1} sentence2: {sentence2} word: {word}"

// Lookup finds a task by its name, such as "sst2". The error for any other name lists
// the names there are.
func Lookup(name string) (*Task, error) {
	for i := range known {
		if known[i].Name == name {
			return &known[i], nil
		}
	}
	return nil, fmt.Errorf("unknown task %q: the tasks are %s", name, strings.Join(Names(), ", "))
}

// Names lists the known tasks in the table's order.
func Names() []string {
	names := make([]string, len(known))
	for i := range known {
		names[i] = known[i].Name
	}
	return names
}

// Targets lists the target text of each class: what the model is to generate.
func (t *Task) Targets() []string {
	targets := make([]string, len(t.Labels))
	for i := range targets {
		targets[i] = strconv.Itoa(i)
	}
	return targets
}

// Layout is the first of the task's layouts whose source columns are all there,
// nil where none is.
func (t *Task) Layout(columns map[string]string) *Layout {
	for i := range t.Layouts {
		layout := &t.Layouts[i]
		if !slices.ContainsFunc(layout.Columns(), func(column string) bool {
			_, ok := columns[column]
			return !ok
		}) {
			return layout
		}
	}
	return nil
}

// packedColumn is the one column of a layout that is Packed.
const packedColumn = "text"

// Columns lists the columns that the layout's source takes from a file.
func (l *Layout) Columns() []string {
	if l.Packed != "" {
		return []string{packedColumn}
	}
	return l.Source.Columns()
}

// Text is the source of a row that has these columns. A packed text that does
// not have the form of Packed is an error.
func (l *Layout) Text(columns map[string]string) (string, error) {
	if l.Packed != "" {
		var ok bool
		if columns, ok = l.Packed.Match(columns[packedColumn]); !ok {
			return "", fmt.Errorf("column %q does not read %q", packedColumn, l.Packed)
		}
	}
	return l.Source.Fill(columns), nil
}

// TargetOf turns a label, as files of the layout spell it, into the target text,
// or reports that it is none.
func (t *Task) TargetOf(l *Layout, label string) (string, bool) {
	label = strings.TrimSpace(label)
	for i := range t.Labels {
		target := strconv.Itoa(i)
		if l.Labels != nil {
			if label == l.Labels[i] {
				return target, true
			}
		} else if label == target || strings.EqualFold(label, t.Labels[i]) {
			return target, true
		}
	}
	return "", false
}

// Spellings lists what a label may be in files of the layout, for an error message.
func (t *Task) Spellings(l *Layout) string {
	spelled := make([]string, len(t.Labels))
	for i, name := range t.Labels {
		if l.Labels != nil {
			spelled[i] = fmt.Sprintf("%s (%s)", l.Labels[i], name)
		} else {
			spelled[i] = fmt.Sprintf("%d or %s", i, name)
		}
	}
	return strings.Join(spelled, ", ")
}

// MainMetric is the metric that decides which checkpoint is best.
func MainMetric(task *Task) Metric {
	if task == nil {
		return ExactMatch
	}
	return task.Metrics[0]
}
