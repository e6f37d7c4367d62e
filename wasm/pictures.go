package main

import (
	"math"
	"slices"
	"strings"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/nn"
)

// The parts that a text can be answered without.
const (
	partPrompt  = "P"
	partShift   = "A·B"
	partAdapter = "the adapter"
)

// promptTensors are what people call the tensors of a prompt.
var promptTensors = map[string]string{dept.TensorP: "P", dept.TensorA: "A", dept.TensorB: "B"}

// hasPrompt says that a method puts vectors before the text; such methods have
// pictures of their own.
func hasPrompt(k *dept.Kind) bool {
	_, ok := k.Empty().(*dept.PromptConfig)
	return ok
}

// hasShift says that a method with a prompt shifts the text's embeddings besides.
func hasShift(k *dept.Kind) bool { return hasPrompt(k) && k.Setting("rank") != nil }

// parts lists what of a method a text can be answered without.
func parts(k *dept.Kind) []string {
	switch {
	case hasShift(k):
		return []string{partPrompt, partShift}
	case hasPrompt(k):
		return []string{partPrompt}
	}
	return []string{partAdapter}
}

// without is a prompt's adapter with zeros for some parts. A·B is zero where B is.
func without(a *dept.Adapter, parts []string) *dept.Adapter {
	zero := map[string]bool{dept.TensorP: slices.Contains(parts, partPrompt), dept.TensorB: slices.Contains(parts, partShift)}
	b := *a
	b.Tensors = slices.Clone(a.Tensors)
	for i, t := range b.Tensors {
		if zero[t.Name] {
			b.Tensors[i].Values = make([]float32, len(t.Values))
		}
	}
	return &b
}

// tensorTitles are what people call tensors of an adapter for a model: those of a
// module, or of an adapter behind a sublayer, begin with its place in the model.
func tensorTitles(tensors []dept.Tensor, d nn.Description) []string {
	sites, places := append(d.Sites(), d.Norms()...), d.Places()
	return mapped(tensors, func(t dept.Tensor) string {
		if title, ok := promptTensors[t.Name]; ok {
			return title
		}
		name := strings.TrimSuffix(t.Name, ".weight")
		for _, at := range places {
			if part, ok := strings.CutPrefix(name, at.Module+".adapters.dept."); ok {
				return at.Name + " " + part
			}
		}
		for _, s := range sites {
			if _, part, ok := strings.Cut(name, "."+s.Module+"."); ok {
				return s.Name + " " + part
			}
		}
		return name
	})
}

// A heat map has at most so many cells.
const (
	heatRows    = 64
	heatColumns = 96
)

// pictures draws an adapter for a model: the size of each tensor, and of a prompt
// the sizes of its vectors and of the shift of each text position, and the shift
// itself as a heat map.
func pictures(a *dept.Adapter, d nn.Description) Sample {
	s := Sample{Method: a.Config.Kind().Name, Tensors: []TensorSize{}, PromptSizes: []float32{}, ShiftSizes: []float32{}}
	titles := tensorTitles(a.Tensors, d)
	for i, t := range a.Tensors {
		rms := size(t.Values) / float32(math.Sqrt(float64(len(t.Values))))
		s.Tensors = append(s.Tensors, TensorSize{titles[i], t.Shape, rms})
	}
	c, ok := a.Config.(*dept.PromptConfig)
	if !ok {
		return s
	}
	p := a.Values(dept.TensorP)
	for i := range c.PromptLength {
		s.PromptSizes = append(s.PromptSizes, size(p[i*c.Width:(i+1)*c.Width]))
	}
	if c.Rank > 0 {
		s.ShiftSizes, s.Heat = shiftPicture(c, a.Values(dept.TensorA), a.Values(dept.TensorB))
	}
	return s
}

func shiftPicture(c *dept.PromptConfig, a, b []float32) ([]float32, *Heat) {
	sizes := make([]float32, c.MaxSourceLength)
	heat := &Heat{Rows: min(heatRows, c.MaxSourceLength), Columns: min(heatColumns, c.Width)}
	heat.Values = make([]float32, heat.Rows*heat.Columns)
	scale := float32(c.Scale())
	row := make([]float32, c.Width)
	for t := range c.MaxSourceLength {
		shift(row, a[t*c.Rank:(t+1)*c.Rank], b, scale)
		sizes[t] = size(row)
		cells := heat.Values[t*heat.Rows/c.MaxSourceLength*heat.Columns:]
		for i, x := range row {
			if cell := &cells[i*heat.Columns/c.Width]; abs(x) > abs(*cell) {
				*cell = x
				heat.Largest = max(heat.Largest, abs(x))
			}
		}
	}
	return sizes, heat
}

// shift is scale·a·B for a row a of A: out_j = scale · Σ_k a_k B_kj.
func shift(out, a, b []float32, scale float32) {
	clear(out)
	for k, x := range a {
		x *= scale
		for j, y := range b[k*len(out) : (k+1)*len(out)] {
			out[j] += x * y
		}
	}
}

// size is the length of a vector.
func size(x []float32) float32 {
	var sum float64
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return float32(math.Sqrt(sum))
}

func abs(x float32) float32 { return float32(math.Abs(float64(x))) }
