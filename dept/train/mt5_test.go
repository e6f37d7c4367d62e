package train

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/safetensors"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/tensor"
	"github.com/go-dept/dept/wgpu/wgputest"
)

// mt5Small are the sizes of google/mt5-small.
const mt5Small = `{"model_type":"t5","vocab_size":250112,"d_model":512,"d_kv":64,"d_ff":1024,"num_heads":6,
	"num_layers":8,"num_decoder_layers":8,"feed_forward_proj":"gated-gelu","tie_word_embeddings":false}`

// processPeak is the most memory that the process has had, as Linux says it.
func processPeak() string {
	status, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(line)
}

// A DePT step at mT5-small's real sizes with random weights, on a device that binds 128
// MiB: each of the two tables has 488 as float32. Embeddings are the checkpoint's to the
// bit; losses and gradients of the states are those of float64.
func TestMT5Small(t *testing.T) {
	ctx := context.Background()
	for _, dtype := range []safetensors.DType{safetensors.F32, safetensors.F16} {
		t.Run(string(dtype), func(t *testing.T) {
			config, err := t5.ParseConfig([]byte(mt5Small))
			require.NoError(t, err)
			dir := t.TempDir()
			start := time.Now()
			require.NoError(t, t5.WriteCheckpoint(dir, config, dtype, t5.RandomTensors(config, 1)))
			ck, err := t5.OpenCheckpoint(dir)
			require.NoError(t, err)
			defer ck.Close()
			t.Logf("written in %.1f s; process %s", time.Since(start).Seconds(), processPeak())
			dev := wgputest.Device(t)
			limits := dev.Limits()
			limits.StorageBinding = 128 << 20
			dev = dev.Within(limits)
			e, err := tensor.NewEngine(dev)
			require.NoError(t, err)
			defer e.Release()
			start = time.Now()
			m, err := t5.Load(ctx, e, ck, false)
			require.NoError(t, err)
			defer m.Release()
			require.NoError(t, e.Device().Wait(ctx))
			t.Logf("loaded in %.1f s, %d MiB of weights; process %s", time.Since(start).Seconds(), m.Bytes()>>20, processPeak())
			start = time.Now()
			holdTables(t, e, m, ck)
			t.Logf("held to float64 in %.1f s", time.Since(start).Seconds())

			rng := rand.New(rand.NewPCG(1, 2))
			ids := func(n int) (x []int32) {
				for range n - 1 {
					x = append(x, int32(rng.IntN(config.VocabSize)))
				}
				return append(x, 1)
			}
			rows := rowsOfIDs{{Source: ids(64), Target: ids(8)}, {Source: ids(50), Target: ids(5)}}
			method := startOf(t, &dept.DePT, m, ck, 64)
			trainer, err := NewTrainer(ctx, e, m, method, rows, Options{
				Steps: 4, Batch: 2, Accumulate: 1, Rates: map[string]float64{dept.GroupPrompt: 0.3, dept.GroupLowRank: 5e-4}, Clip: 1, Dropout: 0.1,
				MaxSourceLength: 64, MaxTargetLength: 8,
			})
			require.NoError(t, err)
			defer trainer.Release()
			var records []StepRecord
			trainer.OnRecord = func(r StepRecord) error {
				records = append(records, r)
				return nil
			}
			for i := range 4 {
				start := time.Now()
				require.NoError(t, trainer.Step(ctx))
				require.NoError(t, trainer.Flush(ctx))
				t.Logf("step %d: loss %.4f, gradient norm %.4g, %.2f s", i+1, records[i].Loss, records[i].GradNorm, time.Since(start).Seconds())
			}
			require.Less(t, records[3].Loss, records[0].Loss)
			_, peak := dev.Allocated()
			t.Logf("device %d MiB at most, %d of them activations; process %s", peak>>20, trainer.Plan().Bytes>>20, processPeak())
			p := NewPredictor(e, m, nil, method, PredictOptions{Batch: 2, MaxSourceLength: 64, MaxNewTokens: 5, Beams: 1})
			defer p.Release()
			start = time.Now()
			answers, err := p.Generate(ctx, []data.Example{{Source: rows[0].Source}, {Source: rows[1].Source}})
			require.NoError(t, err)
			t.Logf("answers %v in %.2f s", answers, time.Since(start).Seconds())
		})
	}
}

// holdTables compares embeddings with the checkpoint's rows, and the loss of some
// states and its gradient with float64.
func holdTables(t *testing.T, e *tensor.Engine, m *nn.Model, ck *t5.Checkpoint) {
	ctx := context.Background()
	const rows = 6
	ids, labels := make([]uint32, rows), make([]uint32, rows)
	for i := range ids {
		ids[i] = uint32(i * (m.Vocabulary - 1) / (rows - 1))
		labels[i] = uint32(m.Vocabulary-1) - ids[i]
	}
	states := make([]float32, rows*m.Width)
	rng := rand.New(rand.NewPCG(5, 5))
	for i := range states {
		states[i] = float32(0.1 * rng.NormFloat64())
	}
	ints := func(x []uint32, shape ...int) *tensor.Ints {
		a, err := e.NewInts("ids", shape...)
		require.NoError(t, err)
		t.Cleanup(a.Release)
		require.NoError(t, a.Write(x))
		return a
	}
	h, err := e.NewArray("states", tensor.F32, rows, m.Width)
	require.NoError(t, err)
	defer h.Release()
	require.NoError(t, e.Trainable(h))
	require.NoError(t, h.WriteFloats(states))
	total, err := e.NewArray("loss", tensor.F32, 1)
	require.NoError(t, err)
	defer total.Release()
	best := ints(make([]uint32, rows), rows)
	g := e.NewGraph()
	p := m.NewPass(g, nn.Hooks{})
	embedded := g.Keep(p.Embed("encoder", nn.Tokens{IDs: ints(ids, 1, rows)}, tensor.EmbedOptions{}))
	losses := g.Keep(p.Loss(g.Use(h), ints(labels, rows), g.Use(total)))
	g.ArgMax("best", p.Logits(g.Use(h)), best)
	g.Backward()
	program, err := g.Compile(ctx)
	require.NoError(t, err)
	defer program.Release()
	require.NoError(t, e.SetStep(tensor.Step{LossScale: 1}))
	require.NoError(t, e.Run(program))

	got, err := embedded.Read(ctx)
	require.NoError(t, err)
	for i, id := range ids {
		row, err := ck.Row(m.Embedding, int(id))
		require.NoError(t, err)
		require.Equal(t, row, got[i*m.Width:(i+1)*m.Width], "embedding of %d", id)
	}
	head, err := ck.Float32(m.Head)
	require.NoError(t, err)
	wantLosses, wantGrad, wantBest := make([]float32, rows), make([]float32, 0, len(states)), make([]uint32, rows)
	for i := range rows {
		logits := make([]float64, m.Vocabulary)
		most := math.Inf(-1)
		for v := range logits {
			for k, x := range states[i*m.Width : (i+1)*m.Width] {
				logits[v] += float64(x) * float64(head[v*m.Width+k])
			}
			if logits[v] > most {
				most, wantBest[i] = logits[v], uint32(v)
			}
		}
		var sum float64
		for _, x := range logits {
			sum += math.Exp(x - most)
		}
		wantLosses[i] = float32(most + math.Log(sum) - logits[labels[i]])
		grad := make([]float64, m.Width)
		for v, x := range logits {
			d := math.Exp(x-most) / sum
			if v == int(labels[i]) {
				d--
			}
			for k := range grad {
				grad[k] += d * float64(head[v*m.Width+k])
			}
		}
		for _, x := range grad {
			wantGrad = append(wantGrad, float32(x))
		}
	}
	gotLosses, err := losses.Read(ctx)
	require.NoError(t, err)
	gotGrad, err := h.Grad.ReadFloats(ctx)
	require.NoError(t, err)
	gotBest, err := best.Read(ctx)
	require.NoError(t, err)
	report := fmt.Sprintf("losses: NMSE %.2g; gradient of the states: NMSE %.2g", nmse(gotLosses, wantLosses), nmse(gotGrad, wantGrad))
	t.Log(report)
	require.LessOrEqual(t, nmse(gotLosses, wantLosses), 1e-11)
	require.LessOrEqual(t, nmse(gotGrad, wantGrad), 1e-11)
	require.Equal(t, wantBest, gotBest)
}
