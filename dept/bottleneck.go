package dept

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/go-dept/dept/internal/jsontext"
	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/tensor"
)

// Bottleneck adapters are small networks between a model's sublayers, each with a down
// projection D [b, d] and an up projection U [d, b], their biases, and a non-linearity
// f; b is the model's width d divided by the reduction:
//
//	a(h) = U·f(D·h + c) + e
//
// A sublayer turns the stream x into x + s; with an adapter behind it that is
//
//	pfeiffer   x + s + a(x + s)     behind feed-forward networks
//	houlsby    x + s + a(s)         behind feed-forward networks and self-attention
//	parallel   x + s + 4·a(x)       beside feed-forward networks
//
// (Pfeiffer et al., "AdapterFusion: Non-Destructive Task Composition for Transfer
// Learning"; Houlsby et al., "Parameter-Efficient Transfer Learning for NLP"; He et
// al., "Towards a Unified View of Parameter-Efficient Transfer Learning"), each as the
// adapters library (AdapterHub) places it in a T5, whose files are read and written.
// houlsby-cross has adapters behind cross-attention, too. U of parallel adapters starts
// at zero, so that step 0 is the model as it is; those of the others start small.
var Bottleneck = Kind{
	Name: "adapter", Title: "Bottleneck adapters", About: "small networks between the model's sublayers",
	Hub: true,
	Settings: []Setting{
		{Name: "placement", Title: "placement", About: "where adapters stand, and what they read", Default: "pfeiffer", Choices: placementNames(),
			Of: func(c Config) any { return c.(*BottleneckConfig).placement() }},
		{Name: "reduction", Title: "reduction", About: "the model's width divided by that of an adapter", Default: 16, Least: 1, Most: maxSize,
			Of: func(c Config) any { return whole(c.(*BottleneckConfig).Config.Reduction) }},
		{Name: "non-linearity", Title: "non-linearity", About: "of an adapter", Default: "relu",
			Choices: []string{"relu", "swish", "gelu", "gelu_new", "leakyrelu", "tanh"}, Of: func(c Config) any { return c.(*BottleneckConfig).Config.NonLinearity }},
		rateSetting("", "learning rate", 1e-4),
	},
	Empty:     func() Config { return &BottleneckConfig{} },
	Configure: configureBottleneck,
	Start:     startBottleneck,
	Hooks:     bottleneckHooks,
	Apart:     "its networks are not linear, and no weight of the model does what they do",
}

// placements are those that have a name.
var placements = []struct {
	name                   string
	attention, cross, sums bool
	parallel               bool
	scale                  float64
}{
	{"pfeiffer", false, false, true, false, 1},
	{"houlsby", true, false, false, false, 1},
	{"houlsby-cross", true, true, false, false, 1},
	{"parallel", false, false, false, true, 4},
}

func placementNames() (names []string) {
	for _, p := range placements {
		names = append(names, p.name)
	}
	return names
}

// BottleneckConfig is the adapters library's adapter_config.json of such adapters.
type BottleneckConfig struct {
	Config bottleneck `json:"config"`
	Hub

	anyLength
}

// bottleneck is what the file says of the networks. Of its keys beyond the fields only
// values that change nothing are read.
type bottleneck struct {
	SelfAttention bool    `json:"mh_adapter"`
	FeedForward   bool    `json:"output_adapter"`
	Cross         bool    `json:"cross_adapter"`
	Sums          bool    `json:"original_ln_before"` // it reads x + s, not s
	After         bool    `json:"original_ln_after"`
	Residual      bool    `json:"residual_before_ln"`
	Parallel      bool    `json:"is_parallel"` // it reads x
	Scale         decimal `json:"scaling"`
	Reduction     float64 `json:"reduction_factor"`
	NonLinearity  string  `json:"non_linearity"`
	Init          string  `json:"init_weights"`
}

// decimal is a number that is written with a point: the adapters library takes another
// one for no number.
type decimal float64

// MarshalJSON writes 1 as 1.0.
func (d decimal) MarshalJSON() ([]byte, error) {
	text := strconv.FormatFloat(float64(d), 'g', -1, 64)
	if !strings.ContainsAny(text, ".e") {
		text += ".0"
	}
	return []byte(text), nil
}

// UnmarshalJSON refuses what the file asks for beyond the fields.
func (b *bottleneck) UnmarshalJSON(data []byte) error {
	var texts struct {
		Reduction json.RawMessage `json:"reduction_factor"`
		Scale     json.RawMessage `json:"scaling"`
		Residual  json.RawMessage `json:"residual_before_ln"`
	}
	if err := json.Unmarshal(data, &texts); err != nil {
		return err
	}
	// Numbers and a truth may be other things, which ask for more.
	for key, value := range map[string]json.RawMessage{"reduction_factor": texts.Reduction, "scaling": texts.Scale, "residual_before_ln": texts.Residual} {
		if len(value) > 0 && strings.ContainsRune(`"{[`, rune(value[0])) {
			return fmt.Errorf("%s is %s, which is not supported: without it the adapter would answer otherwise", key, value)
		}
	}
	type fields bottleneck
	f := fields{After: true, Residual: true, Scale: 1, Init: "bert"}
	if err := json.Unmarshal(data, &f); err != nil {
		return err
	}
	*b = bottleneck(f)
	return refuseKeys(data, "adapter_residual_before_ln", "ln_before", "ln_after", "inv_adapter", "leave_out", "dropout", "phm_layer", "use_gating", "stochastic_depth")
}

// UnmarshalJSON takes the names of non-linearities as the library does: in files that
// say no version gelu is gelu_new, and gelu_orig is gelu.
func (c *BottleneckConfig) UnmarshalJSON(data []byte) error {
	type fields BottleneckConfig
	var f fields
	if err := jsontext.Unmarshal(data, &f); err != nil {
		return err
	}
	if f.Version == "" {
		switch f.Config.NonLinearity {
		case "gelu":
			f.Config.NonLinearity = "gelu_new"
		case "gelu_orig":
			f.Config.NonLinearity = "gelu"
		}
		f.Version = hubVersion
	}
	*c = BottleneckConfig(f)
	return nil
}

// Kind is Bottleneck.
func (c *BottleneckConfig) Kind() *Kind { return &Bottleneck }

// placement is the name of the places and inputs.
func (c *BottleneckConfig) placement() string {
	b := c.Config
	for _, p := range placements {
		if b.FeedForward && b.SelfAttention == p.attention && b.Cross == p.cross && b.Parallel == p.parallel && b.Scale == decimal(p.scale) && (b.Sums == p.sums || p.parallel) {
			return p.name
		}
	}
	return "of its own"
}

// Describe says where the networks are and what they are like.
func (c *BottleneckConfig) Describe() string {
	var places []string
	for _, p := range []struct {
		has  bool
		name string
	}{{c.Config.SelfAttention, "self-attention"}, {c.Config.Cross, "cross-attention"}, {c.Config.FeedForward, "feed-forward"}} {
		if p.has {
			places = append(places, p.name)
		}
	}
	return fmt.Sprintf("networks of width %d (%d / %g), %s, of %s, placement %s", c.width(), c.Width, c.Config.Reduction, c.Config.NonLinearity, strings.Join(places, " and "), c.placement())
}

// width is b.
func (c *BottleneckConfig) width() int {
	return max(1, int(math.Floor(float64(c.Width)/c.Config.Reduction)))
}

// Check reports the first value that no adapter can have, or that is not supported.
func (c *BottleneckConfig) Check() error {
	b := c.Config
	if err := checkSizes(size{"hidden_size", c.Width, 1}); err != nil {
		return err
	}
	switch {
	case !(b.Reduction > 0 && b.Reduction <= maxSize && float64(c.Width)/b.Reduction <= maxSize):
		return fmt.Errorf("reduction_factor is %g, expected a positive number", b.Reduction)
	case !(math.Abs(float64(b.Scale)) <= math.MaxFloat32):
		return fmt.Errorf("scaling is %g, expected a number", b.Scale)
	case !b.FeedForward && !b.SelfAttention && !b.Cross:
		return fmt.Errorf("mh_adapter, cross_adapter and output_adapter are false, which leaves no place for adapters")
	case !b.After || !b.Residual:
		return fmt.Errorf("original_ln_after and residual_before_ln must be true: without them a sublayer would lose its residual")
	}
	_, err := tensor.ParseActivation(b.NonLinearity)
	return err
}

// The parts of a network's tensors in the adapters library's files.
const (
	downWeight = "adapter_down.0.weight"
	downBias   = "adapter_down.0.bias"
	upWeight   = "adapter_up.weight"
	upBias     = "adapter_up.bias"
)

// has says whether an adapter stands at a place.
func (c *BottleneckConfig) has(at nn.Place) bool {
	switch at.Kind {
	case "self":
		return c.Config.SelfAttention
	case "cross":
		return c.Config.Cross
	}
	return c.Config.FeedForward
}

// name is that of a tensor of the adapter at a place.
func (c *BottleneckConfig) name(at nn.Place, part string) string {
	return at.Module + ".adapters." + hubName + "." + part
}

// Tensors are the two projections of each place, and their biases.
func (c *BottleneckConfig) Tensors(d nn.Description) ([]Tensor, error) {
	if err := c.fits(d); err != nil {
		return nil, err
	}
	b := c.width()
	var list []Tensor
	for _, at := range d.Places() {
		if c.has(at) {
			list = append(list,
				Tensor{Name: c.name(at, downWeight), Shape: []int{b, d.Width}}, Tensor{Name: c.name(at, downBias), Shape: []int{b}},
				Tensor{Name: c.name(at, upWeight), Shape: []int{d.Width, b}}, Tensor{Name: c.name(at, upBias), Shape: []int{d.Width}})
		}
	}
	return list, nil
}

// Take checks that each network has all parts, of the sizes that the config says.
func (c *BottleneckConfig) Take(file []Tensor) ([]Tensor, error) {
	b := c.width()
	shapes := map[string]string{
		downWeight: fmt.Sprint([]int{b, c.Width}), downBias: fmt.Sprint([]int{b}), upWeight: fmt.Sprint([]int{c.Width, b}), upBias: fmt.Sprint([]int{c.Width}),
	}
	return takeParts(c.own(file), ".adapters."+hubName, []string{downWeight, downBias, upWeight, upBias}, func(_, part string, shape []int) error {
		if fmt.Sprint(shape) != shapes[part] {
			return fmt.Errorf("it is %v, expected %s by %s", shape, shapes[part], AdapterConfigFile)
		}
		return nil
	})
}

func configureBottleneck(v Values, maxSourceLength int, d nn.Description) (Config, []*SettingError, error) {
	c := &BottleneckConfig{
		Config: bottleneck{
			FeedForward: true, After: true, Residual: true, Init: "bert", Reduction: float64(v.Int("reduction")), NonLinearity: v.String("non-linearity"),
		},
		Hub: newHub(d), anyLength: anyLength{maxSourceLength},
	}
	for _, p := range placements {
		if p.name == v.String("placement") {
			c.Config.SelfAttention, c.Config.Cross, c.Config.Sums, c.Config.Parallel, c.Config.Scale = p.attention, p.cross, p.sums, p.parallel, decimal(p.scale)
		}
	}
	if c.Config.Parallel {
		c.Config.Init = "mam_adapter"
	}
	if err := c.Check(); err != nil {
		return nil, nil, refuse("placement", v.String("placement"), "%v", err)
	}
	if c.Config.Reduction > float64(d.Width) {
		return c, []*SettingError{refuse("reduction", v.Int("reduction"), "it is more than the model's width, %d: adapters are 1 wide", d.Width)}, nil
	}
	return c, nil, nil
}

// startBottleneck draws the projections from N(0, 0.02), or of parallel adapters the
// one down uniformly in ±1/√d.
func startBottleneck(config Config, _ Values, o Origin) ([]Tensor, error) {
	c := config.(*BottleneckConfig)
	list, err := zeros(c.Tensors(o.Model))
	for i, t := range list {
		down, up := strings.HasSuffix(t.Name, downWeight), strings.HasSuffix(t.Name, upWeight)
		random := drawsOf(o.Seed, t.Name)
		switch {
		case down && c.Config.Parallel:
			list[i].Values = uniform(random, t.len(), 1/math.Sqrt(float64(c.Width)))
		case (down || up) && !c.Config.Parallel:
			list[i].Values = normal(random, t.len(), 0.02)
		}
	}
	return list, err
}

// bottleneckHooks records x + s + scale·a(h). What a sublayer has made is taken as the
// difference that it made to the stream: what float32 loses there, the stream has lost.
func bottleneckHooks(config Config, array Arrays) nn.Hooks {
	c := config.(*BottleneckConfig)
	f, _ := tensor.ParseActivation(c.Config.NonLinearity) // checked
	return nn.Hooks{Sublayer: func(p *nn.Pass, at nn.Place, before, after *tensor.Value) *tensor.Value {
		if !c.has(at) {
			return after
		}
		g := p.Graph()
		use := func(part string) *tensor.Value { return g.Use(array[c.name(at, part)]) }
		name := at.Name + ".adapter"
		h := after
		switch {
		case c.Config.Parallel:
			h = before
		case !c.Config.Sums:
			h = g.Add(name+".input", after, before, -1)
		}
		low := g.Linear(name+".down", h, use(downWeight), tensor.LinearOptions{Bias: use(downBias)})
		high := g.Linear(name+".up", g.Activate(name+".f", low, f), use(upWeight), tensor.LinearOptions{Bias: use(upBias)})
		return g.Add(name, after, high, float32(c.Config.Scale))
	}}
}
