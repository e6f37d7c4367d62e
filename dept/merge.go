package dept

import (
	"fmt"

	"github.com/go-dept/dept/nn"
)

// Merge folds an adapter into a model's weights: it gives the model's tensors by
// name as weights does, those of the adapter's modules changed so that the model
// alone answers as both did. A method that is no change of weights is an error, which
// says why.
func Merge(a *Adapter, d nn.Description, weights func(name string) ([]float32, error)) (func(name string) ([]float32, error), error) {
	k := a.Config.Kind()
	if k.Merge == nil {
		return nil, fmt.Errorf("an adapter of %s cannot be merged: %s: keep it beside the model", k.Name, k.Apart)
	}
	if err := a.Fits(d); err != nil {
		return nil, err
	}
	sites := map[string]nn.Site{}
	for _, s := range append(d.Sites(), d.Norms()...) {
		sites[s.Tensor()] = s
	}
	return func(name string) ([]float32, error) {
		w, err := weights(name)
		if err != nil {
			return nil, err
		}
		if s, ok := sites[name]; ok {
			err = k.Merge(a, s, w)
		}
		return w, err
	}, nil
}
