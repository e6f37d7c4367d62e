package dept

import (
	"context"
	"fmt"

	"github.com/go-dept/dept/shaders"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/tensor"
)

// Prompt is Decomposed Prompt Tuning (Shi and Lipani, ICLR 2024): a short
// prompt P [m, d] before the text, and a low-rank pair A [s, r], B [r, d] that
// shifts the word embeddings by position. With r = 0 it is prompt tuning, with
// m = 0 the shift alone, with both 0 the model as it is.
type Prompt struct {
	P, A, B *tensor.Array // nil where m or r is 0

	config AdapterConfig
}

// The parameter groups of a prompt: each has a learning rate of its own.
const (
	GroupPrompt  = 0 // P
	GroupLowRank = 1 // A and B
)

// Embed is the paper's equation, with the factor of its authors' code:
//
//	encoder input = [ P ; E(x) + scale · A[:len] · B ]
//
// Row t of A belongs to text position t, whatever m is.
func (p *Prompt) Embed(pass *t5.Pass, text t5.Tokens) *tensor.Value {
	g := pass.Graph()
	o := tensor.EmbedOptions{Table: pass.Table(), Scale: float32(p.config.Scale()), Dropout: pass.Dropout()}
	if p.P != nil {
		o.P = g.Use(p.P)
	}
	if p.A != nil {
		o.A, o.B = g.Use(p.A), g.Use(p.B)
	}
	return g.Embed("encoder.embed", text.IDs, o)
}

// NewPrompt puts an adapter on the device. With trainable its arrays get
// gradients.
func NewPrompt(e *tensor.Engine, a *Adapter, trainable bool) (*Prompt, error) {
	p := &Prompt{config: a.Config}
	c := a.Config
	for _, part := range []struct {
		to          **tensor.Array
		name        string
		values      []float32
		rows, width int
	}{
		{&p.P, "prompt_embeddings", a.P, c.PromptLength, c.Width},
		{&p.A, "prompt_encoder.lora_embedding_A", a.A, c.MaxSourceLength, c.Rank},
		{&p.B, "prompt_encoder.lora_embedding_B", a.B, c.Rank, c.Width},
	} {
		if part.rows*part.width == 0 {
			continue
		}
		array, err := e.NewArray(part.name, shaders.F32, part.rows, part.width)
		if err != nil {
			p.Release()
			return nil, err
		}
		*part.to = array
		err = array.WriteFloats(part.values)
		if err == nil && trainable {
			err = e.Trainable(array)
		}
		if err != nil {
			p.Release()
			return nil, err
		}
	}
	return p, nil
}

// Params are P in its group and A and B in theirs.
func (p *Prompt) Params() []tensor.Param {
	var params []tensor.Param
	if p.P != nil {
		params = append(params, tensor.Param{Array: p.P, Group: GroupPrompt})
	}
	if p.A != nil {
		params = append(params, tensor.Param{Array: p.A, Group: GroupLowRank}, tensor.Param{Array: p.B, Group: GroupLowRank})
	}
	return params
}

// PromptLength is m.
func (p *Prompt) PromptLength() int { return p.config.PromptLength }

// Config describes the adapter.
func (p *Prompt) Config() AdapterConfig { return p.config }

// Adapter reads P, A and B back from the device.
func (p *Prompt) Adapter(ctx context.Context) (*Adapter, error) {
	values, err := readFloats(ctx, p.P, p.A, p.B)
	if err != nil {
		return nil, fmt.Errorf("read adapter: %w", err)
	}
	return &Adapter{Config: p.config, P: values[0], A: values[1], B: values[2]}, nil
}

// Release gives P, A and B back.
func (p *Prompt) Release() {
	for _, a := range []*tensor.Array{p.P, p.A, p.B} {
		if a != nil {
			a.Release()
		}
	}
}

// RankForBudget is the largest rank r at which a prompt of m vectors and a rank-r shift of s
// positions train no more parameters than a prompt of l vectors does, all of width d:
//
//	m·d + r·(s + d) ≤ l·d
//
// It is 0 where m takes up the whole budget.
func RankForBudget(l, m, s, d int) int {
	if m >= l {
		return 0
	}
	return (l - m) * d / (s + d)
}
