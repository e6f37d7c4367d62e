package shaders

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/wgpu"
)

// array puts data on the device, to stay there over several dispatches.
func (r *runner) array(t *testing.T, data any) *wgpu.Buffer {
	raw := words(t, data)
	b, err := r.dev.NewBuffer("array", int64(len(raw)))
	require.NoError(t, err)
	t.Cleanup(b.Release)
	require.NoError(t, r.dev.Write(b, 0, raw))
	return b
}

// dispatch runs a call on buffers, bound at 1, 2, ... in order.
func (r *runner) dispatch(t *testing.T, call Call, step Step, buffers ...*wgpu.Buffer) {
	pipeline, err := r.pool.Pipeline(context.Background(), call.Spec)
	require.NoError(t, err)
	uniform := func(data []byte) *wgpu.Buffer {
		b, err := r.dev.NewBuffer("uniform", int64(len(data)))
		require.NoError(t, err)
		t.Cleanup(b.Release)
		require.NoError(t, r.dev.Write(b, 0, data))
		return b
	}
	bindings := []wgpu.Binding{{Index: 0, Buffer: uniform(call.Params)}}
	for i, b := range buffers {
		bindings = append(bindings, wgpu.Binding{Index: i + 1, Buffer: b})
	}
	if call.Spec.Step {
		bindings = append(bindings, wgpu.Binding{Index: StepBinding, Buffer: uniform(step.Bytes())})
	}
	group, err := r.dev.NewBindGroup(pipeline, bindings)
	require.NoError(t, err)
	t.Cleanup(group.Release)
	require.NoError(t, r.dev.Submit([]wgpu.Dispatch{{Pipeline: pipeline, Group: group, Grid: call.Grid}}))
}

// floats reads the first n numbers of a buffer back.
func (r *runner) floats(t *testing.T, b *wgpu.Buffer, n int) []float32 {
	raw, x := make([]byte, 4*n), make([]float32, n)
	require.NoError(t, r.dev.Read(context.Background(), b, 0, raw))
	for i := range x {
		x[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return x
}

// adamwOracle is one update of a parameter, in place.
func adamwOracle(a AdamW, rates []float32, p, g, m, v []float64, factor float64) {
	scale := a.Scale
	if scale == 0 {
		scale = 1
	}
	for i := range p {
		g := factor * g[i]
		m[i] = a.Beta1*m[i] + (1-a.Beta1)*g
		v[i] = a.Beta2*v[i] + (1-a.Beta2)*g*g
		p[i] -= scale * float64(rates[a.Group]) * m[i] / (math.Sqrt(v[i]) + a.Eps)
	}
}

func squares(x []float32) float64 { return dot(wide(x), wide(x)) }

func adamwCases(target Target) []kernelCase {
	target.Groups = fewGroups
	var cases []kernelCase
	for _, n := range []int{1, 255, 65536, 65537, 200_001} {
		x := normals(uint64(n), n, 0.01)
		s := SumSquares{N: n, Slot: 1}
		before := normals(1, s.Slots()+2, 1)
		want := wide(before)
		for i := range s.Slots() {
			want[1+i] = squares(x[i*sumBlock : min(n, (i+1)*sumBlock)])
		}
		cases = append(cases, kernelCase{
			name: fmt.Sprintf("sum_squares/n=%d", n), call: s.Call(target),
			operands: []operand{in(x), inout(before, want, sumBlock)},
		})
	}
	for _, c := range []struct {
		slots int
		clip  float32
		norm  float64
		scale float32 // of the gradients
	}{{1, 1, 0.5, 0}, {1, 1, 30, 0}, {3, 0, 30, 0}, {700, 0.3, 2, 0}, {5, 1, 0, 0}, {3, 1, 30, 4096}, {1, 1, 0.01, 4096}, {2, 0, 3, 0.25}} {
		s := Step{Slot: 2, Clip: c.clip, GradScale: c.scale}
		partials := normals(1, c.slots, 1)
		var sum float64
		for i, x := range partials {
			partials[i] = float32(math.Abs(float64(x)) * c.norm * c.norm / float64(c.slots))
			sum += float64(partials[i])
		}
		scale := float64(orOne(c.scale))
		norm, factor := math.Sqrt(sum)/scale, 1.0
		if c.clip > 0 {
			factor = min(1, float64(c.clip)/(norm+1e-6))
		}
		before := normals(2, 16, 1)
		records := wide(before)
		copy(records[8:], []float64{float64(before[0]), norm, 1, factor})
		cases = append(cases, kernelCase{
			name: fmt.Sprintf("clip_norm/slots=%d,clip=%v,norm=%v,scale=%v", c.slots, c.clip, c.norm, scale),
			call: ClipNorm{Slots: c.slots}.Call(target), step: s,
			operands: []operand{in(partials), inout(before[:1], []float64{0}, 1), inout(before, records, 1), out([]float64{factor / scale, 1}, 1)},
		})
	}
	for _, n := range []int{1, 64, 777} {
		for group := range 3 {
			a := AdamW{N: n, Group: group, Scale: []float64{0, 0.25, 1}[group], Beta1: 0.9, Beta2: 0.999, Eps: 1e-6}
			rates := []float32{0.3, 5e-4, 0.02}
			p, g, m, v := normals(1, n, 1), normals(2, n, 1e-3), normals(3, n, 1e-3), normals(4, n, 1e-3)
			for i := range v {
				v[i] *= v[i]
			}
			wp, wm, wv := wide(p), wide(m), wide(v)
			adamwOracle(a, rates, wp, wide(g), wm, wv, float64(float32(0.7)))
			cases = append(cases, kernelCase{
				name: fmt.Sprintf("adamw/n=%d,group=%d", n, group), call: a.Call(target),
				operands: []operand{inout(p, wp, 1), inout(g, make([]float64, n), 1), inout(m, wm, 1), inout(v, wv, 1), in([]float32{0.7, 1}), in(rates)},
			})
		}
	}
	return cases
}

// TestSumSquaresKeepsDigits holds the sum to 1e-6 also where all numbers are
// equal, and every addition of a running sum would err to the same side.
func TestSumSquaresKeepsDigits(t *testing.T) {
	r := newRunner(t)
	for name, x := range map[string][]float32{
		"normal": normals(1, 3*sumBlock+1, 1),
		"equal":  slices.Repeat([]float32{1.000003}, 3*sumBlock),
		"tiny":   normals(1, 5000, 1e-12),
	} {
		s := SumSquares{N: len(x)}
		partials := r.array(t, make([]float32, s.Slots()))
		r.dispatch(t, s.Call(TargetOf(r.dev)), Step{}, r.array(t, x), partials)
		var sum float64
		for _, p := range r.floats(t, partials, s.Slots()) {
			sum += float64(p)
		}
		require.InEpsilon(t, squares(x), sum, 1e-6, name)
	}
}

// TestAdamWOverSteps runs twelve updates of two parameters, in two groups, with
// the rates of a training run, beside the same in float64. Some steps clip.
func TestAdamWOverSteps(t *testing.T) {
	r := newRunner(t)
	target := TargetOf(r.dev)
	type parameter struct {
		AdamW
		slot              int
		param, grad, m, v *wgpu.Buffer
		wp, wm, wv        []float64
	}
	var all []*parameter
	slots := 0
	for group, n := range []int{700, sumBlock + 300} {
		p := &parameter{AdamW: AdamW{N: n, Group: group, Beta1: 0.9, Beta2: 0.999, Eps: 1e-6}, slot: slots}
		slots += SumSquares{N: n}.Slots()
		start, zeros := normals(uint64(group), n, 1), make([]float32, n)
		p.param, p.grad, p.m, p.v = r.array(t, start), r.array(t, zeros), r.array(t, zeros), r.array(t, zeros)
		p.wp, p.wm, p.wv = wide(start), wide(zeros), wide(zeros)
		all = append(all, p)
	}
	partials, total := r.array(t, make([]float32, slots)), r.array(t, []float32{0})
	records, factor, rates := r.array(t, make([]float32, 4*12)), r.array(t, make([]float32, 2)), r.array(t, make([]float32, 2))
	for step := range 12 {
		correction := math.Sqrt(1-math.Pow(0.999, float64(step+1))) / (1 - math.Pow(0.9, float64(step+1)))
		s := Step{Slot: uint32(step), Clip: 1}
		now := []float32{float32(0.3 * correction), float32(5e-4 * correction)}
		require.NoError(t, r.dev.Write(rates, 0, words(t, now)))
		loss := []float32{float32(step) + 0.25}
		require.NoError(t, r.dev.Write(total, 0, words(t, loss)))
		grads := make([][]float64, len(all))
		var sum float64
		for i, p := range all {
			g := normals(uint64(100*step+i), p.N, 1e-3*float64(1+step%4))
			require.NoError(t, r.dev.Write(p.grad, 0, words(t, g)))
			grads[i] = wide(g)
			sum += squares(g)
			r.dispatch(t, SumSquares{N: p.N, Slot: p.slot}.Call(target), s, p.grad, partials)
		}
		r.dispatch(t, ClipNorm{Slots: slots}.Call(target), s, partials, total, records, factor)
		norm := math.Sqrt(sum)
		clip := min(1, 1/(norm+1e-6))
		for i, p := range all {
			r.dispatch(t, p.Call(target), s, p.param, p.grad, p.m, p.v, factor, rates)
			adamwOracle(p.AdamW, now, p.wp, grads[i], p.wm, p.wv, clip)
		}
		record := r.floats(t, records, 4*12)[4*step:]
		require.InEpsilonSlice(t, []float64{float64(loss[0]), norm, 1, clip}, wide(record[:4]), 1e-6, "step %d", step)
		require.Zero(t, r.floats(t, total, 1)[0])
	}
	for _, p := range all {
		assert.LessOrEqual(t, nmse(wide(r.floats(t, p.param, p.N)), p.wp), 1e-11)
		assert.LessOrEqual(t, nmse(wide(r.floats(t, p.m, p.N)), p.wm), 1e-11)
		assert.LessOrEqual(t, nmse(wide(r.floats(t, p.v, p.N)), p.wv), 1e-11)
		assert.Equal(t, make([]float32, p.N), r.floats(t, p.grad, p.N), "the gradient is emptied")
	}
}

// TestAdamWNotFinite: an update whose loss or gradient is not finite leaves
// parameter and moments as they were to the bit, says so, and the next goes on.
func TestAdamWNotFinite(t *testing.T) {
	r := newRunner(t)
	target := TargetOf(r.dev)
	const n = 300
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	p, m, v := normals(1, n, 1), normals(2, n, 1), make([]float32, n)
	param, mBuffer, vBuffer := r.array(t, p), r.array(t, m), r.array(t, v)
	grad, partials, total := r.array(t, v), r.array(t, []float32{0}), r.array(t, []float32{0})
	records, factor, rates := r.array(t, make([]float32, 4)), r.array(t, make([]float32, 2)), r.array(t, []float32{0.1})
	for _, bad := range []struct{ loss, grad float32 }{{1, nan}, {1, inf}, {1, -inf}, {1, 1e30}, {nan, 1}, {inf, 1}, {-inf, 1}, {1, 1}} {
		for _, clip := range []float32{0, 1} {
			s := Step{Clip: clip}
			g := normals(3, n, 1)
			g[137] = bad.grad
			require.NoError(t, r.dev.Write(grad, 0, words(t, g)))
			require.NoError(t, r.dev.Write(total, 0, words(t, []float32{bad.loss})))
			r.dispatch(t, SumSquares{N: n}.Call(target), s, grad, partials)
			r.dispatch(t, ClipNorm{Slots: 1}.Call(target), s, partials, total, records, factor)
			r.dispatch(t, AdamW{N: n, Beta1: 0.9, Beta2: 0.999, Eps: 1e-6}.Call(target), s, param, grad, mBuffer, vBuffer, factor, rates)
			ok := bad.loss == 1 && bad.grad == 1
			name := fmt.Sprintf("loss %v, gradient %v, clip %v", bad.loss, bad.grad, clip)
			assert.Equal(t, ok, r.floats(t, records, 4)[2] == 1, name)
			for i, b := range []*wgpu.Buffer{param, mBuffer, vBuffer} {
				require.Equal(t, !ok, assert.ObjectsAreEqual([][]float32{p, m, v}[i], r.floats(t, b, n)), "%s: array %d", name, i)
			}
			assert.Equal(t, make([]float32, n), r.floats(t, grad, n), name)
			assert.Zero(t, r.floats(t, total, 1)[0], name)
		}
	}
}
