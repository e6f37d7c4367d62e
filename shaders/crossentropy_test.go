package shaders

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/wgpu"
)

// crossEntropyOracle gives each row's loss and the gradient of scale·Σ loss.
func crossEntropyOracle(x []float64, labels []int32, scale float64) (nll, dx []float64) {
	nll, dx = make([]float64, len(labels)), make([]float64, len(x))
	vocab := len(x) / len(labels)
	for r, label := range labels {
		if label < 0 {
			continue
		}
		row := x[r*vocab : (r+1)*vocab]
		stats := statsOracle(row)
		nll[r] = math.Log(stats[1]) + stats[0] - row[label]
		for c, v := range row {
			dx[r*vocab+c] = scale * math.Exp(v-stats[0]) / stats[1]
		}
		dx[r*vocab+int(label)] -= scale
	}
	return nll, dx
}

// statsOracle is the largest of a row and Σ exp(x - largest).
func statsOracle(row []float64) [2]float64 {
	s := [2]float64{math.Inf(-1), 0}
	for _, v := range row {
		s[0] = max(s[0], v)
	}
	for _, v := range row {
		s[1] += math.Exp(v - s[0])
	}
	return s
}

// columns cuts columns first to first+n out of rows of width numbers.
func columns[T any](x []T, width, first, n int) []T {
	var y []T
	for r := 0; r < len(x); r += width {
		y = append(y, x[r+first:r+first+n]...)
	}
	return y
}

// argMaxOracle is the first column of each row's largest number, and that number.
func argMaxOracle(x []float32, rows int) (ids, largest []float64) {
	ids, largest = make([]float64, rows), make([]float64, rows)
	width := len(x) / rows
	for r := range ids {
		row := x[r*width : (r+1)*width]
		largest[r] = float64(slices.Max(row))
		ids[r] = float64(slices.Index(row, slices.Max(row)))
	}
	return ids, largest
}

// integers are whole numbers as a buffer has them.
func integers(x []float64) []uint32 {
	y := make([]uint32, len(x))
	for i, v := range x {
		y[i] = uint32(v)
	}
	return y
}

func crossEntropyCases(target Target) []kernelCase {
	var cases []kernelCase
	for _, c := range []struct {
		rows, vocab, first int // slices of classes up to first, and from it on
		spread             float64
	}{
		{1, 1, 1, 1}, {3, 2, 1, 1}, {4, 33, 33, 3}, {5, 300, 257, 30}, {33, 513, 128, 1e-3}, {4, 32128, 32128, 4}, {2, 32101, 16000, 100},
	} {
		s := Step{LossScale: 1 / 7., GradScale: []float32{0, 1024}[c.rows%2]}
		x := normals(uint64(c.vocab), c.rows*c.vocab, c.spread)
		rng := rand.New(rand.NewPCG(1, 97))
		labels := make([]int32, c.rows)
		for r := range labels {
			if labels[r] = int32(rng.IntN(c.vocab)); r%3 == 2 {
				labels[r] = -100
			}
		}
		nll, dx := crossEntropyOracle(wide(x), labels, float64(s.LossScale)*float64(orOne(s.GradScale)))
		half, whole := make([]float64, 4*c.rows), make([]float64, 4*c.rows) // stats of the first slice and of all
		total := 0.5
		for r, label := range labels {
			row := wide(x)[r*c.vocab : (r+1)*c.vocab]
			some, all := statsOracle(row[:c.first]), statsOracle(row)
			copy(half[4*r:], some[:])
			copy(whole[4*r:], all[:])
			if label >= 0 {
				whole[4*r+2] = row[label]
			}
			if label >= 0 && int(label) < c.first {
				half[4*r+2] = row[label]
			}
			total += float64(s.LossScale) * nll[r]
		}
		for _, t := range bothTargets(target) {
			row := func(op string, call Call, operands ...operand) {
				name := fmt.Sprintf("crossentropy/%s/%dx%d,first=%d,spread=%v,cpu=%v", op, c.rows, c.vocab, c.first, c.spread, t.Type == wgpu.CPU)
				cases = append(cases, kernelCase{name: name, call: call, step: s, operands: operands})
			}
			one := CrossEntropy{Rows: c.rows, Vocab: c.first}
			row("stats", one.Stats(t, true), in(columns(x, c.vocab, 0, c.first)), in(labels), out(half, c.first))
			row("loss", one.Loss(t), in(labels), in(narrow(whole)), out(nll, 1), inout([]float32{0.5}, []float64{total}, c.rows))
			ids, largest := argMaxOracle(x, c.rows)
			row("arg_max", CrossEntropy{Rows: c.rows, Vocab: c.vocab}.ArgMax(t, true), in(x), operand{data: make([]uint32, c.rows), want: ids}, out(largest, 0))
			row("grad", one.Grad(t), inout(columns(x, c.vocab, 0, c.first), columns(dx, c.vocab, 0, c.first), 1), in(labels), in(narrow(whole)))
			if n := c.vocab - c.first; n > 0 {
				two := CrossEntropy{Rows: c.rows, Vocab: n, First: c.first}
				row("stats,second", two.Stats(t, false), in(columns(x, c.vocab, c.first, n)), in(labels), inout(narrow(half), whole, c.vocab))
				old, oldLargest := argMaxOracle(columns(x, c.vocab, 0, c.first), c.rows)
				row("arg_max,second", two.ArgMax(t, false), in(columns(x, c.vocab, c.first, n)), operand{data: integers(old), want: ids}, inout(narrow(oldLargest), largest, 1))
				row("grad,second", two.Grad(t), inout(columns(x, c.vocab, c.first, n), columns(dx, c.vocab, c.first, n), 1), in(labels), in(narrow(whole)))
			}
		}
	}
	return append(cases, argMaxCases(target)...)
}

// argMaxCases are rows with equals and with what is not a finite number.
func argMaxCases(target Target) []kernelCase {
	var cases []kernelCase
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for i, x := range [][]float32{{nan, nan, nan}, {1, 3, 3}, {nan, 2, nan}, {-inf, -inf, -inf}, {-inf, -1e38, -1e38}, {0, inf, inf}} {
		for _, t := range bothTargets(target) {
			cases = append(cases, kernelCase{
				name:     fmt.Sprintf("crossentropy/arg_max/special=%d,cpu=%v", i, t.Type == wgpu.CPU),
				call:     CrossEntropy{Rows: 1, Vocab: len(x)}.ArgMax(t, true),
				operands: []operand{in(x), {data: []uint32{9}, want: []float64{[]float64{0, 1, 1, 0, 1, 1}[i]}}, in([]float32{0})},
			})
		}
	}
	return cases
}

func TestCrossEntropyOracle(t *testing.T) {
	x, labels := wide(normals(1, 3*7, 2)), []int32{6, -100, 0}
	_, dx := crossEntropyOracle(x, labels, 0.3)
	require.InDeltaSlice(t, finiteDifference(func(x []float64) float64 {
		nll, _ := crossEntropyOracle(x, labels, 1)
		return 0.3 * (nll[0] + nll[1] + nll[2])
	}, x, 1e-5), dx, 1e-8)
}

// TestLossOfBadLogits: a logit that is not finite must show in the loss, or the
// trainer goes on from garbage.
func TestLossOfBadLogits(t *testing.T) {
	r := newRunner(t)
	for _, bad := range []float64{math.NaN(), math.Inf(1)} {
		for _, target := range bothTargets(TargetOf(r.dev)) {
			x := normals(1, 300, 1)
			x[170] = float32(bad)
			c := CrossEntropy{Rows: 1, Vocab: len(x)}
			logits, labels, stats := r.array(t, x), r.array(t, []int32{3}), r.array(t, make([]float32, 4))
			nll, total := r.array(t, []float32{0}), r.array(t, []float32{0})
			r.dispatch(t, c.Stats(target, true), Step{}, logits, labels, stats)
			r.dispatch(t, c.Loss(target), Step{LossScale: 1}, labels, stats, nll, total)
			for _, b := range []*wgpu.Buffer{nll, total} {
				loss := r.floats(t, b, 1)[0]
				require.False(t, math.Abs(float64(loss)) <= math.MaxFloat32, "a logit of %v gave loss %v (cpu=%v)", bad, loss, target.Type == wgpu.CPU)
			}
		}
	}
}
