//go:build !js

package main

import (
	"cmp"
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
	both    variant = demo.Both
	onlyP   variant = demo.OnlyP
	onlyAB  variant = demo.OnlyAB
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
	// probe, if any, is what test rows the cell is about, and at which of its kinds of them.
	probe *probe
	at    int
	// retry gives each part alone three starts.
	retry bool
	// only, if any, is the one variant that is trained.
	only variant
	// given, if any, is the cell's one trial, whose rates are not chosen; its seed is left open.
	given *trial
	// lesson, if any, is the name of a lesson, change is what is changed, and from is the cell
	// without that change.
	lesson, change string
	from           *cell
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
	usualBudget = demo.Budget
	usualRows   = demo.TrainRows
)

// steps is how many updates a prompt is trained for.
var steps = 100

// usual is a task under the usual conditions.
func usual(task string) cell { return cell{task: task, budget: usualBudget, rows: usualRows} }

// figures are all there are.
func figures() []figure {
	place := figure{name: "place", title: "What the answer depends on", variants: variants}
	for _, d := range demo.Designs() {
		place.cells = append(place.cells, usual(d.Name))
	}
	budget := figure{name: "budget", title: "The budget", variants: variants, axis: "vectors", of: func(c cell) float64 { return float64(c.budget) }}
	rows := figure{name: "rows", title: "The number of rows", variants: variants, axis: "rows", of: func(c cell) float64 { return float64(c.rows) }}
	same := figure{name: "constant", title: "A shift that is the same everywhere", variants: []variant{onlyP, constant, both}}
	probing := func(name, title, probe string, tasks ...string) figure {
		p := probeNamed(probe)
		f := figure{name: name, title: title, variants: variants, axis: p.axis, of: func(c cell) float64 { return float64(c.at) }}
		for _, task := range tasks {
			for _, at := range p.at {
				c := usual(task)
				c.probe, c.at = p, at
				f.cells = append(f.cells, c)
			}
		}
		return f
	}
	length := figure{name: "length", title: "The length of the input", variants: variants}
	starts := figure{name: "starts", title: "Each part alone at the best of three starts", variants: variants}
	for _, t := range demo.Tasks {
		c := usual(t.Name)
		c.retry = true
		starts.cells = append(starts.cells, c)
	}
	for _, task := range []string{"two-things", "first-thing", "eight-things"} {
		length.cells = append(length.cells, usual(task))
	}
	for _, task := range []string{"first-thing", "first"} {
		same.cells = append(same.cells, usual(task))
	}
	for _, l := range []int{4, 16, 32} {
		budget.cells = append(budget.cells, cell{task: "first-thing", budget: l, rows: usualRows})
	}
	budget.cells = append(budget.cells, cell{task: "first-thing", budget: 64, rows: usualRows, only: onlyP})
	for _, n := range []int{32, 200, 2000} {
		rows.cells = append(rows.cells, cell{task: "first-thing", budget: usualBudget, rows: n})
	}
	start := probing("start", "Where the text begins", "late", "first-thing", "four-things")
	things := probing("things", "How many things there are", "things", "first-thing")
	return []figure{place, starts, things, start, budget, rows, length, same, grid(), lessons(), page()}
}

// all are the figure's cells and those that they are compared with.
func (f figure) all() (list []cell) {
	for _, c := range f.cells {
		if c.from != nil {
			list = append(list, *c.from)
		}
		list = append(list, c)
	}
	return list
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

// The rates that each part is tried at alone, the least first.
var (
	ratesP  = []float64{0.1, 0.3, 1, 3}
	ratesAB = []float64{5e-3, 2e-2, 8e-2}
)

// rates are those of P and of A and B that a variant is tried at. Both parts are tried at one pair,
// and at the next rate of either part above and below.
func (v variant) rates() (list [][2]float64) {
	switch v {
	case onlyP:
		for _, p := range ratesP {
			list = append(list, [2]float64{p, 0})
		}
	case onlyAB:
		for _, ab := range ratesAB {
			list = append(list, [2]float64{0, ab})
		}
	case both:
		list = [][2]float64{{1, 2e-2}, {0.3, 2e-2}, {3, 2e-2}, {1, 5e-3}, {1, 8e-2}}
	case constant:
		for _, p := range ratesP[1:] {
			for _, ab := range ratesAB {
				list = append(list, [2]float64{p, ab})
			}
		}
	case neither:
		list = [][2]float64{{}}
	}
	return list
}

// trial is a variant's in a cell at some rates under a seed. Both parts share the budget as in the
// demonstration, a quarter of it for P.
func (c cell) trial(v variant, rates [2]float64, seed uint64) trial {
	t := trial{Task: c.task, Variant: v, Rows: c.rows, Steps: steps, Seed: seed, RateP: rates[0], RateAB: rates[1]}
	switch v {
	case onlyP:
		t.Length = c.budget
	case both:
		t.Length = max(1, c.budget/4)
	case constant:
		t.Length, t.Rank = c.budget-1, 1
	case neither:
		t.Rows, t.Steps = 0, 0
	}
	if v == onlyAB || v == both {
		t.Rank = min(dept.RankForBudget(c.budget, t.Length, c.maxSource(), demo.Width), c.maxSource())
	}
	return t
}

// maxSource is the task's.
func (c cell) maxSource() int {
	task, err := demo.Find(c.task)
	if err != nil {
		panic(err) // figures name tasks that there are
	}
	return task.MaxSource
}

// Rates are chosen by the accuracy on dev rows under two seeds: all are tried under the first, and
// the finalists under the second too.
const (
	firstTuning, secondTuning = 1, 2
	finalists                 = 2
)

// tuning is a variant's trials by which rates are chosen: those under the first seed, and, once all
// of these are in the book, those of the finalists under the second.
func (c cell) tuning(v variant, b *book) (first, second []trial) {
	if c.given != nil {
		return nil, nil
	}
	for _, rates := range v.rates() {
		t := c.trial(v, rates, firstTuning)
		first = append(first, t)
		if _, ok := b.outcomes[t]; ok {
			second = append(second, c.trial(v, rates, secondTuning))
		}
	}
	if len(second) < len(first) {
		return first, nil
	}
	slices.SortStableFunc(second, func(x, y trial) int {
		x.Seed, y.Seed = firstTuning, firstTuning
		return cmp.Compare(b.outcomes[y].Dev, b.outcomes[x].Dev)
	})
	return first, second[:min(finalists, len(second))]
}

// chosen are the trials of a variant under a seed at the finalists' rates that did best on dev rows:
// one, or one for each start. There are none while a trial of tuning is missing.
func (c cell) chosen(v variant, seed uint64, b *book) (list []trial) {
	if c.given != nil {
		t := *c.given
		t.Seed = seed
		return []trial{c.probed(t)}
	}
	_, second := c.tuning(v, b)
	if second == nil {
		return nil
	}
	var best trial
	most := -1.
	for _, t := range second {
		o, ok := b.outcomes[t]
		if !ok {
			return nil
		}
		t.Seed = firstTuning
		if sum := b.outcomes[t].Dev + o.Dev; sum > most {
			best, most = t, sum
		}
	}
	best.Seed = seed
	best = c.probed(best)
	for best.Start = range c.starts(v) {
		list = append(list, best)
	}
	return list
}

// probed is a trial to which the cell's probe, if any, is put.
func (c cell) probed(t trial) trial {
	if c.probe != nil {
		t.Probe = c.probe.name
	}
	return t
}

// trained are the variants of the cell.
func (c cell) trained(f figure) []variant {
	if c.only != "" {
		return []variant{c.only}
	}
	return f.variants
}

// starts is how many prompts of a seed a variant starts from; the one that did best on dev rows counts.
func (c cell) starts(v variant) int {
	if c.retry && (v == onlyP || v == onlyAB) {
		return 3
	}
	return 1
}

// bestOf is what came of the trial that did best on dev rows. ok is false while one is missing, or
// where there is none.
func bestOf(list []trial, b *book) (best outcome, ok bool) {
	for i, t := range list {
		o, measured := b.outcomes[t]
		if !measured {
			return outcome{}, false
		}
		if i == 0 || o.Dev > best.Dev {
			best = o
		}
	}
	return best, len(list) > 0
}
