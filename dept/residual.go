package dept

import (
	"fmt"
	"math"

	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/tensor"
)

// ResidualPrompt is residual prompt tuning (Razdaibiedina et al., "Residual Prompt
// Tuning: Improving Prompt Tuning with Residual Reparameterization"): a prompt P [m, d]
// behind a network of width b that its vectors share, with C [b, d] and D [d, b]:
//
//	encoder input = [ P' ; E(x) ],   P' = P + norm(D·relu(C·P + c) + e)
//
// norm takes off each vector's mean, divides by its deviation, and has a weight and a
// bias. P starts at words of the vocabulary, C, c, D and e uniform in ±1/√d and ±1/√b,
// the norm's weight at one and its bias at zero: step 0 is not prompt tuning with P.
var ResidualPrompt = Kind{
	Name: "residual", Title: "Residual prompt tuning", About: "a prompt P and a network that its vectors go through",
	Peft: "RESIDUAL_PROMPT_TUNING", // no method of PEFT's
	Settings: []Setting{
		{Name: promptLength.Name, Title: promptLength.Title, About: promptLength.About, Default: 10, Least: 1, Most: maxPositions,
			Of: func(c Config) any { return c.(*ResidualConfig).PromptLength }},
		{Name: "bottleneck", Title: "width b", About: "b, the width of the prompt's network", Default: 800, Least: 1, Most: maxSize,
			Of: func(c Config) any { return c.(*ResidualConfig).Bottleneck }},
		{Name: promptInit.Name, Title: promptInit.Title, About: promptInit.About, Default: string(InitVocab), Choices: promptInit.Choices, Start: true},
		rateSetting("", "learning rate", 0.3),
	},
	Empty:     func() Config { return &ResidualConfig{} },
	Configure: configureResidual,
	Start:     startResidual,
	Hooks:     residualHooks,
	Apart:     DePT.Apart,
}

// ResidualConfig is the adapter_config.json of residual prompt tuning.
type ResidualConfig struct {
	PromptLength int `json:"num_virtual_tokens"`  // m
	Bottleneck   int `json:"encoder_hidden_size"` // b
	Width        int `json:"token_dim"`           // d

	anyLength
}

// The tensors of the prompt's network, a sequence of a linear layer, a ReLU, another
// one and a norm.
const (
	innerWeight        = "prompt_encoder.module.0.weight"
	innerBias          = "prompt_encoder.module.0.bias"
	outerWeight        = "prompt_encoder.module.2.weight"
	outerBias          = "prompt_encoder.module.2.bias"
	residualNormWeight = "prompt_encoder.module.3.weight"
	residualNormBias   = "prompt_encoder.module.3.bias"
)

// residualEpsilon is that of the authors' norm.
const residualEpsilon = 1e-5

// Kind is ResidualPrompt.
func (c *ResidualConfig) Kind() *Kind { return &ResidualPrompt }

// Positions is m.
func (c *ResidualConfig) Positions() int { return c.PromptLength }

// Describe lists P and the network.
func (c *ResidualConfig) Describe() string {
	return fmt.Sprintf("P [%d, %d] behind a network of width %d", c.PromptLength, c.Width, c.Bottleneck)
}

// Check reports the first value that no adapter can have.
func (c *ResidualConfig) Check() error {
	return checkSizes(size{"num_virtual_tokens", c.PromptLength, 1}, size{"encoder_hidden_size", c.Bottleneck, 1}, size{"token_dim", c.Width, 1})
}

// Tensors are P and the network's.
func (c *ResidualConfig) Tensors(d nn.Description) ([]Tensor, error) {
	if err := checkWidth(c.Width, d); err != nil {
		return nil, err
	}
	return c.list(), nil
}

func (c *ResidualConfig) list() []Tensor {
	m, b, d := c.PromptLength, c.Bottleneck, c.Width
	return []Tensor{
		{Name: TensorP, Shape: []int{m, d}},
		{Name: innerWeight, Shape: []int{b, d}}, {Name: innerBias, Shape: []int{b}},
		{Name: outerWeight, Shape: []int{d, b}}, {Name: outerBias, Shape: []int{d}},
		{Name: residualNormWeight, Shape: []int{d}}, {Name: residualNormBias, Shape: []int{d}},
	}
}

// Take checks that all are there.
func (c *ResidualConfig) Take(file []Tensor) ([]Tensor, error) { return takePrompt(c.list(), file, 1) }

func configureResidual(v Values, maxSourceLength int, d nn.Description) (Config, []*SettingError, error) {
	c := &ResidualConfig{v.Int("prompt-length"), v.Int("bottleneck"), d.Width, anyLength{maxSourceLength}}
	if err := fitPositions(c.PromptLength, maxSourceLength); err != nil {
		return nil, nil, err
	}
	return c, nil, nil
}

func startResidual(config Config, v Values, o Origin) ([]Tensor, error) {
	c := config.(*ResidualConfig)
	list := c.list()
	for i, t := range list {
		var err error
		switch t.Name {
		case TensorP:
			list[i].Values, err = startP(c.PromptLength, c.Width, PromptInit(v.String("prompt-init")), o)
		case innerWeight, innerBias:
			list[i].Values = uniform(drawsOf(o.Seed, t.Name), t.len(), 1/math.Sqrt(float64(c.Width)))
		case outerWeight, outerBias:
			list[i].Values = uniform(drawsOf(o.Seed, t.Name), t.len(), 1/math.Sqrt(float64(c.Bottleneck)))
		case residualNormWeight:
			list[i].Values = constant(t.len(), 1)
		case residualNormBias:
			list[i].Values = make([]float32, t.len())
		}
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// residualHooks records [ P + norm(D·relu(C·P + c) + e) ; E(x) ].
func residualHooks(_ Config, array Arrays) nn.Hooks {
	return nn.Hooks{Input: func(p *nn.Pass, text nn.Tokens) *tensor.Value {
		g := p.Graph()
		use := func(name string) *tensor.Value { return g.Use(array[name]) }
		low := g.Linear("residual.inner", use(TensorP), use(innerWeight), tensor.LinearOptions{Bias: use(innerBias), End: tensor.EndReLU})
		high := g.Linear("residual.outer", low, use(outerWeight), tensor.LinearOptions{Bias: use(outerBias)})
		norm := g.RMSNorm("residual.norm", g.Center("residual.center", high), use(residualNormWeight), residualEpsilon, tensor.Dropout{})
		prompt := g.Add("residual", use(TensorP), g.Columns("residual.norm.bias", norm, nil, use(residualNormBias)), 1)
		return p.Embed("encoder", text, tensor.EmbedOptions{P: prompt})
	}}
}
