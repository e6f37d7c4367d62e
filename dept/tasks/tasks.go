// Package tasks is the table of tasks: how the files that they are published in become text to
// text, and by which metrics answers are scored.
//
//	task, err := tasks.Lookup("sst2")
//	rows, err := data.Load(data.Options{Task: task, NeedTarget: true}, "train.tsv")
//	evaluation, err := predictor.Evaluate(ctx, rows, task) // of package train
package tasks

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-dept/dept/dept/metrics"
)

// Task is one row of the task table: how its files become source and target text, and how
// its predictions are scored.
type Task struct {
	Name    string
	Also    []string // other names that people know it by
	Answer  Answer
	Labels  []string // the name of class i in the published files; nil without classes
	Words   []string // what the model writes for class i; nil is i in decimal: "0", "1", …
	Metrics []metrics.Name
	Layouts []Layout // the first one whose columns a file has is used
	// Clean changes the text of each column, and an answer that is one, before it is put into
	// the source.
	Clean func(string) string
	// Ragged says that the published tables have rows that a line's end has cut in two. The hub leaves them
	// out.
	Ragged bool
	Split  Split // how the DePT authors split its rows
	Most   int   // of those rows, how many they train on; 0 is all
}

// Answer is what a task's targets are.
type Answer int

// The kinds of answers.
const (
	Class  Answer = iota // one of the labels
	Number               // a number from 0 to 5, rounded to a digit behind the point
	Text                 // free text, of which there may be several that are right
)

// Split is how the DePT authors make train, dev and test of what is published.
type Split int

// The authors' splits.
const (
	NoSplit  Split = iota // the task is none of theirs
	Official              // as published; of MNLI dev is mismatched and test matched
	Halves                // the validation set halved into dev and test
	Thousand              // 1,000 rows of the training set are dev, the validation set is test
)

// Layout is one way in which a published file keeps a task's rows.
type Layout struct {
	// Source is the source text, with the column to put in between braces, of the first layout as
	// people read it:
	// "sentence1: {sentence1} sentence2: {sentence2}".
	Source Template
	// Target is the column of the class: its name in Labels, in any case, or its index; or of
	// the number; or of the answer or the list of answers.
	Target string
	// Group tells apart the questions that have several rows.
	Group Template
	// Header names the columns of a table that has no line of its own for them.
	Header []string
	// Labels spells class i where the file does it in a way of its own, and only in that.
	Labels []string
	// Packed takes Source's columns out of one column "text" that holds them all.
	Packed Template
	// Line is a line of plain text that holds the target too: "{label} {sentence}".
	Line Template
	// Each is a list of objects in a row, or a list within each of a list's, of which each is a
	// row of the task: of "questions.answers" the columns are "text", "questions.text",
	// "questions.answers.text".
	Each string
	// Part is a column of the names of data sets, where a file holds several: only rows of the task's
	// own names count. A file may be without.
	Part string
	// Folders says that a folder of the class's name, or how it begins, may hold its texts, a file
	// each.
	Folders bool
	// Mark marks words of the column "text".
	Mark []Mark
}

// Lookup finds a task by its name, such as "sst2". The error for any other name lists
// the names there are.
func Lookup(name string) (*Task, error) {
	for i := range known {
		t := &known[i]
		if t.Is(name) {
			return t, nil
		}
	}
	return nil, fmt.Errorf("unknown task %q: the tasks are %s", name, strings.Join(Names(), ", "))
}

// Is says whether the name is one of the task's.
func (t *Task) Is(name string) bool {
	return strings.EqualFold(t.Name, name) || slices.ContainsFunc(t.Also, func(n string) bool { return strings.EqualFold(n, name) })
}

// FolderLayout is the layout of folders of texts; nil where the task has none.
func (t *Task) FolderLayout() *Layout {
	for i := range t.Layouts {
		if t.Layouts[i].Folders {
			return &t.Layouts[i]
		}
	}
	return nil
}

// Names lists the known tasks in the table's order.
func Names() []string {
	names := make([]string, len(known))
	for i := range known {
		names[i] = known[i].Name
	}
	return names
}

// Targets lists the target text of each class: what the model is to generate. It is nil where there are
// no classes.
func (t *Task) Targets() []string {
	if t.Words != nil || t.Labels == nil {
		return t.Words
	}
	targets := make([]string, len(t.Labels))
	for i := range targets {
		targets[i] = strconv.Itoa(i)
	}
	return targets
}

// Answers lists all that a target can be; nil for free text.
func (t *Task) Answers() (all []string) {
	if t.Answer == Number {
		for tenths := range 10*mostNumber + 1 {
			all = append(all, numberText(float64(tenths)/10))
		}
		return all
	}
	return t.Targets()
}

// WithWords is the task with words for its classes, in their order.
func (t *Task) WithWords(words []string) (*Task, error) {
	if t.Answer != Class {
		return nil, fmt.Errorf("task %s has no classes that words could stand for", t.Name)
	}
	if len(words) != len(t.Labels) {
		return nil, fmt.Errorf("task %s has the classes %s: give %d words in this order, there are %d", t.Name, strings.Join(t.Labels, ", "), len(t.Labels), len(words))
	}
	of := *t
	of.Words = make([]string, len(words))
	for i, word := range words {
		if word = strings.TrimSpace(word); word == "" || slices.Contains(of.Words[:i], word) {
			return nil, fmt.Errorf("word %d, %.40q, is empty or there twice", i+1, word)
		}
		of.Words[i] = word
	}
	return &of, nil
}

// Layout is the first of the task's layouts whose source columns are all there, and the target's if there
// is one of those; nil where there is none.
func (t *Task) Layout(has func(column string) bool) *Layout {
	var without *Layout // the target
	for i := range t.Layouts {
		layout := &t.Layouts[i]
		if slices.ContainsFunc(layout.Columns(), func(column string) bool { return !has(column) }) {
			continue
		}
		if has(layout.Target) {
			return layout
		}
		if without == nil {
			without = layout
		}
	}
	return without
}

// LineLayout is the layout of lines of plain text; nil where the task has none.
func (t *Task) LineLayout() *Layout {
	for i := range t.Layouts {
		if t.Layouts[i].Line != "" {
			return &t.Layouts[i]
		}
	}
	return nil
}

// packedColumn is the one column of a layout that is Packed, and the one of which words are marked.
const packedColumn = "text"

// Columns lists the columns that the layout's source and group take from a file.
func (l *Layout) Columns() []string {
	if l.Packed != "" {
		return []string{packedColumn}
	}
	columns := append(l.Source.Columns(), l.Group.Columns()...)
	for _, m := range l.Mark {
		columns = append(columns, m.Text, m.Index)
	}
	return columns
}

// Source is the source of a row of the layout that has these columns. A packed text that does
// not have the form of Packed is an error.
func (t *Task) Source(l *Layout, columns map[string]string) (string, error) {
	if l.Packed != "" {
		var ok bool
		if columns, ok = l.Packed.Match(columns[packedColumn]); !ok {
			return "", fmt.Errorf("column %q does not read %q", packedColumn, l.Packed)
		}
	}
	if l.Mark != nil {
		var err error
		if columns, err = marked(columns, l.Mark); err != nil {
			return "", err
		}
	}
	if t.Clean == nil {
		return l.Source.Fill(columns), nil
	}
	cleaned := make(map[string]string)
	for _, column := range l.Source.Columns() {
		cleaned[column] = t.Clean(columns[column])
	}
	return l.Source.Fill(cleaned), nil
}

// TargetOf turns a label, as files of the layout spell it, into the target text,
// or reports that it is none.
func (t *Task) TargetOf(l *Layout, label string) (string, bool) {
	label = strings.TrimSpace(label)
	spelled, targets := l.Labels, t.Targets()
	if spelled == nil {
		spelled = t.Labels
	}
	same := func(name string) bool { return strings.EqualFold(name, label) }
	if i := slices.IndexFunc(spelled, same); i >= 0 {
		return targets[i], true
	}
	if slices.ContainsFunc(spelled, isWhole) {
		if whole, ok := strings.CutSuffix(label, ".0"); ok { // as pandas writes a column with gaps
			return t.TargetOf(l, whole)
		}
		return "", false
	}
	if l.Labels == nil {
		if i, err := strconv.Atoi(strings.TrimSuffix(label, ".0")); err == nil && 0 <= i && i < len(targets) && label[0] != '+' && (len(label) < 2 || label[0] != '0' || label[1] == '.') {
			return targets[i], true
		}
	}
	return "", false
}

func isWhole(text string) bool {
	_, err := strconv.Atoi(text)
	return err == nil
}

// Spellings lists what a label may be in files of the layout, for an error message.
func (t *Task) Spellings(l *Layout) string {
	spelled := make([]string, len(t.Labels))
	for i, name := range t.Labels {
		switch {
		case l.Labels != nil && l.Labels[i] != name:
			spelled[i] = fmt.Sprintf("%s (%s)", l.Labels[i], name)
		case l.Labels != nil || isWhole(name):
			spelled[i] = name
		default:
			spelled[i] = fmt.Sprintf("%d or %s", i, name)
		}
	}
	return strings.Join(spelled, ", ")
}

// Hidden says whether a label stands for one that is not published: the hub's -1, the "?" or nothing of
// archives, or MNLI's "-" of rows on which nobody agreed.
func Hidden(label string) bool {
	return slices.Contains([]string{"-1", "-1.0", "?", "-", ""}, strings.TrimSpace(label))
}

// MainMetric is the metric that decides which checkpoint is best.
func MainMetric(task *Task) metrics.Name {
	if task == nil {
		return metrics.ExactMatch
	}
	return task.Metrics[0]
}
