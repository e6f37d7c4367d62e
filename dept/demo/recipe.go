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
	MaxTarget = 2  // the longest label

	MaxQuestion = 40 // the longest question of the mixture and its sentence
	MaxAnswer   = 5  // the longest answer

	TrainRows = 2000 // of a task
	DevRows   = 400
)

// Width is the backbone's, d.
const Width = 128

// Seed is the demonstration's: every run of it on one device gives the same
// numbers.
const Seed = 12

// Tuning is how a prompt learns a task. The rate of P depends on the model's
// width; that of A and B too, and is searched for anew elsewhere.
func Tuning(seed uint64) train.Options {
	return train.Options{
		Steps: 200, Batch: 16, Accumulate: 1, Rates: map[string]float64{dept.GroupPrompt: 0.3, dept.GroupLowRank: 5e-3}, Warmup: 10, Clip: 1,
		MaxSourceLength: MaxSource, MaxTargetLength: MaxTarget, Shuffle: true, Seed: seed,
	}
}

// Adapters are DePT with a prompt of 8 vectors and prompt tuning with 32, at as
// good as equally many parameters.
func Adapters() (dePT, pt *dept.PromptConfig) {
	const m, l = 8, 32
	dePT = &dept.PromptConfig{
		PromptLength: m, Rank: dept.RankForBudget(l, m, MaxSource, Width), MaxSourceLength: MaxSource,
		Width: Width, LoraAlpha: dept.DefaultLoraAlpha, Submodules: 1,
	}
	pt = &dept.PromptConfig{PromptLength: l, MaxSourceLength: MaxSource, Width: Width, Submodules: 1}
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
