package tensor

import (
	"math"

	"github.com/go-dept/dept/shaders"
)

// logitBytes is how much memory logits may take at once; past it the vocabulary
// is gone through in slices, and the backward pass computes each slice again.
const logitBytes = 64 << 20

// CrossEntropy is the cross-entropy of scale·h·Wᵀ against labels, over the rows
// whose label is not -100. h is [rows, width], w [vocabulary, width] and labels
// [rows]. It adds step.LossScale·Σ of the rows' losses to total, an array of one
// number, and returns the losses, [rows], 0 for the rows left out.
func (g *Graph) CrossEntropy(name string, h, w *Value, labels *Ints, scale float32, total *Value) *Value {
	rows, width, vocab := h.Rows(), h.Width(), w.Shape[0]
	if w.Width() != width || labels.Len() != rows {
		g.fail("cross-entropy "+name, "states %v, table %v, labels %v", h.Shape, w.Shape, labels.Shape)
		return h
	}
	t := g.e.target
	most := g.columns(rows, logitBytes)
	slices := w.slices(most)
	// logits computes a slice of the columns.
	logits := func(s slice) *Value { return g.logits(name+".logits", h, w, s, scale) }
	stats := g.result(name+".stats", false, rows, 4)
	nll := g.result(name+".nll", h.needs || w.needs, rows)
	kept := make([]*Value, len(slices)) // for the backward pass
	for i, s := range slices {
		y := logits(s)
		g.run(name+".stats", shaders.CrossEntropy{Rows: rows, Vocab: s.n, First: s.first}.Stats(t, i == 0), y, labels, stats)
		if vocab <= most {
			kept[i] = y
		}
	}
	c := shaders.CrossEntropy{Rows: rows, Vocab: vocab}
	g.run(name+".loss", c.Loss(t), labels, stats, nll, total)
	if nll.needs {
		g.tape = append(g.tape, func() {
			for i, s := range slices {
				y := kept[i]
				if y == nil {
					y = logits(s)
				}
				g.run(name+".grad", shaders.CrossEntropy{Rows: rows, Vocab: s.n, First: s.first}.Grad(t), y, labels, stats)
				g.deliver(w, adds, func(into, _ *Value) {
					g.run(w.name+".weight_grad", shaders.MatMul{Layout: shaders.TN, M: s.n, N: width, K: rows, Scale: scale, Accumulate: true}.Call(t),
						y, h, into.rows(s), nil, nil)
				})
				g.deliver(h, overwrites|adds|joins, func(into, prev *Value) {
					g.multiply(name+".input_grad", shaders.MatMul{Layout: shaders.NN, M: rows, N: width, K: s.n, B: w.storage, Scale: scale},
						y, w.rows(s), into, prev)
				})
			}
		})
	}
	return nll
}

// columns is how many classes the logits of some rows may have at once: most bytes,
// and no more than the device binds.
func (g *Graph) columns(rows int, most int64) int {
	most = min(most, g.e.dev.Limits().StorageBinding)
	return max(sliceUnit, int(most)/4/rows/sliceUnit*sliceUnit)
}

// logits is scale·h·Wᵀ for a slice of the rows of w.
func (g *Graph) logits(name string, h, w *Value, s slice, scale float32) *Value {
	y := g.result(name, false, h.Rows(), s.n)
	g.multiply(name, shaders.MatMul{Layout: shaders.NT, M: h.Rows(), N: s.n, K: h.Width(), B: w.storage, Scale: scale}, h, w.rows(s), y, nil)
	return y
}

// Logits is scale·h·Wᵀ, [rows, vocabulary]: one value, or several with some columns
// each, in order, where the device binds no more at once. They have no gradient.
func (g *Graph) Logits(name string, h, w *Value, scale float32) []*Value {
	if len(w.Shape) != 2 || w.Width() != h.Width() {
		g.fail("logits "+name, "states %v, table %v", h.Shape, w.Shape)
		return []*Value{h}
	}
	var all []*Value
	for _, s := range w.slices(g.columns(h.Rows(), math.MaxInt64)) {
		all = append(all, g.logits(name, h, w, s, scale))
	}
	return all
}

// ArgMax is the index of each row's largest number, the lowest of equals, as
// integers [rows]; the columns are those of all values in order.
func (g *Graph) ArgMax(name string, columns []*Value, out *Ints) {
	largest := g.Temporary(name+".largest", out.Len())
	first := 0
	for i, x := range columns {
		c := shaders.CrossEntropy{Rows: x.Rows(), Vocab: x.Width(), First: first}
		g.run(name, c.ArgMax(g.e.target, i == 0), x, out, largest)
		first += x.Width()
	}
}
