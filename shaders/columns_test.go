package shaders

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/wgpu"
)

// columnsOracle is x·scale + shift by column, and its gradients.
func columnsOracle(width int, x, scale, shift, dy []float64) (y, dx, dscale, dshift []float64) {
	y, dx = make([]float64, len(x)), make([]float64, len(x))
	dscale, dshift = make([]float64, width), make([]float64, width)
	for i := range x {
		c := i % width
		y[i] = x[i]*scale[c] + shift[c]
		dx[i] = dy[i] * scale[c]
		dscale[c] += dy[i] * x[i]
		dshift[c] += dy[i]
	}
	return y, dx, dscale, dshift
}

func columnsCases(target Target) []kernelCase {
	var cases []kernelCase
	for _, c := range []Columns{
		{Rows: 1, Width: 1, Scale: true, Shift: true},
		{Rows: 9, Width: 7, Scale: true},
		{Rows: 17, Width: 64, Shift: true},
		{Rows: 33, Width: 268, Scale: true, Shift: true},
		{Rows: 70, Width: 131, Scale: true},
		{Rows: 30_011, Width: 12, Scale: true, Shift: true},
		{Rows: 10_007, Width: 17, Scale: true, Shift: true},
	} {
		n := c.Rows * c.Width
		x, dy, prev := normals(1, n, 1), normals(2, n, 1), normals(3, n, 1)
		for i := range x {
			x[i] += 1 // a sum whose terms have one sign errs the most
		}
		scale, shift, before := normals(4, c.Width, 1), normals(5, c.Width, 1), normals(6, c.Width, 1)
		factor, term := wide(scale), wide(shift)
		for i := range factor {
			if !c.Scale {
				factor[i] = 1
			}
			if !c.Shift {
				term[i] = 0
			}
		}
		y, dx, dscale, dshift := columnsOracle(c.Width, wide(x), factor, term, wide(dy))
		for _, t := range bothTargets(target) {
			row := func(op string, call Call, operands ...operand) {
				name := fmt.Sprintf("columns/%s/%dx%d,scale=%v,shift=%v,cpu=%v", op, c.Rows, c.Width, c.Scale, c.Shift, t.Type == wgpu.CPU)
				cases = append(cases, kernelCase{name: name, call: call, operands: operands})
			}
			row("forward", c.Forward(t), in(x), in(scale), in(shift), out(y, 2))
			row("grad_x", c.GradX(t, false), in(dy), in(scale), in(prev[:1]), out(dx, 1))
			row("grad_x,prev", c.GradX(t, true), in(dy), in(scale), in(prev), out(added(prev, dx), 2))
			row("grad_scale", c.GradScale(t), in(dy), in(x), inout(before, added(before, dscale), c.Rows))
			row("grad_shift", c.GradShift(t), in(dy), inout(before, added(before, dshift), c.Rows))
		}
	}
	return cases
}

func TestColumnsOracle(t *testing.T) {
	const rows, width = 3, 4
	x, dy := wide(normals(1, rows*width, 1)), wide(normals(2, rows*width, 1))
	scale, shift := wide(normals(3, width, 1)), wide(normals(4, width, 1))
	_, dx, dscale, dshift := columnsOracle(width, x, scale, shift, dy)
	loss := func([]float64) float64 {
		y, _, _, _ := columnsOracle(width, x, scale, shift, dy)
		return dot(y, dy)
	}
	for _, c := range []struct{ x, grad []float64 }{{x, dx}, {scale, dscale}, {shift, dshift}} {
		require.InDeltaSlice(t, finiteDifference(loss, c.x, 1e-5), c.grad, 1e-8)
	}
}
