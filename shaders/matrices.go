package shaders

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"slices"

	"github.com/go-dept/dept/wgpu"
)

// WithMatrices is the target with cooperative matrices, if the device of the target
// multiplies right with them; else it is the target as it was. Drivers offer the feature
// for shapes that nobody can ask for, may return zeros for one that they do not have,
// and do not say how many threads hold a matrix, so small products are computed and
// checked. A device on paper has them if it names the feature, held by 32 threads.
func (t Target) WithMatrices(ctx context.Context, d *wgpu.Device) (Target, error) {
	if !d.Features().Has(wgpu.F16 | wgpu.CooperativeMatrices) {
		return t, nil
	}
	t.Features |= wgpu.CooperativeMatrices
	// Of 64 threads two subgroups of 32 would compute the same, so the smaller number
	// comes first.
	for _, t.MatrixLanes = range []int{32, 64} {
		right, err := t.multipliesRight(ctx, d)
		if right || errors.Is(err, wgpu.ErrPlan) {
			return t, nil
		}
		if errors.Is(err, wgpu.ErrDeviceLost) || ctx.Err() != nil {
			return Target{}, err
		}
	}
	t.Features &^= wgpu.CooperativeMatrices
	t.MatrixLanes = 0
	return t, nil
}

// multipliesRight computes a product on cooperative matrices whose numbers are small and
// whole, so that it is exact, on more than one workgroup and with a rest of each size.
func (t Target) multipliesRight(ctx context.Context, d *wgpu.Device) (bool, error) {
	m := MatMul{Layout: NT, M: 80, N: 72, K: 44, Half: true}
	a, b, want := make([]float32, m.M*m.K), make([]float32, m.N*m.K), make([]float32, m.M*m.N)
	for i := range a {
		a[i] = float32(i*i%7 - 3)
	}
	for i := range b {
		b[i] = float32(i*i%5 - 2)
	}
	for i := range want {
		row, col := a[i/m.N*m.K:], b[i%m.N*m.K:]
		for k := range m.K {
			want[i] += row[k] * col[k]
		}
	}
	call := cooperative(2)(m, t)
	pool := NewPool(d)
	pipeline, err := pool.Pipeline(ctx, call.Spec)
	if err != nil {
		return false, err
	}
	var bindings []wgpu.Binding
	for _, data := range [][]byte{call.Params, bytesOf(a), bytesOf(b), make([]byte, 4*len(want)), make([]byte, 16), make([]byte, 16)} {
		buffer, err := d.NewBuffer("probe of cooperative matrices", int64(len(data)))
		if err != nil {
			return false, err
		}
		defer buffer.Release()
		if err := d.Write(buffer, 0, data); err != nil {
			return false, err
		}
		bindings = append(bindings, wgpu.Binding{Index: len(bindings), Buffer: buffer})
	}
	group, err := d.NewBindGroup(pipeline, bindings)
	if err != nil {
		return false, err
	}
	defer group.Release()
	if err := d.Submit([]wgpu.Dispatch{{Pipeline: pipeline, Group: group, Grid: call.Grid}}); err != nil {
		return false, err
	}
	out := make([]byte, 4*len(want))
	err = d.Read(ctx, bindings[3].Buffer, 0, out)
	return err == nil && slices.Equal(out, bytesOf(want)), err
}

func bytesOf(numbers []float32) []byte {
	var b []byte
	for _, v := range numbers {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}
