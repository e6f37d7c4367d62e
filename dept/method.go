package dept

import (
	"context"
	"fmt"

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
type Full struct{ model *t5.Model }

// NewFull trains a model that was loaded for training.
func NewFull(m *t5.Model) *Full { return &Full{m} }

// Params are the model's weights, all in group 0.
func (f *Full) Params() []tensor.Param {
	var params []tensor.Param
	for _, a := range f.model.Trainable() {
		params = append(params, tensor.Param{Array: a})
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
