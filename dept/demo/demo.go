// Package demo makes the text of a demonstration of DePT: a small language, tasks
// on its sentences, and questions about them that the backbone is pre-trained on,
// among much else (see package pretrain), and that the tasks then find.
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
	"slices"

	"github.com/go-dept/dept/dept/data"
)

// Task is a question that is not asked: a row's source is the bare sentence, its
// target the sentence's label.
type Task struct {
	Name   string   // the attribute of the sentences
	Labels []string // the targets there are
}

// Tasks are the tasks. Of the tone an untrained prompt gets half right, since the
// backbone then answers with the luck, which has the same labels; of the others
// it gets nothing right.
var Tasks = []Task{task("tone"), task("topic"), task("tense")}

func task(name string) Task {
	i := slices.IndexFunc(attributes, func(a attribute) bool { return a.name == name })
	return Task{name, attributes[i].labels}
}

// Rows makes n rows of a task, with as many of each label as of any other. Words
// and templates are the split's.
func Rows(task Task, split Split, n int, seed uint64) []data.Row {
	r := newSource(seed, rowsStream, split)
	rows := make([]data.Row, n)
	for i := range rows {
		label := task.Labels[i%len(task.Labels)]
		s := makeSentence(r, split, true, map[string]string{task.Name: label})
		rows[i] = data.Row{Source: before + " " + s.text, Target: label, Line: i + 1}
	}
	return rows
}
