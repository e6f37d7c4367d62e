package shaders

import (
	"fmt"

	"github.com/go-dept/dept/wgpu"
)

// Attention is T5's attention: out = keep·softmax(q·kᵀ + bias)·v for each batch
// row and head, without 1/√d. The scores are never stored.
//
// Rows of q lie QStride floats apart and head h of a row starts at QOffset +
// h·HeadDim; k and v lie in rows of KVStride floats at KOffset and VOffset. So
// packed projections serve as they are, and for self-attention q and kv, and
// their gradients, may be one buffer: a kernel touches its own columns only.
// out and dout are [Batch·Queries, Heads·HeadDim]. HeadDim is at most 256.
type Attention struct {
	Batch, Heads, Queries, Keys, HeadDim int

	QStride, QOffset           int
	KVStride, KOffset, VOffset int

	// Bias adds bias[h, d+BiasSpan-1] to the score at distance d = key - query
	// position; bias is [Heads, 2·BiasSpan-1] and every |d| below BiasSpan.
	// Without it any buffer may be bound in its place.
	Bias     bool
	BiasSpan int

	// Windowed lets each query see a run of the keys alone: window [Batch·Queries,
	// 2] u32 holds the first and the end of each run, and seenBy [Batch·Keys, 2]
	// those of the queries that may see each key. A query whose run is empty has
	// an output of 0 and no part in any gradient; so has padding, and the work of
	// a long row is that of its short runs. Without it any buffer may be bound in
	// its place. Causal hides the keys after the query's own place. Decode places
	// query i at Step.Position + i, of Keys places in a key/value cache, and hides
	// the keys after it.
	Windowed, Causal, Decode bool

	// Half lets Forward round q, k and v to half precision, whose numbers end at 65504,
	// where that was measured to be faster. Scores, softmax and sums stay float32.
	Half bool

	// Dropout of the weights; the index of a weight is
	// ((b·Heads + h)·Queries + query)·Keys + key.
	Dropout Dropout
}

// attentionPass goes over blocks of the lines of each of some heads: rows of
// queries or of keys, or diagonals of the scores.
type attentionPass struct {
	Attention
	entry        string
	heads, lines int
	wide, tiled  int // lines of a block in each of the kernels
}

var attentionTable = newTable("attention",
	// Without workgroup memory; a block a thread, and 32 lines of one head a workgroup.
	variant[attentionPass]{name: "quad", needs: needs{on: wgpu.CPU, features: wgpu.Subgroups}, fits: attentionPass.quads, call: func(a attentionPass, t Target) Call {
		return a.call("attention_quad", Constants("PARTS", a.HeadDim/16), t.grid1D(a.blocks(32), 1))
	}},
	variant[attentionPass]{name: "wide", needs: needs{on: wgpu.CPU}, fits: attentionPass.aligned, call: func(a attentionPass, t Target) Call {
		return a.call("attention_wide", Constants("PARTS", a.HeadDim/16), t.grid1D(a.blocks(a.wide), 8))
	}},
	// A query a workgroup.
	variant[attentionPass]{name: "few", needs: needs{invocations: 256, workgroupStorage: 16 << 10}, fits: attentionPass.few, call: func(a attentionPass, t Target) Call {
		return a.call("attention_few", Constants("HEAD_DIM", a.HeadDim), t.grid1D(a.Batch*a.Heads*a.Queries, 1))
	}},
	// A block a workgroup.
	// Of fewer numbers: Intel's compiler spills the sums of more.
	variant[attentionPass]{name: "tiled-light", needs: needs{vendor: "intel", invocations: 256, workgroupStorage: 24 << 10}, call: tiled(16, 32, "f32")},
	variant[attentionPass]{name: "tiled", needs: needs{invocations: 256, workgroupStorage: 24 << 10}, call: tiled(16, 64, "f32")},
	// Where it was measured to be faster: half the bytes of workgroup memory, but more
	// instructions.
	variant[attentionPass]{name: "tiled-half", needs: needs{features: wgpu.F16, invocations: 256, workgroupStorage: 24 << 10}, fits: attentionPass.half, call: tiled(16, 64, "f16")},
	variant[attentionPass]{name: "tiled-narrow", needs: needs{invocations: 256, workgroupStorage: 16 << 10}, call: tiled(8, 64, "f32")},
).by(attentionPass.class)

// class tells passes apart by head size and about the number of queries and keys.
func (a attentionPass) class() string {
	name := "attention " + a.entry
	if a.half() {
		name += " half"
	}
	return fmt.Sprintf("%s D=%d Q=%d K=%d", name, a.HeadDim, atMost(a.Queries), atMost(a.Keys))
}

// tiled is the kernels for GPUs with so many threads side by side, of up to so many sums
// each, and q, k and v staged as a type of numbers.
func tiled(x, sums int, staged string) func(attentionPass, Target) Call {
	return func(a attentionPass, t Target) Call {
		constants, blocks := []any{"HEAD_DIM", a.HeadDim}, a.blocks(a.tiled)
		// Heads of 64 have registers to spare but in grad_bias.
		guarded := sums < 64 && (a.HeadDim != 64 || a.entry == "grad_bias")
		switch a.entry {
		case "delta":
		case "grad_bias":
			constants = append(constants, "ALIGNED", a.fours(), "GUARDED", guarded)
		default:
			span := sums / 4 * x // of the numbers of a head, of which a thread has four rows
			if a.entry == "grad_kv" {
				span /= 2 // once for keys and once for values
			}
			blocks *= int(over(a.HeadDim, span))
			constants = append(constants, "ALIGNED", a.fours(), "GUARDED", guarded, "X", x, "SPAN", span)
			if a.entry == "forward" {
				constants = append(constants, "Staged", staged)
			}
		}
		return a.call("attention_"+a.entry, Constants(constants...), t.grid1D(blocks, 1))
	}
}

// half reports whether a pass may stage rounded operands.
func (a attentionPass) half() bool { return a.Half && a.entry == "forward" }

// few reports whether a forward pass has so few queries that each reads the keys and
// values for itself.
func (a attentionPass) few() bool { return a.entry == "forward" && a.Queries <= 8 && a.fours() }

// aligned reports whether a row of a head is one to four whole 4×4 matrices, and
// begins at a multiple of four numbers.
func (a attentionPass) aligned() bool {
	return a.HeadDim <= 64 && a.HeadDim%16 == 0 && a.fours()
}

// quads reports whether a pass goes over so many lines that most of each 32 are there.
func (a attentionPass) quads() bool {
	return a.aligned() && a.lines > 20 && a.entry != "delta" && a.entry != "grad_bias"
}

// fours reports whether a row of a head is whole fours, and begins at a multiple of
// four numbers.
func (a attentionPass) fours() bool {
	return (a.HeadDim|a.QStride|a.QOffset|a.KVStride|a.KOffset|a.VOffset)%4 == 0
}

// counted is the pass on a target, with its cost: so many products of all queries,
// keys and numbers of a head.
func (a attentionPass) counted(products int, t Target) Call {
	c := attentionTable.call(a, t)
	c.Shape = fmt.Sprintf("B=%d H=%d Q=%d K=%d D=%d", a.Batch, a.Heads, a.Queries, a.Keys, a.HeadDim)
	c.FMA = int64(products) * int64(a.Batch*a.Heads) * int64(a.Queries) * int64(a.Keys) * int64(a.HeadDim)
	return c
}

func (a attentionPass) blocks(lines int) int { return a.heads * ((a.lines + lines - 1) / lines) }

func (a attentionPass) call(file, constants string, grid [3]uint32) Call {
	span := 0
	if a.Bias {
		span = a.BiasSpan
	}
	return Call{
		Spec: Spec{File: file, Entry: a.entry, Constants: constants, Step: a.entry != "delta"},
		Params: params(file, a.Dropout.with(fields{
			"batch": a.Batch, "heads": a.Heads, "queries": a.Queries, "keys": a.Keys,
			"q_stride": a.QStride, "q_offset": a.QOffset, "kv_stride": a.KVStride, "k_offset": a.KOffset, "v_offset": a.VOffset,
			"bias_span": span, "windowed": a.Windowed, "causal": a.Causal, "decode": a.Decode,
		})),
		Grid: grid,
	}
}

// Forward computes out and the log-sum-exp of each row of scores.
//
// Bindings: 1 q, 2 kv, 3 bias, 4 window, 5 out,
// 6 stats [Batch, Heads, Queries, 2], of which it writes the first of each pair.
func (a Attention) Forward(t Target) Call {
	return attentionPass{a, "forward", a.Batch * a.Heads, a.Queries, 4, 64}.counted(2, t)
}

// Delta writes Σ dout·out of each row and head into the second of each pair of
// stats; the gradients need it.
//
// Bindings: 1 dout, 2 out, 3 stats.
func (a Attention) Delta(t Target) Call {
	return attentionPass{a, "delta", 1, a.Batch * a.Heads * a.Queries, 1, 256}.counted(0, t)
}

// GradQ writes dq, the gradient of q, in the columns where q has its own.
//
// Bindings: 1 q, 2 kv, 3 bias, 4 window, 5 dout, 6 stats, 7 dq.
func (a Attention) GradQ(t Target) Call {
	return attentionPass{a, "grad_q", a.Batch * a.Heads, a.Queries, 4, 64}.counted(3, t)
}

// GradKV writes the gradients of k and v in the columns where kv has its own;
// those of keys that no query sees are zero.
//
// Bindings: 1 q, 2 kv, 3 bias, 4 seenBy, 5 dout, 6 stats, 7 dkv.
func (a Attention) GradKV(t Target) Call {
	return attentionPass{a, "grad_kv", a.Batch * a.Heads, a.Keys, 4, 64}.counted(4, t)
}

// GradBias adds the gradient of the bias to dbias [Heads, 2·BiasSpan-1].
//
// Bindings: 1 q, 2 kv, 3 bias, 4 window, 5 dout, 6 stats, 7 dbias.
func (a Attention) GradBias(t Target) Call {
	return attentionPass{a, "grad_bias", a.Heads, 2*a.BiasSpan - 1, 4, 64}.counted(2, t)
}
