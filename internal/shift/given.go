//go:build !js

package main

import (
	"fmt"
	"math"
	"strings"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/demo"
	"github.com/go-dept/dept/internal/plots"
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
	add := func(name, change string, from, changed cell) {
		changed.lesson, changed.change, changed.from = name, change, &from
		f.cells = append(f.cells, changed)
	}
	trained := func(name, change string, t trial) { add(name, change, usual.cell(), t.cell()) }
	trained("no-shift", "r = 0", given(4, 0))
	trained("all-prompt", "r = 0, all of the budget in P", given(16, 0))
	trained("all-prompt-longer", "r = 0, all of the budget in P, four times the updates", given(16, 0).with(func(t *trial) { t.Steps *= 4 }))
	trained("no-prompt", "m = 0", given(0, 9))
	trained("all-shift", "m = 0, all of the budget in A·B", given(0, 13))
	trained("half", "half the budget", given(2, 4))
	trained("rates", "the rates swapped", usual.with(func(t *trial) { t.RateP, t.RateAB = t.RateAB, t.RateP }))
	trained("rate-low", "one rate for both, that of A and B", usual.with(func(t *trial) { t.RateP = demoRateAB }))
	trained("rate-high", "one rate for both, that of P", usual.with(func(t *trial) { t.RateAB = demoRateP }))
	trained("rate-mean", "one rate for both, their geometric mean", usual.with(func(t *trial) { t.RateP, t.RateAB = meanRate, meanRate }))
	trained("constant", "a shift that is the same everywhere", usual.with(func(t *trial) { t.Variant, t.Rank = constant, 1 }))
	trained("twice", "twice the updates", usual.with(func(t *trial) { t.Steps *= 2 }))
	trained("few-rows", "32 rows", usual.with(func(t *trial) { t.Rows = 32 }))
	asked := func(name, change string, t trial, of string, before, after int) {
		p := probeNamed(of)
		from, changed := t.cell(), t.cell()
		from.probe, from.at = p, before
		changed.probe, changed.at = p, after
		add(name, change, from, changed)
	}
	asked("later", "the text begins three tokens later", usual, "late", 0, 3)
	asked("swap", "the first two things swapped", usual, "swapped", 0, 1)
	asked("question", "nothing trained, and a written question before the text", given(0, 0), "written", 0, 1)
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

// gridTable is the figure in Markdown: percent of the test rows, a line for each m.
func (f figure) gridTable(b *book, first, last uint64) string {
	var t strings.Builder
	t.WriteString("| m \\ r |")
	for _, r := range gridRanks {
		fmt.Fprintf(&t, " %d |", r)
	}
	fmt.Fprintf(&t, "\n|---|%s\n", strings.Repeat("---|", len(gridRanks)))
	of := f.gridSpreads(b, first, last)
	for _, m := range gridLengths {
		fmt.Fprintf(&t, "| %d |", m)
		for _, r := range gridRanks {
			fmt.Fprintf(&t, " %s |", of[[2]int{m, r}])
		}
		t.WriteString("\n")
	}
	return t.String()
}

// gridSpreads are the cells' by m and r.
func (f figure) gridSpreads(b *book, first, last uint64) map[[2]int]spread {
	of := map[[2]int]spread{}
	for _, c := range f.cells {
		of[[2]int{c.given.Length, c.given.Rank}] = c.spreadOf(c.only, first, last, b)
	}
	return of
}

// drawGrid draws the figure: a field for each cell, the darker the better.
func (f figure) drawGrid(path string, b *book, first, last uint64) error {
	p := plots.New(f.title+": accuracy, %", "r", "m")
	of := f.gridSpreads(b, first, last)
	err := plots.Fields(p, gridRanks, gridLengths, func(col, row int) (float64, bool) {
		s := of[[2]int{gridLengths[row], gridRanks[col]}]
		return s.mean, s.n > 0
	})
	if err != nil {
		return err
	}
	return plots.Write(path, 1.5*plots.Width, p)
}

// lessonsTable is the figure in Markdown: percent of the test rows before and after the change.
func (f figure) lessonsTable(b *book, first, last uint64) string {
	var t strings.Builder
	t.WriteString("| lesson | what is changed | m | r | rates | updates | rows | as it was | changed | difference |\n|---|---|---|---|---|---|---|---|---|---|\n")
	for _, c := range f.cells {
		was, now := c.from.spreadOf(c.from.only, first, last, b), c.spreadOf(c.only, first, last, b)
		g := c.given
		fmt.Fprintf(&t, "| %s | %s | %d | %d | %s | %d | %d | %s | %s | %+.1f |\n", c.lesson, c.change, g.Length, g.Rank, g.rates(), g.Steps, g.Rows, was, now, now.mean-was.mean)
	}
	return t.String()
}

// rates are those of P and of A and B, of the parts that there are.
func (t trial) rates() string {
	var list []string
	for _, rate := range []float64{t.RateP, t.RateAB} {
		if rate > 0 {
			list = append(list, fmt.Sprintf("%.3g", rate))
		}
	}
	return strings.Join(list, ", ")
}

// drawLessons draws the figure: each lesson's accuracy beside that before the change.
func (f figure) drawLessons(path string, b *book, first, last uint64) error {
	p := plots.New(f.title, "", accuracyAxis)
	p.Y.Min, p.Y.Max = 0, 100
	var names []string
	var was, now plots.Line
	for i, c := range f.cells {
		names = append(names, c.lesson)
		x, y := c.from.spreadOf(c.from.only, first, last, b), c.spreadOf(c.only, first, last, b)
		was.AddSpread(float64(i)-0.1, x.mean, x.sd)
		now.AddSpread(float64(i)+0.1, y.mean, y.sd)
	}
	if err := plots.Points(p, "as it was", was); err != nil {
		return err
	}
	if err := plots.Points(p, "changed", now); err != nil {
		return err
	}
	plots.Nominal(p, names...)
	return plots.Write(path, 2.5*plots.Width, p)
}
