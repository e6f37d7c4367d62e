//go:build !js

package main

import (
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
	n            int
	mean, sd     float64 // sd is the sample's; 0 of one seed
	rateP, rateA float64 // those chosen
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
		s.rateP, s.rateA = o.RateP, o.RateAB
		all = append(all, 100*c.accuracy(o))
	}
	if s.n = len(all); s.n == 0 {
		return s
	}
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

// write makes the figure's files, FIGURE.svg and FIGURE.md, of the cells all of whose variants the
// book has under the seeds.
func (f figure) write(folder string, b *book, first, last uint64) error {
	f.cells = slices.DeleteFunc(slices.Clone(f.cells), func(c cell) bool {
		return slices.ContainsFunc(c.trained(f), func(v variant) bool { return c.spreadOf(v, first, last, b).n == 0 })
	})
	if len(f.cells) == 0 {
		return fmt.Errorf("%s: no task is measured under the seeds %d-%d", f.name, first, last)
	}
	table := filepath.Join(folder, f.name+".md")
	if err := atomicfile.WriteFile(table, func(w io.Writer) error {
		_, err := io.WriteString(w, f.table(b, first, last))
		return err
	}); err != nil {
		return err
	}
	picture := filepath.Join(folder, f.name+".svg")
	if err := f.draw(picture, b, first, last); err != nil {
		return fmt.Errorf("plot %s: %w", f.name, err)
	}
	fmt.Printf("%s and %s\n", table, picture)
	return nil
}

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
		fmt.Fprintf(&t, " %+.1f | %g, %g |\n", of[both].mean-best, of[both].rateP, of[both].rateA)
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
