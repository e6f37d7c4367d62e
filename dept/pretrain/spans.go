package pretrain

import (
	"math"

	"github.com/go-dept/dept/internal/draw"
)

// denoiser is a way to leave spans out of a text.
type denoiser struct {
	weight int     // how often out of a hundred it is taken
	share  float64 // of the tokens that are left out
	length float64 // of a span, in tokens, on the mean
}

// The first is T5's (Raffel et al., "Exploring the Limits of Transfer Learning with a
// Unified Text-to-Text Transformer", section 3.1.4), by which a model is validated.
// It has few tokens to learn from, so the others leave out more of the text, and its
// second half, as in UL2 (Tay et al., "UL2: Unifying Language Learning Paradigms").
var denoisers = []denoiser{{45, 0.15, 3}, {30, 0.35, 4}, {25, 0.5, passageLength}}

// corrupt leaves spans out of a text of at least two tokens, each replaced by a
// sentinel of its own. The target is what was left out, each span behind its
// sentinel. Like T5's, the source begins with a span that stays and ends with one that
// does not.
func (d denoiser) corrupt(r draw.Source, ids []int32, sentinel func(i int) int32) (source, target []int32) {
	n := len(ids)
	noise := d.noiseOf(n)
	spans := d.spansOf(n)
	left, kept := parts(r, noise, spans), parts(r, n-noise, spans)
	at := 0
	for i := range spans {
		source = append(source, ids[at:at+kept[i]]...)
		at += kept[i]
		source = append(source, sentinel(i))
		target = append(append(target, sentinel(i)), ids[at:at+left[i]]...)
		at += left[i]
	}
	return source, target
}

// noiseOf is how many of n tokens are left out, and spansOf in how many spans.
func (d denoiser) noiseOf(n int) int {
	return min(max(1, int(math.Round(d.share*float64(n)))), n-1)
}

func (d denoiser) spansOf(n int) int {
	noise := d.noiseOf(n)
	return min(max(1, int(math.Round(float64(noise)/d.length))), n-noise)
}

// parts divides n into k numbers of at least one, every way as likely as any other.
func parts(r draw.Source, n, k int) []int {
	// The cuts are k-1 of the n-1 places between: those that are drawn first.
	cut := make([]bool, n)
	for i := range k - 1 {
		cut[i+1] = true
	}
	if n > 1 {
		draw.Shuffle(r, cut[1:])
	}
	sizes := make([]int, 0, k)
	start := 0
	for i := 1; i < n; i++ {
		if cut[i] {
			sizes = append(sizes, i-start)
			start = i
		}
	}
	return append(sizes, n-start)
}
