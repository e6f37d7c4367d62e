package train

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
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

// DePT trains at mT5-small's real sizes, with random weights in half precision, on a
// device that binds 128 MiB at once: each of the two tables has 244.
func TestMT5Small(t *testing.T) { trainMT5Small(t, safetensors.F16) }

// trainMT5Small trains a few steps, answers, and logs time and memory. Embeddings are
// the checkpoint's to the bit; losses, gradients of states and best tokens are those of
// float64.
func trainMT5Small(t *testing.T, dtype safetensors.DType) {
	ctx := context.Background()
	config, err := t5.ParseConfig([]byte(mt5Small))
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, t5.WriteCheckpoint(dir, config, dtype, t5.RandomTensors(config, 1)))
	ck, err := t5.OpenCheckpoint(dir)
	require.NoError(t, err)
	defer ck.Close()
	dev := wgputest.Device(t)
	limits := dev.Limits()
	limits.StorageBinding = 128 << 20
	dev = dev.Within(limits)
	e, err := tensor.NewEngine(dev)
	require.NoError(t, err)
	defer e.Release()

	before := resetPeakMemory()
	start := time.Now()
	m, err := t5.Load(ctx, e, ck, false)
	require.NoError(t, err)
	defer m.Release()
	require.NoError(t, dev.Wait(ctx))
	t.Logf("weights: %d MiB, loaded in %.1f s; the process took %d MiB for it", m.Bytes()>>20, time.Since(start).Seconds(), (peakMemory()-before)>>20)
	assert.Less(t, peakMemory()-before, m.Bytes()+256<<20, "the tables were in memory twice")
	holdTables(t, e, m, ck)

	rng := rand.New(rand.NewPCG(1, 2))
	ids := func(n int) (x []int32) {
		for range n - 1 {
			x = append(x, int32(rng.IntN(config.VocabSize)))
		}
		return append(x, int32(config.EOSTokenID))
	}
	rows := rowsOfIDs{{Source: ids(64), Target: ids(8)}, {Source: ids(50), Target: ids(5)}}
	method := startOf(t, &dept.DePT, m, ck, 64)
	o := Options{
		Steps: 2, Batch: 2, Accumulate: 1, Rates: map[string]float64{dept.GroupPrompt: 0.3, dept.GroupLowRank: 5e-4}, Clip: 1,
		MaxSourceLength: 64, MaxTargetLength: 8,
	}
	trainer, err := NewTrainer(ctx, e, m, method, rows, o)
	require.NoError(t, err)
	defer trainer.Release()
	var losses []float64
	start = time.Now()
	trainer.OnRecord = func(r StepRecord) error {
		t.Logf("step %d: loss %.3f, gradient norm %.3g, %.1f s", r.Step, r.Loss, r.GradNorm, time.Since(start).Seconds())
		losses, start = append(losses, r.Loss), time.Now()
		return nil
	}
	for range o.Steps {
		require.NoError(t, trainer.Step(ctx))
		require.NoError(t, trainer.Flush(ctx))
	}
	assert.Less(t, losses[1], losses[0])
	_, most := dev.Allocated()
	t.Logf("device memory: %d MiB at most, activations %d", most>>20, trainer.Plan().Bytes>>20)

	p := NewPredictor(e, m, nil, method, PredictOptions{Batch: 2, MaxSourceLength: 64, MaxNewTokens: 4, Beams: 1})
	defer p.Release()
	start = time.Now()
	answers, err := p.Generate(ctx, []data.Example{{Source: rows[0].Source}, {Source: rows[1].Source}})
	require.NoError(t, err)
	t.Logf("answers in %.1f s: %v", time.Since(start).Seconds(), answers)
}

// resetPeakMemory forgets the most memory that the process has had and returns what it
// has now. Both are 0 where the system is not Linux.
func resetPeakMemory() int64 {
	debug.FreeOSMemory()
	os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
	return peakMemory()
}

func peakMemory() int64 {
	status, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	var kib int64
	fmt.Sscan(rest, &kib)
	return kib << 10
}

// holdTables compares embeddings with the checkpoint's rows, and the loss of some
// states and its gradient with float64.
func holdTables(t *testing.T, e *tensor.Engine, m *nn.Model, ck *t5.Checkpoint) {
	ctx := context.Background()
	const rows = 4
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
	t.Logf("losses: NMSE %.2g; gradient of the states: NMSE %.2g", nmse(gotLosses, wantLosses), nmse(gotGrad, wantGrad))
	assert.LessOrEqual(t, nmse(gotLosses, wantLosses), 1e-11)
	assert.LessOrEqual(t, nmse(gotGrad, wantGrad), 1e-10, "sums of 250,112 terms")
	assert.Equal(t, wantBest, gotBest)
}
