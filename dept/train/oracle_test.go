package train

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/safetensors"
	"github.com/go-dept/dept/shaders"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/tensor"
)

// oracle is T5 under an adapter in plain float64, one row at a time, as Hugging
// Face's code and PEFT's compute it.
type oracle struct {
	t       *testing.T
	c       *t5.Config
	weights map[string][]float64
	adapter map[string][]float64 // by the names of its file
	config  dept.Config          // nil without an adapter
	m       int                  // positions in front of the text
	norms   map[string][]float64 // DoRA's n of each module, which the gradient holds fixed
	places  map[string]string    // of modules: "encoder.3.self.q" by the checkpoint's name

	draw  *drawing // the dropout of a training pass; nil drops nothing
	row   int      // the batch row at hand
	size  shape    // of the batch, which the elements of dropout are counted in
	point *point   // where slopes are taken; nil before the first

	keys, values map[string]matrix    // in front of an attention's own, by its module
	attends      map[string][]float64 // what each attention attended to last, [heads, queries, keys], by its module
}

// point is what does not change around the point that slopes are taken at. A slope
// is that of the piece of the loss that the point lies in, so that ReLUs let
// through what they do at the point. And the encoder's output is as it is there
// while a number of the decoder's changes.
type point struct {
	gates        map[string][]bool
	encoded      map[int]matrix // by row
	keepsEncoder bool
}

// matrix is rows of equal width.
type matrix [][]float64

func newOracle(t *testing.T, ck *t5.Checkpoint, a *dept.Adapter) *oracle {
	o := &oracle{
		t: t, c: ck.Config, weights: map[string][]float64{}, adapter: map[string][]float64{}, norms: map[string][]float64{}, places: map[string]string{},
		attends: map[string][]float64{},
	}
	for _, name := range ck.Names() {
		x, err := ck.Float32(name)
		require.NoError(t, err)
		o.weights[name] = wide(x)
	}
	for _, s := range ck.Config.Describe().Sites() {
		o.places[s.Module] = s.Name
	}
	if a == nil {
		return o
	}
	o.config, o.m = a.Config, a.Config.Positions()
	for _, x := range a.Tensors {
		o.adapter[x.Name] = wide(x.Values)
	}
	if c, ok := a.Config.(*dept.LoRAConfig); ok && c.DoRA {
		for module := range o.places {
			if o.part(module, "lora_A.weight") != nil {
				o.norms[module] = o.rowNorms(module, c)
			}
		}
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

// part is a tensor that the adapter has for a module; nil if it has none.
func (o *oracle) part(module, name string) []float64 {
	return o.adapter["base_model.model."+module+"."+name]
}

// linear is x·Wᵀ with W [out, in], under LoRA or (IA)³.
func (o *oracle) linear(x matrix, name string) matrix {
	module := strings.TrimSuffix(name, ".weight")
	switch c := o.config.(type) {
	case *dept.LoRAConfig:
		if o.part(module, "lora_A.weight") != nil {
			return o.loraLinear(x, module, c)
		}
	case *dept.IA3Config:
		l := o.part(module, "ia3_l")
		switch last := module[strings.LastIndexByte(module, '.')+1:]; {
		case l == nil:
		case slices.Contains(c.FeedForward.Names, last):
			return product(columns(x, l), o.weights[name])
		default:
			return columns(product(x, o.weights[name]), l)
		}
	}
	y := product(x, o.weights[name])
	if b := o.part(module, "bias"); b != nil {
		y = shifted(y, b)
	}
	return y
}

// loraLinear is W·x + s·B·A·x', and with DoRA W·x + (m/n − 1)·W·x' + (m/n)·s·B·A·x',
// where x' is x after LoRA's own dropout.
func (o *oracle) loraLinear(x matrix, module string, c *dept.LoRAConfig) matrix {
	w := o.weights[module+".weight"]
	dropped := o.drop(x, o.places[module]+".lora", float32(c.Dropout), o.positions(module))
	y := product(x, w)
	low := product(product(dropped, o.part(module, "lora_A.weight")), o.part(module, "lora_B.weight"))
	m, n := o.part(module, "lora_magnitude_vector"), o.norms[module]
	var plain matrix
	if c.DoRA {
		plain = product(dropped, w)
	}
	for i := range y {
		for k := range y[i] {
			share := c.ScaleOf(module) * low[i][k]
			if c.DoRA {
				share = m[k]/n[k]*share + (m[k]/n[k]-1)*plain[i][k]
			}
			y[i][k] += share
		}
	}
	return y
}

// rowNorms is the length of each row of W + s·B·A.
func (o *oracle) rowNorms(module string, c *dept.LoRAConfig) []float64 {
	w, a, b := o.weights[module+".weight"], o.part(module, "lora_A.weight"), o.part(module, "lora_B.weight")
	r := c.RankOf(module)
	n := make([]float64, len(b)/r)
	width := len(w) / len(n)
	for row := range n {
		for k := range width {
			x := w[row*width+k]
			for j := range r {
				x += c.ScaleOf(module) * b[row*r+j] * a[j*width+k]
			}
			n[row] += x * x
		}
		n[row] = math.Sqrt(n[row])
	}
	return n
}

// product is x·Wᵀ with W [out, in].
func product(x matrix, w []float64) matrix {
	in := len(x[0])
	y := make(matrix, len(x))
	for i, row := range x {
		y[i] = make([]float64, len(w)/in)
		for j := range y[i] {
			var sum float64
			for k, v := range w[j*in : (j+1)*in] {
				sum += row[k] * v
			}
			y[i][j] = sum
		}
	}
	return y
}

// columns is x with each column times a factor.
func columns(x matrix, factor []float64) matrix {
	y := make(matrix, len(x))
	for i, row := range x {
		y[i] = make([]float64, len(row))
		for k, v := range row {
			y[i][k] = v * factor[k]
		}
	}
	return y
}

// shifted is x with a number added to each column.
func shifted(x matrix, b []float64) matrix {
	for _, row := range x {
		for k := range row {
			row[k] += b[k]
		}
	}
	return x
}

// drawing is the dropout of a training pass: the model's rate, and the step's key.
type drawing struct {
	rate float32
	key  [2]uint32
}

// keep is the factor of an element at a site, as dropout.wgsl defines it.
func (d *drawing) keep(at shaders.Dropout, element int) float64 {
	mix := func(h uint32) uint32 {
		h = (h ^ h>>16) * 0x7feb352d
		h = (h ^ h>>15) * 0x846ca68b
		return h ^ h>>16
	}
	if mix(mix(uint32(element)+d.key[0])^(d.key[1]+at.Site*0x9e3779b9)) < uint32(float64(at.Rate)*(1<<32)) {
		return 0
	}
	return float64(float32(1 / (1 - float64(at.Rate))))
}

// drop is x, rows of the batch row at hand, after dropout; the batch has as many
// rows as it has positions for each batch row.
func (o *oracle) drop(x matrix, site string, rate float32, positions int) matrix {
	if o.draw == nil || rate == 0 {
		return x
	}
	at := nn.DropoutAt(site, rate)
	y := make(matrix, len(x))
	for i, row := range x {
		y[i] = make([]float64, len(row))
		for k, v := range row {
			y[i][k] = v * o.draw.keep(at, (o.row*positions+i)*len(row)+k)
		}
	}
	return y
}

// modelDrop is the model's own dropout.
func (o *oracle) modelDrop(x matrix, site string, positions int) matrix {
	if o.draw == nil {
		return x
	}
	return o.drop(x, site, o.draw.rate, positions)
}

// positions are those that a batch row has at a module: the encoder's, which the
// decoder's cross-attention takes keys and values from, or the decoder's.
func (o *oracle) positions(module string) int {
	if strings.HasPrefix(module, "encoder.") || strings.HasSuffix(module, "EncDecAttention.k") || strings.HasSuffix(module, "EncDecAttention.v") {
		return o.m + o.size.source
	}
	return o.size.target
}

// place is the sublayer of a module: "encoder.3.self".
func (o *oracle) place(module string) string {
	name := o.places[module]
	return name[:strings.LastIndexByte(name, '.')]
}

func (o *oracle) norm(x matrix, name string) matrix {
	y, weight := make(matrix, len(x)), o.weights[name]
	if own := o.part(strings.TrimSuffix(name, ".weight"), "ln_tuning_layers.weight"); own != nil {
		weight = own
	}
	for i, row := range x {
		var squares float64
		for _, v := range row {
			squares += v * v
		}
		f := 1 / math.Sqrt(squares/float64(len(row))+o.c.LayerNormEpsilon)
		y[i] = make([]float64, len(row))
		for k, v := range row {
			y[i][k] = v * f * weight[k]
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

// behind is the stream x after a sublayer has made s of it: x + s, or under bottleneck
// adapters x + s + scale·a(h), where h is x + s, s or x.
func (o *oracle) behind(x, s matrix, module, kind string) matrix {
	name := module + ".adapters.dept."
	down := o.adapter[name+"adapter_down.0.weight"]
	if down == nil {
		return add(x, s)
	}
	c := o.config.(*dept.BottleneckConfig).Config
	require.True(o.t, map[string]bool{"self": c.SelfAttention, "cross": c.Cross, "ff": c.FeedForward}[kind], "an adapter behind %s", module)
	h := make(matrix, len(x))
	for i := range h {
		h[i] = make([]float64, len(x[i]))
		for k := range h[i] {
			switch {
			case c.Parallel:
				h[i][k] = x[i][k]
			case c.Sums:
				h[i][k] = x[i][k] + s[i][k]
			default:
				h[i][k] = s[i][k]
			}
		}
	}
	z := shifted(product(h, down), o.adapter[name+"adapter_down.0.bias"])
	a := shifted(product(o.activation(z, c.NonLinearity, name), o.adapter[name+"adapter_up.weight"]), o.adapter[name+"adapter_up.bias"])
	for _, row := range a {
		for k := range row {
			row[k] *= float64(c.Scale)
		}
	}
	return add(add(x, s), a)
}

// activation is a non-linearity that torch has under a name.
func (o *oracle) activation(z matrix, name, place string) matrix {
	y := make(matrix, len(z))
	for i, row := range z {
		y[i] = slices.Clone(row)
	}
	if name == "relu" || name == "leakyrelu" {
		y = o.relu(y, place)
	}
	for i, row := range y {
		for k, v := range row {
			switch name {
			case "leakyrelu":
				row[k] = 0.99*v + 0.01*z[i][k]
			case "swish":
				row[k] = v / (1 + math.Exp(-v))
			case "gelu":
				row[k] = v * math.Erfc(-v/math.Sqrt2) / 2
			case "gelu_new":
				row[k] = v / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(v+0.044715*v*v*v)))
			case "tanh":
				row[k] = math.Tanh(v)
			}
		}
	}
	return y
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
	inFront, theirs := o.keys[name], o.values[name]
	if c, ok := o.config.(*dept.PrefixConfig); ok {
		inFront, theirs = o.prefix(name, c.Config.Length, c.Config.NonLinearity)
	}
	ahead := len(inFront)
	k, v = append(slices.Clone(inFront), k...), append(slices.Clone(theirs), v...)
	queries, keys, place := o.positions(name+".q"), ahead+o.positions(name+".k"), o.place(name+".q")
	mixed := make(matrix, len(x))
	attends := make([]float64, o.c.NumHeads*len(x)*len(k))
	for i := range mixed {
		mixed[i] = make([]float64, len(q[0]))
		for head := range o.c.NumHeads {
			at := head * o.c.DKV
			reach := len(k)
			if causal {
				reach = ahead + i + 1
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
				p := scores[j] / sum
				attends[(head*len(x)+i)*len(k)+j] = p
				if o.draw != nil {
					p *= o.draw.keep(nn.DropoutAt(place+".weights", o.draw.rate), ((o.row*o.c.NumHeads+head)*queries+i)*keys+j)
				}
				for e := at; e < at+o.c.DKV; e++ {
					mixed[i][e] += p * v[j][e]
				}
			}
		}
	}
	o.attends[name] = attends
	return o.modelDrop(o.linear(mixed, name+".o.weight"), place, queries)
}

// prefix is the n keys and values of prefix tuning in front of an attention's own.
func (o *oracle) prefix(attention string, n int, f string) (keys, values matrix) {
	group := "self_prefix"
	switch {
	case strings.HasSuffix(attention, "EncDecAttention"):
		group = "cross_prefix"
	case strings.HasPrefix(attention, "encoder."):
		group = "encoder_prefix"
	}
	part := func(name string) []float64 { return o.adapter["prefix_tuning.prefix_tunings.dept."+group+name] }
	var layer int
	_, err := fmt.Sscanf(attention[strings.Index(attention, ".block.")+7:], "%d", &layer)
	require.NoError(o.t, err)
	all, inner := part(".control_trans"), o.c.NumHeads*o.c.DKV
	if all == nil {
		var words matrix
		for i := range n {
			words = append(words, part(".wte.weight")[i*o.c.DModel:][:o.c.DModel])
		}
		z := o.activation(shifted(product(words, part(".control_trans.0.weight")), part(".control_trans.0.bias")), f, group)
		for _, row := range shifted(product(z, part(".control_trans.2.weight")), part(".control_trans.2.bias")) {
			all = append(all, row...)
		}
	}
	for i := range n {
		row := all[i*(len(all)/n):][:len(all)/n]
		keys, values = append(keys, row[2*layer*inner:][:inner]), append(values, row[(2*layer+1)*inner:][:inner])
	}
	return keys, values
}

func (o *oracle) feedForward(x matrix, name string) matrix {
	place, positions := o.place(name+".wo"), o.positions(name)
	var h matrix
	if o.c.Gated() {
		h = o.linear(x, name+".wi_1.weight")
		for i, row := range o.linear(x, name+".wi_0.weight") {
			for k, g := range row {
				h[i][k] *= g / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(g+0.044715*g*g*g)))
			}
		}
	} else {
		h = o.relu(o.linear(x, name+".wi.weight"), name)
	}
	h = o.modelDrop(h, place+".in", positions)
	return o.modelDrop(o.linear(h, name+".wo.weight"), place, positions)
}

// relu is max(0, z), and around a point on the side of it that each z is on there.
func (o *oracle) relu(z matrix, name string) matrix {
	var held []bool
	key := fmt.Sprintf("%d %s", o.row, name)
	if o.point != nil {
		held = o.point.gates[key]
	}
	var open []bool
	for _, row := range z {
		for k := range row {
			if at := len(open); held != nil {
				open = append(open, held[at])
			} else {
				open = append(open, row[k] > 0)
			}
			if !open[len(open)-1] {
				row[k] = 0
			}
		}
	}
	if o.point != nil {
		o.point.gates[key] = open
	}
	return z
}

func (o *oracle) embed(ids []int32) matrix {
	x := make(matrix, len(ids))
	for i, id := range ids {
		x[i] = append([]float64(nil), o.weights["shared.weight"][int(id)*o.c.DModel:][:o.c.DModel]...)
	}
	return x
}

// input is what the encoder reads of a text: a prompt in front, and the shift.
func (o *oracle) input(ids []int32) matrix {
	d := o.c.DModel
	p, a, b := o.adapter[dept.TensorP], o.adapter[dept.TensorA], o.adapter[dept.TensorB]
	var h matrix
	for i := range o.m {
		h = append(h, append([]float64(nil), p[i*d:][:d]...))
	}
	if _, ok := o.config.(*dept.ResidualConfig); ok {
		h = o.residual(h)
	}
	words := o.embed(ids)
	if _, ok := o.config.(*dept.ADePTConfig); ok {
		return append(h, o.adept(words)...)
	}
	for t, row := range words {
		if r := len(b) / d; r > 0 {
			scale := o.config.(*dept.PromptConfig).Scale()
			for k := range row {
				for j := range r {
					row[k] += scale * a[t*r+j] * b[j*d+k]
				}
			}
		}
		h = append(h, row)
	}
	return h
}

// residual is P + norm(D·relu(C·P + c) + e), with a norm that takes off the mean.
func (o *oracle) residual(p matrix) matrix {
	part := func(name string) []float64 { return o.adapter["prompt_encoder.module."+name] }
	z := shifted(product(p, part("0.weight")), part("0.bias"))
	z = shifted(product(o.relu(z, "residual"), part("2.weight")), part("2.bias"))
	weight, bias := part("3.weight"), part("3.bias")
	for i, row := range z {
		var mean, variance float64
		for _, v := range row {
			mean += v / float64(len(row))
		}
		for _, v := range row {
			variance += (v - mean) * (v - mean) / float64(len(row))
		}
		for k, v := range row {
			row[k] = p[i][k] + (v-mean)/math.Sqrt(variance+1e-5)*weight[k] + bias[k]
		}
	}
	return z
}

// adept shifts each word by relu(dropout(E·A + a))·B + b.
func (o *oracle) adept(words matrix) matrix {
	d := o.c.DModel
	z := shifted(product(words, transposed(o.adapter[dept.TensorA], d)), o.adapter[dept.TensorInnerBias])
	z = o.relu(o.drop(z, "adept", 0.1, o.size.source), "adept")
	return add(shifted(product(z, transposed(o.adapter[dept.TensorB], len(z[0]))), o.adapter[dept.TensorOuterBias]), words)
}

// transposed is a matrix of so many rows with its rows as columns.
func transposed(w []float64, rows int) []float64 {
	out := make([]float64, 0, len(w))
	for c := range len(w) / rows {
		for r := range rows {
			out = append(out, w[r*(len(w)/rows)+c])
		}
	}
	return out
}

// encode returns the encoder's output for a row of the batch.
func (o *oracle) encode(row int, x data.Example) matrix {
	o.row = row
	if p := o.point; p != nil && p.keepsEncoder {
		return p.encoded[row]
	}
	positions := o.m + o.size.source
	h := o.modelDrop(o.input(x.Source), "encoder.embed", positions)
	for i := range o.c.NumLayers {
		block := fmt.Sprintf("encoder.block.%d.layer.", i)
		n := o.norm(h, block+"0.layer_norm.weight")
		h = o.behind(h, o.attention(n, n, block+"0.SelfAttention", "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", false), block+"0", "self")
		h = o.behind(h, o.feedForward(o.norm(h, block+"1.layer_norm.weight"), block+"1.DenseReluDense"), block+"1", "ff")
	}
	encoded := o.modelDrop(o.norm(h, "encoder.final_layer_norm.weight"), "encoder.norm", positions)
	if p := o.point; p != nil && p.encoded[row] == nil {
		p.encoded[row] = encoded
	}
	return encoded
}

// decode returns the logits of a row of the batch.
func (o *oracle) decode(row int, x data.Example, encoded matrix) matrix {
	o.row = row
	positions := o.size.target
	h := o.embed(append([]int32{int32(o.c.DecoderStartTokenID)}, x.Target[:len(x.Target)-1]...))
	h = o.modelDrop(h, "decoder.embed", positions)
	for i := range o.c.NumDecoderLayers {
		block := fmt.Sprintf("decoder.block.%d.layer.", i)
		n := o.norm(h, block+"0.layer_norm.weight")
		h = o.behind(h, o.attention(n, n, block+"0.SelfAttention", "decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", true), block+"0", "self")
		h = o.behind(h, o.attention(o.norm(h, block+"1.layer_norm.weight"), encoded, block+"1.EncDecAttention", "", false), block+"1", "cross")
		h = o.behind(h, o.feedForward(o.norm(h, block+"2.layer_norm.weight"), block+"2.DenseReluDense"), block+"2", "ff")
	}
	h = o.modelDrop(o.norm(h, "decoder.final_layer_norm.weight"), "decoder.norm", positions)
	if !o.c.TieWordEmbeddings {
		return o.linear(h, "lm_head.weight")
	}
	for i := range h {
		for k := range h[i] {
			h[i][k] /= math.Sqrt(float64(o.c.DModel))
		}
	}
	return o.linear(h, "shared.weight")
}

// loss is the mean over all target tokens.
func (o *oracle) loss(rows []data.Example) float64 {
	var sum float64
	for row, x := range rows {
		logits := o.decode(row, x, o.encode(row, x))
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

// slope is the derivative of the loss by a number of one of the tensors of the
// adapter or the model.
func (o *oracle) slope(rows []data.Example, tensor string, i int) float64 {
	if o.point == nil {
		o.point = &point{gates: map[string][]bool{}, encoded: map[int]matrix{}}
		o.loss(rows)
	}
	o.point.keepsEncoder = strings.Contains(tensor, "decoder.")
	values, ok := o.adapter[tensor]
	if !ok {
		values = o.weights[tensor]
	}
	const h = 1e-5
	at := values[i]
	values[i] = at + h
	up := o.loss(rows)
	values[i] = at - h
	down := o.loss(rows)
	values[i] = at
	return (up - down) / (2 * h)
}

// On odd sizes the model and the gradients of P, A and B and of the weights agree
// with float64 as the golden cases do.
func TestOddSizes(t *testing.T) {
	e := sharedEngine(t)
	g := golden{slack: slackOf(e)}
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
			rows := rowsOf(rng, c.sources)
			longest := slices.Max(c.sources)
			adapter := newPrompt(t, ck, &dept.PromptConfig{PromptLength: c.m, Rank: c.r, MaxSourceLength: longest, Width: cfg.DModel, LoraAlpha: c.alpha}, dept.InitVocab)
			b := adapter.Values(dept.TensorB)
			for i := range b {
				b[i] = float32(rng.NormFloat64())
			}
			g.holdToOracle(t, e, ck, adapter, rows, nil)
			if longest < 100 { // the oracle takes long, and the kernels are the same
				g.holdWeights(t, e, newOracle(t, ck, nil), ck, rows)
			}
		})
	}
}

// rowsOf are texts of the given lengths out of a vocabulary of 203, whose targets
// are 2, 3, ... tokens.
func rowsOf(rng *rand.Rand, sources []int) (rows rowsOfIDs) {
	for i, n := range sources {
		x := data.Example{Target: make([]int32, 2+i)}
		for range n {
			x.Source = append(x.Source, int32(rng.IntN(203)))
		}
		for k := range x.Target {
			x.Target[k] = int32(rng.IntN(203))
		}
		rows = append(rows, x)
	}
	return rows
}

// newPrompt is an adapter as training starts it.
func newPrompt(t *testing.T, ck *t5.Checkpoint, c *dept.PromptConfig, init dept.PromptInit) *dept.Adapter {
	a, err := dept.NewAdapter(c, dept.Values{"prompt-init": string(init)}, dept.Origin{Model: ck.Config.Describe(), Checkpoint: ck, Seed: 1})
	require.NoError(t, err)
	return a
}

// holdToOracle compares a pass under an adapter and the gradients of some of its
// numbers with the oracle's; draw is the pass's dropout, nil for one of evaluation.
func (g golden) holdToOracle(t *testing.T, e *tensor.Engine, ck *t5.Checkpoint, adapter *dept.Adapter, rows rowsOfIDs, draw *drawing) {
	ctx := context.Background()
	m, err := t5.Load(ctx, e, ck, false)
	require.NoError(t, err)
	t.Cleanup(m.Release)
	method, err := dept.New(m, adapter, true)
	require.NoError(t, err)
	t.Cleanup(method.Release)
	s := bucketOf(rows, len(rows), adapter.Config.MaxSource(), len(rows)+1)
	loss, encoded, logits := runPass(t, e, m, method, rows, s, draw)
	o := newOracle(t, ck, adapter)
	o.size, o.draw = s, draw
	want := o.loss(rows)
	assert.InDelta(t, want, loss, 3e-7*want, "loss")
	for i, x := range rows {
		wantEncoded := o.encode(i, x)
		wantLogits := o.decode(i, x, wantEncoded)
		at := i * (o.m + s.source) * o.c.DModel
		g.compare(t, fmt.Sprintf("encoder_output of row %d", i), encoded[at:at+len(wantEncoded)*o.c.DModel], narrow(wantEncoded), 5e-12)
		at = i * s.target * o.c.VocabSize
		g.compare(t, fmt.Sprintf("logits of row %d", i), logits[at:at+len(wantLogits)*o.c.VocabSize], narrow(wantLogits), 5e-12)
	}
	// Each number of the adapter costs the oracle two passes: a few of each tensor.
	rng := rand.New(rand.NewPCG(6, 6))
	for _, x := range adapter.Tensors {
		gradient, err := method.Array(x.Name).Grad.ReadFloats(ctx)
		require.NoError(t, err)
		picks := []int{peak(gradient)}
		for len(picks) < max(2, 18/len(adapter.Tensors)) {
			picks = append(picks, rng.IntN(len(gradient)))
		}
		var got, want []float32
		for _, i := range picks {
			got, want = append(got, gradient[i]), append(want, float32(o.slope(rows, x.Name, i)))
		}
		g.compare(t, "gradient of "+x.Name, got, want, 5e-11)
	}
}

// peak is the index of the number that is farthest from 0.
func peak(x []float32) (at int) {
	for i := range x {
		if math.Abs(float64(x[i])) > math.Abs(float64(x[at])) {
			at = i
		}
	}
	return at
}

// holdWeights compares the largest gradients of each weight, and some others.
func (g golden) holdWeights(t *testing.T, e *tensor.Engine, o *oracle, ck *t5.Checkpoint, rows rowsOfIDs) {
	ctx := context.Background()
	m, err := t5.Load(ctx, e, ck, true)
	require.NoError(t, err)
	t.Cleanup(m.Release)
	total, err := e.NewArray("loss", shaders.F32, 1)
	require.NoError(t, err)
	t.Cleanup(total.Release)
	graph, in, err := recordTraining(e, m, dept.NewFull(m), bucketOf(rows, len(rows), 100, 100), Options{}, total)
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
		var got, want []float32
		for _, i := range []int{peak(gradient), rng.IntN(len(gradient)), rng.IntN(len(gradient))} {
			got, want = append(got, gradient[i]), append(want, float32(o.slope(rows, name, i)))
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
