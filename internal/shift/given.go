//go:build !js

package main

import (
	"math"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/demo"
)

// A figure of given trials measures each at rates that it says, and not at the best of several: what
// somebody sees who changes the settings of the page, whose rates stay as they are.

// The demonstration's rates, which are the page's.
var (
	demoRateP  = demo.Variants(demo.MaxSource)[0].Rates[dept.GroupPrompt]
	demoRateAB = demo.Variants(demo.MaxSource)[0].Rates[dept.GroupLowRank]
	meanRate   = math.Sqrt(demoRateP * demoRateAB)
)

// givenTask is the one of those trials.
const givenTask = "first-thing"

// given is a trial of m vectors and rank r as the page trains them. A part that is not there has
// no rate.
func given(m, r int) trial {
	t := trial{Task: givenTask, Variant: both, Length: m, Rank: r, RateP: demoRateP, RateAB: demoRateAB, Rows: usualRows, Steps: steps}
	switch {
	case m == 0 && r == 0:
		return trial{Task: givenTask, Variant: neither}
	case m == 0:
		t.Variant, t.RateP = onlyAB, 0
	case r == 0:
		t.Variant, t.RateAB = onlyP, 0
	}
	return t
}

// with is a trial of which something is otherwise.
func (t trial) with(change func(t *trial)) trial {
	change(&t)
	return t
}

// cell is one of a figure in which the trial is given.
func (t trial) cell() cell {
	return cell{task: t.Task, given: &t, only: t.Variant}
}

// What a grid has cells of.
var (
	gridLengths = []int{0, 1, 2, 4, 8, 16}
	gridRanks   = []int{0, 1, 2, 4, 9, 13, 16}
)

// grid is every prompt length with every rank.
func grid() figure {
	f := figure{name: "grid", title: "Every m with every r"}
	for _, m := range gridLengths {
		for _, r := range gridRanks {
			f.cells = append(f.cells, given(m, r).cell())
		}
	}
	return f
}

// lessons are changes to the demonstration, each of one thing: somebody guesses what becomes of it
// before it is shown.
func lessons() figure {
	usual := given(4, 9)
	f := figure{name: "lessons", title: "The demonstration with one thing changed"}
	add := func(lesson string, from, changed cell) {
		changed.lesson, changed.from = lesson, &from
		f.cells = append(f.cells, changed)
	}
	change := func(lesson string, t trial) { add(lesson, usual.cell(), t.cell()) }
	change("r = 0", given(4, 0))
	change("r = 0, all of the budget in P", given(16, 0))
	change("m = 0", given(0, 9))
	change("m = 0, all of the budget in A·B", given(0, 13))
	change("half the budget", given(4, 3))
	change("the rates swapped", usual.with(func(t *trial) { t.RateP, t.RateAB = t.RateAB, t.RateP }))
	change("one rate for both, that of A and B", usual.with(func(t *trial) { t.RateP = demoRateAB }))
	change("one rate for both, that of P", usual.with(func(t *trial) { t.RateAB = demoRateP }))
	change("one rate for both, their geometric mean", usual.with(func(t *trial) { t.RateP, t.RateAB = meanRate, meanRate }))
	change("a shift that is the same everywhere", usual.with(func(t *trial) { t.Variant, t.Rank = constant, 1 }))
	change("twice the updates", usual.with(func(t *trial) { t.Steps *= 2 }))
	change("32 rows", usual.with(func(t *trial) { t.Rows = 32 }))
	asked := func(lesson, name string, before, after int) {
		p := probeNamed(name)
		from, changed := usual.cell(), usual.cell()
		from.probe, from.at = p, before
		changed.probe, changed.at = p, after
		add(lesson, from, changed)
	}
	asked("the text begins three tokens later", "late", 0, 3)
	asked("the first two things swapped", "swapped", 0, 1)
	return f
}

// page is the lessons of training on the page's own held-back rows: under the demonstration's seed
// they are what the page shows.
func page() figure {
	f := lessons()
	f.name, f.title = "page", "The same on the page's rows"
	p := probeNamed("page")
	for i := range f.cells {
		if c := &f.cells[i]; c.probe == nil {
			from := *c.from
			from.probe, c.probe, c.from = p, p, &from
		}
	}
	return f
}
