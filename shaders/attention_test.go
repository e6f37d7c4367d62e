package shaders

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/wgpu"
	"github.com/go-dept/dept/wgpu/wgputest"
)

// attentionOracle is attention in plain float64. Arrays lie as the kernels have
// them; the gradients are those of Σ dout·out.
type attentionOracle struct {
	Attention
	step   Step
	window []uint32
}

// keys are the first and the end of those that query i of batch row b sees.
func (a attentionOracle) keys(b, i int) (first, end int) {
	end = a.Keys
	if a.Windowed {
		first, end = int(a.window[2*(b*a.Queries+i)]), int(a.window[2*(b*a.Queries+i)+1])
	}
	if a.Causal || a.Decode {
		end = min(end, a.position(i)+1)
	}
	return first, max(first, end)
}

func (a attentionOracle) position(i int) int {
	if a.Decode {
		return i + int(a.step.Position)
	}
	return i
}

func (a attentionOracle) distance(h, i, j int) int {
	return h*(2*a.BiasSpan-1) + a.BiasSpan - 1 + j - a.position(i)
}

func (a attentionOracle) query(b, h, i int) int {
	return (b*a.Queries+i)*a.QStride + a.QOffset + h*a.HeadDim
}

func (a attentionOracle) key(b, h, j int) int {
	return (b*a.Keys+j)*a.KVStride + a.KOffset + h*a.HeadDim
}

func (a attentionOracle) value(b, h, j int) int {
	return (b*a.Keys+j)*a.KVStride + a.VOffset + h*a.HeadDim
}

func (a attentionOracle) row(b, h, i int) int { return (b*a.Queries+i)*a.Heads + h }

// each calls f for every batch row, head and query, with the first key it sees,
// the scores of that key and those after it, and their dropout factors.
func (a attentionOracle) each(q, kv, bias []float64, f func(b, h, i, first int, scores, keep []float64)) {
	for b := range a.Batch {
		for h := range a.Heads {
			for i := range a.Queries {
				var s, keep []float64
				first, end := a.keys(b, i)
				for j := first; j < end; j++ {
					score := dot(q[a.query(b, h, i):][:a.HeadDim], kv[a.key(b, h, j):])
					if a.Bias {
						score += bias[a.distance(h, i, j)]
					}
					s = append(s, score)
					keep = append(keep, keepOracle(a.Dropout, a.step, ((b*a.Heads+h)*a.Queries+i)*a.Keys+j))
				}
				f(b, h, i, first, s, keep)
			}
		}
	}
}

func (a attentionOracle) forward(q, kv, bias []float64) (out, lse []float64) {
	out = make([]float64, a.Batch*a.Queries*a.Heads*a.HeadDim)
	a.each(q, kv, bias, func(b, h, i, first int, scores, keep []float64) {
		if len(scores) == 0 {
			lse = append(lse, 0)
			return
		}
		top := slices.Max(scores)
		var sum float64
		for _, s := range scores {
			sum += math.Exp(s - top)
		}
		lse = append(lse, top+math.Log(sum))
		o := out[a.row(b, h, i)*a.HeadDim:][:a.HeadDim]
		for j, s := range scores {
			for c := range o {
				o[c] += keep[j] * math.Exp(s-top) / sum * kv[a.value(b, h, first+j)+c]
			}
		}
	})
	return out, lse
}

// delta is Σ dout·out of each row and head, in the order of stats.
func (a attentionOracle) delta(dout, out []float64) []float64 {
	var delta []float64
	for b := range a.Batch {
		for h := range a.Heads {
			for i := range a.Queries {
				at := a.row(b, h, i) * a.HeadDim
				delta = append(delta, dot(dout[at:][:a.HeadDim], out[at:]))
			}
		}
	}
	return delta
}

// backward adds onto dbias and writes the columns of q in dq and those of k and
// v in dkv. Like the kernels it takes the log-sum-exp and delta as given.
func (a attentionOracle) backward(q, kv, bias, dout, lse, delta, dq, dkv, dbias []float64) {
	for b := range a.Batch {
		for h := range a.Heads {
			for i := range a.Queries {
				clear(dq[a.query(b, h, i):][:a.HeadDim])
			}
			for j := range a.Keys {
				clear(dkv[a.key(b, h, j):][:a.HeadDim])
				clear(dkv[a.value(b, h, j):][:a.HeadDim])
			}
		}
	}
	a.each(q, kv, bias, func(b, h, i, first int, scores, keep []float64) {
		line := (b*a.Heads+h)*a.Queries + i
		d := dout[a.row(b, h, i)*a.HeadDim:][:a.HeadDim]
		for n, s := range scores {
			j := first + n
			p := math.Exp(s - lse[line])
			ds := p * (keep[n]*dot(d, kv[a.value(b, h, j):]) - delta[line])
			for c := range d {
				dq[a.query(b, h, i)+c] += ds * kv[a.key(b, h, j)+c]
				dkv[a.key(b, h, j)+c] += ds * q[a.query(b, h, i)+c]
				dkv[a.value(b, h, j)+c] += keep[n] * p * d[c]
			}
			if a.Bias {
				dbias[a.distance(h, i, j)] += ds
			}
		}
	})
}

// attentionData is what an attention reads: random multiples of scale/8. Where
// scale is a power of 2 the scores are exact in float32, however large.
func attentionData(a Attention, scale float64) (q, kv, bias, dout []float32) {
	draw := func(seed uint64, n int) []float32 {
		x := normals(seed, n, 8)
		for i, v := range x {
			x[i] = float32(math.Round(float64(v)) * scale / 8)
		}
		return x
	}
	q, kv = draw(1, a.Batch*a.Queries*a.QStride), draw(2, a.Batch*a.Keys*a.KVStride)
	bias = draw(3, max(1, a.Heads*(2*a.BiasSpan-1)))
	dout = normals(4, a.Batch*a.Queries*a.Heads*a.HeadDim, 1)
	return q, kv, bias, dout
}

// passages gives the windows of rows that hold several passages: their queries
// and their keys end at the given places, in each batch row a place earlier, and
// what follows the last is padding. From a third batch row on all is padding.
func passages(a Attention, queryEnds, keyEnds []int) (window, seenBy []uint32) {
	window, seenBy = make([]uint32, 2*a.Batch*a.Queries), make([]uint32, 2*a.Batch*a.Keys)
	// Empty windows lie anywhere.
	for i := range a.Batch * a.Queries {
		window[2*i], window[2*i+1] = uint32(i%(a.Keys+1)), uint32(i%(a.Keys+1))
	}
	for j := range a.Batch * a.Keys {
		seenBy[2*j], seenBy[2*j+1] = uint32(j%(a.Queries+1)), uint32(j%(a.Queries+1))
	}
	for b := range min(2, a.Batch) {
		query, key := 0, 0
		for n := range queryEnds {
			queryEnd, keyEnd := queryEnds[n]-b, keyEnds[n]-b
			for i := query; i < queryEnd; i++ {
				copy(window[2*(b*a.Queries+i):], []uint32{uint32(key), uint32(keyEnd)})
			}
			for j := key; j < keyEnd; j++ {
				copy(seenBy[2*(b*a.Keys+j):], []uint32{uint32(query), uint32(queryEnd)})
			}
			query, key = queryEnd, keyEnd
		}
	}
	return window, seenBy
}

// prefixes lets every query see the first keys alone, all of them in the first
// batch row and one in the last.
func prefixes(a Attention) (window, seenBy []uint32) {
	for b := range a.Batch {
		n := 1 + (a.Keys-1)*(a.Batch-1-b)/max(1, a.Batch-1)
		for range a.Queries {
			window = append(window, 0, uint32(n))
		}
		for j := range a.Keys {
			if j < n {
				seenBy = append(seenBy, 0, uint32(a.Queries))
			} else {
				seenBy = append(seenBy, 0, 0)
			}
		}
	}
	return window, seenBy
}

// sliding lets each query see the five keys around its place.
func sliding(a Attention) (window, seenBy []uint32) {
	for i := range a.Batch * a.Queries {
		window = append(window, uint32(max(0, i%a.Queries-2)), uint32(min(a.Keys, i%a.Queries+3)))
	}
	return window, window // as many queries see a key
}

// packed is attention over its own sequence, out of rows [q, k, v].
func packed(batch, heads, length, headDim int) Attention {
	inner := heads * headDim
	return Attention{
		Batch: batch, Heads: heads, Queries: length, Keys: length, HeadDim: headDim,
		QStride: 3 * inner, KVStride: 3 * inner, KOffset: inner, VOffset: 2 * inner,
	}
}

// cross is attention over another sequence: q alone, k and v packed.
func cross(batch, heads, queries, keys, headDim int) Attention {
	inner := heads * headDim
	return Attention{
		Batch: batch, Heads: heads, Queries: queries, Keys: keys, HeadDim: headDim,
		QStride: inner, KVStride: 2 * inner, VOffset: inner,
	}
}

// ahead lets a few queries see a few keys that come much later.
func ahead(a Attention) (window, seenBy []uint32) {
	window, seenBy = make([]uint32, 2*a.Batch*a.Queries), make([]uint32, 2*a.Batch*a.Keys)
	for b := range a.Batch {
		for i := 50; i < 58; i++ {
			copy(window[2*(b*a.Queries+i):], []uint32{60, 64})
		}
		for j := 60; j < 64; j++ {
			copy(seenBy[2*(b*a.Keys+j):], []uint32{50, 58})
		}
	}
	return window, seenBy
}

// attentionRow is an attention of which the table holds all passes.
type attentionRow struct {
	name     string
	a        Attention
	scale    float64 // of the operands
	position int
	shift    float32 // of the scores: up in even heads, down in odd ones

	window, seenBy []uint32
}

type attentionRows []attentionRow

func (rows *attentionRows) add(a Attention, scale float64, position int, name string) *attentionRow {
	name = fmt.Sprintf("%s,b=%d,h=%d,q=%d,k=%d,d=%d", name, a.Batch, a.Heads, a.Queries, a.Keys, a.HeadDim)
	r := attentionRow{name: name, a: a, scale: scale, position: position, window: []uint32{7, 3}} // one that must not be read
	r.seenBy = r.window
	if a.Windowed {
		r.window, r.seenBy = prefixes(a)
	}
	*rows = append(*rows, r)
	return &(*rows)[len(*rows)-1]
}

// pack adds a row whose sequences hold several passages.
func (rows *attentionRows) pack(a Attention, name string, queryEnds, keyEnds []int) {
	a.Windowed = true
	r := rows.add(a, 0.5, 0, name)
	r.window, r.seenBy = passages(a, queryEnds, keyEnds)
}

// ordinary adds what models do, with heads of several sizes.
func (rows *attentionRows) ordinary() {
	for _, headDim := range []int{64, 16, 10} {
		for _, length := range []int{1, 17, 33, 65} {
			a := packed(2, 3, length, headDim)
			a.Bias, a.BiasSpan, a.Windowed = true, length+2, true
			rows.add(a, 0.5, 0, "encoder")
		}
		a := packed(2, 2, 33, headDim)
		a.Bias, a.BiasSpan, a.Causal, a.Dropout = true, 33, true, Dropout{Rate: 0.1, Site: 5}
		rows.add(a, 0.5, 0, "causal,dropout")
		a = cross(3, 2, 7, 33, headDim)
		a.Windowed, a.Dropout = true, Dropout{Rate: 0.3, Site: 6}
		rows.add(a, 0.5, 0, "cross,dropout")
		for _, position := range []int{0, 6, 18} {
			a = cross(2, 3, 1, 19, headDim)
			a.Bias, a.BiasSpan, a.Decode = true, 19, true
			rows.add(a, 0.5, position, fmt.Sprintf("decode at %d", position))
		}
	}
}

// inPassages adds passages within a tile, over its edge, over several; then
// padding. One head size for each kernel.
func (rows *attentionRows) inPassages() {
	for _, headDim := range []int{64, 10} {
		ends := []int{2, 40, 70, 137, 150}
		a := packed(3, 2, 157, headDim)
		a.Bias, a.BiasSpan = true, 158
		rows.pack(a, "passages", ends, ends)
		a.Causal, a.Dropout = true, Dropout{Rate: 0.1, Site: 8}
		rows.pack(a, "causal passages,dropout", ends, ends)
		a = cross(3, 2, 70, 163, headDim)
		rows.pack(a, "cross passages", []int{3, 9, 31, 66, 67}, ends)
		a.Bias, a.BiasSpan, a.Dropout = true, 163, Dropout{Rate: 0.3, Site: 9}
		rows.pack(a, "cross passages,bias,dropout", []int{30, 66, 67}, []int{2, 100, 150})
	}
}

// special adds sizes, windows and strides at which kernels could break.
func (rows *attentionRows) special() {
	a := packed(2, 2, 9, 48)
	a.Bias, a.BiasSpan, a.Dropout = true, 9, Dropout{Rate: 0.2, Site: 7}
	rows.add(a, 0.5, 0, "dropout")
	a = packed(1, 2, 168, 64)
	a.Bias, a.BiasSpan, a.Windowed = true, 168, true
	rows.add(a, 0.3, 0, "long")
	a = packed(2, 2, 40, 64)
	a.Bias, a.BiasSpan, a.Causal, a.Windowed = true, 64, true, true
	rows.add(a, 0.5, 0, "large scores").shift = 512
	a = packed(2, 2, 101, 64)
	a.Bias, a.BiasSpan, a.Windowed = true, 101, true
	r := rows.add(a, 0.5, 0, "sliding")
	r.window, r.seenBy = sliding(a)
	a = cross(2, 2, 70, 101, 64)
	a.Bias, a.BiasSpan, a.Windowed = true, 107, true
	r = rows.add(a, 0.5, 0, "ahead")
	r.window, r.seenBy = ahead(a)
	a = cross(3, 2, 1, 19, 64)
	rows.pack(a, "one query", []int{1}, []int{13})
	a = cross(2, 3, 3, 65, 64)
	a.QStride, a.QOffset, a.KVStride, a.KOffset, a.VOffset = 3*64+8, 4, 2*3*64+24, 200, 4
	rows.add(a, 0.5, 0, "strides")
	a.QStride, a.QOffset = 3*64+3, 1
	rows.add(a, 0.5, 0, "odd strides")
	a = cross(1, 2, 21, 6, 64)
	rows.add(a, 0.5, 0, "few keys")
	a = cross(1, 1, 2, 9, 130)
	rows.add(a, 0.3, 0, "large head")
	a = packed(1, 1, 66, 160)
	a.Bias, a.BiasSpan, a.Dropout = true, 66, Dropout{Rate: 0.2, Site: 3}
	rows.add(a, 0.3, 0, "large head of whole fours")
	a = cross(2, 2, 3, 9, 16)
	a.Decode = true
	rows.add(a, 1, 6, "decode three")
	// More keys than a workgroup takes at a time, and sizes that leave threads over.
	for _, headDim := range []int{64, 24, 4} {
		a = cross(2, 2, 2, 600, headDim)
		a.Bias, a.BiasSpan, a.Decode, a.Dropout = true, 600, true, Dropout{Rate: 0.2, Site: 4}
		rows.add(a, 0.4, 557, "decode long")
		a.Queries, a.Windowed, a.Bias = 1, true, false
		r = rows.add(a, 0.4, 599, "decode a window")
		r.window = []uint32{261, 600, 599, 599}
	}
}

// half adds forward passes that round their operands.
func (rows *attentionRows) half() {
	for _, headDim := range []int{64, 10} {
		a := packed(2, 2, 70, headDim)
		a.Half, a.Bias, a.BiasSpan, a.Windowed, a.Dropout = true, true, 70, true, Dropout{Rate: 0.1, Site: 5}
		rows.add(a, 0.25, 0, "encoder,dropout")
	}
}

// beside gives numbers that half precision rounds to those of x, which it holds,
// whether it takes the nearest or the next towards zero.
func beside(x []float32) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = v * (1 + 1./(1<<12))
	}
	return y
}

func attentionCases(target Target) []kernelCase {
	var rows attentionRows
	rows.ordinary()
	rows.inPassages()
	rows.special()
	var cases []kernelCase
	targets := bothTargets(target)
	narrow := targets[1]
	narrow.WorkgroupStorage = 16 << 10
	light := targets[1]
	light.Vendor = "intel"
	alone := targets[0] // without subgroups
	alone.Features &^= wgpu.Subgroups
	for _, target := range append(targets, narrow, light, alone) {
		for i, r := range rows {
			if r.a.HeadDim == 48 && target.Type != wgpu.CPU && target.Vendor != light.Vendor {
				continue // three parts of a row: of the wide kernels alone
			}
			if r.a.HeadDim == 16 && target.Type != wgpu.CPU && runtime.GOOS == "js" {
				continue // browsers take seconds to compile each
			}
			if (r.a.HeadDim < 64 || r.a.HeadDim > 130) && target.WorkgroupStorage == narrow.WorkgroupStorage {
				continue // heads of 64 and 130 are enough of these
			}
			if target.Vendor == light.Vendor && r.a.HeadDim != 48 && (r.a.HeadDim <= 64 || runtime.GOOS == "js") {
				continue // heads of 48, and of more than 64, are enough of these
			}
			t := target
			if i%2 == 1 {
				t.Groups = 5 // so that grids need two dimensions
			}
			cases = append(cases, r.cases(t)...)
		}
	}
	if target.Features.Has(wgpu.F16) {
		var rows attentionRows
		rows.half()
		for _, r := range rows {
			t := targets[1]
			t.Variants = map[string]string{r.a.Forward(t).Class: "attention/tiled-half"}
			cases = append(cases, r.cases(t)...)
		}
	}
	return cases
}

// cases are the passes of the row, on one target.
func (r attentionRow) cases(t Target) []kernelCase {
	q, kv, bias, dout := attentionData(r.a, r.scale)
	for i := range bias {
		bias[i] += r.shift * float32(1-2*(i/(2*r.a.BiasSpan-1)%2))
	}
	o := attentionOracle{r.a, Step{Key: Key(42, r.a.Keys, 0), Position: uint32(r.position)}, r.window}
	attended, lse := o.forward(wide(q), wide(kv), wide(bias))
	forward := r.a.Forward(t)
	name := fmt.Sprintf("%s,%s", forward.Variant, r.name)

	// Forward writes the first of each pair of stats, delta the second.
	pairs := func(x, y []float64) []float64 {
		s := make([]float64, 0, 2*len(lse))
		for i := range lse {
			s = append(s, x[i], y[i])
		}
		return s
	}
	garbage := wide(normals(5, len(lse), 1))
	if r.a.Half {
		q, kv = beside(q), beside(kv)
	}
	cases := []kernelCase{{
		name: name + "/forward", call: forward, step: o.step,
		operands: []operand{in(q), in(kv), in(bias), in(r.window), out(attended, r.a.Keys),
			inout(narrow(pairs(garbage, garbage)), pairs(lse, garbage), r.a.Keys)},
	}}
	if r.a.Decode || r.a.Half {
		return cases // decoding has no gradient, and no other pass rounds
	}
	delta := o.delta(wide(dout), wide(narrow(attended)))
	stats := narrow(pairs(lse, delta))
	before := [3][]float32{normals(6, len(q), 1), normals(7, len(kv), 1), normals(8, len(bias), 1)}
	dq, dkv, dbias := wide(before[0]), wide(before[1]), wide(before[2])
	o.backward(wide(q), wide(kv), wide(bias), wide(dout), wide(narrow(lse)), wide(narrow(delta)), dq, dkv, dbias)
	backward := func(entry string, call Call, window []uint32, i int, want []float64, terms int) {
		cases = append(cases, kernelCase{
			name: name + "/" + entry, call: call, step: o.step,
			operands: []operand{in(q), in(kv), in(bias), in(window), in(dout), in(stats), inout(before[i], want, terms)},
		})
	}
	cases = append(cases, kernelCase{
		name: name + "/delta", call: r.a.Delta(t),
		operands: []operand{in(dout), in(narrow(attended)),
			inout(narrow(pairs(garbage, garbage)), pairs(garbage, delta), r.a.HeadDim)},
	})
	backward("grad_q", r.a.GradQ(t), r.window, 0, dq, r.a.Keys)
	backward("grad_kv", r.a.GradKV(t), r.seenBy, 1, dkv, r.a.Queries)
	if r.a.Bias {
		backward("grad_bias", r.a.GradBias(t), r.window, 2, dbias, r.a.Batch*r.a.Queries)
	}
	return cases
}

// TestAttentionGradients holds the oracle's gradients against finite
// differences.
func TestAttentionGradients(t *testing.T) {
	causal := packed(2, 2, 5, 3)
	causal.Bias, causal.BiasSpan, causal.Causal, causal.Dropout = true, 6, true, Dropout{Rate: 0.2, Site: 1}
	crossed := cross(2, 2, 3, 4, 2)
	crossed.Windowed = true
	several := packed(1, 2, 6, 2)
	several.Bias, several.BiasSpan, several.Windowed, several.Causal = true, 6, true, true
	for _, a := range []Attention{causal, crossed, several} {
		q, kv, bias, dout := attentionData(a, 0.5)
		window, _ := passages(a, []int{2, 3}, []int{2, 4})
		o := attentionOracle{a, Step{Key: Key(42, 1, 0)}, window}
		x, d := [][]float64{wide(q), wide(kv), wide(bias)}, wide(dout)
		out, lse := o.forward(x[0], x[1], x[2])
		grads := [][]float64{make([]float64, len(q)), make([]float64, len(kv)), make([]float64, len(bias))}
		o.backward(x[0], x[1], x[2], d, lse, o.delta(d, out), grads[0], grads[1], grads[2])
		for i, want := range grads {
			numeric := finiteDifference(func([]float64) float64 {
				out, _ := o.forward(x[0], x[1], x[2])
				return dot(d, out)
			}, x[i], 1e-5)
			require.InDeltaSlice(t, numeric, want, 1e-8)
		}
	}
}

// BenchmarkAttention gives the speed of each kernel at the shapes of T5-small,
// with one passage a row and with eight, counting its products of all queries,
// keys and elements of the head: two forward, three for dq, four for dk and dv,
// two for the bias. The last is one query a row against a full cache, where only
// the time counts.
func BenchmarkAttention(b *testing.B) {
	dev := wgputest.Device(b)
	pool := NewPool(dev)
	target := TargetOf(dev)
	for _, shape := range [][3]int{{4, 168, 1}, {8, 296, 1}, {4, 168, 8}} {
		a := packed(shape[0], 8, shape[1], 64)
		a.Bias, a.BiasSpan, a.Windowed, a.Dropout = true, shape[1], true, Dropout{Rate: 0.1}
		rows := a.Batch * a.Queries
		buffers := map[int]*wgpu.Buffer{}
		buffer := func(binding, floats int) {
			buf, err := dev.NewBuffer(fmt.Sprint("binding ", binding), int64(4*floats))
			require.NoError(b, err)
			b.Cleanup(buf.Release)
			buffers[binding] = buf
		}
		for i, floats := range []int{rows * a.QStride, rows * a.KVStride, a.Heads * (2*a.BiasSpan - 1), 2 * rows, rows * 512, 2 * 8 * rows, rows * a.KVStride} {
			buffer(i+1, floats)
		}
		buffer(0, 32)
		buffer(StepBinding, StepBytes/4)
		require.NoError(b, dev.Write(buffers[StepBinding], 0, Step{Position: uint32(a.Keys - 1)}.Bytes()))
		var window []uint32
		length := a.Keys / shape[2]
		for i := range rows {
			first := i % a.Keys / length * length
			window = append(window, uint32(first), uint32(first+length))
		}
		require.NoError(b, dev.Write(buffers[4], 0, words(b, window)))
		decode := a
		decode.Queries, decode.Decode = 1, true
		for _, k := range []struct {
			name     string
			call     Call
			products int
			operands int
		}{
			{"forward", a.Forward(target), 2, 6},
			{"grad_q", a.GradQ(target), 3, 7},
			{"grad_kv", a.GradKV(target), 4, 7},
			{"grad_bias", a.GradBias(target), 2, 7},
			{"decode", decode.Forward(target), 0, 6},
		} {
			b.Run(fmt.Sprintf("%s/b=%d,s=%d,passages=%d", k.name, a.Batch, a.Keys, shape[2]), func(b *testing.B) {
				ctx := context.Background()
				pipeline, err := pool.Pipeline(ctx, k.call.Spec)
				require.NoError(b, err)
				require.NoError(b, dev.Write(buffers[0], 0, k.call.Params))
				bindings := []wgpu.Binding{{Index: 0, Buffer: buffers[0]}, {Index: StepBinding, Buffer: buffers[StepBinding]}}
				for i := 1; i <= k.operands; i++ {
					bindings = append(bindings, wgpu.Binding{Index: i, Buffer: buffers[i]})
				}
				group, err := dev.NewBindGroup(pipeline, bindings)
				require.NoError(b, err)
				defer group.Release()
				run := func() {
					require.NoError(b, dev.Submit([]wgpu.Dispatch{{Pipeline: pipeline, Group: group, Grid: k.call.Grid}}))
					require.NoError(b, dev.Wait(ctx))
				}
				run() // some drivers compile at the first dispatch
				for b.Loop() {
					run()
				}
				if k.products > 0 {
					flops := 2 * float64(k.products*a.HeadDim) * float64(a.Batch*a.Heads) * float64(a.Queries*a.Keys)
					b.ReportMetric(flops*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
				}
			})
		}
	}
}
