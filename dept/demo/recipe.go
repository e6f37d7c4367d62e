package demo

import (
	"maps"
	"slices"
	"sync"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/train"
)

// Sizes that suit the language, in the backbone's tokens.
const (
	MaxSource = 28 // the longest source of a task, with its end token

	MaxQuestion = 40 // the longest question of the mixture and its sentence
	MaxAnswer   = 5  // the longest answer

	TrainRows = 2000 // of a task
	HeldRows  = 400  // to choose rates by, and to score by
	PageRows  = 80   // which the page scores by, so that a software adapter gets through them while somebody watches
)

// Width is the backbone's, d.
const Width = 128

// Seed is the demonstration's: every run of it on one device gives the same
// numbers.
const Seed = 5

// Budget is l: no variant trains more numbers than l vectors have.
const Budget = 16

// Tuning is how a variant learns a task. Rates depend on the model's width; those of
// the variants were chosen as docs/when-the-shift-matters.md says.
func Tuning(v Variant, seed uint64) train.Options {
	return train.Options{
		Steps: 100, Batch: 16, Accumulate: 1, Rates: v.Rates, Warmup: 10, Clip: 1,
		MaxSourceLength: v.Config.MaxSourceLength, MaxTargetLength: MaxAnswer, Shuffle: true, Seed: seed,
	}
}

// Variant is the parts of DePT that are trained, at the whole budget.
type Variant struct {
	Name   string
	Config *dept.PromptConfig
	Rates  map[string]float64 // of the groups of parameters
}

// The variants' names.
const (
	Both   = "both"
	OnlyP  = "P" // which is prompt tuning
	OnlyAB = "AB"
)

// Variants are DePT, a quarter of the budget in P and the rest in A·B, and each part
// alone, for sources of so many tokens.
func Variants(maxSource int) []Variant {
	config := func(m, r int) *dept.PromptConfig {
		return &dept.PromptConfig{
			PromptLength: m, Rank: r, MaxSourceLength: maxSource, Width: Width, LoraAlpha: dept.DefaultLoraAlpha, Submodules: 1,
		}
	}
	rank := func(m int) int { return dept.RankForBudget(Budget, m, maxSource, Width) }
	const m = Budget / 4
	return []Variant{
		{Both, config(m, rank(m)), map[string]float64{dept.GroupPrompt: 1, dept.GroupLowRank: 2e-2}},
		{OnlyP, config(Budget, 0), map[string]float64{dept.GroupPrompt: 0.3}},
		{OnlyAB, config(0, rank(0)), map[string]float64{dept.GroupLowRank: 2e-2}},
	}
}

// SiblingRates are the learning rates on the backbone of methods that the demonstration does not
// train, by group of parameters: the best of three or four on its first task's dev rows
// (docs/methods.md).
var SiblingRates = map[string]map[string]float64{
	dept.ADePT.Name:          {dept.GroupPrompt: 1, dept.GroupLowRank: 1e-2},
	dept.ResidualPrompt.Name: {"": 0.1},
	dept.LoRA.Name:           {"": 1e-2},
	dept.IA3.Name:            {"": 0.1},
	dept.Norms.Name:          {"": 3e-2},
	dept.Biases.Name:         {"": 3e-2},
	dept.Bottleneck.Name:     {"": 1e-2},
	dept.Prefix.Name:         {"": 1e-3},
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
