package train

import (
	"context"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/safetensors"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/tensor"
	"github.com/go-dept/dept/wgpu/wgputest"
)

// keyed is a model with trained keys and values in front of those of each attention:
// what prefix tuning does with nn.Hooks.
type keyed struct {
	*dept.Method
	k, v map[string]*tensor.Array // by the place's name
}

// module is the checkpoint's name of an attention, empty for other places.
func module(at nn.Place) string {
	part := strings.Split(at.Name, ".")
	switch at.Kind {
	case "self":
		return part[0] + ".block." + part[1] + ".layer.0.SelfAttention"
	case "cross":
		return part[0] + ".block." + part[1] + ".layer.1.EncDecAttention"
	}
	return ""
}

// newKeyed makes random keys, on the device and in the oracle.
func newKeyed(t *testing.T, e *tensor.Engine, m *nn.Model, o *oracle, ahead nn.Ahead) keyed {
	rng := rand.New(rand.NewPCG(9, 9))
	k := keyed{dept.AsIs(), map[string]*tensor.Array{}, map[string]*tensor.Array{}}
	o.keys, o.values = map[string]matrix{}, map[string]matrix{}
	for _, at := range m.Places() {
		n := map[string]int{"encoder.self": ahead.Encoder, "decoder.self": ahead.Decoder, "decoder.cross": ahead.Cross}[at.Name[:8]+at.Kind]
		if n == 0 {
			continue
		}
		for _, to := range []struct {
			name   string
			arrays map[string]*tensor.Array
			host   map[string]matrix
		}{{"keys of ", k.k, o.keys}, {"values of ", k.v, o.values}} {
			a, err := e.NewArray(at.Name, tensor.F32, n, at.Inner)
			require.NoError(t, err)
			t.Cleanup(a.Release)
			require.NoError(t, e.Trainable(a))
			x := make([]float32, a.Len())
			for i := range x {
				x[i] = float32(rng.NormFloat64())
			}
			flat := wide(x)
			var rows matrix // of the oracle's numbers, which slopes move
			for i := range n {
				rows = append(rows, flat[i*at.Inner:(i+1)*at.Inner])
			}
			o.adapter[to.name+module(at)] = flat
			require.NoError(t, a.WriteFloats(x))
			to.arrays[at.Name], to.host[module(at)] = a, rows
		}
	}
	k.Hooks.Ahead = ahead
	k.Hooks.Keys = func(p *nn.Pass, at nn.Place) (*tensor.Value, *tensor.Value) {
		return p.Graph().Use(k.k[at.Name]), p.Graph().Use(k.v[at.Name])
	}
	return k
}

// Keys in front of an attention's own give the loss and the gradients of a float64
// oracle, and the tokens that cached decoding makes of them are the most likely ones
// of the whole pass.
func TestKeysInFront(t *testing.T) {
	ctx := context.Background()
	e, err := tensor.NewEngine(wgputest.Device(t))
	require.NoError(t, err)
	t.Cleanup(e.Release)
	cfg, err := t5.ParseConfig([]byte(`{"model_type":"t5","vocab_size":103,"d_model":26,"d_kv":7,"d_ff":21,"num_heads":3,"num_layers":2,
		"num_decoder_layers":1,"feed_forward_proj":"gated-gelu","tie_word_embeddings":false}`))
	require.NoError(t, err)
	ck := oddCheckpoint(t, cfg, safetensors.F32)
	m, err := t5.Load(ctx, e, ck, false)
	require.NoError(t, err)
	t.Cleanup(m.Release)
	rows := rowsOfIDs{
		{Source: []int32{5, 9, 100, 7, 7, 3, 80, 2, 51}, Target: []int32{8, 44, 1}},
		{Source: []int32{17, 1}, Target: []int32{99, 3, 3, 12, 1}},
	}
	for _, ahead := range []nn.Ahead{{Encoder: 3, Decoder: 4, Cross: 2}, {Decoder: 5}, {Encoder: 1, Cross: 6}} {
		o := newOracle(t, ck, nil)
		k := newKeyed(t, e, m, o, ahead)
		s := bucketOf(rows, len(rows), 12, 8)
		loss, _, _ := runPass(t, e, m, k.Method, rows, s, nil)
		want := o.loss(rows)
		assert.InDelta(t, want, loss, 3e-7*want, "%+v", ahead)
		for _, at := range m.Places() {
			for _, part := range []struct {
				name  string
				array *tensor.Array
			}{{"keys of ", k.k[at.Name]}, {"values of ", k.v[at.Name]}} {
				if part.array == nil {
					continue
				}
				grad, err := part.array.Grad.ReadFloats(ctx)
				require.NoError(t, err)
				var got, slopes []float32
				for _, i := range []int{0, len(grad) / 2, len(grad) - 1} {
					got = append(got, grad[i])
					slopes = append(slopes, float32(o.slope(rows, part.name+module(at), i)))
				}
				golden{slack: 1}.compare(t, "gradient of the "+part.name+at.Name, got, slopes, 5e-11)
			}
		}
		k.generates(t, m, rows, s)
	}
}

// generates compares each token that cached decoding makes with those that the whole
// pass on the answer finds most likely.
func (k keyed) generates(t *testing.T, m *nn.Model, rows rowsOfIDs, s shape) {
	ctx := context.Background()
	for _, beams := range []int{1, 3} {
		in, err := newInputs(m.Engine(), m.Description, s, 0, k.Hooks.Ahead, false)
		require.NoError(t, err)
		defer in.release()
		gen, err := m.NewGenerator(ctx, nn.GeneratorOptions{
			Batch: s.rows, Keys: s.source, Beams: beams, New: 5, Hooks: k.Hooks, Text: in.source, Spans: in.spans, Passage: in.passage,
		})
		require.NoError(t, err)
		defer gen.Release()
		require.NoError(t, in.write(rows))
		tokens, err := gen.Generate(ctx)
		require.NoError(t, err)
		for row, answer := range tokens {
			if beams > 1 {
				continue // not the most likely token each time
			}
			if answer = append([]int32(nil), answer...); len(answer) < 5 {
				answer = append(answer, int32(m.End))
			}
			forced := rowsOfIDs{{Source: rows[row].Source, Target: answer}}
			_, _, logits := runPass(t, m.Engine(), m, k.Method, forced, bucketOf(forced, 1, 12, 8), nil)
			for i, id := range answer {
				at := logits[i*m.Vocabulary : (i+1)*m.Vocabulary]
				best := math.Inf(-1)
				for _, x := range at {
					best = max(best, float64(x))
				}
				assert.InDelta(t, best, float64(at[id]), 1e-4, "token %d of row %d", i, row)
			}
		}
	}
}
