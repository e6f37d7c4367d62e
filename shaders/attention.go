package shaders

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

	// Dropout of the weights; the index of a weight is
	// ((b·Heads + h)·Queries + query)·Keys + key.
	Dropout Dropout
}

// Forward computes out and the log-sum-exp of each row of scores.
//
// Bindings: 1 q, 2 kv, 3 bias, 4 window, 5 out,
// 6 stats [Batch, Heads, Queries, 2], of which it writes the first of each pair.
func (a Attention) Forward(t Target) Call {
	return a.call(t, "forward", a.Batch*a.Heads, a.Queries)
}

// Delta writes Σ dout·out of each row and head into the second of each pair of
// stats; the gradients need it.
//
// Bindings: 1 dout, 2 out, 3 stats.
func (a Attention) Delta(t Target) Call {
	c := a.call(t, "delta", 0, 0)
	c.Spec.Step = false
	c.Grid = t.grid1D(a.Batch*a.Heads*a.Queries, a.threads(t))
	return c
}

// GradQ writes dq, the gradient of q, in the columns where q has its own.
//
// Bindings: 1 q, 2 kv, 3 bias, 4 window, 5 dout, 6 stats, 7 dq.
func (a Attention) GradQ(t Target) Call {
	return a.call(t, "grad_q", a.Batch*a.Heads, a.Queries)
}

// GradKV writes the gradients of k and v in the columns where kv has its own;
// those of keys that no query sees are zero.
//
// Bindings: 1 q, 2 kv, 3 bias, 4 seenBy, 5 dout, 6 stats, 7 dkv.
func (a Attention) GradKV(t Target) Call {
	return a.call(t, "grad_kv", a.Batch*a.Heads, a.Keys)
}

// GradBias adds the gradient of the bias to dbias [Heads, 2·BiasSpan-1].
//
// Bindings: 1 q, 2 kv, 3 bias, 4 window, 5 dout, 6 stats, 7 dbias.
func (a Attention) GradBias(t Target) Call {
	c := a.call(t, "grad_bias", 0, 0)
	width := 2*a.BiasSpan - 1
	if a.wide(t) {
		c.Grid = t.grid1D(a.Heads*((width+3)/4), 8)
	} else {
		c.Grid = t.grid1D(a.Heads*((width+31)/32), 1)
	}
	return c
}

// wide tells whether the kernels without workgroup memory run.
func (a Attention) wide(t Target) bool {
	return t.CPU && a.HeadDim <= 64 && a.HeadDim%16 == 0 && (a.QStride|a.QOffset|a.KVStride|a.KOffset|a.VOffset)%4 == 0
}

// threads is the size of a workgroup.
func (a Attention) threads(t Target) int {
	if a.wide(t) {
		return 8
	}
	return 256
}

// call is an entry point over blocks of rows of each of heads heads: eight
// blocks of 4 rows a workgroup in the wide kernels, one of 64 in the others.
func (a Attention) call(t Target, entry string, heads, rows int) Call {
	spec := Spec{File: "attention", Entry: entry, Constants: Constants("HEAD_DIM", a.HeadDim), Step: true}
	grid := t.grid1D(heads*((rows+63)/64), 1)
	if a.wide(t) {
		spec.File, spec.Constants = "attention_wide", Constants("PARTS", a.HeadDim/16)
		grid = t.grid1D(heads*((rows+3)/4), 8)
	}
	span := 0
	if a.Bias {
		span = a.BiasSpan
	}
	site, threshold, scale := a.Dropout.params()
	return Call{
		Spec: spec,
		Params: params(a.Batch, a.Heads, a.Queries, a.Keys, a.QStride, a.QOffset, a.KVStride, a.KOffset, a.VOffset,
			span, a.Windowed, a.Causal, a.Decode, site, threshold, scale),
		Grid: grid,
	}
}
