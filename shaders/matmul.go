package shaders

import (
	"fmt"
	"math"

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

	// C is the gradient of what EndReLU or EndGated made, and out that of what they were
	// applied to.
	EndReLUGrad  // out = C where residual > 0, over 1-rate, else 0; residual is what EndReLU made
	EndGatedGrad // out [M, 2N]; residual [M, 2N] is what EndGated was applied to
)

func (e End) String() string {
	return [...]string{"plain", "relu", "gated", "residual", "relu_grad", "gated_grad"}[e]
}

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

	// Half lets A and B be rounded to half precision, where the device has it: their
	// numbers must be less than 65,520, or infinity takes their place. Sums stay float32.
	Half bool
}

// Up to so many rows the threads of a workgroup share the columns and split K;
// measured on lavapipe, more rows are faster in tiles.
const fewRows = 4

func (m MatMul) few() bool { return m.M <= fewRows && m.Layout != TN }

var matmulTable = newTable("matmul",
	variant[MatMul]{name: "few-vector", needs: needs{on: wgpu.CPU}, fits: MatMul.few, call: MatMul.fewLanes},
	variant[MatMul]{name: "quad", needs: quadNeeds, suits: func(m MatMul) bool { return m.tiling() == tall }, call: tall.call},
	// In SwiftShader 1.3 times as fast as tile for 16 rows, which counts with a whole
	// vocabulary; in lavapipe, whose loads are cheaper, no faster.
	variant[MatMul]{name: "quad-flat", needs: needs{on: wgpu.CPU, vendor: "google", features: wgpu.Subgroups}, suits: func(m MatMul) bool { return m.N >= 4096 && m.tiling() == flat }, call: flat.call},
	variant[MatMul]{name: "tile", needs: needs{on: wgpu.CPU}, call: tile.call},
	// Half the sums a thread, and more loads for each: Intel's compiler spills those of
	// the others.
	variant[MatMul]{name: "thin-light", needs: needs{vendor: "intel", invocations: 64, workgroupStorage: 16 << 10}, fits: MatMul.narrow, suits: MatMul.thin, call: thin(1, 2)},
	variant[MatMul]{name: "thin-four", needs: thinNeeds, fits: MatMul.few, call: thin(1, 4)},
	variant[MatMul]{name: "thin", needs: thinNeeds, fits: MatMul.narrow, suits: MatMul.thin, call: thin(2, 2)},
	variant[MatMul]{name: "cooperative-tall", needs: needs{features: wgpu.F16 | wgpu.CooperativeMatrices, invocations: 8 * 64, workgroupStorage: 47 << 10}, fits: MatMul.half, suits: MatMul.large, call: cooperative(4)},
	variant[MatMul]{name: "cooperative", needs: needs{features: wgpu.F16 | wgpu.CooperativeMatrices, invocations: 4 * 64, workgroupStorage: 26 << 10}, fits: MatMul.half, call: cooperative(2)},
	variant[MatMul]{name: "light", needs: needs{vendor: "intel", invocations: 256, workgroupStorage: 13 << 10}, call: MatMul.light},
	variant[MatMul]{name: "block", needs: needs{invocations: 256, workgroupStorage: 16 << 10}, suits: MatMul.large, call: block{side: 16}.call},
	variant[MatMul]{name: "block-split", needs: needs{invocations: 256, workgroupStorage: 32 << 10}, suits: MatMul.deep, call: block{side: 8, split: 4}.call},
	variant[MatMul]{name: "block-small", needs: needs{invocations: 64, workgroupStorage: 8 << 10}, call: block{side: 8}.call},
	// Taken where it was measured to be faster: a multiply-add of halves is no faster on
	// AMD's GPUs.
	variant[MatMul]{name: "block-half", needs: needs{features: wgpu.F16, invocations: 256, workgroupStorage: 8 << 10}, fits: MatMul.half, call: block{side: 16, half: true}.call},
).by(MatMul.class)

// class tells products apart by layout, storage, precision and about their sizes.
func (m MatMul) class() string {
	precision := ""
	if m.Half {
		precision = " half"
	}
	return fmt.Sprintf("matmul %v %v%s %d×%d×%d", m.Layout, m.B, precision, atMost(m.M), atMost(m.N), atMost(m.K))
}

// tiles is the number of side×side tiles that cover C.
func (m MatMul) tiles(side int) int { return int(over(m.M, side)) * int(over(m.N, side)) }

// large reports whether C has so many tiles of 128×128 that they keep a GPU busy; the
// largest have some 130 processors. Of smaller products more and smaller tiles do.
func (m MatMul) large() bool { return m.M > 64 && m.N > 64 && m.tiles(128) >= 128 }

// deep reports whether the tiles of C are few, and K is so large that adding up in
// the end is little beside it.
func (m MatMul) deep() bool { return m.tiles(64) < 512 && m.K >= 256 }

// thin reports whether a tile of 64×64 would lie outside of C for the most part, or
// so few of them cover it that even a small GPU, with 16 processors, has nothing to do.
func (m MatMul) thin() bool { return m.M <= 32 || m.N <= 32 || m.tiles(64) < 16 }

func (m MatMul) half() bool { return m.Half }

// narrow reports whether a grid can have a row of workgroups for each eight columns.
func (m MatMul) narrow() bool { return m.N <= 8*65535 }

// block is a kernel for GPUs whose workgroups compute tiles in workgroup memory, with
// split squares of side×side threads, each with 2×2 blocks of 4×4. Zeros are 1 and
// float32.
type block struct {
	side, split int
	half        bool // operands are float16 in workgroup memory
}

func (b block) call(m MatMul, _ Target) Call {
	grid := [3]uint32{over(m.N, 8*b.side), over(m.M, 8*b.side), 1}
	constants := m.loads("SIDE", b.side, "SPLIT", max(1, b.split))
	if b.half {
		constants = append(constants, "Part", "vec4<f16>")
	}
	return m.call("block", 0, grid, constants...)
}

// light is a kernel with half the sums a thread.
func (m MatMul) light(Target) Call {
	return m.call("light", 0, [3]uint32{over(m.N, 64), over(m.M, 128), 1}, m.loads()...)
}

// thinNeeds is what 64 threads need to leave their sums.
var thinNeeds = needs{invocations: 64, workgroupStorage: 16 << 10}

// thin is the kernel for GPUs whose workgroups compute down×beside blocks of 4×4, and
// split K.
func thin(down, beside int) func(MatMul, Target) Call {
	return func(m MatMul, _ Target) Call {
		lanes := 32
		if m.K >= 1024 {
			lanes = 64
		}
		grid := [3]uint32{over(m.M, 4*down), over(m.N, 4*beside), 1}
		return m.call("thin", 0, grid, m.loads("LANES", lanes, "DOWN", down, "BESIDE", beside)...)
	}
}

// cooperative is the kernel on cooperative matrices whose workgroups are up×2 subgroups,
// of 32×32 of C each.
func cooperative(up int) func(MatMul, Target) Call {
	return func(m MatMul, t Target) Call {
		grid := [3]uint32{over(m.N, 64), over(m.M, 32*up), 1}
		return m.call("cooperative", 0, grid, m.loads("LANES", t.MatrixLanes, "UP", up)...)
	}
}

// loads adds what a load of A and of B brings where their rows are no whole fours.
func (m MatMul) loads(constants ...any) []any {
	if m.aligned() {
		return constants
	}
	return append(constants, "LoadA", "f32", "LoadB", "u32")
}

// tiling is a kernel for software adapters whose workgroups have eight threads, each with
// a tile of rows×cols of C.
type tiling struct {
	kernel     string
	rows, cols int
	least      int // as many tiles, or more, lie side by side in a workgroup
	// time is that of a tile beside the others', measured in SwiftShader and lavapipe.
	time float64
}

var (
	tile = &tiling{"tile", 16, 16, 1, 1}
	tall = &tiling{"quad", 32, 16, 4, 1.1}
	flat = &tiling{"quad", 16, 32, 4, 1.4}
)

// quadNeeds is what tall and flat tiles need.
var quadNeeds = needs{on: wgpu.CPU, features: wgpu.Subgroups}

// grid is the workgroups with so many tiles side by side that the fewest lie outside of
// C.
func (s *tiling) grid(m MatMul) (across int, grid [3]uint32) {
	for a := 8; a >= s.least; a /= 2 {
		g := [3]uint32{over(m.N, s.cols*a), over(m.M, s.rows*8/a), 1}
		if across == 0 || g[0]*g[1] < grid[0]*grid[1] {
			across, grid = a, g
		}
	}
	return across, grid
}

func (s *tiling) call(m MatMul, _ Target) Call {
	across, grid := s.grid(m)
	if s == flat {
		return m.call(s.kernel, across, grid, "FLAT", true)
	}
	return m.call(s.kernel, across, grid)
}

// tiling is the one that takes the least time for the product, where a few
// processors share the workgroups.
func (m MatMul) tiling() *tiling {
	const processors = 4
	best, least := tile, math.Inf(1)
	for _, s := range []*tiling{tile, tall, flat} {
		_, grid := s.grid(m)
		if time := s.time * float64(max(processors, grid[0]*grid[1])); time < least {
			best, least = s, time
		}
	}
	return best
}

func (m MatMul) fewLanes(Target) Call {
	return m.call("few", 0, [3]uint32{over(m.N, 16), over(m.M, 4), 1}, "LANES", 8)
}

// Call computes the product.
//
// Bindings: 1 A, 2 B, 3 out [M,N], or [M,N/2] with EndGated, [M,2N] with its
// gradient; 4 residual [M,N] with EndResidual, what End says of it with the gradients,
// pre [M,N] with EndGated and KeepPre, else any buffer; 5 plus [M,N] with Plus, its
// columns interleaved like C's with EndGated, else any buffer; Step with every end but
// EndPlain, whatever the dropout rate.
func (m MatMul) Call(t Target) Call {
	c := matmulTable.call(m, t)
	c.Shape = fmt.Sprintf("%d×%d×%d %s", m.M, m.N, m.K, m.Layout)
	c.FMA = int64(m.M) * int64(m.N) * int64(m.K)
	return c
}

// call is a dispatch of one of the kernels, with constants of its own; across are
// the tiles that lie side by side in a workgroup of eight.
func (m MatMul) call(kernel string, across int, grid [3]uint32, constants ...any) Call {
	end := m.End.String()
	switch {
	case m.End == EndGated && m.KeepPre:
		end = "gated_pre"
	case m.End >= EndReLUGrad:
		end, constants = EndResidual.String(), append(constants, "PASSES", uint32(m.End-EndResidual))
	}
	file := "matmul_" + kernel
	if kernel == "tile" || kernel == "few" {
		file = "matmul"
	}
	return Call{
		Spec: Spec{
			File:      file,
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

// over is n/size, rounded up.
func over(n, size int) uint32 { return uint32((n + size - 1) / size) }
