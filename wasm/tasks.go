package main

import (
	"slices"
	"strings"

	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/dept/demo"
)

// What the page says of the demo's tasks, by name.
var about = map[string]struct{ title, about string }{
	"tone":  {"Tone: good or bad?", "Is the thing praised or blamed? The sentence's luck, which has the same labels, is there to mislead."},
	"topic": {"Topic: one of five", "What is the sentence about: food, sport, weather, music or travel?"},
	"tense": {"Tense: now or past?", "Is it going on now, or is it over?"},
}

// Rows of a task: as many to learn from as the demo has, and fewer to measure on,
// so that a software adapter gets through them while somebody watches.
const heldRows = 80

// template stands before the text in the demo's sources.
const template = "sentence: "

func taskInfos() []TaskInfo {
	infos := make([]TaskInfo, len(demo.Tasks))
	for i, t := range demo.Tasks {
		settings, budget := demoSettings(t.Name)
		d := demoData(t)
		infos[i] = TaskInfo{
			Name: t.Name, Title: about[t.Name].title, About: about[t.Name].about, Labels: d.names(),
			Train: d.train.Len(), HeldBack: d.held.Len(), Examples: make([]Row, examplesShown),
			Settings: settings, Budget: budget,
		}
		for k := range infos[i].Examples {
			infos[i].Examples[k] = demoRow(d.held.Row(k))
		}
	}
	return infos
}

// demoSettings are those of the demo on the command line; prompt tuning trains
// as many parameters with budget vectors.
func demoSettings(task string) (s Settings, budget int) {
	o := demo.Tuning(demo.Seed)
	dePT, pt := demo.Adapters()
	return Settings{
		Task: task, Method: dePT.Kind().Name, Values: startValues(dePT.Kind()), MaxSourceLength: dePT.MaxSourceLength,
		Warmup: o.Warmup, Steps: o.Steps, Batch: o.Batch, Seed: o.Seed, EvalEvery: o.Steps / 4,
	}, pt.PromptLength
}

func demoTask(name string) (demo.Task, error) {
	i := slices.IndexFunc(demo.Tasks, func(t demo.Task) bool { return t.Name == name })
	if i < 0 {
		return demo.Task{}, failf(codeSettings, "Choose one of the page's tasks, or paste rows of your own.", "there is no task %q", name)
	}
	return demo.Tasks[i], nil
}

func taskData(name string) (*dataset, error) {
	t, err := demoTask(name)
	if err != nil {
		return nil, err
	}
	return demoData(t), nil
}

func demoData(t demo.Task) *dataset {
	held := demo.Rows(t, demo.Dev, heldRows, demo.Seed)
	return &dataset{
		train:  data.NewDataset(demo.Rows(t, demo.Train, demo.TrainRows, demo.Seed)),
		held:   data.NewDataset(held),
		labels: mapped(t.Labels, func(l string) label { return label{l, l} }),
		source: func(text string) string { return template + text },
		texts:  mapped(held, func(r data.Row) string { return demoRow(r).Text }),
	}
}

// demoRow is a row as people read it.
func demoRow(r data.Row) Row { return Row{strings.TrimPrefix(r.Source, template), r.Target} }

// rowsShown is how many of a task's rows fit a text field.
const rowsShown = 100

func taskRows(name string) (string, error) {
	d, err := taskData(name)
	if err != nil {
		return "", err
	}
	rows := make([]Row, min(rowsShown, d.train.Len()))
	for i := range rows {
		rows[i] = demoRow(d.train.Row(i))
	}
	return table(rows), nil
}
