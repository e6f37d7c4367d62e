package shaders

import (
	"cmp"
	"slices"
)

// Embed is DePT's encoder input, [P ; E(ids) + Scale·A·B] with dropout on the
// result: Prompt trained vectors P, then Length word embeddings, each shifted by
// its position's row of A·B. Without Prompt and Rank it is a plain embedding.
type Embed struct {
	Batch, Length, Prompt int // the result is [Batch, Prompt+Length, Width]
	Rank, MaxLength       int // A is [MaxLength, Rank], B is [Rank, Width]
	Width                 int
	Scale                 float32 // of the shift
	Table                 Storage
	Dropout               Dropout // an element is named by its index in the result
}

// Forward makes the input. Whoever writes ids sees to it that the table has
// them.
//
// Bindings: 1 ids [Batch, Length], 2 table [V, Width] in Table storage,
// 3 P [Prompt, Width], 4 A, 5 B, 6 out. What the sizes leave empty binds any
// buffer.
func (e Embed) Forward(t Target) Call {
	return e.call(t, "forward", Constants("STORAGE", uint32(e.Table)), e.Prompt+e.Length, 0)
}

// GradPrompt adds the gradient of P to dP.
//
// Bindings: 1 dx, the gradient of the result, 2 dP [Prompt, Width].
func (e Embed) GradPrompt(t Target) Call { return e.call(t, "grad_prompt", "", e.Prompt, 0) }

// GradShift writes the gradient of A·B, for GradA and GradB.
//
// Bindings: 1 dx, 2 G [Length, Width].
func (e Embed) GradShift(t Target) Call { return e.call(t, "grad_shift", "", e.Length, 0) }

// GradTable adds the gradient of the table to dtable: one sum for each run.
//
// Bindings: 1 dx, 2 runs [runs, 3], 3 order, both as Runs makes them,
// 4 dtable [V, Width] in float32.
func (e Embed) GradTable(t Target, runs int) Call { return e.call(t, "grad_table", "", runs, runs) }

func (e Embed) call(t Target, entry, constants string, lines, runs int) Call {
	site, threshold, keep := e.Dropout.params()
	return Call{
		Spec:   Spec{File: "embed", Entry: entry, Constants: constants, Step: true},
		Params: params(e.Batch, e.Length, e.Prompt, e.Rank, e.MaxLength, e.Width, e.Scale, runs, site, threshold, keep),
		Grid:   t.grid1D(lines*((e.Width+63)/64), 1),
	}
}

// Runs lists where each id stands, so that the gradient of a table's row can be
// gathered: order holds the indexes of ids, those of an id together and in
// order; runs holds triples (id, begin, end) of ranges of order. Indexes that
// skip reports are left out. Both are padded with zeros, to len(ids) indexes
// and len(ids) triples: a triple whose range is empty is no run.
func Runs(ids []uint32, skip func(i int) bool) (runs, order []uint32) {
	order = make([]uint32, 0, len(ids))
	for i := range ids {
		if !skip(i) {
			order = append(order, uint32(i))
		}
	}
	slices.SortStableFunc(order, func(a, b uint32) int { return cmp.Compare(ids[a], ids[b]) })
	runs = make([]uint32, 0, 3*len(ids))
	for begin := 0; begin < len(order); {
		id, end := ids[order[begin]], begin+1
		for end < len(order) && ids[order[end]] == id {
			end++
		}
		runs = append(runs, id, uint32(begin), uint32(end))
		begin = end
	}
	return runs[:3*len(ids)], order[:len(ids)]
}
