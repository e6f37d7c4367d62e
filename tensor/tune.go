package tensor

import (
	"context"
	"time"

	"github.com/go-dept/dept/shaders"
	"github.com/go-dept/dept/wgpu"
)

// A variant must be so much faster than the default to be preferred: less is noise.
const worthwhile = 0.95

// Tuned is what was measured of a class of operations (shaders.Call.Class): how long
// one dispatch takes with each variant.
type Tuned struct {
	Class, Shape string // the shape that was measured
	Default      string // the variant that is taken unmeasured
	Times        map[string]time.Duration
	Fastest      string // or the default, where that is about as fast
}

// Tune times the variants of each class of operations in the programs that a device
// can run in more than one way, on the buffers as they stand, which it overwrites.
// Each is repeated for about the given time. done, which classes are skipped by, gets
// the new ones; each, if not nil, hears of a class once it is measured.
func (e *Engine) Tune(ctx context.Context, done map[string]Tuned, about time.Duration, each func(Tuned), programs ...*Program) error {
	for _, p := range programs {
		for _, k := range p.kernels {
			if _, ok := done[k.Call.Class]; ok {
				continue
			}
			calls := k.Call.Variants(e.device)
			if len(calls) < 2 {
				continue
			}
			t := Tuned{Class: k.Call.Class, Shape: k.Call.Shape, Default: k.Call.Variant, Fastest: k.Call.Variant, Times: map[string]time.Duration{}}
			for _, call := range calls {
				took, err := e.timeCall(ctx, k, call, about)
				if err != nil {
					return err
				}
				t.Times[call.Variant] = took
			}
			best := time.Duration(worthwhile * float64(t.Times[t.Default]))
			for name, took := range t.Times {
				if took < best {
					best, t.Fastest = took, name
				}
			}
			done[t.Class] = t
			if each != nil {
				each(t)
			}
		}
	}
	return nil
}

// timeCall is how long a call takes in place of a recorded one.
func (e *Engine) timeCall(ctx context.Context, k Kernel, call shaders.Call, about time.Duration) (time.Duration, error) {
	pipeline, err := e.pool.Pipeline(ctx, call.Spec)
	if err != nil {
		return 0, err
	}
	params, err := e.dev.NewBuffer("params", int64(len(call.Params)))
	if err != nil {
		return 0, err
	}
	defer params.Release()
	if err := e.dev.Write(params, 0, call.Params); err != nil {
		return 0, err
	}
	group, err := e.dev.NewBindGroup(pipeline, append([]wgpu.Binding{{Index: 0, Buffer: params}}, k.binds...))
	if err != nil {
		return 0, err
	}
	defer group.Release()
	return e.repeat(ctx, []wgpu.Dispatch{{Pipeline: pipeline, Group: group, Grid: call.Grid}}, about)
}

// repeat is how long dispatches take. After a first run, in which the driver may
// compile, it repeats them for about the given time in one submission, does so twice,
// and returns the better mean: other programs can only make it slower.
func (e *Engine) repeat(ctx context.Context, dispatches []wgpu.Dispatch, about time.Duration) (time.Duration, error) {
	mean := func(times int) (time.Duration, error) {
		lists := make([][]wgpu.Dispatch, times)
		for i := range lists {
			lists[i] = dispatches
		}
		start := time.Now()
		if err := e.dev.Submit(lists...); err != nil {
			return 0, err
		}
		err := e.dev.Wait(ctx)
		return time.Since(start) / time.Duration(times), err
	}
	if _, err := mean(1); err != nil {
		return 0, err
	}
	best, err := mean(1)
	for range 2 {
		if err != nil || best > about {
			return best, err
		}
		var took time.Duration
		took, err = mean(min(1000, max(1, int(about/max(best, 1)))))
		best = min(best, took)
	}
	return best, err
}
