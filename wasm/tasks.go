package main

import (
	"slices"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/dept/demo"
)

// What the page says of the demo's tasks, by name. Why is measured in
// docs/when-the-shift-matters.md.
var about = map[string]struct{ title, about, why string }{
	"first-thing": {
		"The first thing: one of five topics", "What is the thing named first: food, sport, weather, music or travel? One to four things are named.",
		"Both parts are needed here. P is the same wherever a word stands: alone it answers with any of the things. Row t of A·B belongs to position t: alone it has to write the question over the things themselves.",
	},
	"tone": {
		"Tone: good or bad?", "Is the thing praised or blamed? The sentence's luck, which has the same labels, is there to mislead.",
		"P is enough here: a sentence has one tone, wherever its words stand. Alone, A·B learns it too.",
	},
	"four-things": {
		"The first of four things", "The same question, but four things are named in every text.",
		"A·B is enough here: in every text the positions are much the same, so that it can both ask and single out the first. P alone cannot.",
	},
}

func taskInfos() []TaskInfo {
	infos := make([]TaskInfo, len(demo.Tasks))
	for i, t := range demo.Tasks {
		d := demoData(t)
		infos[i] = TaskInfo{
			Name: t.Name, Title: about[t.Name].title, About: about[t.Name].about, Why: about[t.Name].why, Labels: d.names(),
			Train: d.train.Len(), HeldBack: d.held.Len(), Examples: make([]Row, examplesShown),
			Settings: demoSettings(t), Budget: demo.Budget,
		}
		for k := range infos[i].Examples {
			infos[i].Examples[k] = demoRow(t, d.held.Row(k))
		}
	}
	return infos
}

// points is how many evaluations a curve has after the first.
const points = 10

// demoSettings are those of the demo on the command line.
func demoSettings(t demo.Task) Settings {
	both := demo.Variants(t.MaxSource)[0]
	o := demo.Tuning(both, demo.Seed)
	k := both.Config.Kind()
	return Settings{
		Task: t.Name, Method: k.Name, Values: startValues(k, demo.Width), MaxSourceLength: o.MaxSourceLength,
		Warmup: o.Warmup, Steps: o.Steps, Batch: o.Batch, Seed: o.Seed, EvalEvery: o.Steps / points,
	}
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
	held := t.Rows(demo.Test, demo.PageRows, demo.Seed, nil)
	return &dataset{
		train:    data.NewDataset(t.Rows(demo.Train, demo.TrainRows, demo.Seed, nil)),
		held:     data.NewDataset(held),
		labels:   mapped(t.Labels, func(l string) label { return label{l, l} }),
		template: t.Source(dept.TemplateText),
		texts:    mapped(held, func(r data.Row) string { return demoRow(t, r).Text }),
	}
}

// demoRow is a row as people read it.
func demoRow(t demo.Task, r data.Row) Row { return Row{t.Text(r.Source), r.Target} }

// rowsShown is how many of a task's rows fit a text field.
const rowsShown = 100

func taskRows(name string) (string, error) {
	t, err := demoTask(name)
	if err != nil {
		return "", err
	}
	return table(mapped(t.Rows(demo.Train, rowsShown, demo.Seed, nil), func(r data.Row) Row { return demoRow(t, r) })), nil
}
