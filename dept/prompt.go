package dept

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/tensor"
)

// Decomposed Prompt Tuning (Shi and Lipani, ICLR 2024): a short prompt P [m, d]
// before the text, and a low-rank pair A [s, r], B [r, d] that shifts the word
// embeddings by position:
//
//	encoder input = [ P ; E(x) + scale · A[:len] · B ]
//
// Row t of A belongs to text position t, whatever m is. With r = 0 it is prompt
// tuning, with m = 0 the shift alone. The factor is that of the authors' code,
// lora_alpha/√r with lora_alpha 8; the paper's text has none.
var DePT = Kind{
	Name: "dept", Title: "Decomposed prompt tuning", About: "a short prompt P and a low-rank shift A·B of the word embeddings",
	Peft: "PROMPT_TUNING_LORA",
	Settings: []Setting{
		promptLength,
		{Name: "rank", Title: "rank r", About: "r, the rank of the shift A·B", Default: 45, Of: func(c Config) any { return c.(*PromptConfig).Rank }},
		{Name: "shift", Title: "shift", About: "what A·B moves a word by: position is a vector for each place of the text, constant one for all, where A stays at ones and r is 1",
			Default: ShiftPosition, Choices: []string{ShiftPosition, ShiftConstant}, Of: shiftName},
		{Name: "scale", Title: "scale", About: "factor on A·B: code is 8/√r, paper is 1", Default: "code", Choices: []string{"code", "paper"},
			Of: scaleName},
		promptInit,
		rateSetting(GroupPrompt, "learning rate of P", 0.3),
		rateSetting(GroupLowRank, "learning rate of A and B", 5e-4),
	},
	Empty:     func() Config { return &PromptConfig{} },
	Configure: configurePrompt,
	Start:     startPrompt,
	Hooks:     promptHooks,
	Apart:     "it changes what the encoder reads of each text, and no weight of the model",
}

// PromptTuning is P alone (Lester et al., "The Power of Scale for
// Parameter-Efficient Prompt Tuning"):
//
//	encoder input = [ P ; E(x) ]
var PromptTuning = Kind{
	Name: "pt", Title: "Prompt tuning", About: "a prompt P alone",
	Peft:      "PROMPT_TUNING",
	Settings:  []Setting{promptLength, promptInit, rateSetting(GroupPrompt, "learning rate of P", 0.3)},
	Empty:     func() Config { return &PromptConfig{} },
	Configure: configurePrompt,
	Start:     startPrompt,
	Hooks:     promptHooks,
	Apart:     "it changes what the encoder reads of each text, and no weight of the model",
}

// The parameter groups of a prompt: each has a learning rate of its own.
const (
	GroupPrompt  = "prompt"  // P
	GroupLowRank = "lowrank" // A and B
	// GroupFixed has no learning rate and stays as it is: A of a constant shift.
	GroupFixed = "fixed"
)

// The shifts. A file says which one it is by A: training, which starts A at random, does not end at ones.
const (
	ShiftPosition = "position" // row t of A·B moves position t
	ShiftConstant = "constant" // A [s, 1] is ones, so that B moves every position alike
)

// The tensors of a prompt, named as in the DePT authors' files.
const (
	TensorP = "prompt_embeddings"
	TensorA = "prompt_encoder.lora_embedding_A"
	TensorB = "prompt_encoder.lora_embedding_B"
)

var (
	promptLength = Setting{Name: "prompt-length", Title: "prompt length m", About: "m, the vectors of the prompt P", Default: 40,
		Of: func(c Config) any { return c.(*PromptConfig).PromptLength }}
	promptInit = Setting{Name: "prompt-init", Title: "start of P", About: "where P starts: text, vocab or random", Default: string(InitText),
		Choices: []string{string(InitText), string(InitVocab), string(InitRandom)}, Start: true}
)

// DefaultLoraAlpha is the DePT authors' factor: their shift is scaled by 8/√r.
const DefaultLoraAlpha = 8

// maxPositions bounds m + s, since attention's time grows with its square.
const maxPositions = 1 << 15

// PromptConfig is the adapter_config.json of DePT and of prompt tuning.
type PromptConfig struct {
	PromptLength    int     `json:"num_virtual_tokens"`   // m
	Rank            int     `json:"r,omitempty"`          // r; 0 is prompt tuning
	MaxSourceLength int     `json:"max_length,omitempty"` // s, in tokens; 0, with r = 0 only, where nothing says
	Width           int     `json:"token_dim"`            // d, the model's d_model
	LoraAlpha       float64 `json:"lora_alpha,omitempty"`
	Constant        bool    `json:"-"` // the shift is ShiftConstant
	// Submodules is how many prompts the file has one after the other: PEFT keeps
	// one for the decoder behind the encoder's, and does not use it with T5.
	Submodules int `json:"num_transformer_submodules"`
}

// MarshalJSON leaves out of prompt tuning's file what PEFT has no key for.
func (c *PromptConfig) MarshalJSON() ([]byte, error) {
	type fields PromptConfig
	f := fields(*c)
	if c.Rank == 0 {
		f.MaxSourceLength = 0
	}
	return json.Marshal(f)
}

// Kind is prompt tuning where there is no shift.
func (c *PromptConfig) Kind() *Kind {
	if c.Rank == 0 {
		return &PromptTuning
	}
	return &DePT
}

// Positions is m.
func (c *PromptConfig) Positions() int { return c.PromptLength }

// MaxSource is s.
func (c *PromptConfig) MaxSource() int { return c.MaxSourceLength }

// SetMaxSource refuses another s where A has a row for each position.
func (c *PromptConfig) SetMaxSource(tokens int) error {
	if c.Rank > 0 && tokens != c.MaxSourceLength {
		return refuse("max-source-length", tokens, "the adapter has %d: leave the setting out", c.MaxSourceLength)
	}
	c.MaxSourceLength = tokens
	return nil
}

// Scale is the factor on A·B, lora_alpha/√r: 1 where lora_alpha is √r, as in the DePT paper's
// text. It is 0 where there is no shift to scale.
func (c *PromptConfig) Scale() float64 {
	if c.Rank == 0 {
		return 0
	}
	return c.LoraAlpha / math.Sqrt(float64(c.Rank))
}

// Parameters is how many numbers the adapter trains, m·d + r·(s + d); m·d + d where the shift is constant.
func (c *PromptConfig) Parameters() int { return count(c.list()) }

// Describe lists P, and A and B, as far as there are any.
func (c *PromptConfig) Describe() string {
	var parts []string
	if c.PromptLength > 0 || c.Rank == 0 {
		parts = append(parts, fmt.Sprintf("P [%d, %d]", c.PromptLength, c.Width))
	}
	if c.Rank > 0 {
		ones := ""
		if c.Constant {
			ones = " of ones"
		}
		parts = append(parts, fmt.Sprintf("A [%d, %d]%s, B [%d, %d], scale %.4g (lora_alpha %.4g / √%d)",
			c.MaxSourceLength, c.Rank, ones, c.Rank, c.Width, c.Scale(), c.LoraAlpha, c.Rank))
	}
	return strings.Join(parts, ", ")
}

// Check reports the first value that no adapter can have.
func (c *PromptConfig) Check() error {
	if err := checkSizes(
		size{"num_virtual_tokens", c.PromptLength, 0}, size{"r", c.Rank, 0}, size{"max_length", c.MaxSourceLength, min(c.Rank, 1)}, size{"token_dim", c.Width, 1},
	); err != nil {
		return err
	}
	if c.Rank > 0 && !(c.LoraAlpha > 0 && c.LoraAlpha <= math.MaxFloat32) {
		return fmt.Errorf("lora_alpha is %g, expected a positive number: %d as the DePT authors have it, √r for no scale", c.LoraAlpha, DefaultLoraAlpha)
	}
	return checkSubmodules(c.Submodules)
}

// size is a size of a config's and the least that it can be.
type size struct {
	key          string
	value, least int
}

// checkSizes reports the first size that no adapter can have.
func checkSizes(sizes ...size) error {
	for _, s := range sizes {
		if s.value < s.least || s.value > maxSize {
			return fmt.Errorf("%s is %d, expected %d to %d", s.key, s.value, s.least, maxSize)
		}
	}
	return nil
}

func checkSubmodules(n int) error {
	if n < 0 || n > 2 {
		return fmt.Errorf("num_transformer_submodules is %d, expected 1 or 2", n)
	}
	return nil
}

// checkWidth refuses a model of another width than the adapter's.
func checkWidth(width int, d nn.Description) error {
	if width != d.Width {
		return fmt.Errorf("the adapter is for a model of width %d (token_dim), and this model's width is %d (d_model): give the model it was trained on", width, d.Width)
	}
	return nil
}

// note takes the longest text from the file's metadata, where prompt tuning has it.
func (c *PromptConfig) note(maxLength string) error {
	n, err := parseMaxLength(maxLength)
	if c.MaxSourceLength == 0 {
		c.MaxSourceLength = n
	}
	return err
}

// Tensors are P, A and B as far as m and r leave them something.
func (c *PromptConfig) Tensors(d nn.Description) ([]Tensor, error) {
	if err := checkWidth(c.Width, d); err != nil {
		return nil, err
	}
	return c.list(), nil
}

func (c *PromptConfig) list() []Tensor {
	groupA := GroupLowRank
	if c.Constant {
		groupA = GroupFixed
	}
	var list []Tensor
	for _, t := range []Tensor{
		{Name: TensorP, Shape: []int{c.PromptLength, c.Width}, Group: GroupPrompt},
		{Name: TensorA, Shape: []int{c.MaxSourceLength, c.Rank}, Group: groupA},
		{Name: TensorB, Shape: []int{c.Rank, c.Width}, Group: GroupLowRank},
	} {
		if t.len() > 0 {
			list = append(list, t)
		}
	}
	return list
}

// Take leaves out the prompt that a file may keep for the decoder.
func (c *PromptConfig) Take(file []Tensor) ([]Tensor, error) {
	took, err := takePrompt(c.list(), file, c.Submodules)
	if err != nil {
		return nil, err
	}
	c.Submodules = 1
	for _, t := range took {
		if t.Name == TensorA {
			c.Constant = c.Rank == 1 && !slices.ContainsFunc(t.Values, func(x float32) bool { return x != 1 })
		}
	}
	for i, t := range c.list() {
		took[i].Group = t.Group
	}
	return took, nil
}

// takePrompt picks the tensors of a list out of a file's, of whose prompts, one for
// each submodule, it takes the first.
func takePrompt(list, file []Tensor, submodules int) ([]Tensor, error) {
	stored := make([]Tensor, len(list))
	for i, t := range list {
		stored[i] = t
		if t.Name == TensorP && submodules == 2 {
			stored[i].Shape = []int{2 * t.Shape[0], t.Shape[1]}
		}
	}
	var given []Tensor
	for _, t := range file { // with m = 0 a file may hold an empty P
		if t.len() > 0 {
			given = append(given, t)
		}
	}
	took, err := takeTensors(stored, given)
	if err != nil {
		return nil, fmt.Errorf("%w (the sizes are those of %s)", err, AdapterConfigFile)
	}
	for i, t := range list {
		took[i].Shape, took[i].Values = t.Shape, took[i].Values[:t.len()]
	}
	return took, nil
}

// configurePrompt makes the Config of DePT, or of prompt tuning where the
// settings have no rank.
func configurePrompt(v Values, maxSourceLength int, d nn.Description) (Config, []*SettingError, error) {
	c := &PromptConfig{
		PromptLength: v.Int("prompt-length"), Rank: v.Int("rank"), MaxSourceLength: maxSourceLength, Width: d.Width, Submodules: 1,
		Constant: v.String("shift") == ShiftConstant,
	}
	if c.Constant && c.Rank != 1 {
		return nil, nil, refuse("rank", c.Rank, "a shift that is constant has rank 1, since A is a column of ones")
	}
	if c.Rank > 0 {
		c.LoraAlpha = DefaultLoraAlpha
		if v.String("scale") == "paper" {
			c.LoraAlpha = math.Sqrt(float64(c.Rank))
		}
	}
	if err := fitPositions(c.PromptLength, c.MaxSourceLength); err != nil {
		return nil, nil, err
	}
	switch least, most := min(c.MaxSourceLength, c.Width), max(c.MaxSourceLength, c.Width); {
	case c.PromptLength == 0 && c.Rank == 0:
		return nil, nil, refuse("prompt-length", 0, "a prompt of length 0 and a shift of rank 0 leave nothing to train")
	case c.Rank > most:
		return nil, nil, refuse("rank", c.Rank, "it does not fit: A·B is [%d, %d] (source length, model width), whose rank is at most %d", c.MaxSourceLength, c.Width, least)
	case c.Rank > least:
		return c, []*SettingError{refuse("rank", c.Rank, "it trains parameters for nothing: A·B is [%d, %d], whose rank is at most %d", c.MaxSourceLength, c.Width, least)}, nil
	}
	return c, nil, nil
}

// shiftName is the setting that gives the Config's shift.
func shiftName(config Config) any {
	if config.(*PromptConfig).Constant {
		return ShiftConstant
	}
	return ShiftPosition
}

// fitPositions refuses a prompt of m vectors that the encoder cannot take before texts
// of so many tokens.
func fitPositions(m, maxSourceLength int) error {
	if m+maxSourceLength > maxPositions {
		return refuse("prompt-length", m, "with texts of up to %d tokens they do not fit: they are %d positions for the encoder, which takes up to %d",
			maxSourceLength, m+maxSourceLength, maxPositions)
	}
	return nil
}

// scaleName is the setting that gives the Config's factor on A·B.
func scaleName(config Config) any {
	switch c := config.(*PromptConfig); c.LoraAlpha {
	case DefaultLoraAlpha:
		return "code"
	case math.Sqrt(float64(c.Rank)):
		return "paper"
	default:
		return fmt.Sprintf("%g/√r", c.LoraAlpha)
	}
}

// promptHooks records [ P ; E(x) + scale·A[:len]·B ].
func promptHooks(config Config, array Arrays) nn.Hooks {
	c := config.(*PromptConfig)
	return nn.Hooks{Input: func(p *nn.Pass, text nn.Tokens) *tensor.Value {
		g, o := p.Graph(), tensor.EmbedOptions{}
		if array[TensorP] != nil {
			o.P = g.Use(array[TensorP])
		}
		if array[TensorA] != nil {
			length := text.IDs.Shape[1]
			o.Shift = g.Product("shift", g.Head(g.Use(array[TensorA]), length), g.Use(array[TensorB]), float32(c.Scale()))
		}
		return p.Embed("encoder", text, o)
	}}
}

// PromptInit says where the prompt P starts.
type PromptInit string

// The starts. InitText is the DePT authors': the embeddings of one text,
// repeated to m rows.
const (
	InitText   PromptInit = "text"
	InitVocab  PromptInit = "vocab"  // embeddings of words drawn from the vocabulary
	InitRandom PromptInit = "random" // N(0, 1), as Hugging Face's PEFT
)

// promptText is the text that the DePT authors start every task's prompt from,
// spelled as they do.
const promptText = "Classify this text is postive or not:"

// startPrompt starts P by its init, A uniform in ±1/√r or at ones, and B at zero, so that
// step 0 is exactly prompt tuning with m vectors.
func startPrompt(config Config, v Values, o Origin) ([]Tensor, error) {
	c := config.(*PromptConfig)
	list := c.list()
	for i, t := range list {
		var err error
		switch t.Name {
		case TensorP:
			list[i].Values, err = startP(c.PromptLength, c.Width, PromptInit(v.String("prompt-init")), o)
		case TensorA:
			if c.Constant {
				list[i].Values = constant(t.len(), 1)
				break
			}
			list[i].Values = uniform(rand.New(rand.NewPCG(o.Seed, 1)), t.len(), 1/math.Sqrt(float64(c.Rank)))
		case TensorB:
			list[i].Values = make([]float32, t.len())
		}
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// startP are the m vectors of width d that a prompt starts from.
func startP(m, d int, init PromptInit, o Origin) ([]float32, error) {
	random := rand.New(rand.NewPCG(o.Seed, 2))
	p := make([]float32, m*d)
	vocabulary := o.Model.Vocabulary
	var ids []int32
	switch init {
	case InitRandom:
		for i := range p {
			p[i] = float32(random.NormFloat64())
		}
		return p, nil
	case InitVocab:
		for range m {
			ids = append(ids, int32(random.IntN(vocabulary)))
		}
	case InitText:
		ids = append(o.Tokenizer.Encode(promptText), o.Tokenizer.EOS())
	default:
		return nil, refuse("prompt-init", fmt.Sprintf("%q", init), "there are %s, %s and %s", InitText, InitVocab, InitRandom)
	}
	for row := range m {
		id := int(ids[row%len(ids)])
		if id >= vocabulary {
			return nil, fmt.Errorf("start prompt from text: token id %d is beyond the model's vocabulary of %d", id, vocabulary)
		}
		embedding, err := o.Checkpoint.Row(o.Model.Embedding, id)
		if err != nil {
			return nil, fmt.Errorf("start prompt from embeddings: %w", err)
		}
		copy(p[row*d:], embedding)
	}
	return p, nil
}

// RankForBudget is the largest rank r at which a prompt of m vectors and a rank-r shift of s
// positions train no more parameters than a prompt of l vectors does, all of width d:
//
//	m·d + r·(s + d) ≤ l·d
//
// It is 0 where m takes up the whole budget.
func RankForBudget(l, m, s, d int) int {
	if m >= l {
		return 0
	}
	return (l - m) * d / (s + d)
}
