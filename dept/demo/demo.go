// Package demo makes the text of a demonstration of DePT: a small language, tasks
// on its sentences, and questions about them that the backbone is pre-trained on,
// among much else (see package pretrain), and that the tasks then find:
//
//	task, err := demo.Find("first-thing")
//	rows := data.NewDataset(task.Rows(demo.Train, demo.TrainRows, demo.Seed, nil))
//
// A sentence such as "luckily the soup was awful" has a tone, a topic, a luck
// and a tense. The questions ask about them in words, before the sentence. A task
// wants one of them and asks nothing: what a question says in words, the prompt
// has to find. Its dev and test rows are made of words and templates that its
// training rows do not have, so that nothing is gained by remembering rows; the
// backbone knows the words from the questions, not the templates.
//
// Everything is a function of a seed, and no file is touched.
package demo

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-dept/dept/dept/data"
)

// Task is a question that is not asked: a row's source is the bare text, its target
// the answer.
type Task struct {
	Name   string
	About  string   // what the answer is, in a line
	Labels []string // the targets there are; each is as frequent as any other
	// MaxSource is how many tokens the longest source has, with its end token.
	MaxSource int
	// Before stands before every text in the source, with a space between, or is empty.
	Before string
	text   func(w writer, label string) string
}

// task is one that MaxSource is enough for.
func task(name, about string, labels []string, text func(w writer, label string) string) Task {
	return Task{name, about, labels, MaxSource, "", text}
}

func (t Task) upTo(tokens int) Task {
	t.MaxSource = tokens
	return t
}

// of is a task that asks for an attribute of a sentence.
func of(name, about string) Task {
	labels := attributes[slices.IndexFunc(attributes, func(a attribute) bool { return a.name == name })].labels
	return Task{name, about, labels, MaxSource, before, func(w writer, label string) string {
		return makeSentence(w.r, w.split, true, map[string]string{name: label}).text
	}}
}

// Source is the source of a text.
func (t Task) Source(text string) string {
	if t.Before == "" {
		return text
	}
	return t.Before + " " + text
}

// Text is the text of a source.
func (t Task) Text(source string) string {
	return strings.TrimPrefix(strings.TrimPrefix(source, t.Before), " ")
}

// Count is how many tokens a text has, without an end token. Several tasks have
// statements of one length in tokens, so that a word's part in the text follows from
// its position.
type Count func(text string) int

// Rows makes n rows of a task. Words and templates are the split's.
func (t Task) Rows(split Split, n int, seed uint64, count Count) []data.Row {
	w := writer{newSource(seed, rowsStream, split), split, count}
	rows := make([]data.Row, n)
	for i := range rows {
		label := t.Labels[i%len(t.Labels)]
		rows[i] = data.Row{Source: t.Source(t.text(w, label)), Target: label, Line: i + 1}
	}
	return rows
}

// Tasks are those of the demonstration: on the first both parts of DePT are needed,
// on the second P is enough, on the third A·B. Their rows need no Count.
var Tasks = []Task{
	task("first-thing", "the topic of the first of one to four things", topicLabels, func(w writer, label string) string {
		return w.list(label, 1, 4)
	}),
	of("tone", "the tone of a sentence, which has a luck too"),
	task("four-things", "the topic of the first of four things", topicLabels, func(w writer, label string) string {
		return w.list(label, 4, 4)
	}),
}

// Find returns the task of a name: one of Designs.
func Find(name string) (Task, error) {
	i := slices.Index(Names(), name)
	if i < 0 {
		return Task{}, fmt.Errorf("there is no task %q; there are %s", name, strings.Join(Names(), ", "))
	}
	return Designs()[i], nil
}

// Names are those of Designs.
func Names() (names []string) {
	for _, t := range Designs() {
		names = append(names, t.Name)
	}
	return names
}
