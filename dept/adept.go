package dept

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/tensor"
)

// ADePT (Tang, Hu and Liu, "ADePT: Adaptive Decomposed Prompt Tuning for
// Parameter-Efficient Fine-tuning") is DePT whose shift follows the word, not its
// position: a short prompt P [m, d], and a network of width r that shifts each word's
// embedding x by what it makes of it, with A [d, r], a [r], B [r, d] and b [d]:
//
//	encoder input = [ P ; E + relu(dropout(E·A + a))·B + b ],   E = E(x)
//
// B, a and b start at zero, so that step 0 is prompt tuning. In training a tenth of
// the numbers before the ReLU is dropped, as in the authors' code.
var ADePT = Kind{
	Name: "adept", Title: "ADePT", About: "a short prompt P and a shift of each word's embedding by a small network",
	Peft: "PROMPT_TUNING_LORAX",
	Settings: []Setting{
		{Name: promptLength.Name, Title: promptLength.Title, About: promptLength.About, Default: 60, Least: 1, Most: maxPositions,
			Of: func(c Config) any { return c.(*ADePTConfig).PromptLength }},
		{Name: "rank", Title: "width r", About: "r, the width of the network that shifts a word", Default: 19, Least: 1, Most: maxSize,
			Of: func(c Config) any { return c.(*ADePTConfig).Width }},
		promptInit,
		rateSetting(GroupPrompt, "learning rate of P", 0.3),
		rateSetting(GroupLowRank, "learning rate of the network", 1e-4),
	},
	Empty:     func() Config { return &ADePTConfig{} },
	Configure: configureADePT,
	Start:     startADePT,
	Hooks:     adeptHooks,
	Apart:     DePT.Apart,
}

// The tensors of ADePT besides P, A and B, named as in the authors' files.
const (
	TensorInnerBias = "prompt_encoder.lora_embedding_a"
	TensorOuterBias = "prompt_encoder.lora_embedding_b"
)

// adeptDropout is the authors' rate.
const adeptDropout = 0.1

// ADePTConfig is the adapter_config.json of ADePT.
type ADePTConfig struct {
	PromptLength    int `json:"num_virtual_tokens"` // m
	Width           int `json:"r"`                  // r
	MaxSourceLength int `json:"max_length,omitempty"`
	ModelWidth      int `json:"token_dim"`                  // d, the model's d_model
	Submodules      int `json:"num_transformer_submodules"` // as PromptConfig has it
}

// Kind is ADePT.
func (c *ADePTConfig) Kind() *Kind { return &ADePT }

// Positions is m.
func (c *ADePTConfig) Positions() int { return c.PromptLength }

// MaxSource is the longest text of training.
func (c *ADePTConfig) MaxSource() int { return c.MaxSourceLength }

// SetMaxSource sets it: no tensor depends on it.
func (c *ADePTConfig) SetMaxSource(tokens int) error {
	c.MaxSourceLength = tokens
	return nil
}

// note finds nothing to take: the config says it.
func (c *ADePTConfig) note(string) error { return nil }

// Describe lists the tensors.
func (c *ADePTConfig) Describe() string {
	m, r, d := c.PromptLength, c.Width, c.ModelWidth
	return fmt.Sprintf("P [%d, %d], A [%d, %d], a [%d], B [%d, %d], b [%d]", m, d, d, r, r, r, d, d)
}

// Check reports the first value that no adapter can have.
func (c *ADePTConfig) Check() error {
	if err := checkSizes(
		size{"num_virtual_tokens", c.PromptLength, 1}, size{"r", c.Width, 1}, size{"max_length", c.MaxSourceLength, 0}, size{"token_dim", c.ModelWidth, 1},
	); err != nil {
		return err
	}
	return checkSubmodules(c.Submodules)
}

// Tensors are P, A, B, a and b.
func (c *ADePTConfig) Tensors(d nn.Description) ([]Tensor, error) {
	if err := checkWidth(c.ModelWidth, d); err != nil {
		return nil, err
	}
	return c.list(), nil
}

func (c *ADePTConfig) list() []Tensor {
	m, r, d := c.PromptLength, c.Width, c.ModelWidth
	return []Tensor{
		{Name: TensorP, Shape: []int{m, d}, Group: GroupPrompt},
		{Name: TensorA, Shape: []int{d, r}, Group: GroupLowRank},
		{Name: TensorB, Shape: []int{r, d}, Group: GroupLowRank},
		{Name: TensorInnerBias, Shape: []int{r}, Group: GroupLowRank},
		{Name: TensorOuterBias, Shape: []int{d}, Group: GroupLowRank},
	}
}

// Take leaves out the prompt that a file may keep for the decoder.
func (c *ADePTConfig) Take(file []Tensor) ([]Tensor, error) {
	took, err := takePrompt(c.list(), file, c.Submodules)
	c.Submodules = 1
	return took, err
}

func configureADePT(v Values, maxSourceLength int, d nn.Description) (Config, []*SettingError, error) {
	c := &ADePTConfig{PromptLength: v.Int("prompt-length"), Width: v.Int("rank"), MaxSourceLength: maxSourceLength, ModelWidth: d.Width, Submodules: 1}
	if err := fitPositions(c.PromptLength, maxSourceLength); err != nil {
		return nil, nil, err
	}
	return c, nil, nil
}

func startADePT(config Config, v Values, o Origin) ([]Tensor, error) {
	c := config.(*ADePTConfig)
	list, err := zeros(c.list(), nil)
	if err != nil {
		return nil, err
	}
	// The authors' start of A is Kaiming's, which counts the columns.
	list[1].Values = uniform(rand.New(rand.NewPCG(o.Seed, 1)), list[1].len(), 1/math.Sqrt(float64(c.Width)))
	list[0].Values, err = startP(c.PromptLength, c.ModelWidth, PromptInit(v.String("prompt-init")), o)
	return list, err
}

// adeptHooks records [ P ; E + relu(dropout(E·A + a))·B + b ].
func adeptHooks(_ Config, array Arrays) nn.Hooks {
	return nn.Hooks{Input: func(p *nn.Pass, text nn.Tokens) *tensor.Value {
		g := p.Graph()
		use := func(name string) *tensor.Value { return g.Use(array[name]) }
		o := tensor.LinearOptions{End: tensor.EndReLU}
		if p.Training() {
			o.Dropout = nn.DropoutAt("adept", adeptDropout)
		}
		z := g.Columns("adept.a", g.Product("adept.A", p.Words("encoder", text), use(TensorA), 1), nil, use(TensorInnerBias))
		shift := g.Columns("adept.b", g.Product("adept.B", g.End("adept.relu", z, o), use(TensorB), 1), nil, use(TensorOuterBias))
		return p.Embed("encoder", text, tensor.EmbedOptions{P: use(TensorP), Shift: shift, PerToken: true})
	}}
}
