package shaders

import (
	"fmt"

	"github.com/go-dept/dept/wgpu"
)

// Layout says how the operands of a matrix product lie in memory.
type Layout uint8

// The layouts. C is [M, N] in each.
const (
	NT Layout = iota // A [M,K], B [N,K]: forward, on Hugging Face's [out, in] weights
	NN               // A [M,K], B [K,N]: the gradient of an input
	TN               // A [K,M], B [K,N]: the gradient of a weight
)

func (l Layout) String() string { return [...]string{"NT", "NN", "TN"}[l] }

// End is what happens to the elements of a product before they are stored.
type End uint8

// The ends; keep is the dropout factor of an element.
const (
	EndPlain    End = iota // out = C, or out + C
	EndReLU                // out = keep·max(0, C)
	EndGated               // out[i,j] = keep·gelu(C[i,2j])·C[i,2j+1]
	EndResidual            // out = residual + keep·C
)

func (e End) String() string { return [...]string{"plain", "relu", "gated", "residual"}[e] }

// MatMul is the matrix product C = Scale·A·B of [M,K] and [K,N], or that plus a
// matrix [M,N], and what is done with C.
//
// With EndGated the rows of B as [N,K] alternate between the two weights of a
// gated layer, the one under gelu first; out is [M, N/2], and gelu is T5's
// "gelu_new", 0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))).
type MatMul struct {
	Layout     Layout
	M, N, K    int
	B          Storage // of operand B; A and out are float32
	Scale      float32 // 0 is 1
	Plus       bool    // C = Scale·A·B + plus
	End        End
	KeepPre    bool    // EndGated: write C too, for the backward pass
	Accumulate bool    // EndPlain: add to out
	Dropout    Dropout // all but EndPlain; by the element's index in out
}

// Up to so many rows the threads of a workgroup share the columns and split K;
// measured on lavapipe, more rows are faster in tiles.
const fewRows = 4

func (m MatMul) few() bool { return m.M <= fewRows && m.Layout != TN }

var matmulTable = newTable("matmul",
	variant[MatMul]{name: "few-vector", needs: needs{on: wgpu.CPU}, fits: MatMul.few, call: fewLanes(8)},
	variant[MatMul]{name: "few", needs: needs{workgroupStorage: 32 * 256}, fits: MatMul.few, call: fewLanes(32)},
	variant[MatMul]{name: "tile", needs: needs{on: wgpu.CPU}, call: func(m MatMul, _ Target) Call {
		across := m.across()
		return m.call("tile", across, [3]uint32{over(m.N, 16*across), over(m.M, 128/across), 1})
	}},
	variant[MatMul]{name: "block", needs: needs{invocations: 256, workgroupStorage: 16 << 10}, fits: MatMul.large, call: blockSide(16)},
	variant[MatMul]{name: "block-small", needs: needs{invocations: 64, workgroupStorage: 8 << 10}, call: blockSide(8)},
).by(MatMul.class)

// class tells products apart by layout, storage and about their sizes.
func (m MatMul) class() string {
	return fmt.Sprintf("matmul %v %v %d×%d×%d", m.Layout, m.B, atMost(m.M), atMost(m.N), atMost(m.K))
}

// large reports whether C has so many blocks of 128×128 that they keep a GPU busy;
// its small ones have some 16 processors. Of smaller products more and smaller
// blocks do.
func (m MatMul) large() bool { return m.M > 64 && m.N > 64 && over(m.M, 128)*over(m.N, 128) >= 16 }

// blockSide is the kernel for GPUs with side×side threads, of 8×8 of C each.
func blockSide(side int) func(MatMul, Target) Call {
	return func(m MatMul, _ Target) Call {
		return m.call("block", 0, [3]uint32{over(m.N, 8*side), over(m.M, 8*side), 1}, "SIDE", side, "WHOLE_K", m.Layout != TN || m.K%4 == 0)
	}
}

func fewLanes(lanes int) func(MatMul, Target) Call {
	return func(m MatMul, _ Target) Call {
		return m.call("few", 0, [3]uint32{over(m.N, 16), over(m.M, 4), 1}, "LANES", lanes)
	}
}

// Call computes the product.
//
// Bindings: 1 A, 2 B, 3 out [M,N], or [M,N/2] with EndGated; 4 residual [M,N]
// with EndResidual, pre [M,N] with EndGated and KeepPre, else any buffer; 5 plus
// [M,N] with Plus, its columns interleaved like C's with EndGated, else any
// buffer; Step with every end but EndPlain, whatever the dropout rate.
func (m MatMul) Call(t Target) Call {
	c := matmulTable.call(m, t)
	c.Shape = fmt.Sprintf("%d×%d×%d %s", m.M, m.N, m.K, m.Layout)
	c.FMA = int64(m.M) * int64(m.N) * int64(m.K)
	return c
}

// call is a dispatch of one of the kernels, with constants of its own; across are
// the tiles of `tile` that lie side by side.
func (m MatMul) call(kernel string, across int, grid [3]uint32, constants ...any) Call {
	end := m.End.String()
	if m.End == EndGated && m.KeepPre {
		end = "gated_pre"
	}
	return Call{
		Spec: Spec{
			File:      "matmul",
			Entry:     kernel + "_" + end,
			Constants: Constants(append(constants, "LAYOUT", uint8(m.Layout), "STORAGE", uint32(m.B), "ALIGNED", m.aligned())...),
			Step:      m.End != EndPlain,
		},
		Params: params("matmul", m.Dropout.with(fields{
			"m": m.M, "n": m.N, "k": m.K, "scale": orOne(m.Scale),
			"accumulate": m.Accumulate, "add_plus": m.Plus, "across": across,
		})),
		Grid: grid,
	}
}

// Naive computes Scale·A·B without an end, one thread an element: the yardstick
// of a benchmark. Bindings: 1 A, 2 B, 3 out.
func (m MatMul) Naive(Target) Call {
	return Call{
		Spec: Spec{
			File:      "matmul_naive",
			Entry:     "naive",
			Constants: Constants("LAYOUT", uint8(m.Layout), "STORAGE", uint32(m.B)),
		},
		Params: params("matmul_naive", fields{"m": m.M, "n": m.N, "k": m.K, "scale": orOne(m.Scale)}),
		Grid:   [3]uint32{over(m.N, 8), over(m.M, 8), 1},
	}
}

// aligned reports whether four neighbors along a row of A or B, as they lie in
// memory, are one load.
func (m MatMul) aligned() bool {
	switch m.Layout {
	case NT:
		return m.K%4 == 0
	case NN:
		return m.K%4 == 0 && m.N%4 == 0
	default:
		return m.M%4 == 0 && m.N%4 == 0
	}
}

// across is how many of a workgroup's eight tiles of 16×16 lie side by side:
// the shape that leaves the fewest of them outside of C.
func (m MatMul) across() int {
	best, tiles := 8, over(m.N, 128)*over(m.M, 16)
	for a := 4; a >= 1; a /= 2 {
		if n := over(m.N, 16*a) * over(m.M, 128/a); n < tiles {
			best, tiles = a, n
		}
	}
	return best
}

// over is n/size, rounded up.
func over(n, size int) uint32 { return uint32((n + size - 1) / size) }
