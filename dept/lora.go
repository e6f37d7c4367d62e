package dept

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"

	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/tensor"
)

// Low-rank adaptation (Hu et al., "LoRA: Low-Rank Adaptation of Large Language
// Models") of the weights W [out, in] of some modules, with A [r, in] and B [out, r]:
//
//	y = W·x + s·B·A·dropout(x),   s = alpha/r, or with rsLoRA alpha/√r
//
// A starts uniform in ±1/√in and B at zero, so that step 0 is the model as it is.
// DoRA (Liu et al., "DoRA: Weight-Decomposed Low-Rank Adaptation") trains each
// row's length m [out] besides, which starts as W's; n is held fixed in the gradient:
//
//	y = W·x + (m/n − 1)·W·dropout(x) + (m/n)·s·B·A·dropout(x),   n = ‖W + s·B·A‖ by row
var LoRA = Kind{
	Name: "lora", Title: "LoRA", About: "low-rank changes of some weights",
	Peft: "LORA",
	Settings: []Setting{
		{Name: "rank", Title: "rank r", About: "r, the rank of the changes", Default: 8, Least: 1, Most: maxSize, Of: func(c Config) any { return c.(*LoRAConfig).Rank }},
		{Name: "lora-alpha", Title: "alpha", About: "the changes are scaled by alpha/r", Default: 8., Of: func(c Config) any { return c.(*LoRAConfig).Alpha }},
		{Name: "lora-dropout", Title: "dropout of LoRA", About: "dropout rate of the changes' input", Default: 0., Most: 1,
			Of: func(c Config) any { return c.(*LoRAConfig).Dropout }},
		{Name: "use-rslora", Title: "rsLoRA", About: "rsLoRA: scale by alpha/√r", Default: false, Of: func(c Config) any { return c.(*LoRAConfig).RSLoRA }},
		{Name: "use-dora", Title: "DoRA", About: "DoRA: train the length of each weight's rows besides", Default: false, Of: func(c Config) any { return c.(*LoRAConfig).DoRA }},
		targetModules([]string{"q", "v"}, func(c Config) any { return c.(*LoRAConfig).Targets }),
		rateSetting("", "learning rate", 1e-3),
	},
	Empty:     func() Config { return &LoRAConfig{} },
	Configure: configureLoRA,
	Start:     startLoRA,
	Hooks:     loraHooks,
	Merge:     mergeLoRA,
}

// targetModules is the setting of the modules that a method changes.
func targetModules(names []string, of func(Config) any) Setting {
	return Setting{Name: "target-modules", Title: "modules", About: "names of the modules that are changed, such as q,v", Default: names, Of: func(c Config) any { return fmt.Sprint(of(c)) }}
}

// LoRAConfig is PEFT's adapter_config.json of LoRA.
type LoRAConfig struct {
	Rank    int             `json:"r"`
	Alpha   float64         `json:"lora_alpha"`
	Dropout float64         `json:"lora_dropout"`
	RSLoRA  bool            `json:"use_rslora"`
	DoRA    bool            `json:"use_dora"`
	Targets Targets         `json:"target_modules"`
	Bias    string          `json:"bias"`
	FanIn   bool            `json:"fan_in_fan_out"`
	Init    json.RawMessage `json:"init_lora_weights"`
	// Ranks and Alphas of modules that have their own: the first pattern that matches a
	// module's whole path, or its end behind a dot, is the module's.
	Ranks  patterns `json:"rank_pattern,omitempty"`
	Alphas patterns `json:"alpha_pattern,omitempty"`

	anyLength
}

// The parts of a module's tensors in PEFT's files.
const (
	loraA     = "lora_A.weight"
	loraB     = "lora_B.weight"
	magnitude = "lora_magnitude_vector"
)

// UnmarshalJSON refuses what the file asks for beyond the fields.
func (c *LoRAConfig) UnmarshalJSON(data []byte) error {
	type fields LoRAConfig
	f := fields{Rank: 8, Alpha: 8, Bias: "none", Init: json.RawMessage("true")}
	if err := json.Unmarshal(data, &f); err != nil {
		return err
	}
	*c = LoRAConfig(f)
	c.Targets.narrowed(data)
	return refuseKeys(data, "fan_in_fan_out", "modules_to_save", "layer_replication", "lora_bias", "target_parameters", "trainable_token_indices", "alora_invocation_tokens",
		"use_qalora", "use_bdlora", "megatron_config", "arrow_config", "kasa_config", "velora_config", "monteclora_config")
}

// Kind is LoRA.
func (c *LoRAConfig) Kind() *Kind { return &LoRA }

// RankOf is r of a module.
func (c *LoRAConfig) RankOf(module string) int { return int(c.Ranks.of(module, float64(c.Rank))) }

// ScaleOf is s of a module, alpha/r or with rsLoRA alpha/√r.
func (c *LoRAConfig) ScaleOf(module string) float64 {
	r, alpha := float64(c.RankOf(module)), c.Alphas.of(module, c.Alpha)
	if c.RSLoRA {
		return alpha / math.Sqrt(r)
	}
	return alpha / r
}

// Describe says what is changed and how.
func (c *LoRAConfig) Describe() string {
	kind := ""
	if c.RSLoRA {
		kind += "rsLoRA, "
	}
	if c.DoRA {
		kind += "DoRA, "
	}
	text := fmt.Sprintf("%sA [%d, in] and B [out, %d] of the modules %s, scale %.4g (lora_alpha %.4g)", kind, c.Rank, c.Rank, c.Targets, c.ScaleOf(""), c.Alpha)
	if len(c.Ranks)+len(c.Alphas) > 0 {
		text += fmt.Sprintf(", of modules with their own rank %s and alpha %s", c.Ranks, c.Alphas)
	}
	if c.Dropout > 0 {
		text += fmt.Sprintf(", dropout %g", c.Dropout)
	}
	return text
}

// Check reports the first value that no adapter can have, or that is PEFT's and not
// supported.
func (c *LoRAConfig) Check() error {
	for _, p := range c.Ranks {
		if p.value != math.Trunc(p.value) || p.value < 1 || p.value > maxSize {
			return fmt.Errorf("rank_pattern has %g for %s, expected a whole number from 1 to %d", p.value, p.key, maxSize)
		}
	}
	for _, p := range c.Alphas {
		if !(p.value > 0 && p.value <= math.MaxFloat32) {
			return fmt.Errorf("alpha_pattern has %g for %s, expected a positive number", p.value, p.key)
		}
	}
	switch init := string(c.Init); {
	case c.Rank < 1 || c.Rank > maxSize:
		return fmt.Errorf("r is %d, expected 1 to %d", c.Rank, maxSize)
	case !(c.Alpha > 0 && c.Alpha <= math.MaxFloat32):
		return fmt.Errorf("lora_alpha is %g, expected a positive number", c.Alpha)
	case !(c.Dropout >= 0 && c.Dropout < 1):
		return fmt.Errorf("lora_dropout is %g, expected at least 0 and less than 1", c.Dropout)
	case c.Bias != "none":
		return fmt.Errorf("bias is %q, expected none: T5 has no biases to train", c.Bias)
	case c.Targets.empty():
		return fmt.Errorf("target_modules is empty: name the modules that are changed, such as q and v")
	case init != "true" && init != "false" && init != `"gaussian"`:
		return fmt.Errorf("init_lora_weights is %s, expected true, false or \"gaussian\", which leave the model's own weights as they are: convert the adapter to plain LoRA with PEFT first", init)
	}
	return nil
}

// parts are those of a module's tensors, in order.
func (c *LoRAConfig) parts() []string {
	if c.DoRA {
		return []string{loraA, loraB, magnitude}
	}
	return []string{loraA, loraB}
}

// Tensors are A and B, and DoRA's m, of each module.
func (c *LoRAConfig) Tensors(d nn.Description) ([]Tensor, error) {
	sites, err := c.Targets.sites(d)
	if err != nil {
		return nil, err
	}
	var list []Tensor
	for _, s := range sites {
		r := c.RankOf(s.Module)
		shapes := map[string][]int{loraA: {r, s.In}, loraB: {s.Out, r}, magnitude: {s.Out}}
		for _, part := range c.parts() {
			list = append(list, Tensor{Name: tensorName(s, part), Shape: shapes[part]})
		}
	}
	return list, nil
}

// Take checks that each module has all parts, of its rank.
func (c *LoRAConfig) Take(file []Tensor) ([]Tensor, error) {
	took, err := takeModules(file, c.parts(), func(module, part string, shape []int) error {
		r := c.RankOf(module)
		switch {
		case part == loraA && (len(shape) != 2 || shape[0] != r):
			return fmt.Errorf("it is %v, expected [%d in] by %s", shape, r, AdapterConfigFile)
		case part == loraB && (len(shape) != 2 || shape[1] != r):
			return fmt.Errorf("it is %v, expected [out %d] by %s", shape, r, AdapterConfigFile)
		case part == magnitude && len(shape) != 1:
			return fmt.Errorf("it is %v, expected [out]", shape)
		}
		return nil
	})
	c.Targets = c.Targets.ofFile(took)
	return took, err
}

func configureLoRA(v Values, maxSourceLength int, d nn.Description) (Config, []*SettingError, error) {
	c := &LoRAConfig{
		Rank: v.Int("rank"), Alpha: v.Float("lora-alpha"), Dropout: v.Float("lora-dropout"), RSLoRA: v.Bool("use-rslora"), DoRA: v.Bool("use-dora"),
		Targets: Targets{Names: v.Strings("target-modules")}, Bias: "none", Init: json.RawMessage("true"), anyLength: anyLength{maxSourceLength},
	}
	if !(c.Alpha > 0) {
		return nil, nil, refuse("lora-alpha", c.Alpha, "it must be a positive number")
	}
	if err := c.Check(); err != nil {
		return nil, nil, refuse("target-modules", c.Targets, "%v", err)
	}
	sites, err := c.Targets.sites(d)
	if err == nil {
		err = c.Targets.check(d.Sites())
	}
	if err != nil {
		return nil, nil, refuse("target-modules", c.Targets, "%v", err)
	}
	for _, s := range sites {
		if least := min(s.In, s.Out); c.Rank > least {
			return c, []*SettingError{refuse("rank", c.Rank, "it trains parameters for nothing: %s is [%d, %d], whose rank is at most %d", s.Module, s.Out, s.In, least)}, nil
		}
	}
	return c, nil, nil
}

func startLoRA(config Config, _ Values, o Origin) ([]Tensor, error) {
	c := config.(*LoRAConfig)
	sites, err := c.Targets.sites(o.Model)
	if err != nil {
		return nil, err
	}
	var list []Tensor
	for _, s := range sites {
		r := c.RankOf(s.Module)
		a := Tensor{Name: tensorName(s, loraA), Shape: []int{r, s.In}}
		a.Values = uniform(drawsOf(o.Seed, a.Name), a.len(), 1/math.Sqrt(float64(s.In)))
		b := Tensor{Name: tensorName(s, loraB), Shape: []int{s.Out, r}, Values: make([]float32, s.Out*r)}
		list = append(list, a, b)
		if c.DoRA {
			w, err := o.Checkpoint.Float32(s.Tensor())
			if err != nil {
				return nil, fmt.Errorf("start of DoRA's magnitudes: %w", err)
			}
			list = append(list, Tensor{Name: tensorName(s, magnitude), Shape: []int{s.Out}, Values: rowNorms(w, s.Out)})
		}
	}
	return list, nil
}

// drawsOf are the random numbers of a tensor, which depend on the seed and its name
// alone.
func drawsOf(seed uint64, name string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(name))
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// rowNorms is the length of each of n rows.
func rowNorms(w []float32, n int) []float32 {
	norms := make([]float32, n)
	width := len(w) / n
	for i := range norms {
		var squares float64
		for _, x := range w[i*width : (i+1)*width] {
			squares += float64(x) * float64(x)
		}
		norms[i] = float32(math.Sqrt(squares))
	}
	return norms
}

// loraHooks records the changes. Without dropout DoRA's y is (m/n)·(W·x + s·B·A·x),
// which needs no second product with W.
func loraHooks(config Config, array Arrays) nn.Hooks {
	c := config.(*LoRAConfig)
	scale := func(s nn.Site) float32 { return float32(c.ScaleOf(s.Module)) }
	has := func(s nn.Site) bool { return array[tensorName(s, loraA)] != nil }
	use := func(p *nn.Pass, s nn.Site, part string) *tensor.Value {
		return p.Graph().Use(array[tensorName(s, part)])
	}
	stretch := func(p *nn.Pass, s nn.Site) *tensor.Value { // m/n
		n := p.Norms(s, use(p, s, loraA), use(p, s, loraB), scale(s))
		return p.Graph().Divide(s.Name+".dora", use(p, s, magnitude), n)
	}
	drops := func(p *nn.Pass) bool { return p.Training() && c.Dropout > 0 }
	h := nn.Hooks{Plus: func(p *nn.Pass, s nn.Site, x *tensor.Value) *tensor.Value {
		if !has(s) {
			return nil
		}
		g := p.Graph()
		if drops(p) {
			x = g.Dropout(s.Name+".lora.dropout", x, nn.DropoutAt(s.Name+".lora", float32(c.Dropout)))
		}
		o := tensor.LinearOptions{Factor: scale(s)}
		if c.DoRA && drops(p) {
			o.Plus = p.Product(s, x)
		}
		low := g.Linear(s.Name+".lora_A", x, use(p, s, loraA), tensor.LinearOptions{})
		y := g.Linear(s.Name+".lora_B", low, use(p, s, loraB), o)
		if o.Plus != nil {
			y = g.Add(s.Name+".dora.plus", g.Columns(s.Name+".dora.scale", y, stretch(p, s), nil), o.Plus, -1)
		}
		return y
	}}
	if c.DoRA {
		h.Scale = func(p *nn.Pass, s nn.Site) *tensor.Value {
			if !has(s) || drops(p) {
				return nil
			}
			return stretch(p, s)
		}
	}
	return h
}

// mergeLoRA makes W + s·B·A of w, and with DoRA scales its rows to the lengths m.
func mergeLoRA(adapter *Adapter, s nn.Site, w []float32) error {
	c := adapter.Config.(*LoRAConfig)
	a, b := adapter.Values(tensorName(s, loraA)), adapter.Values(tensorName(s, loraB))
	if a == nil {
		return nil
	}
	m := adapter.Values(tensorName(s, magnitude))
	r, scale := c.RankOf(s.Module), c.ScaleOf(s.Module)
	row := make([]float64, s.In)
	for o := range s.Out {
		var squares float64
		for i := range row {
			row[i] = float64(w[o*s.In+i])
			for k := range r {
				row[i] += scale * float64(b[o*r+k]) * float64(a[k*s.In+i])
			}
			squares += row[i] * row[i]
		}
		stretch := 1.
		if c.DoRA {
			stretch = float64(m[o]) / math.Sqrt(squares)
		}
		for i, x := range row {
			w[o*s.In+i] = float32(stretch * x)
		}
	}
	return nil
}
