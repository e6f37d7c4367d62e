package shaders

import (
	"fmt"
	"math"

	"github.com/go-dept/dept/wgpu"
)

func rowNormsCases(target Target) []kernelCase {
	var cases []kernelCase
	for i, n := range []RowNorms{
		{Rows: 1, Width: 1, Rank: 1, Step: 1, Scale: 1},
		{Rows: 9, Width: 67, Rank: 5, First: 3, Step: 1, Scale: 0.5},
		{Rows: 64, Width: 96, Rank: 8, Step: 1, Scale: 2, W: F16},
		{Rows: 50, Width: 33, Rank: 3, First: 1, Step: 2, Scale: -1.5, W: BF16},
		{Rows: 7, Width: 1030, Rank: 16, First: 0, Step: 3, Scale: 0.25},
	} {
		words, w := storedNormals(uint64(i), n.W, (n.First+n.Step*n.Rows)*n.Width)
		a, b := normals(1, n.Rank*n.Width, 1), normals(2, n.Rows*n.Rank, 0.3)
		want := make([]float64, n.Rows)
		for o := range want {
			for c := range n.Width {
				v := w[(n.First+n.Step*o)*n.Width+c]
				for k := range n.Rank {
					v += float64(n.Scale) * float64(b[o*n.Rank+k]) * float64(a[k*n.Width+c])
				}
				want[o] += v * v
			}
			want[o] = math.Sqrt(want[o])
		}
		for _, t := range bothTargets(target) {
			if t.Type != wgpu.CPU && n.W != F32 {
				continue // the targets differ in the number of threads alone
			}
			cases = append(cases, kernelCase{
				name: fmt.Sprintf("row_norms/%dx%d,rank=%d,rows %d+%d·o,%v,cpu=%v", n.Rows, n.Width, n.Rank, n.First, n.Step, n.W, t.Type == wgpu.CPU),
				call: n.Call(t), operands: []operand{in(words), in(a), in(b), out(want, n.Width)},
			})
		}
	}
	return cases
}
