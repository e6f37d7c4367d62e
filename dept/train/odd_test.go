package train

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/safetensors"
	"github.com/go-dept/dept/shaders"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/tensor"
	"github.com/go-dept/dept/wgpu/wgputest"
)

// oddConfig has no size that a kernel would like: heads of 10, whose sum is not
// the width, a width and a vocabulary that are no multiples of 4.
func oddConfig(t *testing.T, gated bool) *t5.Config {
	proj := "relu"
	if gated {
		proj = "gated-gelu"
	}
	c, err := t5.ParseConfig(fmt.Appendf(nil, `{"model_type":"t5","d_model":51,"d_kv":10,"d_ff":70,"num_heads":3,
		"num_layers":1,"num_decoder_layers":2,"vocab_size":1003,"feed_forward_proj":%q,"tie_word_embeddings":%v,
		"dropout_rate":0.1,"layer_norm_epsilon":1e-6,"relative_attention_num_buckets":32,
		"pad_token_id":0,"eos_token_id":1,"decoder_start_token_id":0}`, proj, !gated))
	require.NoError(t, err)
	return c
}

func oddCheckpoint(t *testing.T, c *t5.Config, dtype safetensors.DType) *t5.Checkpoint {
	dir := t.TempDir()
	require.NoError(t, t5.WriteCheckpoint(dir, c, dtype, t5.RandomTensors(c, 5)))
	ck, err := t5.OpenCheckpoint(dir)
	require.NoError(t, err)
	t.Cleanup(func() { ck.Close() })
	return ck
}

// oddRows have sources of 1, 301 and a few tokens.
func oddRows() rowsOfIDs {
	rng := rand.New(rand.NewPCG(8, 8))
	rows := rowsOfIDs{}
	for _, n := range []int{1, 301, 17} {
		x := data.Example{Target: []int32{int32(2 + rng.IntN(1000)), int32(2 + rng.IntN(1000)), 1}}
		for range n - 1 {
			x.Source = append(x.Source, int32(2+rng.IntN(1000)))
		}
		x.Source = append(x.Source, 1)
		rows = append(rows, x)
	}
	return rows
}

// pass is a recorded forward and backward pass over oddRows.
type pass struct {
	e       *tensor.Engine
	in      *inputs
	total   *tensor.Array
	program *tensor.Program
}

func newPass(t *testing.T, e *tensor.Engine, m *t5.Model, method dept.Method) pass {
	total, err := e.NewArray("loss", shaders.F32, 1)
	require.NoError(t, err)
	g, in, err := recordTraining(e, m, method, shape{3, 301, 3}, 0, total)
	require.NoError(t, err)
	program, err := g.Compile(context.Background())
	require.NoError(t, err)
	require.NoError(t, in.write(oddRows()))
	t.Cleanup(func() {
		program.Release()
		in.release()
		total.Release()
	})
	return pass{e, in, total, program}
}

func (p pass) loss(t *testing.T) float64 {
	require.NoError(t, p.total.WriteFloats([]float32{0}))
	require.NoError(t, p.e.SetStep(shaders.Step{LossScale: 1. / 9}))
	require.NoError(t, p.e.Run(p.program))
	x, err := p.total.ReadFloats(context.Background())
	require.NoError(t, err)
	return float64(x[0])
}

// Half-precision storage changes nothing but the rounding of the file: the same
// rounded numbers as float32 give the same loss.
func TestHalfStorage(t *testing.T) {
	ctx := context.Background()
	e, err := tensor.NewEngine(wgputest.Device(t))
	require.NoError(t, err)
	t.Cleanup(e.Release)
	for _, gated := range []bool{false, true} {
		for _, dtype := range []safetensors.DType{safetensors.F16, safetensors.BF16} {
			ck := oddCheckpoint(t, oddConfig(t, gated), dtype)
			losses := map[bool]float64{}
			bytes := map[bool]int64{}
			for _, wide := range []bool{false, true} {
				m, err := t5.LoadModel(ctx, e, ck, wide) // training keeps float32
				require.NoError(t, err)
				bytes[wide] = m.Bytes()
				losses[wide] = newPass(t, e, m, &dept.Prompt{}).loss(t)
				t.Cleanup(m.Release)
			}
			assert.InEpsilon(t, losses[true], losses[false], 1e-6, "gated %v, %s", gated, dtype)
			assert.Less(t, float64(bytes[false]), 0.55*float64(bytes[true]))
		}
	}
}
