package dept

import (
	"context"
	"fmt"
	"math"

	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/tensor"
)

// Method is a method of fine-tuning at work on a model: what it trains, and how
// that reaches the model. The model's other weights stay as they are.
type Method struct {
	Kind  *Kind // nil for the model as it is
	Hooks nn.Hooks

	adapter *Adapter // its Config, names and shapes; nil where the model's weights are trained
	arrays  Arrays
	params  []tensor.Param
	owned   []*tensor.Array
}

// Arrays are a method's tensors on the device, by the names of the adapter's file.
type Arrays map[string]*tensor.Array

// New puts an adapter on the device of a model. With trainable its arrays get
// gradients.
func New(m *nn.Model, a *Adapter, trainable bool) (*Method, error) {
	list, err := a.tensorsFor(m.Description)
	if err != nil {
		return nil, err
	}
	t := &Method{Kind: a.Config.Kind(), adapter: &Adapter{Config: a.Config, Base: a.Base, Tensors: list}, arrays: Arrays{}}
	for _, x := range list {
		array, err := m.Engine().NewArray(x.Name, tensor.F32, x.Shape...)
		if err != nil {
			t.Release()
			return nil, err
		}
		t.owned = append(t.owned, array)
		t.arrays[x.Name] = array
		if trainable {
			err = m.Engine().Trainable(array)
			t.params = append(t.params, tensor.Param{Array: array, Group: x.Group})
		}
		if err == nil {
			err = array.WriteFloats(x.Values)
		}
		if err != nil {
			t.Release()
			return nil, err
		}
	}
	t.Hooks = t.Kind.Hooks(a.Config, t.arrays)
	return t, nil
}

// AsIs is a model without any method.
func AsIs() *Method { return &Method{} }

// Params are the trained arrays, each in the group whose rate it follows.
func (t *Method) Params() []tensor.Param { return t.params }

// Parameters is how many numbers are trained.
func (t *Method) Parameters() (n int) {
	for _, p := range t.params {
		if p.Group != GroupFixed {
			n += p.Len()
		}
	}
	return n
}

// PromptLength is how many positions stand before the text in the encoder.
func (t *Method) PromptLength() int {
	if t.adapter == nil {
		return 0
	}
	return t.adapter.Config.Positions()
}

// Config describes the adapter; nil where there is none.
func (t *Method) Config() Config {
	if t.adapter == nil {
		return nil
	}
	return t.adapter.Config
}

// Array is the array of one of the adapter's tensors; nil if it has none of that
// name.
func (t *Method) Array(name string) *tensor.Array { return t.arrays[name] }

// Adapter reads the numbers back from the device.
func (t *Method) Adapter(ctx context.Context) (*Adapter, error) {
	a := *t.adapter
	a.Tensors = nil
	for _, spec := range t.adapter.Tensors {
		x, err := t.arrays[spec.Name].ReadFloats(ctx)
		if err != nil {
			return nil, fmt.Errorf("read adapter: %s: %w", spec.Name, err)
		}
		spec.Values = x
		a.Tensors = append(a.Tensors, spec)
	}
	return &a, nil
}

// Take gives the method the numbers of an adapter of its own Config.
func (t *Method) Take(a *Adapter) error {
	for _, x := range a.Tensors {
		array, ok := t.arrays[x.Name]
		if !ok {
			return fmt.Errorf("take adapter: tensor %s belongs to another method", x.Name)
		}
		if err := array.WriteFloats(x.Values); err != nil {
			return fmt.Errorf("take adapter: %w", err)
		}
	}
	return nil
}

// Release gives the method's own arrays back; those of the model stay.
func (t *Method) Release() {
	for _, a := range t.owned {
		a.Release()
	}
	t.owned = nil
}

// uniform draws n numbers from ±bound.
func uniform(random interface{ Float64() float64 }, n int, bound float64) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32((2*random.Float64() - 1) * bound)
	}
	return x
}

// normal draws n numbers from N(0, deviation²).
func normal(random interface{ NormFloat64() float64 }, n int, deviation float64) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(deviation * random.NormFloat64())
	}
	return x
}

// constant is n times the same number.
func constant(n int, value float32) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = value
	}
	return x
}

func finite(x float32) bool { return !math.IsNaN(float64(x)) && !math.IsInf(float64(x), 0) }
