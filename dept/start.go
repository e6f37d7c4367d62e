package dept

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/text"
)

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

// NewAdapter makes the adapter that training starts from: P by init, A uniform
// in ±1/√r, B zero, so that step 0 is exactly prompt tuning with m vectors. The
// tokenizer is needed for InitText alone.
func NewAdapter(c AdapterConfig, init PromptInit, ck *t5.Checkpoint, tok *text.Tokenizer, seed uint64) (*Adapter, error) {
	a := &Adapter{
		Config: c,
		P:      make([]float32, c.PromptLength*c.Width),
		A:      make([]float32, c.MaxSourceLength*c.Rank),
		B:      make([]float32, c.Rank*c.Width),
	}
	random := rand.New(rand.NewPCG(seed, 1))
	bound := 1 / math.Sqrt(float64(max(1, c.Rank)))
	for i := range a.A {
		a.A[i] = float32((2*random.Float64() - 1) * bound)
	}
	if c.PromptLength == 0 {
		return a, nil
	}
	random = rand.New(rand.NewPCG(seed, 2))
	var ids []int32
	switch init {
	case InitRandom:
		for i := range a.P {
			a.P[i] = float32(random.NormFloat64())
		}
		return a, nil
	case InitVocab:
		for range c.PromptLength {
			ids = append(ids, int32(random.IntN(ck.Config.VocabSize)))
		}
	case InitText:
		text, err := tok.Encode(promptText)
		if err != nil {
			return nil, fmt.Errorf("start prompt from text: %w", err)
		}
		ids = append(text, tok.EOS())
	default:
		return nil, fmt.Errorf("unknown prompt start %q: there are %s, %s and %s", init, InitText, InitVocab, InitRandom)
	}
	for row := range c.PromptLength {
		id := int(ids[row%len(ids)])
		if id >= ck.Config.VocabSize {
			return nil, fmt.Errorf("start prompt from text: token id %d is beyond the model's vocabulary of %d", id, ck.Config.VocabSize)
		}
		embedding, err := ck.Row("shared.weight", id)
		if err != nil {
			return nil, fmt.Errorf("start prompt from embeddings: %w", err)
		}
		copy(a.P[row*c.Width:], embedding)
	}
	return a, nil
}
