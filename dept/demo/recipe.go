package demo

import (
	"maps"
	"slices"
	"sync"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/t5"
)

// Sizes that suit the language: the longest source is a question of maxQuestion
// words, "sentence:", nine words and the end token; the longest target names all
// attributes.
const (
	MaxSource = 16
	MaxTarget = 5

	TrainRows = 2000 // of a task
	DevRows   = 400
)

// Seed is the demonstration's: every run of it on one device gives the same
// numbers, and the page's model is the demonstration's.
const Seed = 12

// Config is the shape of the backbone: T5 1.1 with two blocks a side and one table
// of embeddings, about 0.2 million weights. Its gated feed-forward layers learn
// this language in fewer steps than those of T5 1.0.
func Config(tok *t5.Tokenizer) *t5.Config {
	return &t5.Config{
		ModelType: "t5", DModel: 64, DKV: 16, DFF: 96, NumHeads: 4, NumLayers: 2, NumDecoderLayers: 2,
		VocabSize: tok.VocabSize(), FeedForwardProj: t5.FeedForwardGatedGELU, TieWordEmbeddings: true, LayerNormEpsilon: 1e-6,
		RelativeAttentionNumBuckets: 32, RelativeAttentionMaxDistance: 128, NPositions: 512,
		PadTokenID: int(tok.Pad()), EOSTokenID: int(tok.EOS()), DecoderStartTokenID: int(tok.Pad()),
	}
}

// Pretraining is how full fine-tuning makes a backbone of a random model: one
// pass over Steps·Batch rows of the mixture.
func Pretraining(seed uint64) dept.TrainOptions {
	return dept.TrainOptions{
		Steps: 800, Batch: 32, Accumulate: 1, Rates: [2]float64{2e-3}, Warmup: 100, Clip: 1,
		MaxSourceLength: MaxSource, MaxTargetLength: MaxTarget, Seed: seed,
	}
}

// Tuning is how a prompt learns a task. The rate of P depends on the model's
// width; that of A and B too, and is searched for anew elsewhere.
func Tuning(seed uint64) dept.TrainOptions {
	return dept.TrainOptions{
		Steps: 200, Batch: 16, Accumulate: 1, Rates: [2]float64{dept.GroupPrompt: 0.3, dept.GroupLowRank: 5e-3}, Warmup: 10, Clip: 1,
		MaxSourceLength: MaxSource, MaxTargetLength: MaxTarget, Shuffle: true, Seed: seed,
	}
}

// Adapters are DePT with a prompt of 8 vectors and prompt tuning with 32, at as
// good as equally many parameters.
func Adapters(c *t5.Config) (dePT, pt dept.AdapterConfig) {
	const m, l = 8, 32
	dePT = dept.AdapterConfig{
		PromptLength: m, Rank: dept.RankForBudget(l, m, MaxSource, c.DModel), MaxSourceLength: MaxSource,
		Width: c.DModel, LoraAlpha: dept.DefaultLoraAlpha,
	}
	pt = dept.AdapterConfig{PromptLength: l, MaxSourceLength: MaxSource, Width: c.DModel}
	return dePT, pt
}

// vocabulary is every word of the language but what stands before a sentence,
// sorted.
var vocabulary = sync.OnceValue(func() []string {
	set := map[string]bool{}
	add := func(words ...string) {
		for _, w := range words {
			set[w] = true
		}
	}
	add(fillers...)
	add(people...)
	for _, list := range [][]form{verbs, copulas} {
		for _, w := range list {
			add(w[:]...)
		}
	}
	for _, byLabel := range []map[string][]string{things, opinions, fortunes} {
		for _, list := range byLabel {
			add(list...)
		}
	}
	for _, template := range templates {
		add(template...)
	}
	for _, place := range places {
		delete(set, place)
	}
	for _, a := range attributes {
		add(a.labels...)
		for _, wording := range questions[a.name] {
			add(words(wording)...)
		}
	}
	for _, wording := range everything {
		add(words(wording)...)
	}
	return slices.Sorted(maps.Keys(set))
})
