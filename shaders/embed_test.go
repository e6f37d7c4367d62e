package shaders

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// storedNormals draws n numbers from N(0, 1), cut to what the storage holds:
// the words of the buffer and the numbers.
func storedNormals(seed uint64, s Storage, n int) ([]uint32, []float64) {
	buffer, values := make([]uint32, (n*s.Bytes()+3)/4), make([]float64, n)
	for i, v := range normals(seed, n, 1) {
		bits := math.Float32bits(v)
		switch s {
		case F32:
			buffer[i] = bits
		case BF16:
			bits &= 0xffff0000
			buffer[i/2] |= bits >> 16 << (i % 2 * 16)
		case F16: // 13 bits of fraction less, and the exponent from 2^-14 on
			if math.Abs(float64(v)) < 0x1p-14 {
				bits = 0
				break
			}
			bits &^= 1<<13 - 1
			half := bits>>16&0x8000 | bits>>13&0x3ff | (bits>>23&0xff-127+15)<<10
			buffer[i/2] |= half << (i % 2 * 16)
		}
		values[i] = float64(math.Float32frombits(bits))
	}
	return buffer, values
}

// embedOracle is [P ; E(ids) + scale·shift] in plain Go.
type embedOracle struct {
	Embed
	ids  []uint32
	keep []float64
}

// shiftRow is the row of the shift that token t of batch row takes.
func (o embedOracle) shiftRow(row, t int) int {
	if o.PerToken {
		return row*o.Length + t
	}
	return t
}

func (o embedOracle) forward(table, p, shift []float64) []float64 {
	out := make([]float64, 0, o.Batch*(o.Prompt+o.Length)*o.Width)
	for row := range o.Batch {
		out = append(out, p[:o.Prompt*o.Width]...)
		for t := range o.Length {
			for c := range o.Width {
				v := table[int(o.ids[row*o.Length+t])*o.Width+c]
				if o.Shift {
					v += float64(o.ShiftScale) * shift[o.shiftRow(row, t)*o.Width+c]
				}
				out = append(out, v)
			}
		}
	}
	for i := range out {
		out[i] *= o.keep[i]
	}
	return out
}

func (o embedOracle) backward(table, p, shift, dx []float64) (dtable, dp, dshift []float64) {
	dtable, dp, dshift = make([]float64, len(table)), make([]float64, len(p)), make([]float64, len(shift))
	for i := range dx {
		row, c := i/o.Width/(o.Prompt+o.Length), i%o.Width
		position := i / o.Width % (o.Prompt + o.Length)
		d := o.keep[i] * dx[i]
		if position < o.Prompt {
			dp[position*o.Width+c] += d
			continue
		}
		t := position - o.Prompt
		dtable[int(o.ids[row*o.Length+t])*o.Width+c] += d
		if o.Shift {
			dshift[o.shiftRow(row, t)*o.Width+c] += float64(o.ShiftScale) * d
		}
	}
	return dtable, dp, dshift
}

func randomIDs(seed uint64, n, vocab int) []uint32 {
	rng := rand.New(rand.NewPCG(seed, 98))
	ids := make([]uint32, n)
	for i := range ids {
		ids[i] = uint32(rng.IntN(vocab))
	}
	return ids
}

func embedCases(target Target) []kernelCase {
	target.Groups = fewGroups
	var cases []kernelCase
	for _, e := range []Embed{
		{Batch: 1, Length: 1, Width: 1},
		{Batch: 3, Length: 9, Width: 65},
		{Batch: 2, Length: 5, Prompt: 3, Width: 7, Dropout: Dropout{Rate: 0.2, Site: 1}},
		{Batch: 2, Length: 33, Shift: true, Width: 48},
		{Batch: 4, Length: 21, Prompt: 11, Shift: true, Width: 129, Dropout: Dropout{Rate: 0.1, Site: 2}},
		{Batch: 1, Length: 12, Prompt: 2, Shift: true, PerToken: true, Width: 64},
		{Batch: 3, Length: 7, Prompt: 2, Shift: true, PerToken: true, Width: 67, Dropout: Dropout{Rate: 0.3, Site: 4}},
		{Batch: 2, Length: 130, Prompt: 5, Shift: true, Width: 96, Dropout: Dropout{Rate: 0.1, Site: 3}},
	} {
		cases = append(cases, e.rows(target)...)
	}
	return cases
}

// rows makes the rows of the table from an embedding: forward with each storage
// of the table, and the gradients.
func (e Embed) rows(target Target) []kernelCase {
	const vocab = 37
	var cases []kernelCase
	shifts := 0 // rows of the shift that are used
	if e.Shift {
		e.ShiftScale, shifts = 8/3., e.Length
	}
	if e.PerToken {
		shifts *= e.Batch
	}
	s := Step{Key: Key(3, e.Length, e.Width)}
	size := e.Batch * (e.Prompt + e.Length) * e.Width
	o := embedOracle{e, randomIDs(1, e.Batch*e.Length, vocab), keeps(e.Dropout, s, size)}
	e.Vocab = vocab
	p, shift := normals(2, e.Prompt*e.Width, 1), normals(3, shifts*e.Width, 0.3)
	// A shift may have more rows than are used.
	if e.Shift && !e.PerToken {
		shift = append(shift, normals(4, 3*e.Width, 1)...)
	}
	row := func(op string, call Call, operands ...operand) {
		name := fmt.Sprintf("embed/%s/batch=%d,length=%d,m=%d,d=%d,shift=%v,per_token=%v,rate=%v",
			op, e.Batch, e.Length, e.Prompt, e.Width, e.Shift, e.PerToken, e.Dropout.Rate)
		cases = append(cases, kernelCase{name: name, call: call, step: s, operands: operands})
	}
	for _, e.Table = range []Storage{F32, F16, BF16} {
		buffer, table := storedNormals(5, e.Table, vocab*e.Width)
		all := o.forward(table, wide(p), wide(shift))
		row(e.Table.String(), e.Forward(target), in(o.ids), in(buffer), in(p), in(shift), out(all, 2))
		first, second := e.halves()
		before := normals(10, size, 1)
		row(e.Table.String()+",first slice", first.Forward(target), in(o.ids), in(buffer), in(p), in(shift), inout(before, o.of(first, before, all), 2))
		words := buffer[second.First*e.Width*e.Table.Bytes()/4:]
		row(e.Table.String()+",second slice", second.Forward(target), in(o.ids), in(words), in(p), in(shift), inout(before, o.of(second, before, all), 2))
	}
	dx := normals(6, size, 1)
	dtable, dp, dshift := o.backward(make([]float64, vocab*e.Width), wide(p), wide(shift), wide(dx))
	before := normals(7, vocab*e.Width, 1)
	runs, order := Runs(o.ids, func(int) bool { return false })
	row("grad_table", e.GradTable(target, len(o.ids)), in(dx), in(runs), in(order), inout(before, added(before, dtable), e.Batch*e.Length))
	_, second := e.halves()
	at := second.First * e.Width
	row("grad_table,second slice", second.GradTable(target, len(o.ids)), in(dx), in(runs), in(order), inout(before[at:], added(before[at:], dtable[at:]), e.Batch*e.Length))
	if e.Prompt > 0 {
		before := normals(8, len(p), 1)
		row("grad_prompt", e.GradPrompt(target), in(dx), inout(before, added(before, dp), e.Batch))
	}
	if e.Shift {
		before := normals(9, len(shift), 1)
		row("grad_shift,add", e.GradShift(target, true), in(dx), inout(before, added(before, dshift), e.Batch))
		written := wide(before)
		copy(written, dshift[:shifts*e.Width])
		row("grad_shift", e.GradShift(target, false), in(dx), inout(before, written, e.Batch))
	}
	return cases
}

// halves are e with the table's first rows alone and with the others.
func (e Embed) halves() (first, second Embed) {
	first, second = e, e
	first.Vocab = 12
	second.First, second.Vocab = 12, e.Vocab-12
	return first, second
}

// of is what a slice of the table makes of before, where all is the whole result.
func (o embedOracle) of(slice Embed, before []float32, all []float64) []float64 {
	out := wide(before)
	for i := range out {
		row, position := i/o.Width/(o.Prompt+o.Length), i/o.Width%(o.Prompt+o.Length)
		its := slice.First == 0
		if position >= o.Prompt {
			id := int(o.ids[row*o.Length+position-o.Prompt])
			its = id >= slice.First && id < slice.First+slice.Vocab
		}
		if its {
			out[i] = all[i]
		}
	}
	return out
}

func TestEmbedOracle(t *testing.T) {
	const vocab = 4
	for _, perToken := range []bool{false, true} {
		e := Embed{Batch: 2, Length: 4, Prompt: 2, Width: 3, Shift: true, PerToken: perToken, ShiftScale: 1.5, Dropout: Dropout{Rate: 0.2}}
		size := e.Batch * (e.Prompt + e.Length) * e.Width
		o := embedOracle{e, []uint32{0, 3, 3, 1, 1, 3, 0, 0}, keeps(e.Dropout, Step{Key: Key(1, 1, 1)}, size)}
		table, p := wide(normals(1, vocab*e.Width, 1)), wide(normals(2, e.Prompt*e.Width, 1))
		shift, dx := wide(normals(3, e.Batch*e.Length*e.Width, 1)), wide(normals(5, size, 1))
		dtable, dp, dshift := o.backward(table, p, shift, dx)
		loss := func([]float64) float64 { return dot(o.forward(table, p, shift), dx) }
		for _, c := range []struct{ x, grad []float64 }{{table, dtable}, {p, dp}, {shift, dshift}} {
			require.InDeltaSlice(t, finiteDifference(loss, c.x, 1e-5), c.grad, 1e-8)
		}
	}
}

// TestRuns reads back from the runs where each id stands.
func TestRuns(t *testing.T) {
	ids := []uint32{5, 2, 5, 0, 2, 5, 9}
	runs, order := Runs(ids, func(i int) bool { return ids[i] == 0 })
	require.Equal(t, []uint32{2, 0, 2, 5, 2, 5, 9, 5, 6}, runs[:9])
	require.Equal(t, make([]uint32, 12), runs[9:], "unused runs are empty")
	require.Equal(t, []uint32{1, 4, 0, 2, 5, 6, 0}, order)
	runs, order = Runs(nil, nil)
	require.Empty(t, runs)
	require.Empty(t, order)
}
