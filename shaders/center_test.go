package shaders

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/wgpu"
)

// centerOracle is x without the mean of each row.
func centerOracle(width int, x []float64) []float64 {
	out := make([]float64, len(x))
	for i := range x {
		row := x[i/width*width:][:width]
		var sum float64
		for _, v := range row {
			sum += v
		}
		out[i] = x[i] - sum/float64(width)
	}
	return out
}

func centerCases(target Target) []kernelCase {
	var cases []kernelCase
	for _, c := range []Center{{1, 2}, {3, 7}, {9, 65}, {17, 129}, {70, 40}, {5, 1024}} {
		x := normals(1, c.Rows*c.Width, 1)
		for i := range x {
			x[i] += 0.5
		}
		for _, t := range bothTargets(target) {
			cases = append(cases, kernelCase{
				name: fmt.Sprintf("center/%dx%d,cpu=%v", c.Rows, c.Width, t.Type == wgpu.CPU), call: c.Call(t),
				operands: []operand{in(x), out(centerOracle(c.Width, wide(x)), c.Width)},
			})
		}
	}
	return cases
}

// The gradient is the operation itself.
func TestCenterOracle(t *testing.T) {
	x, dy := wide(normals(1, 15, 1)), wide(normals(2, 15, 1))
	loss := func(x []float64) float64 { return dot(centerOracle(5, x), dy) }
	require.InDeltaSlice(t, finiteDifference(loss, x, 1e-5), centerOracle(5, dy), 1e-8)
}
