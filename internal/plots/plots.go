// Package plots draws curves of the parts of DePT, and writes plots side by side.
package plots

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
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/go-dept/dept/internal/atomicfile"
)

// The size of a plot over an axis.
const (
	Width  = 8 * vg.Centimeter
	Height = 9 * vg.Centimeter

	keysWidth = 2.5 * vg.Centimeter
)

// colors are the variants', by name: those of demo.Variants, and others of package shift.
var colors = map[string]color.Color{
	"neither": color.RGBA{0xbb, 0xbb, 0xbb, 0xff}, "P": color.RGBA{0x44, 0x77, 0xaa, 0xff},
	"as it was": color.RGBA{0xbb, 0xbb, 0xbb, 0xff}, "changed": color.RGBA{0x22, 0x88, 0x55, 0xff},
	"constant": color.RGBA{0xaa, 0x33, 0x77, 0xff}, "AB": color.RGBA{0xee, 0x99, 0x33, 0xff}, "both": color.RGBA{0x22, 0x88, 0x55, 0xff},
}

// Title is a variant's name for people.
func Title(variant string) string {
	if variant == "AB" {
		return "A·B"
	}
	return variant
}

// Palette are colours for what has no colour of its own, which are told apart by people who do not see
// all colours, too (Paul Tol's bright scheme).
var Palette = []color.Color{
	color.RGBA{0x22, 0x88, 0x33, 0xff}, color.RGBA{0x44, 0x77, 0xaa, 0xff}, color.RGBA{0xee, 0x66, 0x77, 0xff}, color.RGBA{0xcc, 0xbb, 0x44, 0xff},
	color.RGBA{0x66, 0xcc, 0xee, 0xff}, color.RGBA{0xaa, 0x33, 0x77, 0xff}, color.RGBA{0xbb, 0xbb, 0xbb, 0xff},
}

// Line is points of a variant, each with a spread up and down.
type Line struct {
	plotter.XYs
	SD    []float64
	Color color.Color // nil is the variant's own
}

func (l Line) color(variant string) color.Color {
	if l.Color != nil {
		return l.Color
	}
	return colors[variant]
}

// Add adds a point without a spread.
func (l *Line) Add(x, y float64) { l.AddSpread(x, y, 0) }

// AddSpread adds a point.
func (l *Line) AddSpread(x, y, sd float64) {
	l.XYs, l.SD = append(l.XYs, plotter.XY{X: x, Y: y}), append(l.SD, sd)
}

// YError is the spread of point i.
func (l Line) YError(i int) (down, up float64) { return l.SD[i], l.SD[i] }

// New is an empty plot with a grid.
func New(title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.Add(plotter.NewGrid())
	return p
}

// Points adds a variant's points and their spreads.
func Points(p *plot.Plot, variant string, l Line) error {
	marks, err := addPoints(p, variant, l)
	if err == nil {
		p.Legend.Add(Title(variant), marks)
	}
	return err
}

// Curve adds a line through a variant's points, which show where they have a spread.
func Curve(p *plot.Plot, variant string, l Line) error {
	line, err := plotter.NewLine(l)
	if err != nil {
		return err
	}
	line.Color = l.color(variant)
	p.Add(line)
	p.Legend.Add(Title(variant), line)
	if slices.Max(l.SD) > 0 {
		_, err = addPoints(p, variant, l)
	}
	return err
}

func addPoints(p *plot.Plot, variant string, l Line) (*plotter.Scatter, error) {
	marks, err := plotter.NewScatter(l)
	if err != nil {
		return nil, err
	}
	bars, err := plotter.NewYErrorBars(l)
	if err != nil {
		return nil, err
	}
	marks.Color, bars.Color, marks.Shape = l.color(variant), l.color(variant), draw.CircleGlyph{}
	p.Add(marks, bars)
	return marks, nil
}

// Check reports that plots cannot be written into a file of a name.
func Check(path string) error {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".svg", ".png":
		return nil
	}
	return fmt.Errorf("plots are written as .svg or .png, not as %s", filepath.Base(path))
}

// Write writes plots of some width each, side by side, and the keys of the first, which are those
// of all, beside them, as SVG or PNG.
func Write(path string, width vg.Length, list ...*plot.Plot) error {
	if err := Check(path); err != nil {
		return err
	}
	plots := width * vg.Length(len(list))
	var canvas interface {
		vg.CanvasSizer
		io.WriterTo
	}
	if strings.EqualFold(filepath.Ext(path), ".svg") {
		canvas = vgsvg.New(plots+keysWidth, Height)
	} else {
		canvas = vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(plots+keysWidth, Height), vgimg.UseDPI(192))}
	}
	whole := draw.New(canvas)
	whole.SetColor(color.White)
	whole.Fill(whole.Rectangle.Path())
	keys := list[0].Legend
	keys.Top, keys.Left = true, true
	for _, p := range list {
		p.Legend = plot.NewLegend()
	}
	const pad = vg.Centimeter
	tiles := draw.Tiles{Rows: 1, Cols: len(list), PadX: pad, PadLeft: pad / 2, PadRight: pad / 2, PadTop: pad / 2}
	for i, c := range plot.Align([][]*plot.Plot{list}, tiles, draw.Crop(whole, 0, -keysWidth, 0, 0))[0] {
		list[i].Draw(c)
	}
	keys.Draw(draw.Crop(whole, plots, 0, 0, -pad))
	return atomicfile.WriteFile(path, func(w io.Writer) error {
		_, err := canvas.WriteTo(w)
		return err
	})
}

// Nominal puts names on the X axis in place of the numbers from 0 on.
func Nominal(p *plot.Plot, names ...string) {
	p.NominalX(names...)
	p.X.Min, p.X.Max = -0.5, float64(len(names))-0.5
	p.X.Tick.Label.Rotation, p.X.Tick.Label.XAlign, p.X.Tick.Label.YAlign = math.Pi/4, draw.XRight, draw.YCenter
}

// Fields adds a field for each x and y with a number in it, from 0 to 100, the darker the more. Where
// there is no number the field is left out.
func Fields(p *plot.Plot, xs, ys []int, value func(col, row int) (float64, bool)) error {
	g := fields{len(xs), len(ys), value}
	colors := make(shades, 101)
	for i := range colors {
		part := func(full uint8) uint8 { return uint8(0xff - (0xff-int(full))*i/100) }
		colors[i] = color.RGBA{part(0x22), part(0x88), part(0x55), 0xff}
	}
	m := plotter.NewHeatMap(g, colors)
	m.Min, m.Max, m.NaN = 0, 100, color.Transparent
	var labels plotter.XYLabels
	for row := range ys {
		for col := range xs {
			if v, ok := value(col, row); ok {
				labels.XYs, labels.Labels = append(labels.XYs, plotter.XY{X: float64(col), Y: float64(row)}), append(labels.Labels, fmt.Sprintf("%.1f", v))
			}
		}
	}
	words, err := plotter.NewLabels(labels)
	if err != nil {
		return err
	}
	for i := range words.TextStyle {
		words.TextStyle[i].XAlign, words.TextStyle[i].YAlign = draw.XCenter, draw.YCenter
	}
	p.Add(m, words)
	p.X.Tick.Marker, p.Y.Tick.Marker = places(xs), places(ys)
	return nil
}

// places are ticks from 0 on that say numbers.
func places(numbers []int) plot.ConstantTicks {
	var list []plot.Tick
	for i, n := range numbers {
		list = append(list, plot.Tick{Value: float64(i), Label: fmt.Sprint(n)})
	}
	return list
}

// shades is a palette.
type shades []color.Color

func (s shades) Colors() []color.Color { return s }

// fields is what Fields shows, as the plotter asks for it.
type fields struct {
	columns, rows int
	value         func(col, row int) (float64, bool)
}

func (f fields) Dims() (c, r int) { return f.columns, f.rows }
func (f fields) X(c int) float64  { return float64(c) }
func (f fields) Y(r int) float64  { return float64(r) }
func (f fields) Z(c, r int) float64 {
	if v, ok := f.value(c, r); ok {
		return v
	}
	return math.NaN()
}
