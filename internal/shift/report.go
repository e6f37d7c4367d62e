//go:build !js

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"

	"github.com/go-dept/dept/internal/atomicfile"
	"github.com/go-dept/dept/internal/plots"
)

// spread is accuracies over seeds, in percent.
type spread struct {
	n        int
	mean, sd float64 // sd is the sample's; 0 of one seed
	dev      float64 // mean
	one      outcome // under one of the seeds
	date     string  // of the newest
}

// lastSeed is beyond all seeds that anybody measures.
const lastSeed = 1000

// accuracy is the one of an outcome that the cell is about.
func (c cell) accuracy(o outcome) float64 {
	if c.probe != nil {
		return o.Tests[slices.Index(c.probe.at, c.at)]
	}
	return o.Test
}

// spreadOf is a variant's test accuracy over seeds, at the rates chosen; n is 0 while rates cannot
// be chosen.
func (c cell) spreadOf(v variant, first, last uint64, b *book) (s spread) {
	var all []float64
	for seed := first; seed <= last; seed++ {
		o, ok := bestOf(c.chosen(v, seed, b), b)
		if !ok {
			continue
		}
		s.one, s.date = o, max(s.date, o.Date)
		s.dev += 100 * o.Dev
		all = append(all, 100*c.accuracy(o))
	}
	if s.n = len(all); s.n == 0 {
		return s
	}
	s.dev /= float64(s.n)
	for _, x := range all {
		s.mean += x / float64(s.n)
	}
	for _, x := range all {
		s.sd += (x - s.mean) * (x - s.mean) / float64(max(1, s.n-1))
	}
	s.sd = math.Sqrt(s.sd)
	return s
}

func (s spread) String() string {
	switch s.n {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("%.1f", s.mean)
	}
	return fmt.Sprintf("%.1f ± %.1f", s.mean, s.sd)
}

// write makes the figure's files, FIGURE.svg, FIGURE.md and FIGURE.json, of the cells all of whose
// variants the book has under the seeds.
func (f figure) write(folder string, b *book, first, last uint64) error {
	missing := func(c cell) bool {
		return slices.ContainsFunc(c.trained(f), func(v variant) bool { return c.spreadOf(v, first, last, b).n == 0 })
	}
	f.cells = slices.DeleteFunc(slices.Clone(f.cells), func(c cell) bool {
		return missing(c) || c.from != nil && missing(*c.from)
	})
	if len(f.cells) == 0 {
		return fmt.Errorf("%s: no task is measured under the seeds %d-%d", f.name, first, last)
	}
	table, draw := f.table, f.draw
	switch {
	case f.cells[0].lesson != "":
		table, draw = f.lessonsTable, f.drawLessons
	case f.cells[0].given != nil:
		table, draw = f.gridTable, f.drawGrid
	}
	path := func(ext string) string { return filepath.Join(folder, f.name+ext) }
	if err := atomicfile.WriteFile(path(".md"), func(w io.Writer) error {
		_, err := io.WriteString(w, table(b, first, last))
		return err
	}); err != nil {
		return err
	}
	if err := draw(path(".svg"), b, first, last); err != nil {
		return fmt.Errorf("plot %s: %w", f.name, err)
	}
	if err := atomicfile.WriteFile(path(".json"), func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", " ")
		return e.Encode(f.numbers(b, first, last))
	}); err != nil {
		return err
	}
	fmt.Printf("%s, %s and %s\n", path(".md"), path(".svg"), path(".json"))
	return nil
}

// numbers is the figure as JSON has it.
type numbers struct {
	Figure string       `json:"figure"`
	Title  string       `json:"title"`
	Device string       `json:"device"`
	Date   string       `json:"date"`  // of the newest outcome
	Seeds  [2]uint64    `json:"seeds"` // the first and the last
	Axis   string       `json:"axis,omitempty"`
	Cells  []cellNumber `json:"cells"`
}

// cellNumber is a cell: what each variant comes to.
type cellNumber struct {
	Task   string  `json:"task"`
	At     float64 `json:"at,omitempty"` // on the axis
	Lesson string  `json:"lesson,omitempty"`
	Change string  `json:"change,omitempty"`
	// From is what the lesson changes.
	From     *variantNumber  `json:"from,omitempty"`
	Variants []variantNumber `json:"variants"`
}

// variantNumber is a variant's accuracy on test rows, in percent, and how it was trained.
type variantNumber struct {
	Variant    variant `json:"variant"`
	Length     int     `json:"prompt_length"`
	Rank       int     `json:"rank"`
	Reads      int     `json:"reads"` // positions of the encoder: those of the prompt and of the longest source
	Parameters int     `json:"parameters"`
	RateP      float64 `json:"lr_prompt,omitempty"`
	RateAB     float64 `json:"lr_lowrank,omitempty"`
	Rows       int     `json:"rows,omitempty"`
	Steps      int     `json:"steps,omitempty"`
	Seeds      int     `json:"seeds"` // how many
	Dev        float64 `json:"dev"`
	Test       float64 `json:"test"`
	SD         float64 `json:"sd"` // of test
}

func (f figure) numbers(b *book, first, last uint64) numbers {
	n := numbers{Figure: f.name, Title: f.title, Seeds: [2]uint64{first, last}, Axis: f.axis}
	of := func(c cell, v variant) variantNumber {
		s := c.spreadOf(v, first, last, b)
		n.Device, n.Date = s.one.Device, max(n.Date, s.date)
		return variantNumber{
			Variant: v, Length: s.one.Length, Rank: s.one.Rank, Reads: s.one.Length + c.maxSource(), Parameters: s.one.Parameters,
			RateP: s.one.RateP, RateAB: s.one.RateAB, Rows: s.one.Rows, Steps: s.one.Steps,
			Seeds: s.n, Dev: hundredths(s.dev), Test: hundredths(s.mean), SD: hundredths(s.sd),
		}
	}
	for _, c := range f.cells {
		x := cellNumber{Task: c.task, Lesson: c.lesson, Change: c.change}
		if f.of != nil {
			x.At = f.of(c)
		}
		if c.from != nil {
			from := of(*c.from, c.from.only)
			x.From = &from
		}
		for _, v := range c.trained(f) {
			x.Variants = append(x.Variants, of(c, v))
		}
		n.Cells = append(n.Cells, x)
	}
	return n
}

func hundredths(x float64) float64 { return math.Round(100*x) / 100 }

// table is the figure in Markdown: percent of the test rows, mean and standard deviation over the
// seeds; the last but one column is how far both are above the best of the others.
func (f figure) table(b *book, first, last uint64) string {
	var t strings.Builder
	head, line := "| task |", "|---|"
	if f.of != nil {
		head, line = head+" "+f.axis+" |", line+"---|"
	}
	for _, v := range f.variants {
		head, line = head+" "+plots.Title(string(v))+" |", line+"---|"
	}
	fmt.Fprintf(&t, "%s both − the best other | rates of both |\n%s---|---|\n", head, line)
	for _, c := range f.cells {
		of := map[variant]spread{}
		whole := true // nothing is missing
		for _, v := range f.variants {
			of[v] = c.spreadOf(v, first, last, b)
			whole = whole && of[v].n > 0
		}
		fmt.Fprintf(&t, "| %s |", c.task)
		if f.of != nil {
			fmt.Fprintf(&t, " %g |", f.of(c))
		}
		for _, v := range f.variants {
			fmt.Fprintf(&t, " %s |", of[v])
		}
		if !whole {
			t.WriteString(" | |\n")
			continue
		}
		best := 0.
		for v, s := range of {
			if v != both {
				best = max(best, s.mean)
			}
		}
		fmt.Fprintf(&t, " %+.1f | %g, %g |\n", of[both].mean-best, of[both].one.RateP, of[both].one.RateAB)
	}
	return t.String()
}

// draw draws the figure: points by task, or lines over what the cells differ in, a plot for each
// task beside the others.
func (f figure) draw(path string, b *book, first, last uint64) error {
	if f.of == nil {
		p := plots.New(f.title, "", accuracyAxis)
		if err := f.fill(p, f.cells, b, first, last); err != nil {
			return err
		}
		plots.Nominal(p, f.tasks()...)
		return plots.Write(path, plots.Width*vg.Length(1+len(f.cells)/tasksInWidth), p)
	}
	var list []*plot.Plot
	for _, task := range f.tasks() {
		cells := slices.DeleteFunc(slices.Clone(f.cells), func(c cell) bool { return c.task != task })
		p := plots.New(task, f.axis, accuracyAxis)
		if err := f.fill(p, cells, b, first, last); err != nil {
			return err
		}
		if p.X.Min > 0 {
			p.X.Scale = plot.LogScale{}
		}
		var ticks []plot.Tick
		for _, c := range cells {
			ticks = append(ticks, plot.Tick{Value: f.of(c), Label: fmt.Sprint(f.of(c))})
		}
		p.X.Tick.Marker = plot.ConstantTicks(ticks)
		list = append(list, p)
	}
	return plots.Write(path, plots.Width, list...)
}

const (
	accuracyAxis = "accuracy, %"
	tasksInWidth = 6
)

// fill adds cells to a plot: each variant's means, with a standard deviation up and down.
func (f figure) fill(p *plot.Plot, cells []cell, b *book, first, last uint64) error {
	p.Y.Min, p.Y.Max = 0, 100
	for i, v := range f.variants {
		var l plots.Line
		for k, c := range cells {
			x := float64(k) + 0.15*(float64(i)-1.5) // beside one another
			if f.of != nil {
				x = f.of(c)
			}
			if y := c.spreadOf(v, first, last, b); y.n > 0 {
				l.AddSpread(x, y.mean, y.sd)
			}
		}
		if f.of != nil {
			if err := plots.Curve(p, string(v), l); err != nil {
				return err
			}
			continue
		}
		if err := plots.Points(p, string(v), l); err != nil {
			return err
		}
	}
	return nil
}
