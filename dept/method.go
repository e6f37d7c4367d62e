// Package dept holds the methods of fine-tuning: what each trains, how that reaches the frozen model,
// and the files that an adapter is kept in. Decomposed Prompt Tuning (Shi and Lipani, ICLR 2024) is
// Prompt; its start and its rank for a budget stand beside it.
package dept

import (
	"context"
	"fmt"
	"math"

	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/tensor"
)

// Method is a way of fine-tuning: what it trains, and how that reaches the
// model. The model's other weights stay as they are.
type Method interface {
	// Params are the trained arrays, each in the group whose rate it follows.
	Params() []tensor.Param
	// PromptLength is how many positions stand before the text in the encoder.
	PromptLength() int
	// Embed records the encoder's input for text [batch, length]:
	// [batch·(PromptLength+length), d].
	Embed(p *t5.Pass, text t5.Tokens) *tensor.Value
	// Release gives the method's own arrays back.
	Release()
}

// Full is full fine-tuning: every weight of the model is trained, and nothing
// is put before the text.
type Full struct {
	model  *t5.Model
	scales []float64 // of the rate for each weight, or nil
}

// NewFull trains a model that was loaded for training.
func NewFull(m *t5.Model) *Full { return &Full{model: m} }

// NewRelativeFull is NewFull with rates relative to the size of the weights, as
// they are now: a weight's is its root mean square times the rate of the options.
// T5's first weights are of very different sizes, up to a factor of 100, and from
// such a start Adam's steps, of one size for all, get nowhere. Adafactor, which T5
// was pre-trained with, has such rates too (Shazeer and Stern, "Adafactor:
// Adaptive Learning Rates with Sublinear Memory Cost", section 8).
func NewRelativeFull(ctx context.Context, m *t5.Model) (*Full, error) {
	f := NewFull(m)
	weights, err := readFloats(ctx, m.Trainable()...)
	if err != nil {
		return nil, err
	}
	for _, w := range weights {
		var squares float64
		for _, x := range w {
			squares += float64(x) * float64(x)
		}
		f.scales = append(f.scales, max(leastScale, math.Sqrt(squares/float64(len(w)))))
	}
	return f, nil
}

// leastScale lets weights that are zero move; it is Adafactor's.
const leastScale = 1e-3

// Params are the model's weights, all in group 0.
func (f *Full) Params() []tensor.Param {
	var params []tensor.Param
	for i, a := range f.model.Trainable() {
		p := tensor.Param{Array: a}
		if f.scales != nil {
			p.Scale = f.scales[i]
		}
		params = append(params, p)
	}
	return params
}

// PromptLength is 0.
func (f *Full) PromptLength() int { return 0 }

// Embed is the model's own embedding.
func (f *Full) Embed(p *t5.Pass, text t5.Tokens) *tensor.Value {
	return p.Graph().Embed("encoder.embed", text.IDs, tensor.EmbedOptions{
		Table: p.Table(), Dropout: p.Dropout(), Runs: text.Runs, Order: text.Order,
	})
}

// Release does nothing: the weights are the model's.
func (f *Full) Release() {}

var (
	_ Method = (*Full)(nil)
	_ Method = (*Prompt)(nil)
)

// readFloats reads several arrays back.
func readFloats(ctx context.Context, arrays ...*tensor.Array) ([][]float32, error) {
	out := make([][]float32, len(arrays))
	for i, a := range arrays {
		if a == nil {
			continue
		}
		var err error
		if out[i], err = a.ReadFloats(ctx); err != nil {
			return nil, fmt.Errorf("read %s: %w", a.Name, err)
		}
	}
	return out, nil
}
