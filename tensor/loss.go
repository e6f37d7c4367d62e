package tensor

import "github.com/go-dept/dept/shaders"

// logitBytes is how much memory logits may take at once; past it the vocabulary
// is gone through in slices, and the backward pass computes each slice again.
const logitBytes = 64 << 20

// sliceUnit keeps the offset of a slice of the table a multiple of 256 bytes,
// whatever its width and storage.
const sliceUnit = 128

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
	columns := vocab
	if most := max(sliceUnit, logitBytes/4/rows/sliceUnit*sliceUnit); vocab > most {
		columns = most
	}
	rowBytes := int64(width * w.storage.Bytes())
	part := func(v *Value, rowBytes int64, first, n int) operand {
		return operand{v: v, offset: int64(first) * rowBytes, size: (int64(n)*rowBytes + 15) &^ 15}
	}
	// logits computes the slice of n columns from first on.
	logits := func(first, n int) *Value {
		y := g.result(name+".logits", false, rows, n)
		g.multiply(name+".logits", shaders.MatMul{Layout: shaders.NT, M: rows, N: n, K: width, B: w.storage, Scale: scale},
			h, part(w, rowBytes, first, n), y, nil)
		return y
	}
	stats := g.result(name+".stats", false, rows, 4)
	nll := g.result(name+".nll", h.needs || w.needs, rows)
	var whole *Value
	for first := 0; first < vocab; first += columns {
		n := min(columns, vocab-first)
		y := logits(first, n)
		g.run(name+".stats", shaders.CrossEntropy{Rows: rows, Vocab: n, First: first}.Stats(t, first == 0), y, labels, stats)
		if n == vocab {
			whole = y
		}
	}
	c := shaders.CrossEntropy{Rows: rows, Vocab: vocab}
	g.run(name+".loss", c.Loss(t), labels, stats, nll, total)
	if nll.needs {
		g.tape = append(g.tape, func() {
			for first := 0; first < vocab; first += columns {
				n := min(columns, vocab-first)
				y := whole
				if y == nil {
					y = logits(first, n)
				}
				g.run(name+".grad", shaders.CrossEntropy{Rows: rows, Vocab: n, First: first}.Grad(t), y, labels, stats)
				g.deliver(w, adds, func(into, _ *Value) {
					to := part(into, int64(width*4), first, n)
					g.run(w.name+".weight_grad", shaders.MatMul{Layout: shaders.TN, M: n, N: width, K: rows, Scale: scale, Accumulate: true}.Call(t),
						y, h, to, nil, nil)
				})
				g.deliver(h, overwrites|adds|joins, func(into, prev *Value) {
					g.multiply(name+".input_grad", shaders.MatMul{Layout: shaders.NN, M: rows, N: width, K: n, B: w.storage, Scale: scale},
						y, part(w, rowBytes, first, n), into, prev)
				})
			}
		})
	}
	return nll
}

// Logits is scale·h·Wᵀ, [rows, vocabulary].
func (g *Graph) Logits(name string, h, w *Value, scale float32) *Value {
	return g.Linear(name, h, w, LinearOptions{Factor: scale})
}

// ArgMax is the index of each row's largest number, the lowest of equals, as
// integers [rows].
func (g *Graph) ArgMax(name string, x *Value, out *Ints) {
	g.run(name, shaders.CrossEntropy{Rows: x.Rows(), Vocab: x.Width()}.ArgMax(g.e.target), x, out)
}
