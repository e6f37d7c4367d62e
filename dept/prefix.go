package dept

import (
	"fmt"
	"math"
	"strings"

	"github.com/go-dept/dept/internal/jsontext"
	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/tensor"
)

// Prefix tuning (Li and Liang, "Prefix-Tuning: Optimizing Continuous Prompts for
// Generation") puts n trained keys and values in front of those of every attention: the
// encoder's, the decoder's own and that on the encoder's states. In training a network of width b makes those of a stack's layers, from
// vectors W [n, d]:
//
//	(K_0 V_0 K_1 V_1 …) = D·tanh(C·W + c) + e,   softmax(Q·(K_i ; K)ᵀ)·(V_i ; V)
//
// with C [b, d] and D [2·layers·inner, b], one network for each kind of attention, as
// the adapters library (AdapterHub) has them, whose files are read and written. As
// there, the text's keys are n positions farther off for the bias by distance. Flat
// prefixes are trained themselves, without a network, as in P-tuning v2 (Liu et al.,
// "P-Tuning v2: Prompt Tuning Can Be Comparable to Fine-tuning Universally Across Scales
// and Tasks").
var Prefix = Kind{
	Name: "prefix", Title: "Prefix tuning", About: "keys and values in front of those of every attention",
	Hub: true, Architecture: prefixArchitecture,
	Settings: []Setting{
		{Name: "prefix-length", Title: "prefix length n", About: "n, the keys in front of each attention's", Default: 30, Least: 1, Most: maxPositions,
			Of: func(c Config) any { return c.(*PrefixConfig).Config.Length }},
		{Name: "bottleneck", Title: "width b", About: "b, the width of the prefixes' networks", Default: 512, Least: 1, Most: maxSize,
			Of: func(c Config) any { return c.(*PrefixConfig).Config.Bottleneck }},
		{Name: "flat", Title: "flat", About: "train keys and values themselves, without a network", Default: false,
			Of: func(c Config) any { return c.(*PrefixConfig).Config.Flat }},
		rateSetting("", "learning rate", 2e-4),
	},
	Empty:     func() Config { return &PrefixConfig{} },
	Configure: configurePrefix,
	Start:     startPrefix,
	Hooks:     prefixHooks,
	Apart:     "attention would have to have keys that no text makes",
}

const prefixArchitecture = "prefix_tuning"

// PrefixConfig is the adapters library's adapter_config.json of prefix tuning.
type PrefixConfig struct {
	Config prefix `json:"config"`
	Hub

	anyLength
}

// prefix is what the file says of the prefixes. Of its keys beyond the fields only values
// that change nothing are read.
type prefix struct {
	Architecture string `json:"architecture"`
	Encoder      bool   `json:"encoder_prefix"`
	Cross        bool   `json:"cross_prefix"`
	Flat         bool   `json:"flat"`
	Length       int    `json:"prefix_length"`
	Bottleneck   int    `json:"bottleneck_size"`
	NonLinearity string `json:"non_linearity"`
}

// UnmarshalJSON refuses what the file asks for beyond the fields.
func (f *prefix) UnmarshalJSON(data []byte) error {
	type fields prefix
	x := fields{Encoder: true, Cross: true, Length: 30, Bottleneck: 512, NonLinearity: "tanh"}
	if err := jsontext.Unmarshal(data, &x); err != nil {
		return err
	}
	*f = prefix(x)
	return refuseKeys(data, "leave_out", "dropout", "use_gating")
}

// Kind is Prefix.
func (c *PrefixConfig) Kind() *Kind { return &Prefix }

// Describe says how many keys there are and what makes them.
func (c *PrefixConfig) Describe() string {
	where := "self-attention of the decoder"
	if c.Config.Encoder {
		where = "self-attention"
	}
	if c.Config.Cross {
		where += " and cross-attention"
	}
	if c.Config.Flat {
		return fmt.Sprintf("%d keys and values in front of each %s", c.Config.Length, where)
	}
	return fmt.Sprintf("%d keys and values in front of each %s, made by networks of width %d, %s", c.Config.Length, where, c.Config.Bottleneck, c.Config.NonLinearity)
}

// Check reports the first value that no adapter can have.
func (c *PrefixConfig) Check() error {
	if err := checkSizes(size{"hidden_size", c.Width, 1}, size{"prefix_length", c.Config.Length, 1}, size{"bottleneck_size", c.Config.Bottleneck, 1}); err != nil {
		return err
	}
	if c.Config.Length > maxPositions {
		return fmt.Errorf("prefix_length is %d, expected 1 to %d", c.Config.Length, maxPositions)
	}
	_, err := tensor.ParseActivation(c.Config.NonLinearity)
	return err
}

// The tensors of a prefix in the adapters library's files, behind its name; flat ones
// have one.
const (
	prefixWords       = ".wte.weight"
	prefixInnerWeight = ".control_trans.0.weight"
	prefixInnerBias   = ".control_trans.0.bias"
	prefixOuterWeight = ".control_trans.2.weight"
	prefixOuterBias   = ".control_trans.2.bias"
	prefixFlat        = ".control_trans"
)

// The kinds of attention that prefixes stand before.
const (
	encoderPrefix = "encoder_prefix"
	selfPrefix    = "self_prefix"
	crossPrefix   = "cross_prefix"
)

// prefixPlaces are the attentions of a model, in the order of its layers, before which
// the prefixes of a name stand.
type prefixPlaces struct {
	name   string
	places []nn.Place
}

// width is how many numbers one of n keys has with its value, for all layers.
func (p prefixPlaces) width() int { return 2 * len(p.places) * p.places[0].Inner }

// groups are the prefixes that the config says, each with its places.
func (c *PrefixConfig) groups(d nn.Description) (groups []prefixPlaces) {
	of := map[string][]nn.Place{}
	for _, at := range d.Places() {
		switch {
		case at.Kind == "cross":
			of[crossPrefix] = append(of[crossPrefix], at)
		case at.Kind == "self" && at.Encoder:
			of[encoderPrefix] = append(of[encoderPrefix], at)
		case at.Kind == "self":
			of[selfPrefix] = append(of[selfPrefix], at)
		}
	}
	for _, g := range []struct {
		name string
		has  bool
	}{{encoderPrefix, c.Config.Encoder}, {selfPrefix, true}, {crossPrefix, c.Config.Cross}} {
		if g.has && len(of[g.name]) > 0 {
			groups = append(groups, prefixPlaces{g.name, of[g.name]})
		}
	}
	return groups
}

// prefixName is that of a tensor of a group.
func prefixName(group, part string) string {
	return "prefix_tuning.prefix_tunings." + hubName + "." + group + part
}

// Tensors are those of the network of each kind of attention, or its flat prefixes.
func (c *PrefixConfig) Tensors(d nn.Description) ([]Tensor, error) {
	if err := c.fits(d); err != nil {
		return nil, err
	}
	n, b := c.Config.Length, c.Config.Bottleneck
	var list []Tensor
	for _, g := range c.groups(d) {
		if c.Config.Flat {
			list = append(list, Tensor{Name: prefixName(g.name, prefixFlat), Shape: []int{n * g.width()}})
			continue
		}
		list = append(list,
			Tensor{Name: prefixName(g.name, prefixWords), Shape: []int{n, d.Width}},
			Tensor{Name: prefixName(g.name, prefixInnerWeight), Shape: []int{b, d.Width}}, Tensor{Name: prefixName(g.name, prefixInnerBias), Shape: []int{b}},
			Tensor{Name: prefixName(g.name, prefixOuterWeight), Shape: []int{g.width(), b}}, Tensor{Name: prefixName(g.name, prefixOuterBias), Shape: []int{g.width()}})
	}
	return list, nil
}

// parts are those of a group's tensors, in order.
func (c *PrefixConfig) parts() []string {
	if c.Config.Flat {
		return []string{prefixFlat[1:]}
	}
	return []string{prefixWords[1:], prefixInnerWeight[1:], prefixInnerBias[1:], prefixOuterWeight[1:], prefixOuterBias[1:]}
}

// Take checks that each kind of attention has all parts. The library keeps the prefixes a
// second time in front of each attention.
func (c *PrefixConfig) Take(file []Tensor) ([]Tensor, error) {
	var own []Tensor
	for _, t := range c.own(file) {
		if !strings.Contains(t.Name, ".prefix_tuning.pool.prefix_tunings.") {
			own = append(own, t)
		}
	}
	n, b := c.Config.Length, c.Config.Bottleneck
	return takeParts(own, "_prefix", c.parts(), func(_, part string, shape []int) error {
		want := map[string]string{
			prefixFlat[1:]: fmt.Sprintf("[%d·any]", n), prefixWords[1:]: fmt.Sprint([]int{n, c.Width}), prefixInnerWeight[1:]: fmt.Sprint([]int{b, c.Width}),
			prefixInnerBias[1:]: fmt.Sprint([]int{b}), prefixOuterWeight[1:]: fmt.Sprintf("[any %d]", b), prefixOuterBias[1:]: "[any]",
		}[part]
		fits := fmt.Sprint(shape) == want
		switch part {
		case prefixFlat[1:]:
			fits = len(shape) == 1 && shape[0]%n == 0
		case prefixOuterWeight[1:]:
			fits = len(shape) == 2 && shape[1] == b
		case prefixOuterBias[1:]:
			fits = len(shape) == 1
		}
		if !fits {
			return fmt.Errorf("it is %v, expected %s by %s", shape, want, AdapterConfigFile)
		}
		return nil
	})
}

func configurePrefix(v Values, maxSourceLength int, d nn.Description) (Config, []*SettingError, error) {
	c := &PrefixConfig{
		Config: prefix{prefixArchitecture, true, true, v.Bool("flat"), v.Int("prefix-length"), v.Int("bottleneck"), "tanh"},
		Hub:    newHub(d), anyLength: anyLength{maxSourceLength},
	}
	if n := c.Config.Length; n+maxSourceLength > maxPositions {
		return nil, nil, refuse("prefix-length", n, "with texts of up to %d tokens they are %d keys, and an attention takes up to %d", maxSourceLength, n+maxSourceLength, maxPositions)
	}
	return c, nil, nil
}

// startPrefix draws W, and flat prefixes, from N(0, 1), and the network uniformly in
// ±1/√d and ±1/√b.
func startPrefix(config Config, _ Values, o Origin) ([]Tensor, error) {
	c := config.(*PrefixConfig)
	list, err := c.Tensors(o.Model)
	for i, t := range list {
		random := drawsOf(o.Seed, t.Name)
		switch {
		case c.Config.Flat || strings.HasSuffix(t.Name, prefixWords):
			list[i].Values = normal(random, t.len(), 1)
		case strings.HasSuffix(t.Name, prefixInnerWeight), strings.HasSuffix(t.Name, prefixInnerBias):
			list[i].Values = uniform(random, t.len(), 1/math.Sqrt(float64(c.Width)))
		default:
			list[i].Values = uniform(random, t.len(), 1/math.Sqrt(float64(c.Config.Bottleneck)))
		}
	}
	return list, err
}

// prefixHooks puts the keys and values of each place in front of its own.
func prefixHooks(config Config, array Arrays) nn.Hooks {
	c := config.(*PrefixConfig)
	f, _ := tensor.ParseActivation(c.Config.NonLinearity) // checked
	h := nn.Hooks{Ahead: nn.Ahead{Decoder: c.Config.Length}}
	if c.Config.Encoder {
		h.Ahead.Encoder = c.Config.Length
	}
	if c.Config.Cross {
		h.Ahead.Cross = c.Config.Length
	}
	h.Keys = func(p *nn.Pass, at nn.Place) (k, v *tensor.Value) {
		g := p.Graph()
		for _, group := range c.groups(p.Model().Description) {
			for layer, place := range group.places {
				if place.Name != at.Name {
					continue
				}
				all := p.Once(group.name, func() *tensor.Value { return c.record(g, group, array, f) })
				of := func(slot int) *tensor.Value {
					before := slot * at.Inner
					l := tensor.Layout{Widths: []int{before, at.Inner, group.width() - before - at.Inner}}
					return g.Part(fmt.Sprintf("%s.%d", group.name, slot), all, l, 1)
				}
				return of(2 * layer), of(2*layer + 1)
			}
		}
		return nil, nil // no attention is without one where there are keys of its kind
	}
	return h
}

// record makes the keys and values of all layers, [n, 2·layers·inner].
func (c *PrefixConfig) record(g *tensor.Graph, of prefixPlaces, array Arrays, f tensor.Activation) *tensor.Value {
	use := func(part string) *tensor.Value { return g.Use(array[prefixName(of.name, part)]) }
	if c.Config.Flat {
		return g.Reshape(use(prefixFlat), c.Config.Length, of.width())
	}
	low := g.Linear(of.name+".inner", use(prefixWords), use(prefixInnerWeight), tensor.LinearOptions{Bias: use(prefixInnerBias)})
	return g.Linear(of.name+".outer", g.Activate(of.name+".f", low, f), use(prefixOuterWeight), tensor.LinearOptions{Bias: use(prefixOuterBias)})
}
