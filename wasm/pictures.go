package main

import (
	"math"

	"github.com/go-dept/dept/dept"
)

// A heat map has at most so many cells.
const (
	heatRows    = 64
	heatColumns = 96
)

// pictures draws an adapter: the sizes of its prompt vectors and of the shift of
// each text position, and the shift itself as a heat map.
func pictures(a *dept.Adapter) Sample {
	c := a.Config
	s := Sample{PromptSizes: make([]float32, c.PromptLength), ShiftSizes: []float32{}}
	for i := range s.PromptSizes {
		s.PromptSizes[i] = size(a.P[i*c.Width : (i+1)*c.Width])
	}
	if c.Rank == 0 {
		return s
	}
	s.ShiftSizes = make([]float32, c.MaxSourceLength)
	heat := &Heat{Rows: min(heatRows, c.MaxSourceLength), Columns: min(heatColumns, c.Width)}
	heat.Values = make([]float32, heat.Rows*heat.Columns)
	scale := float32(c.Scale())
	row := make([]float32, c.Width)
	for t := range c.MaxSourceLength {
		shift(row, a.A[t*c.Rank:(t+1)*c.Rank], a.B, scale)
		s.ShiftSizes[t] = size(row)
		cells := heat.Values[t*heat.Rows/c.MaxSourceLength*heat.Columns:]
		for i, x := range row {
			if cell := &cells[i*heat.Columns/c.Width]; abs(x) > abs(*cell) {
				*cell = x
				heat.Largest = max(heat.Largest, abs(x))
			}
		}
	}
	s.Heat = heat
	return s
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
