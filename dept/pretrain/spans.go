package pretrain

import (
	"math"

	"github.com/go-dept/dept/internal/draw"
)

// T5's span corruption (Raffel et al., "Exploring the Limits of Transfer Learning
// with a Unified Text-to-Text Transformer", section 3.1.4).
const (
	noiseShare = 0.15
	spanLength = 3 // tokens, on the mean
)

// corrupt leaves spans out of a text of at least two tokens: 15 % of the tokens,
// in spans of three on the mean, each replaced by a sentinel of its own. The target
// is what was left out, each span behind its sentinel. Like T5's, the source begins
// with a span that stays and ends with one that does not.
func corrupt(r draw.Source, ids []int32, sentinel func(i int) int32) (source, target []int32) {
	n := len(ids)
	noise := noiseOf(n)
	spans := spansOf(n)
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
func noiseOf(n int) int { return min(max(1, int(math.Round(noiseShare*float64(n)))), n-1) }

func spansOf(n int) int {
	noise := noiseOf(n)
	return min(max(1, int(math.Round(float64(noise)/spanLength))), n-noise)
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
