package dept

import (
	"fmt"
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

// The table. Templates are those of the DePT authors' code (no task name in front); AG News,
// which they do not have, follows their other one-sentence tasks.
var tasks = []Task{
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

// LookupTask finds a task by its name, such as "sst2". The error for any other name lists
// the names there are.
func LookupTask(name string) (*Task, error) {
	for i := range tasks {
		if tasks[i].Name == name {
			return &tasks[i], nil
		}
	}
	return nil, fmt.Errorf("unknown task %q: the tasks are %s", name, strings.Join(TaskNames(), ", "))
}

// TaskNames lists the known tasks in the table's order.
func TaskNames() []string {
	names := make([]string, len(tasks))
	for i := range tasks {
		names[i] = tasks[i].Name
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

// target turns a label as a file spells it into the target text, or says that it is none.
func (t *Task) target(l *Layout, label string) (string, bool) {
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

// spellings lists what a label may be, for an error message.
func (t *Task) spellings(l *Layout) string {
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
