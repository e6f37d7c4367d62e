package shaders

import (
	"cmp"
	"slices"
)

// Embed is an encoder's input: Prompt vectors P that all batch rows share, then
// Length word embeddings, each keep·(E(id) + ShiftScale·shift[row]) with dropout's
// keep. Without Prompt and Shift it is a plain embedding.
type Embed struct {
	Batch, Length, Prompt int // the result is [Batch, Prompt+Length, Width]
	Width                 int
	Shift                 bool
	PerToken              bool // token t of batch row b takes row b·Length + t of shift, not row t
	ShiftScale            float32
	Table                 Storage
	First, Vocab          int     // the rows of the table that are given, of those of all ids
	Dropout               Dropout // an element is named by its index in the result
}

// Forward makes the input, or of several slices of a table what one adds to it: the
// embeddings of its ids, and of the first slice P. Together slices must have every id.
//
// Bindings: 1 ids [Batch, Length], 2 table [Vocab, Width] in Table storage,
// 3 P [Prompt, Width], 4 shift, of at least Length rows, or [Batch·Length, Width]
// if PerToken, 5 out. What is absent binds any buffer.
func (e Embed) Forward(t Target) Call {
	return e.call(t, "forward", Constants("STORAGE", uint32(e.Table)), e.Prompt+e.Length, 0, false)
}

// GradPrompt adds the gradient of P to dP.
//
// Bindings: 1 dx, the gradient of the result, 2 dP [Prompt, Width].
func (e Embed) GradPrompt(t Target) Call { return e.call(t, "grad_prompt", "", e.Prompt, 0, false) }

// GradShift writes the gradient of the rows of shift that are used, or adds it if
// add is set; rows past them stay as they are.
//
// Bindings: 1 dx, 2 dshift, shaped like shift.
func (e Embed) GradShift(t Target, add bool) Call {
	return e.call(t, "grad_shift", "", e.Length, 0, add)
}

// GradTable adds the gradient of the table to dtable: one sum for each run of an id
// of the slice.
//
// Bindings: 1 dx, 2 runs [runs, 3], 3 order, both as Runs makes them,
// 4 dtable [Vocab, Width] in float32.
func (e Embed) GradTable(t Target, runs int) Call {
	return e.call(t, "grad_table", "", runs, runs, false)
}

func (e Embed) call(t Target, entry, constants string, lines, runs int, add bool) Call {
	return Call{
		Spec: Spec{File: "embed", Entry: entry, Constants: constants, Step: true},
		Params: params("embed", e.Dropout.with(fields{
			"batch": e.Batch, "length": e.Length, "prompt": e.Prompt, "width": e.Width,
			"shifted": e.Shift, "per_token": e.PerToken, "scale": e.ShiftScale, "add": add, "runs": runs,
			"first": e.First, "vocab": e.Vocab,
		})),
		Grid: t.grid1D(lines*((e.Width+63)/64), 1),
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
