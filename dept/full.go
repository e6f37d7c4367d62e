package dept

import (
	"context"
	"fmt"
	"math"

	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/tensor"
)

// Full is full fine-tuning: every weight of the model is trained, and what comes
// out is a whole checkpoint.
//
//	W ← W − update,   for every weight W
var Full = Kind{
	Name: "full", Title: "Full fine-tuning", About: "every weight of the model",
	Settings: []Setting{rateSetting("", "learning rate", 1e-3)},
}

// NewFull trains the weights of a model that was loaded for training.
func NewFull(m *nn.Model) *Method {
	t := &Method{Kind: &Full}
	for _, a := range m.Trainable() {
		t.params = append(t.params, tensor.Param{Array: a})
	}
	return t
}

// leastScale lets weights that are zero move; it is Adafactor's.
const leastScale = 1e-3

// NewRelativeFull is NewFull with rates relative to the size of the weights, as
// they are now: a weight's is its root mean square times the rate of the options.
// T5's first weights are of very different sizes, up to a factor of 100, and from
// such a start Adam's steps, of one size for all, get nowhere. Adafactor, which T5
// was pre-trained with, has such rates too (Shazeer and Stern, "Adafactor:
// Adaptive Learning Rates with Sublinear Memory Cost", section 8).
func NewRelativeFull(ctx context.Context, m *nn.Model) (*Method, error) {
	t := NewFull(m)
	for i, p := range t.params {
		w, err := p.ReadFloats(ctx)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", p.Name, err)
		}
		var squares float64
		for _, x := range w {
			squares += float64(x) * float64(x)
		}
		t.params[i].Scale = max(leastScale, math.Sqrt(squares/float64(len(w))))
	}
	return t, nil
}
