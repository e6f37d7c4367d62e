package t5

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/safetensors"
	"github.com/go-dept/dept/shaders"
	"github.com/go-dept/dept/tensor"
	"github.com/go-dept/dept/wgpu/wgputest"
)

// store makes an open checkpoint in memory whose values all types hold alike, each
// tensor of the type that pick gives it.
func store(t *testing.T, c *Config, pick func(i int) safetensors.DType) *Checkpoint {
	t.Helper()
	random := RandomTensors(c, 3)
	var tensors []safetensors.Tensor
	for i, spec := range c.Tensors() {
		values, err := random(spec.Name)
		require.NoError(t, err)
		for k, v := range values {
			values[k] = min(max(float32(math.Round(float64(v)*32)/32), -4), 4) // few enough digits for BF16
		}
		tensors = append(tensors, safetensors.Tensor{Name: spec.Name, DType: pick(i), Shape: spec.Shape, Data: func() ([]byte, error) {
			if pick(i) != safetensors.F64 {
				return safetensors.Encode(pick(i), values)
			}
			var b []byte
			for _, v := range values {
				b = binary.LittleEndian.AppendUint64(b, math.Float64bits(float64(v)))
			}
			return b, nil
		}})
	}
	var weights bytes.Buffer
	require.NoError(t, safetensors.Write(&weights, tensors, nil))
	config, err := c.MarshalJSON()
	require.NoError(t, err)
	ck, err := OpenCheckpointFS(fstest.MapFS{"config.json": {Data: config}, "model.safetensors": {Data: weights.Bytes()}})
	require.NoError(t, err)
	return ck
}

// states are the encoder's on some ids.
func states(t *testing.T, m *nn.Model, e *tensor.Engine) []float32 {
	ctx := context.Background()
	ids := []uint32{3, 1, 4, 1, 5}
	a, err := e.NewInts("ids", 1, len(ids))
	require.NoError(t, err)
	defer a.Release()
	require.NoError(t, a.Write(ids))
	g := e.NewGraph()
	p := m.NewPass(g, nn.Hooks{})
	y := g.Keep(p.Encode(nn.Tokens{IDs: a}, nn.Spans{}))
	require.NoError(t, p.Err())
	program, err := g.Compile(ctx)
	require.NoError(t, err)
	defer program.Release()
	require.NoError(t, e.SetStep(shaders.Step{}))
	require.NoError(t, e.Run(program))
	x, err := y.Read(ctx)
	require.NoError(t, err)
	return x
}

const halvedF32 = "F32, halved"

// However a checkpoint is stored, and whether its bytes pass to the device as
// they lie or are converted, the model is the same. An odd width leaves half-
// precision rows that are no whole words.
func TestLoadInAnyStorage(t *testing.T) {
	e, err := tensor.NewEngine(wgputest.Device(t))
	require.NoError(t, err)
	t.Cleanup(e.Release)
	for _, width := range []int{24, 15} {
		c, err := ParseConfig(fmt.Appendf(nil, `{"model_type": "t5", "d_model": %d, "d_kv": 8, "d_ff": 20, "num_heads": 2, "num_layers": 2,
			"vocab_size": 11, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": false}`, width))
		require.NoError(t, err)
		var want []float32
		for _, stored := range []struct {
			name string
			pick func(i int) safetensors.DType
		}{
			{"F64", func(int) safetensors.DType { return safetensors.F64 }}, // all converted
			{"F32", func(int) safetensors.DType { return safetensors.F32 }},
			{halvedF32, func(int) safetensors.DType { return safetensors.F32 }},
			{"F16", func(int) safetensors.DType { return safetensors.F16 }},
			{"BF16", func(int) safetensors.DType { return safetensors.BF16 }},
			{"by turns", func(i int) safetensors.DType {
				return []safetensors.DType{safetensors.F32, safetensors.F16, safetensors.BF16}[i%3]
			}},
		} {
			t.Run(fmt.Sprintf("%s of width %d", stored.name, width), func(t *testing.T) {
				ck := store(t, c, stored.pick)
				if stored.name == halvedF32 {
					ck.Halve()
				}
				m, err := Load(context.Background(), e, ck, false)
				require.NoError(t, err)
				defer m.Release()
				got := states(t, m, e)
				if want == nil {
					want = got
				}
				var off, all float64
				for i, x := range want {
					off += (float64(got[i]) - float64(x)) * (float64(got[i]) - float64(x))
					all += float64(x) * float64(x)
				}
				require.Positive(t, all)
				assert.LessOrEqual(t, off/all, 1e-12, "NMSE: only the order of sums may differ")
				if stored.name == "F32" {
					for _, name := range ck.Names() {
						exact, err := ck.Float32(name)
						require.NoError(t, err)
						loaded, err := m.Tensor(context.Background(), name)
						require.NoError(t, err)
						require.Equal(t, exact, loaded, name)
					}
				}
			})
		}
	}
}

func TestCheckpointRow(t *testing.T) {
	c := &Config{}
	require.NoError(t, c.UnmarshalJSON([]byte(`{"model_type": "t5", "d_model": 6, "d_kv": 2, "d_ff": 4, "num_heads": 1, "num_layers": 1, "vocab_size": 5}`)))
	for _, dtype := range []safetensors.DType{safetensors.F64, safetensors.F32, safetensors.BF16} {
		ck := store(t, c, func(int) safetensors.DType { return dtype })
		all, err := ck.Float32("shared.weight")
		require.NoError(t, err)
		for i := range 5 {
			row, err := ck.Row("shared.weight", i)
			require.NoError(t, err)
			assert.Equal(t, all[6*i:6*i+6], row)
		}
		for _, i := range []int{-1, 5} {
			_, err = ck.Row("shared.weight", i)
			assert.ErrorContains(t, err, "shared.weight")
		}
		_, err = ck.Row("encoder.final_layer_norm.weight", 0)
		assert.Error(t, err)
	}
}
