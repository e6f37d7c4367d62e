package dept

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/tensor"
)

// (IA)³ (Liu et al., "Few-Shot Parameter-Efficient Fine-Tuning is Better and Cheaper
// than In-Context Learning") multiplies, by one trained vector l a module, what the
// module's weight W makes, or for feed-forward modules what it reads:
//
//	y = l ⊙ (W·x),   feed-forward: y = W·(l ⊙ x)
//
// l starts at 1, so that step 0 is the model as it is.
var IA3 = Kind{
	Name: "ia3", Title: "(IA)³", About: "a factor on some modules' results or inputs",
	Peft: "IA3",
	Settings: []Setting{
		targetModules([]string{"k", "v", "wo"}, func(c Config) any { return c.(*IA3Config).Targets }),
		{Name: "feedforward-modules", Title: "feed-forward modules", About: "those of the modules whose input is multiplied, not their result", Default: []string{"wo"},
			Of: func(c Config) any { return fmt.Sprint(c.(*IA3Config).FeedForward) }},
		rateSetting("", "learning rate", 3e-3),
	},
	Empty:     func() Config { return &IA3Config{} },
	Configure: configureIA3,
	Start:     startIA3,
	Hooks:     ia3Hooks,
	Merge:     mergeIA3,
}

// IA3Config is PEFT's adapter_config.json of (IA)³.
type IA3Config struct {
	Targets     Targets `json:"target_modules"`
	FeedForward Targets `json:"feedforward_modules"`
	FanIn       bool    `json:"fan_in_fan_out"`
	Init        bool    `json:"init_ia3_weights"`

	anyLength
}

// ia3L is the part of a module's tensor in PEFT's files.
const ia3L = "ia3_l"

// UnmarshalJSON refuses what the file asks for beyond the fields.
func (c *IA3Config) UnmarshalJSON(data []byte) error {
	type fields IA3Config
	f := fields{Init: true}
	if err := json.Unmarshal(data, &f); err != nil {
		return err
	}
	*c = IA3Config(f)
	c.Targets.narrowed(data)
	return refuseKeys(data, "fan_in_fan_out", "modules_to_save")
}

// Kind is (IA)³.
func (c *IA3Config) Kind() *Kind { return &IA3 }

// Describe says which modules are multiplied.
func (c *IA3Config) Describe() string {
	return fmt.Sprintf("l of the modules %s; of these %s at their input", c.Targets, c.FeedForward)
}

// Check reports the first value that no adapter can have.
func (c *IA3Config) Check() error {
	if c.Targets.empty() {
		return fmt.Errorf("target_modules is empty: name the modules that are multiplied, such as k, v and wo")
	}
	return nil
}

// vectors are the sites with the shape that PEFT gives their l: [out, 1], or [1, in]
// for a feed-forward module.
func (c *IA3Config) vectors(d nn.Description) ([]nn.Site, []Tensor, error) {
	sites, err := c.Targets.sites(d)
	if err != nil {
		return nil, nil, err
	}
	inputs, err := c.FeedForward.sites(d)
	if err != nil && !c.FeedForward.empty() {
		return nil, nil, err
	}
	var list []Tensor
	for _, s := range sites {
		t := Tensor{Name: tensorName(s, ia3L), Shape: []int{s.Out, 1}}
		if slices.Contains(inputs, s) {
			t.Shape = []int{1, s.In}
		}
		list = append(list, t)
	}
	return sites, list, nil
}

// Tensors is one vector for each module.
func (c *IA3Config) Tensors(d nn.Description) ([]Tensor, error) {
	_, list, err := c.vectors(d)
	return list, err
}

// Take checks that all tensors are vectors of modules.
func (c *IA3Config) Take(file []Tensor) ([]Tensor, error) {
	took, err := takeModules(file, []string{ia3L}, func(_, _ string, shape []int) error {
		if len(shape) != 2 || min(shape[0], shape[1]) != 1 {
			return fmt.Errorf("it is %v, expected [out 1] or [1 in]", shape)
		}
		return nil
	})
	// PEFT requires the feed-forward modules to be named as the modules are.
	known := c.Targets.fileKnows || c.FeedForward.fileKnows
	c.Targets.fileKnows, c.FeedForward.fileKnows = known, known
	c.Targets = c.Targets.ofFile(took)
	c.FeedForward = c.FeedForward.ofFile(slices.DeleteFunc(slices.Clone(took), func(t Tensor) bool { return t.Shape[0] != 1 }))
	return took, err
}

func configureIA3(v Values, maxSourceLength int, d nn.Description) (Config, []*SettingError, error) {
	c := &IA3Config{
		Targets: Targets{Names: v.Strings("target-modules")}, FeedForward: Targets{Names: v.Strings("feedforward-modules")},
		Init: true, anyLength: anyLength{maxSourceLength},
	}
	if err := c.Check(); err != nil {
		return nil, nil, refuse("target-modules", c.Targets, "%v", err)
	}
	if err := c.FeedForward.check(d.Sites()); err != nil {
		return nil, nil, refuse("feedforward-modules", c.FeedForward, "%v", err)
	}
	if err := c.Targets.check(d.Sites()); err != nil {
		return nil, nil, refuse("target-modules", c.Targets, "%v", err)
	}
	sites, _, err := c.vectors(d)
	if err != nil {
		return nil, nil, refuse("target-modules", c.Targets, "%v", err)
	}
	// PEFT requires the feed-forward modules to be named as the modules are.
	var inputs []string
	for _, name := range c.FeedForward.Names {
		switch {
		case slices.Contains(c.Targets.Names, name):
			inputs = append(inputs, name)
		case slices.ContainsFunc(sites, func(s nn.Site) bool { return named(s, name) }):
			return nil, nil, refuse("feedforward-modules", name, "name it as target-modules does, which has %s", c.Targets)
		}
	}
	c.FeedForward.Names = inputs
	return c, nil, nil
}

func startIA3(config Config, _ Values, o Origin) ([]Tensor, error) {
	list, err := config.Tensors(o.Model)
	for i, t := range list {
		list[i].Values = constant(t.len(), 1)
	}
	return list, err
}

// ia3Hooks multiplies results, and inputs where l is a row. An input that is other modules' too
// stays as it is, and the product of one of them gets what is missing: W·(l ⊙ x) is
// W·x + W·(l ⊙ x − x).
func ia3Hooks(_ Config, array Arrays) nn.Hooks {
	of := func(p *nn.Pass, s nn.Site, input bool) *tensor.Value {
		l := array[tensorName(s, ia3L)]
		if l == nil || byRow(l.Shape, s) == input {
			return nil
		}
		return p.Graph().Use(l)
	}
	return nn.Hooks{
		Scale: func(p *nn.Pass, s nn.Site) *tensor.Value { return of(p, s, false) },
		ScaleInput: func(p *nn.Pass, s nn.Site) *tensor.Value {
			if s.Shared {
				return nil
			}
			return of(p, s, true)
		},
		Plus: func(p *nn.Pass, s nn.Site, x *tensor.Value) *tensor.Value {
			if !s.Shared {
				return nil
			}
			l := of(p, s, true)
			if l == nil {
				return nil
			}
			scaled := p.Graph().Columns(s.Name+".ia3", x, l, nil)
			return p.Product(s, p.Graph().Add(s.Name+".ia3.change", scaled, x, -1))
		},
	}
}

// byRow says that l has a number for each row of the weight, and so for each of its
// results.
func byRow(shape []int, s nn.Site) bool { return shape[0] == s.Out && shape[1] == 1 }

// mergeIA3 multiplies the rows of w, or its columns where l is a row.
func mergeIA3(a *Adapter, s nn.Site, w []float32) error {
	i := slices.IndexFunc(a.Tensors, func(t Tensor) bool { return t.Name == tensorName(s, ia3L) })
	if i < 0 {
		return nil
	}
	l := a.Tensors[i]
	for k := range w {
		if byRow(l.Shape, s) {
			w[k] *= l.Values[k/s.In]
		} else {
			w[k] *= l.Values[k%s.In]
		}
	}
	return nil
}
