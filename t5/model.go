package t5

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/tensor"
)

// Load puts a checkpoint's weights on the device; see nn.Load.
func Load(ctx context.Context, e *tensor.Engine, ck *Checkpoint, trainable bool) (*nn.Model, error) {
	return nn.Load(ctx, e, ck.Config.Describe(), ck, trainable)
}

// The two tables of a vocabulary. Where the embedding is the output table too, there is one.
const (
	embeddingTensor = "shared.weight"
	headTensor      = "lm_head.weight"
)

// Describe is T5 as package nn records it, with the tensors named as Hugging Face names them.
func (c *Config) Describe() nn.Description {
	d := nn.Description{
		Width: c.DModel, Vocabulary: c.VocabSize, Embedding: embeddingTensor, Head: embeddingTensor, HeadScale: 1,
		Epsilon: float32(c.LayerNormEpsilon),
		Encoder: c.stack("encoder", c.NumLayers, false),
		Decoder: c.stack("decoder", c.NumDecoderLayers, true),
		Start:   c.DecoderStartTokenID, End: c.EOSTokenID, Pad: c.PadTokenID,
	}
	if c.OwnTable() {
		d.Head = headTensor
	}
	if c.Scaled() {
		d.HeadScale = float32(1 / math.Sqrt(float64(c.DModel)))
	}
	return d
}

// stack describes the encoder or the decoder. One table of biases, which stands with the first
// block, serves all of a stack.
func (c *Config) stack(name string, layers int, decoder bool) nn.Stack {
	s := nn.Stack{
		Name: name, Norm: name + ".final_layer_norm.weight", Causal: decoder,
		Bias: &nn.RelativeBias{
			Tensor:  name + ".block.0.layer.0.SelfAttention.relative_attention_bias.weight",
			Buckets: c.RelativeAttentionNumBuckets, MaxDistance: c.RelativeAttentionMaxDistance, Bidirectional: !decoder,
		},
	}
	for i := range layers {
		block := nn.Block{c.attention(name, i, 0, "self", "SelfAttention")}
		if decoder {
			cross := c.attention(name, i, 1, "cross", "EncDecAttention")
			cross.Attention.Cross = true
			block = append(block, cross)
		}
		s.Blocks = append(s.Blocks, append(block, c.feedForward(name, i, len(block))))
	}
	return s
}

func (c *Config) attention(stack string, block, layer int, name, module string) nn.Sublayer {
	at := fmt.Sprintf("%s.block.%d.layer.%d.", stack, block, layer)
	inner := c.NumHeads * c.DKV // need not be d_model
	in := func(part string) nn.Linear {
		return nn.Linear{Name: part, Tensor: at + module + "." + part + ".weight", In: c.DModel, Out: inner}
	}
	return nn.Sublayer{Name: name, Module: strings.TrimSuffix(at, "."), Norm: at + "layer_norm.weight", Attention: &nn.Attention{
		Heads: c.NumHeads, HeadDim: c.DKV, Q: in("q"), K: in("k"), V: in("v"),
		O: nn.Linear{Name: "o", Tensor: at + module + ".o.weight", In: inner, Out: c.DModel},
	}}
}

func (c *Config) feedForward(stack string, block, layer int) nn.Sublayer {
	at := fmt.Sprintf("%s.block.%d.layer.%d.", stack, block, layer)
	linear := func(part string, in, out int) nn.Linear {
		return nn.Linear{Name: part, Tensor: at + "DenseReluDense." + part + ".weight", In: in, Out: out}
	}
	f := &nn.FeedForward{In: []nn.Linear{linear("wi", c.DModel, c.DFF)}, Out: linear("wo", c.DFF, c.DModel)}
	if c.Gated() {
		f.In = []nn.Linear{linear("wi_0", c.DModel, c.DFF), linear("wi_1", c.DModel, c.DFF)}
	}
	return nn.Sublayer{Name: "ff", Module: strings.TrimSuffix(at, "."), Norm: at + "layer_norm.weight", FeedForward: f}
}
