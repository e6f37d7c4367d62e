//go:build !js

package main

import (
	"fmt"
	"image/color"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/go-dept/dept/internal/atomicfile"
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
	if c.late != nil {
		return o.Tests[slices.Index(lates, *c.late)]
	}
	return o.Test
}

// spreadOf is a variant's test accuracy over seeds, at the rates chosen; n is 0 while rates cannot
// be chosen.
func (c cell) spreadOf(v variant, first, last uint64, b *book) (s spread) {
	var all []float64
	for seed := first; seed <= last; seed++ {
		t, ok := c.chosen(v, seed, b)
		o, measured := b.outcomes[t]
		if !ok || !measured {
			continue
		}
		s.rateP, s.rateA = t.RateP, t.RateAB
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

// write makes the figure's files, FIGURE.svg and FIGURE.md, of the cells that the book has under the
// seeds.
func (f figure) write(folder string, b *book, first, last uint64) error {
	f.cells = slices.DeleteFunc(slices.Clone(f.cells), func(c cell) bool { return c.spreadOf(both, first, last, b).n == 0 })
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
	canvas, err := f.draw(b, first, last)
	if err != nil {
		return fmt.Errorf("plot %s: %w", f.name, err)
	}
	picture := filepath.Join(folder, f.name+".svg")
	if err := atomicfile.WriteFile(picture, func(w io.Writer) error {
		_, err := canvas.WriteTo(w)
		return err
	}); err != nil {
		return err
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
		head, line = head+" "+v.title()+" |", line+"---|"
	}
	fmt.Fprintf(&t, "%s both − the best other | rates of both |\n%s---|---|\n", head, line)
	for _, c := range f.cells {
		of := map[variant]spread{}
		for _, v := range f.variants {
			of[v] = c.spreadOf(v, first, last, b)
		}
		fmt.Fprintf(&t, "| %s |", c.task)
		if f.of != nil {
			fmt.Fprintf(&t, " %g |", f.of(c))
		}
		for _, v := range f.variants {
			fmt.Fprintf(&t, " %s |", of[v])
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

// title is a variant's name for people.
func (v variant) title() string {
	if v == onlyAB {
		return "A·B"
	}
	return string(v)
}

var colors = map[variant]color.Color{
	neither: color.RGBA{0xbb, 0xbb, 0xbb, 0xff}, onlyP: color.RGBA{0x44, 0x77, 0xaa, 0xff},
	constant: color.RGBA{0xaa, 0x33, 0x77, 0xff}, onlyAB: color.RGBA{0xee, 0x99, 0x33, 0xff}, both: color.RGBA{0x22, 0x88, 0x55, 0xff},
}

// series is a variant's means over the cells of a figure, with a standard deviation up and down.
type series struct {
	plotter.XYs
	sd []float64
}

func (s series) YError(i int) (down, up float64) { return s.sd[i], s.sd[i] }

const (
	plotWidth  = 8 // centimetres, of a plot over an axis, and of six tasks
	plotHeight = 9
)

// draw draws the figure: points by task, or lines over what the cells differ in, a plot for each
// task beside the others.
func (f figure) draw(b *book, first, last uint64) (*vgsvg.Canvas, error) {
	plots, width := [][]*plot.Plot{{}}, vg.Centimeter*plotWidth
	if f.of == nil {
		p, err := f.plot(f.title, f.cells, b, first, last)
		if err != nil {
			return nil, err
		}
		p.NominalX(f.tasks()...)
		p.X.Min, p.X.Max = -0.5, float64(len(f.cells))-0.5
		p.X.Tick.Label.Rotation, p.X.Tick.Label.XAlign, p.X.Tick.Label.YAlign = math.Pi/4, text.XRight, text.YCenter
		plots[0], width = append(plots[0], p), width*vg.Length(1+len(f.cells)/6)
	}
	for _, task := range f.tasks() {
		if f.of == nil {
			break
		}
		p, err := f.plot(f.title+": "+task, slices.DeleteFunc(slices.Clone(f.cells), func(c cell) bool { return c.task != task }), b, first, last)
		if err != nil {
			return nil, err
		}
		p.X.Label.Text = f.axis
		if p.X.Min > 0 {
			p.X.Scale = plot.LogScale{}
		}
		var ticks []plot.Tick
		for _, c := range f.cells {
			if c.task == task {
				ticks = append(ticks, plot.Tick{Value: f.of(c), Label: fmt.Sprint(f.of(c))})
			}
		}
		p.X.Tick.Marker = plot.ConstantTicks(ticks)
		plots[0] = append(plots[0], p)
	}
	const pad = vg.Centimeter
	columns := len(plots[0])
	canvas := vgsvg.New(width*vg.Length(columns), plotHeight*vg.Centimeter)
	for i, c := range plot.Align(plots, draw.Tiles{Rows: 1, Cols: columns, PadX: pad, PadLeft: pad / 2, PadRight: pad / 2, PadTop: pad / 2}, draw.New(canvas))[0] {
		plots[0][i].Draw(c)
	}
	return canvas, nil
}

// plot draws cells: each variant's means, with a standard deviation up and down.
func (f figure) plot(title string, cells []cell, b *book, first, last uint64) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text = title
	p.Y.Label.Text, p.Y.Min, p.Y.Max = "accuracy, %", 0, 100
	p.Legend.Left = true
	p.Add(plotter.NewGrid())
	for i, v := range f.variants {
		var s series
		for k, c := range cells {
			x := float64(k) + 0.15*(float64(i)-1.5) // beside one another
			if f.of != nil {
				x = f.of(c)
			}
			y := c.spreadOf(v, first, last, b)
			s.XYs, s.sd = append(s.XYs, plotter.XY{X: x, Y: y.mean}), append(s.sd, y.sd)
		}
		line, marks, err := plotter.NewLinePoints(s)
		if err != nil {
			return nil, err
		}
		bars, err := plotter.NewYErrorBars(s)
		if err != nil {
			return nil, err
		}
		line.Color, marks.Color, bars.Color = colors[v], colors[v], colors[v]
		marks.Shape = draw.CircleGlyph{}
		if f.of != nil {
			p.Add(line)
		}
		p.Add(marks, bars)
		p.Legend.Add(v.title(), marks)
	}
	return p, nil
}
