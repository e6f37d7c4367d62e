package dept

import (
	"fmt"
	"strings"

	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/tensor"
)

// Biases is a trained vector b [out] on what each weight W of the blocks makes, which
// is BitFit (Ben Zaken et al., "BitFit: Simple Parameter-efficient Fine-tuning for
// Transformer-based Masked Language-models") for a model whose layers have no biases,
// as T5's have none:
//
//	y = W·x + b
//
// b starts at zero, so that step 0 is the model as it is. Keys have none: it would add
// one number to all scores of a query, which the softmax does not see.
var Biases = Kind{
	Name: "biases", Title: "Biases", About: "a bias on what each weight but those of keys makes",
	Peft:     "BIASES", // no method of PEFT's
	Settings: []Setting{rateSetting("", "learning rate", 1e-3)},
	Empty:    func() Config { return &BiasesConfig{} },
	Configure: func(_ Values, s int, _ nn.Description) (Config, []*SettingError, error) {
		return &BiasesConfig{anyLength{s}}, nil, nil
	},
	Start: func(c Config, _ Values, o Origin) ([]Tensor, error) { return zeros(c.Tensors(o.Model)) },
	Hooks: biasHooks,
	Apart: "the layers of a T5 have no biases that it could be added to",
}

// BiasesConfig is the adapter_config.json of biases: there is nothing to say.
type BiasesConfig struct{ anyLength }

// Kind is Biases.
func (c *BiasesConfig) Kind() *Kind { return &Biases }

// Describe says what is trained.
func (c *BiasesConfig) Describe() string { return "b of all modules but k" }

// Check finds nothing.
func (c *BiasesConfig) Check() error { return nil }

// bias is the part of a module's tensor.
const bias = "bias"

// Tensors is one vector for each module but the keys'.
func (c *BiasesConfig) Tensors(d nn.Description) ([]Tensor, error) {
	var list []Tensor
	for _, s := range d.Sites() {
		if strings.HasSuffix(s.Name, ".k") {
			continue
		}
		list = append(list, Tensor{Name: tensorName(s, bias), Shape: []int{s.Out}})
	}
	return list, nil
}

// Take checks that all tensors are vectors of modules.
func (c *BiasesConfig) Take(file []Tensor) ([]Tensor, error) {
	return takeModules(file, []string{bias}, func(_, _ string, shape []int) error {
		if len(shape) != 1 {
			return fmt.Errorf("it is %v, expected [out]", shape)
		}
		return nil
	})
}

func biasHooks(_ Config, array Arrays) nn.Hooks {
	return nn.Hooks{Bias: func(p *nn.Pass, s nn.Site) *tensor.Value {
		if b := array[tensorName(s, bias)]; b != nil {
			return p.Graph().Use(b)
		}
		return nil
	}}
}

// zeros gives tensors that start at zero.
func zeros(list []Tensor, err error) ([]Tensor, error) {
	for i, t := range list {
		list[i].Values = make([]float32, t.len())
	}
	return list, err
}
