package train

import (
	"context"
	"fmt"
	"math"
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
	"github.com/go-dept/dept/wgpu"
	"github.com/go-dept/dept/wgpu/wgputest"
)

// oracle is T5 under an adapter in plain float64, one row at a time, as Hugging
// Face's code computes it.
type oracle struct {
	c       *t5.Config
	weights map[string][]float64
	p, a, b []float64 // the adapter's
	m, r    int
	scale   float64
}

// matrix is rows of equal width.
type matrix [][]float64

func newOracle(t *testing.T, ck *t5.Checkpoint, a *dept.Adapter) *oracle {
	o := &oracle{c: ck.Config, weights: map[string][]float64{}, p: wide(a.P), a: wide(a.A), b: wide(a.B),
		m: a.Config.PromptLength, r: a.Config.Rank, scale: a.Config.Scale()}
	for _, name := range ck.Names() {
		x, err := ck.Float32(name)
		require.NoError(t, err)
		o.weights[name] = wide(x)
	}
	return o
}

func wide(x []float32) []float64 {
	y := make([]float64, len(x))
	for i := range x {
		y[i] = float64(x[i])
	}
	return y
}

// linear is x·Wᵀ with W [out, in].
func (o *oracle) linear(x matrix, name string) matrix {
	w := o.weights[name]
	out := len(w) / len(x[0])
	y := make(matrix, len(x))
	for i, row := range x {
		y[i] = make([]float64, out)
		for j := range y[i] {
			for k, v := range row {
				y[i][j] += v * w[j*len(row)+k]
			}
		}
	}
	return y
}

func (o *oracle) norm(x matrix, name string) matrix {
	y := make(matrix, len(x))
	for i, row := range x {
		var squares float64
		for _, v := range row {
			squares += v * v
		}
		f := 1 / math.Sqrt(squares/float64(len(row))+o.c.LayerNormEpsilon)
		y[i] = make([]float64, len(row))
		for k, v := range row {
			y[i][k] = v * f * o.weights[name][k]
		}
	}
	return y
}

func add(x, y matrix) matrix {
	for i := range x {
		for k := range x[i] {
			x[i][k] += y[i][k]
		}
	}
	return x
}

// bucket is T5's for a distance from query to key.
func (o *oracle) bucket(distance int, causal bool) int {
	buckets, first := o.c.RelativeAttentionNumBuckets, 0
	if causal {
		distance = max(0, -distance)
	} else {
		buckets /= 2
		if distance > 0 {
			first = buckets
		}
		distance = max(distance, -distance)
	}
	exact := buckets / 2
	if distance < exact {
		return first + distance
	}
	far := math.Log(float64(distance)/float64(exact)) / math.Log(float64(o.c.RelativeAttentionMaxDistance)/float64(exact))
	return first + min(exact+int(far*float64(buckets-exact)), buckets-1)
}

// attention of x on memory, with a distance bias where the name of its table is
// given.
func (o *oracle) attention(x, memory matrix, name, bias string, causal bool) matrix {
	q, k, v := o.linear(x, name+".q.weight"), o.linear(memory, name+".k.weight"), o.linear(memory, name+".v.weight")
	mixed := make(matrix, len(x))
	for i := range mixed {
		mixed[i] = make([]float64, len(q[0]))
		for head := range o.c.NumHeads {
			at := head * o.c.DKV
			reach := len(memory)
			if causal {
				reach = i + 1
			}
			scores, most := make([]float64, reach), math.Inf(-1)
			for j := range scores {
				for e := at; e < at+o.c.DKV; e++ {
					scores[j] += q[i][e] * k[j][e]
				}
				if bias != "" {
					scores[j] += o.weights[bias][o.bucket(j-i, causal)*o.c.NumHeads+head]
				}
				most = max(most, scores[j])
			}
			var sum float64
			for j := range scores {
				scores[j] = math.Exp(scores[j] - most)
				sum += scores[j]
			}
			for j := range scores {
				for e := at; e < at+o.c.DKV; e++ {
					mixed[i][e] += scores[j] / sum * v[j][e]
				}
			}
		}
	}
	return o.linear(mixed, name+".o.weight")
}

func (o *oracle) feedForward(x matrix, name string) matrix {
	if !o.c.Gated() {
		h := o.linear(x, name+".wi.weight")
		for i := range h {
			for k := range h[i] {
				h[i][k] = max(0, h[i][k])
			}
		}
		return o.linear(h, name+".wo.weight")
	}
	h, gate := o.linear(x, name+".wi_1.weight"), o.linear(x, name+".wi_0.weight")
	for i := range h {
		for k, g := range gate[i] {
			h[i][k] *= g / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(g+0.044715*g*g*g)))
		}
	}
	return o.linear(h, name+".wo.weight")
}

func (o *oracle) embed(ids []int32) matrix {
	x := make(matrix, len(ids))
	for i, id := range ids {
		x[i] = append([]float64(nil), o.weights["shared.weight"][int(id)*o.c.DModel:][:o.c.DModel]...)
	}
	return x
}

// run returns the encoder's output and the logits of a row.
func (o *oracle) run(x data.Example) (encoded, logits matrix) {
	d := o.c.DModel
	var h matrix
	for i := range o.m {
		h = append(h, append([]float64(nil), o.p[i*d:][:d]...))
	}
	for t, row := range o.embed(x.Source) {
		for k := range row {
			for j := range o.r {
				row[k] += o.scale * o.a[t*o.r+j] * o.b[j*d+k]
			}
		}
		h = append(h, row)
	}
	for i := range o.c.NumLayers {
		block := fmt.Sprintf("encoder.block.%d.layer.", i)
		n := o.norm(h, block+"0.layer_norm.weight")
		h = add(h, o.attention(n, n, block+"0.SelfAttention", "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", false))
		h = add(h, o.feedForward(o.norm(h, block+"1.layer_norm.weight"), block+"1.DenseReluDense"))
	}
	encoded = o.norm(h, "encoder.final_layer_norm.weight")
	h = o.embed(append([]int32{int32(o.c.DecoderStartTokenID)}, x.Target[:len(x.Target)-1]...))
	for i := range o.c.NumDecoderLayers {
		block := fmt.Sprintf("decoder.block.%d.layer.", i)
		n := o.norm(h, block+"0.layer_norm.weight")
		h = add(h, o.attention(n, n, block+"0.SelfAttention", "decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", true))
		h = add(h, o.attention(o.norm(h, block+"1.layer_norm.weight"), encoded, block+"1.EncDecAttention", "", false))
		h = add(h, o.feedForward(o.norm(h, block+"2.layer_norm.weight"), block+"2.DenseReluDense"))
	}
	h = o.norm(h, "decoder.final_layer_norm.weight")
	if !o.c.TieWordEmbeddings {
		return encoded, o.linear(h, "lm_head.weight")
	}
	for i := range h {
		for k := range h[i] {
			h[i][k] /= math.Sqrt(float64(d))
		}
	}
	return encoded, o.linear(h, "shared.weight")
}

// loss is the mean over all target tokens.
func (o *oracle) loss(rows []data.Example) float64 {
	var sum float64
	for _, x := range rows {
		_, logits := o.run(x)
		for i, id := range x.Target {
			most := math.Inf(-1)
			for _, v := range logits[i] {
				most = max(most, v)
			}
			var total float64
			for _, v := range logits[i] {
				total += math.Exp(v - most)
			}
			sum += most + math.Log(total) - logits[i][id]
		}
	}
	return sum / float64(targetTokens(rows))
}

// slope is the derivative of the loss by one of the adapter's numbers.
func (o *oracle) slope(rows []data.Example, x *float64) float64 {
	const h = 1e-5
	at := *x
	*x = at + h
	up := o.loss(rows)
	*x = at - h
	down := o.loss(rows)
	*x = at
	return (up - down) / (2 * h)
}

// On odd sizes the model and the gradients of P, A and B and of the weights agree
// with float64 as the golden cases do.
func TestOddSizes(t *testing.T) {
	dev := wgputest.Device(t)
	e, err := tensor.NewEngine(dev)
	require.NoError(t, err)
	t.Cleanup(e.Release)
	g := golden{slack: 20}
	if dev.Info().Type == wgpu.CPU && dev.Info().Backend == "vulkan" {
		g.slack = 1
	}
	for _, c := range []struct {
		name, config string
		m, r         int
		alpha        float64
		sources      []int
	}{
		{"heads of 24, ReLU, tied", `"d_model":50,"d_kv":24,"d_ff":70,"num_heads":3,"num_layers":2,"num_decoder_layers":1,"feed_forward_proj":"relu","tie_word_embeddings":true`, 5, 7, 8, []int{1, 33}},
		{"heads of 80, gated, untied", `"d_model":36,"d_kv":80,"d_ff":46,"num_heads":2,"num_layers":1,"num_decoder_layers":2,"feed_forward_proj":"gated-gelu","tie_word_embeddings":false`, 0, 3, 8, []int{1, 33}},
		{"no shift, gated, tied", `"d_model":51,"d_kv":10,"d_ff":7,"num_heads":5,"num_layers":1,"feed_forward_proj":"gated-gelu","tie_word_embeddings":true,"relative_attention_num_buckets":20,"relative_attention_max_distance":60`, 4, 0, 0, []int{1, 33}},
		{"heads of 200, ReLU, untied, unscaled", `"d_model":13,"d_kv":200,"d_ff":9,"num_heads":1,"num_layers":1,"feed_forward_proj":"relu","tie_word_embeddings":false`, 3, 5, math.Sqrt(5), []int{2, 17}},
		{"301 tokens", `"d_model":33,"d_kv":7,"d_ff":21,"num_heads":3,"num_layers":1,"feed_forward_proj":"gated-gelu","tie_word_embeddings":false`, 2, 3, 8, []int{301, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg, err := t5.ParseConfig(fmt.Appendf(nil, `{"model_type":"t5","vocab_size":203,%s}`, c.config))
			require.NoError(t, err)
			ck := oddCheckpoint(t, cfg, safetensors.F32)
			rng := rand.New(rand.NewPCG(4, 4))
			longest := 0
			var rows rowsOfIDs
			for i, n := range c.sources {
				x := data.Example{Target: make([]int32, 2+i)}
				for range n {
					x.Source = append(x.Source, int32(rng.IntN(203)))
				}
				for k := range x.Target {
					x.Target[k] = int32(rng.IntN(203))
				}
				rows, longest = append(rows, x), max(longest, n)
			}
			adapter, err := dept.NewAdapter(dept.AdapterConfig{PromptLength: c.m, Rank: c.r, MaxSourceLength: longest, Width: cfg.DModel, LoraAlpha: c.alpha}, dept.InitVocab, ck, nil, 1)
			require.NoError(t, err)
			for i := range adapter.B {
				adapter.B[i] = float32(rng.NormFloat64())
			}
			g.holdToOracle(t, e, newOracle(t, ck, adapter), ck, adapter, rows)
			if longest < 100 { // the oracle takes long, and the kernels are the same
				g.holdWeights(t, e, newOracle(t, ck, &dept.Adapter{}), ck, rows)
			}
		})
	}
}

func (g golden) holdToOracle(t *testing.T, e *tensor.Engine, o *oracle, ck *t5.Checkpoint, adapter *dept.Adapter, rows rowsOfIDs) {
	ctx := context.Background()
	m, err := t5.LoadModel(ctx, e, ck, false)
	require.NoError(t, err)
	t.Cleanup(m.Release)
	prompt, err := dept.NewPrompt(e, adapter, true)
	require.NoError(t, err)
	t.Cleanup(prompt.Release)
	s := bucketOf(rows, len(rows), adapter.Config.MaxSourceLength, len(rows)+1)
	loss, encoded, logits := runPass(t, e, m, prompt, rows, s)
	want := o.loss(rows)
	assert.InDelta(t, want, loss, 3e-7*want, "loss")
	for i, x := range rows {
		wantEncoded, wantLogits := o.run(x)
		at := i * (o.m + s.source) * o.c.DModel
		g.compare(t, fmt.Sprintf("encoder_output of row %d", i), encoded[at:at+len(wantEncoded)*o.c.DModel], narrow(wantEncoded), 5e-12)
		at = i * s.target * o.c.VocabSize
		g.compare(t, fmt.Sprintf("logits of row %d", i), logits[at:at+len(wantLogits)*o.c.VocabSize], narrow(wantLogits), 5e-12)
	}
	// Each number of the adapter costs the oracle two passes: a few of each.
	rng := rand.New(rand.NewPCG(6, 6))
	for _, part := range []struct {
		array  *tensor.Array
		values []float64
	}{{prompt.P, o.p}, {prompt.A, o.a}, {prompt.B, o.b}} {
		if part.array == nil {
			continue
		}
		gradient, err := part.array.Grad.ReadFloats(ctx)
		require.NoError(t, err)
		var got, want []float32
		for range 6 {
			i := rng.IntN(len(gradient))
			got, want = append(got, gradient[i]), append(want, float32(o.slope(rows, &part.values[i])))
		}
		g.compare(t, "gradient of "+part.array.Name, got, want, 5e-11)
	}
}

// holdWeights compares the largest gradients of each weight, and some others.
func (g golden) holdWeights(t *testing.T, e *tensor.Engine, o *oracle, ck *t5.Checkpoint, rows rowsOfIDs) {
	ctx := context.Background()
	m, err := t5.LoadModel(ctx, e, ck, true)
	require.NoError(t, err)
	t.Cleanup(m.Release)
	total, err := e.NewArray("loss", shaders.F32, 1)
	require.NoError(t, err)
	t.Cleanup(total.Release)
	graph, in, err := recordTraining(e, m, dept.NewFull(m), bucketOf(rows, len(rows), 100, 100), 0, total)
	require.NoError(t, err)
	t.Cleanup(in.release)
	program, err := graph.Compile(ctx)
	require.NoError(t, err)
	t.Cleanup(program.Release)
	require.NoError(t, in.write(rows))
	require.NoError(t, e.SetStep(shaders.Step{LossScale: float32(1 / float64(targetTokens(rows)))}))
	require.NoError(t, e.Run(program))
	rng := rand.New(rand.NewPCG(7, 7))
	for _, name := range ck.Names() {
		gradient, err := m.Gradient(ctx, name)
		require.NoError(t, err)
		largest := 0
		for i := range gradient {
			if math.Abs(float64(gradient[i])) > math.Abs(float64(gradient[largest])) {
				largest = i
			}
		}
		var got, want []float32
		for _, i := range []int{largest, rng.IntN(len(gradient)), rng.IntN(len(gradient))} {
			got, want = append(got, gradient[i]), append(want, float32(o.slope(rows, &o.weights[name][i])))
		}
		g.compare(t, "gradient of "+name, got, want, 5e-11)
	}
}

func narrow(x matrix) (y []float32) {
	for _, row := range x {
		for _, v := range row {
			y = append(y, float32(v))
		}
	}
	return y
}
