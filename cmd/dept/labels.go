package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/dept/tasks"
)

// The values of --answer.
const (
	answerWrite = "write"
	answerRank  = "rank"
)

// labelFlags say how rows with labels are learnt and answered.
type labelFlags struct{ answer, labels string }

func (l *labelFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&l.answer, "answer", answerWrite, "what an answer is: what the model writes (write), or the likeliest of the rows' targets or the task's labels (rank)")
	f.StringVar(&l.labels, "labels", "", "take the rows' targets for labels, and learn them as words or as digits (default with --answer rank words, or digits where the model cannot write one in a few tokens)")
}

// check refuses what makes no sense, before any file is opened.
func (l *labelFlags) check(task *tasks.Task) error {
	switch {
	case l.answer != answerWrite && l.answer != answerRank:
		return usagef("--answer %s: give %s or %s", l.answer, answerWrite, answerRank)
	case l.labels != "" && l.labels != data.WriteWords && l.labels != data.WriteDigits:
		return usagef("--labels %s: give %s or %s", l.labels, data.WriteWords, data.WriteDigits)
	case l.labels != "" && task != nil:
		return usagef("--labels %s: task %s has labels of its own: leave it out (--verbalizer gives them words)", l.labels, task.Name)
	case l.answer == answerRank && task != nil && task.Answer != tasks.Class:
		return usagef("--answer %s: task %s has no classes to rank: leave it out", l.answer, task.Name)
	}
	return nil
}

// ofRows says whether the labels are the rows' targets.
func (l *labelFlags) ofRows(task *tasks.Task) bool {
	return task == nil && (l.answer == answerRank || l.labels != "")
}

// taskAnswers is what an adapter of a task says.
func (l *labelFlags) taskAnswers(task *tasks.Task) *dept.Answers {
	a := &dept.Answers{Labels: task.Targets(), Names: task.Labels, Rank: l.answer == answerRank}
	layout := &task.Layouts[0]
	if columns := layout.Columns(); len(columns) == 1 {
		a.Template = layout.Source.Fill(map[string]string{columns[0]: dept.TemplateText})
	}
	return a
}

// inWordsOf is a task with the words that an adapter of its classes was taught, where nobody gives it others.
func inWordsOf(task *tasks.Task, says *dept.Answers) *tasks.Task {
	if says == nil || task.Words != nil || task.Answer != tasks.Class || len(says.Names) > 0 && !slices.EqualFunc(says.Names, task.Labels, strings.EqualFold) {
		return task
	}
	if spoken, err := task.WithWords(says.Labels); err == nil {
		return spoken
	}
	return task
}

// learnLabels takes the rows' targets for labels, decides what the model is to write for them, and puts that in
// their place.
func (t *training) learnLabels(cmd *cobra.Command) error {
	sets := []*data.Dataset{t.rows}
	if t.dev != nil {
		sets = append(sets, t.dev)
	}
	names := data.Labels(sets...)
	switch len(names) {
	case 0:
		return usagef("--answer and --labels: the rows have more than %d different targets, which is free text: leave both out", data.MaxLabels)
	case 1:
		return usagef("--answer and --labels: all rows have the target %.40q, so that there is nothing to tell apart", names[0])
	}
	targets, reason, err := data.Spell(names, t.labels.labels, t.setup.Tokenizer)
	if err != nil {
		return usagef("--labels: %v", err)
	}
	a := &dept.Answers{Labels: targets, Rank: t.labels.answer == answerRank}
	if !slices.Equal(targets, names) {
		a.Names = names
	}
	if reason != "" {
		warn(cmd, "%s: the labels are learnt as digits", reason)
	}
	if a, b := data.AlikeLabels(names); a != b {
		warn(cmd, "the labels %q and %q differ in capitals alone and are learnt as two", a, b)
	}
	t.request.Labels, t.request.Answers = targets, a
	t.rows = asAsked(t.rows, a)
	if t.dev != nil {
		t.dev = asAsked(t.dev, a)
	}
	return nil
}

// asAsked is rows as a model that answers so is asked for them: sources in the template, and what it writes for
// their labels.
func asAsked(rows *data.Dataset, a *dept.Answers) *data.Dataset {
	changed := make([]data.Row, rows.Len())
	for i := range changed {
		changed[i] = rows.Row(i)
		changed[i].Source, changed[i].Target = a.Source(changed[i].Source), a.Target(changed[i].Target)
	}
	return data.NewDataset(changed)
}
