package dept

import (
	"encoding/json"
	"fmt"

	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/tensor"
)

// Norms is the tuning of the model's norms: each has a weight of its own in place of
// the model's g, and nothing else is trained (PEFT calls it LN tuning; T5's norms have
// no bias):
//
//	y = x/√(mean(x²)+ε) ⊙ g'
//
// g' starts as g, so that step 0 is the model as it is.
var Norms = Kind{
	Name: "norms", Title: "Norm tuning", About: "the weights of the model's norms",
	Peft: "LN_TUNING",
	Settings: []Setting{
		{Name: "target-modules", Title: "norms", About: "names of the norms that are trained", Default: []string{"final_layer_norm", "layer_norm"},
			Of: func(c Config) any { return fmt.Sprint(c.(*NormsConfig).Targets) }},
		rateSetting("", "learning rate", 1e-3),
	},
	Empty:     func() Config { return &NormsConfig{} },
	Configure: configureNorms,
	Start:     startNorms,
	Hooks:     normsHooks,
	Merge:     mergeNorms,
}

// NormsConfig is PEFT's adapter_config.json of LN tuning.
type NormsConfig struct {
	Targets Targets `json:"target_modules"`

	anyLength
}

// normWeight is the part of a norm's tensor in PEFT's files.
const normWeight = "ln_tuning_layers.weight"

// UnmarshalJSON refuses what the file asks for beyond the fields.
func (c *NormsConfig) UnmarshalJSON(data []byte) error {
	type fields NormsConfig
	var f fields
	if err := json.Unmarshal(data, &f); err != nil {
		return err
	}
	*c = NormsConfig(f)
	c.Targets.narrowed(data)
	return refuseKeys(data, "modules_to_save")
}

// Kind is norm tuning.
func (c *NormsConfig) Kind() *Kind { return &Norms }

// Describe says which norms are trained.
func (c *NormsConfig) Describe() string { return fmt.Sprintf("the weights of the norms %s", c.Targets) }

// Check reports the first value that no adapter can have.
func (c *NormsConfig) Check() error {
	if c.Targets.empty() {
		return fmt.Errorf("target_modules is empty: name the norms that are trained, such as layer_norm and final_layer_norm")
	}
	return nil
}

// Tensors is one weight for each norm.
func (c *NormsConfig) Tensors(d nn.Description) ([]Tensor, error) {
	norms, err := c.Targets.choose(d.Norms())
	if err != nil {
		return nil, err
	}
	var list []Tensor
	for _, s := range norms {
		list = append(list, Tensor{Name: tensorName(s, normWeight), Shape: []int{s.Out}})
	}
	return list, nil
}

// Take checks that all tensors are weights of norms.
func (c *NormsConfig) Take(file []Tensor) ([]Tensor, error) {
	took, err := takeModules(file, []string{normWeight}, func(_, _ string, shape []int) error {
		if len(shape) != 1 {
			return fmt.Errorf("it is %v, expected [d]", shape)
		}
		return nil
	})
	c.Targets = c.Targets.ofFile(took)
	return took, err
}

func configureNorms(v Values, maxSourceLength int, d nn.Description) (Config, []*SettingError, error) {
	c := &NormsConfig{Targets{Names: v.Strings("target-modules")}, anyLength{maxSourceLength}}
	err := c.Check()
	if err == nil {
		_, err = c.Tensors(d)
	}
	if err != nil {
		return nil, nil, refuse("target-modules", c.Targets, "%v", err)
	}
	return c, nil, nil
}

func startNorms(config Config, _ Values, o Origin) ([]Tensor, error) {
	norms, err := config.(*NormsConfig).Targets.choose(o.Model.Norms())
	if err != nil {
		return nil, err
	}
	var list []Tensor
	for _, s := range norms {
		w, err := o.Checkpoint.Float32(s.Tensor())
		if err != nil {
			return nil, fmt.Errorf("start of the norms: %w", err)
		}
		list = append(list, Tensor{Name: tensorName(s, normWeight), Shape: []int{s.Out}, Values: w})
	}
	return list, nil
}

// normsHooks puts the trained weights in place of the model's.
func normsHooks(_ Config, array Arrays) nn.Hooks {
	return nn.Hooks{Norm: func(p *nn.Pass, s nn.Site) *tensor.Value {
		if g := array[tensorName(s, normWeight)]; g != nil {
			return p.Graph().Use(g)
		}
		return nil
	}}
}

// mergeNorms takes the trained weight for the model's.
func mergeNorms(a *Adapter, s nn.Site, w []float32) error {
	if g := a.Values(tensorName(s, normWeight)); g != nil {
		copy(w, g)
	}
	return nil
}
