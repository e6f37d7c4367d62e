package train

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/safetensors"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/tensor"
	"github.com/go-dept/dept/wgpu"
	"github.com/go-dept/dept/wgpu/wgputest"
)

// With --recompute DePT trains T5-base on 32 rows of 256 tokens in 4 GB in all, and
// T5-large in 8; the weights are float32. It is counted on paper, and logged.
func TestRecomputeFits(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		name, config string
		most         int64
	}{
		{"T5-base", `"d_model":768,"d_kv":64,"d_ff":3072,"num_heads":12,"num_layers":12`, 4e9},
		{"T5-large", `"d_model":1024,"d_kv":64,"d_ff":4096,"num_heads":16,"num_layers":24`, 8e9},
	} {
		config, err := t5.ParseConfig([]byte(`{"model_type":"t5","vocab_size":32128,"feed_forward_proj":"relu",` + c.config + `}`))
		require.NoError(t, err)
		ck, err := t5.ZeroCheckpoint(config, safetensors.F32)
		require.NoError(t, err)
		for _, recompute := range []bool{false, true} {
			dev := wgpu.OpenPlan(wgpu.AdapterInfo{Name: "a GPU on paper", Type: wgpu.DiscreteGPU}, wgpu.Limits{
				BufferSize: 1 << 40, StorageBinding: 1 << 40, WorkgroupStorage: 32 << 10, Invocations: 256, WorkgroupsPerDimension: 1<<16 - 1,
			})
			e, err := tensor.NewEngine(dev)
			require.NoError(t, err)
			m, err := t5.Load(ctx, e, ck, false)
			require.NoError(t, err)
			trainer, err := NewTrainer(ctx, e, m, startOf(t, &dept.DePT, m, ck, 256), make(rowsOfIDs, 1), Options{
				Steps: 1, Batch: 32, Accumulate: 1, Dropout: 0.1, MaxSourceLength: 256, MaxTargetLength: 64, Recompute: recompute,
			})
			require.NoError(t, err)
			programs, err := trainer.Programs(ctx)
			require.NoError(t, err)
			all, _ := dev.Allocated()
			const mib = 1 << 20
			t.Logf("%s, recompute %t: %d MiB: weights %d, activations %d, the rest %d; %d dispatches", c.name, recompute,
				all/mib, m.Bytes()/mib, trainer.Plan().Bytes/mib, (all-m.Bytes()-trainer.Plan().Bytes)/mib, len(programs[0].Calls())+len(programs[1].Calls()))
			if recompute {
				assert.Less(t, all, c.most, c.name)
			}
		}
	}
}

// startOf is a method as training starts it, at its defaults.
func startOf(t testing.TB, k *dept.Kind, m *nn.Model, ck *t5.Checkpoint, longest int) *dept.Method {
	if k.Checkpoints() {
		return dept.NewFull(m)
	}
	v := k.Defaults()
	if k.Setting("prompt-init") != nil {
		v["prompt-init"] = string(dept.InitRandom)
	}
	config, _, err := k.Configure(v, longest, m.Description)
	require.NoError(t, err)
	a, err := dept.NewAdapter(config, v, dept.Origin{Model: m.Description, Checkpoint: ck, Seed: 1})
	require.NoError(t, err)
	method, err := dept.New(m, a, true)
	require.NoError(t, err)
	t.Cleanup(method.Release)
	return method
}

// BenchmarkRecompute prints how long a step takes that computes blocks again beside
// one that keeps them, and the activations of each: the two take turns, and the
// medians count, since the machine may have other work.
func BenchmarkRecompute(b *testing.B) {
	ctx := context.Background()
	dev := wgputest.Device(b)
	c, err := t5.ParseConfig([]byte(`{"model_type":"t5","vocab_size":4000,"d_model":256,"d_kv":64,"d_ff":1024,"num_heads":4,"num_layers":4,
		"feed_forward_proj":"relu","tie_word_embeddings":true}`))
	require.NoError(b, err)
	dir := b.TempDir()
	require.NoError(b, t5.WriteCheckpoint(dir, c, safetensors.F32, t5.RandomTensors(c, 5)))
	ck, err := t5.OpenCheckpoint(dir)
	require.NoError(b, err)
	defer ck.Close()
	rows := rowsOf(rand.New(rand.NewPCG(4, 4)), []int{128, 128, 128, 128})
	for _, k := range []*dept.Kind{&dept.DePT, &dept.LoRA, &dept.Full} {
		b.Run(k.Name, func(b *testing.B) {
			// stepper makes a trainer, and a function that does a step and takes its time.
			stepper := func(recompute bool) (*Trainer, func() time.Duration) {
				e, err := tensor.NewEngine(dev)
				require.NoError(b, err)
				b.Cleanup(e.Release)
				m, err := t5.Load(ctx, e, ck, k.Checkpoints())
				require.NoError(b, err)
				b.Cleanup(m.Release)
				t, err := NewTrainer(ctx, e, m, startOf(b, k, m, ck, 128), rows, Options{
					Steps: b.N + 1, Batch: 4, Accumulate: 1, Rates: k.Rates(k.Defaults()), Clip: 1, Dropout: 0.1,
					MaxSourceLength: 128, MaxTargetLength: 8, Recompute: recompute,
				})
				require.NoError(b, err)
				b.Cleanup(t.Release)
				step := func() time.Duration {
					start := time.Now()
					require.NoError(b, t.Step(ctx))
					require.NoError(b, t.Flush(ctx))
					return time.Since(start)
				}
				step() // which compiles
				return t, step
			}
			kept, keep := stepper(false)
			again, recompute := stepper(true)
			var a, z []time.Duration
			for range b.N {
				a, z = append(a, keep()), append(z, recompute())
			}
			slices.Sort(a)
			slices.Sort(z)
			middle := len(a) / 2
			b.ReportMetric(a[middle].Seconds()*1e3, "ms-kept")
			b.ReportMetric(z[middle].Seconds()*1e3, "ms-recomputed")
			b.ReportMetric(z[middle].Seconds()/a[middle].Seconds(), "x-time")
			b.ReportMetric(float64(kept.Plan().Bytes)/(1<<20), "MiB-kept")
			b.ReportMetric(float64(again.Plan().Bytes)/(1<<20), "MiB-recomputed")
			b.ReportMetric(0, "ns/op")
		})
	}
}
