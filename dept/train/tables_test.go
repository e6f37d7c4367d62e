package train

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/safetensors"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/tensor"
	"github.com/go-dept/dept/wgpu/wgputest"
)

// tableVocabulary is that of tableModels, of width 50.
const tableVocabulary, tableWidth = 2603, 50

var tableModels = []struct {
	name, config string
	dtype        safetensors.DType
}{
	{"gated, untied", `"d_kv":16,"d_ff":45,"num_heads":3,"num_layers":1,"num_decoder_layers":2,"feed_forward_proj":"gated-gelu","tie_word_embeddings":false`, safetensors.F32},
	{"ReLU, tied", `"d_kv":16,"d_ff":71,"num_heads":3,"num_layers":2,"num_decoder_layers":1,"feed_forward_proj":"relu","tie_word_embeddings":true`, safetensors.F32},
	{"gated, untied, float16", `"d_kv":16,"d_ff":45,"num_heads":3,"num_layers":1,"num_decoder_layers":1,"feed_forward_proj":"gated-gelu","tie_word_embeddings":false`, safetensors.F16},
}

// engineOfPieces is an engine on a device that binds so little at once that a float32
// table of tableModels lies in pieces of some rows.
func engineOfPieces(t *testing.T, rows int) *tensor.Engine {
	dev := wgputest.Device(t)
	limits := dev.Limits()
	limits.StorageBinding = int64(rows * tableWidth * 4)
	e, err := tensor.NewEngine(dev.Within(limits))
	require.NoError(t, err)
	t.Cleanup(e.Release)
	return e
}

// tableRows are examples with tokens of the whole vocabulary, the last among them.
func tableRows() (rows rowsOfIDs) {
	rng := rand.New(rand.NewPCG(9, 9))
	for i, n := range []int{1, 17, 6} {
		var x data.Example
		for range n {
			x.Source = append(x.Source, int32(rng.IntN(tableVocabulary)))
		}
		for range i + 1 {
			x.Target = append(x.Target, int32(rng.IntN(tableVocabulary)))
		}
		rows = append(rows, data.Example{Source: append(x.Source, tableVocabulary-1), Target: append(x.Target, tableVocabulary-1)})
	}
	return rows
}

// tableRun is what training and predicting make of a model.
type tableRun struct {
	pieces       int // of the embedding
	records      []StepRecord
	trained      [][]float32
	losses       [][]float32
	greedy, beam [][]int32
}

// runTables trains an adapter for a few steps, or the model where there is none, and
// predicts with it.
func runTables(t *testing.T, e *tensor.Engine, ck *t5.Checkpoint, a *dept.Adapter) (r tableRun) {
	ctx := context.Background()
	m, err := t5.Load(ctx, e, ck, a == nil)
	require.NoError(t, err)
	defer m.Release()
	method := dept.NewFull(m)
	if a != nil {
		method, err = dept.New(m, a, true)
		require.NoError(t, err)
	}
	defer method.Release()
	rows := tableRows()
	o := Options{
		Steps: 3, Batch: len(rows), Accumulate: 1, Rates: map[string]float64{"": 1e-3, dept.GroupPrompt: 0.1, dept.GroupLowRank: 5e-3},
		Clip: 1, Dropout: 0.1, MaxSourceLength: 18, MaxTargetLength: 4, Seed: 3,
	}
	trainer, err := NewTrainer(ctx, e, m, method, rows, o)
	require.NoError(t, err)
	defer trainer.Release()
	programs, err := trainer.Programs(ctx)
	require.NoError(t, err)
	for _, call := range programs[0].Calls() {
		if call == "encoder.embed" {
			r.pieces++
		}
	}
	trainer.OnRecord = func(x StepRecord) error {
		r.records = append(r.records, x)
		return nil
	}
	for range o.Steps {
		require.NoError(t, trainer.Step(ctx))
	}
	require.NoError(t, trainer.Flush(ctx))
	for _, p := range method.Params() {
		x, err := p.ReadFloats(ctx)
		require.NoError(t, err)
		r.trained = append(r.trained, x)
	}
	var sources []data.Example
	for _, x := range rows {
		sources = append(sources, data.Example{Source: x.Source})
	}
	for _, beams := range []int{1, 3} {
		p := NewPredictor(e, m, nil, method, PredictOptions{Batch: 2, MaxSourceLength: 18, MaxNewTokens: 5, Beams: beams})
		defer p.Release()
		for batch := range slices.Chunk(sources, 2) {
			tokens, err := p.Generate(ctx, batch)
			require.NoError(t, err)
			if beams == 1 {
				r.greedy = append(r.greedy, tokens...)
			} else {
				r.beam = append(r.beam, tokens...)
			}
		}
		r.losses, err = p.Losses(ctx, rows)
		require.NoError(t, err)
	}
	return r
}

// A model whose tables the device binds in pieces agrees with float64 as others do,
// and trains and answers as where they lie in one.
func TestTablesInPieces(t *testing.T) {
	checkpoints := make([]*t5.Checkpoint, len(tableModels))
	whole := map[string]tableRun{}
	// The limit is given in rows of float32; of float16 twice as many lie together.
	for _, c := range []struct{ rows, pieces int }{{1 << 20, 1}, {1408, 2}, {1024, 3}, {384, 7}} {
		e := engineOfPieces(t, c.rows)
		g := golden{slack: slackOf(e)}
		for i, model := range tableModels {
			if i > 0 && c.pieces != 1 && c.pieces != 7 {
				continue // pipelines take long to compile
			}
			if checkpoints[i] == nil {
				config, err := t5.ParseConfig(fmt.Appendf(nil, `{"model_type":"t5","vocab_size":%d,"d_model":%d,%s}`, tableVocabulary, tableWidth, model.config))
				require.NoError(t, err)
				checkpoints[i] = oddCheckpoint(t, config, model.dtype)
			}
			ck := checkpoints[i]
			for _, full := range []bool{false, true} {
				name := fmt.Sprintf("%s/full=%t", model.name, full)
				t.Run(fmt.Sprintf("%d/%s", c.pieces, name), func(t *testing.T) {
					var a *dept.Adapter
					if !full {
						a = shake(methodCases[0].start(t, ck, 18, nil))
					}
					switch {
					case c.pieces < 7:
					case a != nil:
						g.holdToOracle(t, e, ck, a, tableRows(), nil)
					case model.dtype == safetensors.F32:
						g.holdWeights(t, e, newOracle(t, ck, nil), ck, tableRows())
					}
					got := runTables(t, e, ck, a)
					if full || model.dtype == safetensors.F32 {
						require.Equal(t, c.pieces, got.pieces)
					}
					if c.pieces == 1 {
						whole[name] = got
						return
					}
					want := whole[name]
					for i, x := range want.records {
						assert.InEpsilon(t, x.Loss, got.records[i].Loss, 1e-6)
						assert.InEpsilon(t, x.GradNorm, got.records[i].GradNorm, 1e-5)
					}
					for i, x := range want.trained {
						// Adam divides by √v, which magnifies the rounding of small gradients.
						assert.LessOrEqual(t, nmse(got.trained[i], x), 1e-8)
					}
					for i, x := range want.losses {
						assert.InEpsilonSlice(t, x, got.losses[i], 1e-5)
					}
					assert.Equal(t, want.greedy, got.greedy)
					assert.Equal(t, want.beam, got.beam)
				})
			}
		}
	}
}
