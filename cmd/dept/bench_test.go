package main

import (
	"context"
	"encoding/json"
	"slices"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/shaders"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/wgpu"
)

func TestBenchConfig(t *testing.T) {
	cmd := &cobra.Command{}
	cmd.SetContext(context.Background())
	dev, err := wgpu.Open(cmd.Context(), "")
	require.NoError(t, err)
	defer dev.Release()
	timed, err := (&benchJob{config: at("config.json"), batch: 2, steps: 1, sources: []int{20, 12}}).costs(cmd, dev, shaders.TargetOf(dev))
	require.NoError(t, err)
	args := []string{"bench", "--config", at("config.json"), "--batch-size", "2", "--source-length", "20,12", "--plan"}
	planned := &costReport{}
	require.NoError(t, json.Unmarshal([]byte(succeed(t, append(args, "--json")...).stdout), planned))
	assert.Equal(t, wgpu.DiscreteGPU, planned.Device.Type)
	assert.Positive(t, timed.WeightsBytes)
	for _, r := range []*costReport{timed, planned} {
		require.Len(t, r.Lengths, 2)
		for i, source := range []int{12, 20} {
			l := r.Lengths[i]
			assert.Equal(t, source, l.Source)
			assert.InDelta(t, 1, float64(l.DePT.Parameters)/float64(l.PT.Parameters), 0.02)
			for _, ratio := range []float64{l.StepRatios["fma"], l.InferenceRatios["fma"]} {
				assert.Greater(t, ratio, float64(benchPrompt+source)/float64(benchBudget+source)-0.1)
				assert.Less(t, ratio, 0.8)
			}
			for _, w := range []costWork{l.DePT.Step, l.PT.Step, l.DePT.Inference, l.PT.Inference} {
				assert.Positive(t, w.Dispatches)
				assert.Positive(t, w.BoundBytes)
				assert.Equal(t, r.WeightsBytes, w.PeakBytes-w.OwnBytes)
				assert.Equal(t, l.Planned == "", w.MS > 0)
				assert.Equal(t, l.Planned == "", w.RowsPerSecond > 0)
			}
		}
	}
	assert.Empty(t, timed.Lengths[1].Planned)
	for _, p := range timed.Lengths[0].prompts() {
		// What is planned is what the device was asked for, but for the decoder's table
		// of distances, which the second prompt finds there.
		assert.InDelta(t, p.method.OwnBytes, p.Step.OwnBytes, 32)
	}
	assert.Equal(t, "--plan", planned.Lengths[1].Planned)

	words := succeed(t, args...).stdout
	assert.Contains(t, words, "s=20, planned")
	assert.NotContains(t, words, "step, ms")
	assert.Contains(t, succeed(t, "bench", "--config", "t5-3b", "--plan", "--source-length", "512").stdout, "5.3 GiB")

	assert.Contains(t, fail(t, exitError, "bench", "--config", "t6"), "t6")
	assert.Contains(t, fail(t, exitUsage, "bench", "--plan"), "--config")
	assert.Contains(t, fail(t, exitUsage, "bench", "--source-length", "64,128"), "--config")
	assert.Contains(t, fail(t, exitUsage, "bench", "--config", "t5-small", "--source-length", "1"), "--source-length")
}

// Every kernel of a step is of one kind, and both prompts have work of every kind.
func TestBenchKinds(t *testing.T) {
	ctx := context.Background()
	dev, err := wgpu.Open(ctx, "")
	require.NoError(t, err)
	defer dev.Release()
	cfg, err := t5.ReadConfig(at("config.json"))
	require.NoError(t, err)
	m, err := (&costReport{config: cfg, kernels: shaders.TargetOf(dev)}).load(ctx, dev)
	require.NoError(t, err)
	defer m.Engine().Release()
	defer m.Release()
	dept, pt := newBenchPrompts(cfg, 12)
	for _, b := range []*benchPair{dept, pt} {
		defer b.release()
		require.NoError(t, b.prepare(ctx, dev, m, benchWork{Batch: 2, Source: 12, Target: benchTarget}))
		require.NoError(t, b.step(ctx))
		require.NoError(t, b.stepParts(ctx))
		require.NoError(t, b.stepParts(ctx))
		b.conclude()
		assert.Equal(t, 6, b.trainer.Done())
		programs, err := b.trainer.Programs(ctx)
		require.NoError(t, err)
		var all, parted costWork
		all.add(1, programs...)
		for i, k := range b.Work {
			assert.Equal(t, benchKinds[i], k.Kind)
			assert.Positive(t, k.Dispatches, k.Kind)
			parted.Dispatches += k.Dispatches
			parted.FMA += k.FMA
		}
		assert.Equal(t, all.Dispatches, parted.Dispatches)
		assert.Equal(t, all.FMA, parted.FMA)
	}
	assert.Greater(t, pt.Work[slices.Index(benchKinds, kindProducts)].FMA, dept.Work[slices.Index(benchKinds, kindProducts)].FMA)
	assert.Zero(t, pt.Work[slices.Index(benchKinds, kindPrompt)].FMA)
	assert.Positive(t, dept.Work[slices.Index(benchKinds, kindPrompt)].FMA)
}

// A length that does not fit is planned, and those beyond it.
func TestBenchPlansWhatDoesNotFit(t *testing.T) {
	r := &costReport{Device: wgpu.AdapterInfo{Type: wgpu.CPU}, WeightsBytes: 1 << 50}
	l := &costLength{DePT: &costPrompt{}, PT: &costPrompt{}}
	if _, ok := freeMemory(); ok {
		assert.Contains(t, l.lacks(r), "1024.0 TiB")
	}
	r.Device.Type = wgpu.DiscreteGPU
	assert.Empty(t, l.lacks(r))
	assert.True(t, lacksMemory(&wgpu.LimitError{}))
	assert.False(t, lacksMemory(nil))
}

func TestBenchWeights(t *testing.T) {
	cfg, err := t5.ReadConfig(at("config.json"))
	require.NoError(t, err)
	w := newBenchWeights(cfg.Describe())
	for _, x := range cfg.Tensors() {
		values, err := w.Float32(x.Name)
		require.NoError(t, err)
		n := 1
		for _, size := range x.Shape {
			n *= size
		}
		assert.Len(t, values, n)
		if len(x.Shape) == 2 {
			row, err := w.Row(x.Name, x.Shape[0]-1)
			require.NoError(t, err)
			assert.Equal(t, values[n-x.Shape[1]:], row)
			assert.NotEqual(t, values[:x.Shape[1]], row)
			_, err = w.Row(x.Name, x.Shape[0])
			assert.Error(t, err)
		} else {
			assert.Equal(t, float32(1), values[0])
		}
	}
	_, err = w.Float32("none")
	assert.ErrorContains(t, err, "none")
	assert.Equal(t, []byte("cabca"), readAt(t, repeated("abc"), 5, 5))
}

func readAt(t *testing.T, r repeated, offset int64, n int) []byte {
	p := make([]byte, n)
	got, err := r.ReadAt(p, offset)
	require.NoError(t, err)
	require.Equal(t, n, got)
	return p
}
