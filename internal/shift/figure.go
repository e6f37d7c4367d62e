//go:build !js

package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/demo"
)

// variant is the parts that are trained.
type variant string

// The variants.
const (
	both    variant = "both"
	onlyP   variant = "P"
	onlyAB  variant = "AB"
	neither variant = "neither" // the model as it is
	// constant is P and a shift that is the same at every place.
	constant variant = "constant"
)

var variants = []variant{neither, onlyP, onlyAB, both}

// cell is a place in a figure: a task under some conditions, which every variant has to do with.
type cell struct {
	task   string
	budget int // l: no variant trains more than l vectors have numbers
	rows   int
	// late is how many tokens later than in training a text begins; nil but in a figure about that.
	late *int
}

// figure is cells that differ in one thing.
type figure struct {
	name, title string
	cells       []cell
	variants    []variant
	// What the cells differ in, and how much each has of it; nil where it is the task.
	axis string
	of   func(cell) float64
}

// The conditions, where a figure says nothing else of them.
const (
	usualBudget = 16
	usualRows   = demo.TrainRows
)

// steps is how many updates a prompt is trained for.
var steps = 100

// lates is how many tokens later texts begin.
var lates = []int{0, 1, 2, 3, 4, 6, 8}

// usual is a task under the usual conditions.
func usual(task string) cell { return cell{task: task, budget: usualBudget, rows: usualRows} }

// figures are all there are.
func figures() []figure {
	place := figure{name: "place", title: "What the answer depends on", variants: variants}
	for _, d := range demo.Designs {
		place.cells = append(place.cells, usual(d.Name))
	}
	budget := figure{name: "budget", title: "The budget", variants: variants, axis: "vectors", of: func(c cell) float64 { return float64(c.budget) }}
	rows := figure{name: "rows", title: "The number of rows", variants: variants, axis: "rows", of: func(c cell) float64 { return float64(c.rows) }}
	same := figure{name: "constant", title: "A shift that is the same everywhere", variants: []variant{onlyP, constant, both}}
	start := figure{name: "start", title: "Where the text begins", variants: variants, axis: "tokens later", of: func(c cell) float64 { return float64(*c.late) }}
	for _, task := range []string{"tone", "first", "second", "first-thing"} {
		same.cells = append(same.cells, usual(task))
		for _, n := range lates {
			c := usual(task)
			c.late = &n
			start.cells = append(start.cells, c)
		}
		for _, l := range []int{3, 4, 8, 16, 32} {
			budget.cells = append(budget.cells, cell{task: task, budget: l, rows: usualRows})
		}
		for _, n := range []int{32, 128, 512, 2000} {
			rows.cells = append(rows.cells, cell{task: task, budget: usualBudget, rows: n})
		}
	}
	return []figure{place, budget, rows, start, same}
}

func figureNames() (names []string) {
	for _, f := range figures() {
		names = append(names, f.name)
	}
	return names
}

func figureNamed(name string) (figure, error) {
	all := figures()
	i := slices.IndexFunc(all, func(f figure) bool { return f.name == name })
	if i < 0 {
		return figure{}, fmt.Errorf("-figure %s: there are %s", name, strings.Join(figureNames(), ", "))
	}
	return all[i], nil
}

// tasks are those of the cells.
func (f *figure) tasks() (names []string) {
	for _, c := range f.cells {
		if !slices.Contains(names, c.task) {
			names = append(names, c.task)
		}
	}
	return names
}

// keep leaves the cells of some tasks, with commas between their names; empty are all.
func (f *figure) keep(tasks string) error {
	if tasks == "" {
		return nil
	}
	wanted := strings.Split(tasks, ",")
	for _, task := range wanted {
		if !slices.Contains(f.tasks(), task) {
			return fmt.Errorf("-tasks %s: figure %s has no %s: there are %s", tasks, f.name, task, strings.Join(f.tasks(), ", "))
		}
	}
	f.cells = slices.DeleteFunc(f.cells, func(c cell) bool { return !slices.Contains(wanted, c.task) })
	return nil
}

// The rates that each part is tried at.
var (
	ratesP  = []float64{0.1, 0.3, 1, 3}
	ratesAB = []float64{5e-3, 2e-2, 8e-2}
)

// trials are a variant's in a cell under one seed: one for each choice of its rates. Both parts
// share the budget as in the demonstration, a quarter of it for P, and are not tried at the least
// rate of P, to save time.
func (c cell) trials(v variant, seed uint64) (list []trial) {
	t := trial{Task: c.task, Variant: v, Rows: c.rows, Steps: steps, Seed: seed}
	p, ab := ratesP, ratesAB
	switch v {
	case onlyP:
		t.Length, ab = c.budget, []float64{0}
	case onlyAB:
		p = []float64{0}
	case both:
		t.Length, p = max(1, c.budget/4), ratesP[1:]
	case constant:
		t.Length, t.Rank = c.budget-1, 1
	case neither:
		t.Rows, t.Steps = 0, 0
		return []trial{t}
	}
	if v == onlyAB || v == both {
		t.Rank = min(dept.RankForBudget(c.budget, t.Length, demo.MaxSource, demo.Width), demo.MaxSource)
	}
	for _, t.RateP = range p {
		for _, t.RateAB = range ab {
			list = append(list, t)
		}
	}
	return list
}

// tuning are the seeds that rates are chosen by.
var tuning = []uint64{1, 2}

// chosen is the trial of a variant under a seed at the rates that did best on dev rows under the
// seeds of tuning: the first of those, where several did. ok is false while a trial of tuning is
// missing.
func (c cell) chosen(v variant, seed uint64, b *book) (t trial, ok bool) {
	best, most := 0, -1.
	for i := range c.trials(v, seed) {
		sum := 0.
		for _, s := range tuning {
			o, ok := b.outcomes[c.trials(v, s)[i]]
			if !ok {
				return trial{}, false
			}
			sum += o.Dev
		}
		if sum > most {
			best, most = i, sum
		}
	}
	t = c.trials(v, seed)[best]
	t.Late = c.late != nil
	return t, true
}
