package main

import "math"

// trigrams is how often tokens come behind the two before, where -1 is a sentence's
// beginning. Frequencies of longer runs are mixed with those of shorter ones as Witten
// and Bell do: p(w | h) = (c(hw) + n(h)·p(w | h')) / (c(h) + n(h)), with n(h) the number
// of different tokens behind h, and h' without its first token.
type trigrams struct {
	size   int // of the vocabulary
	tokens int
	runs   [3]map[[3]int32]int   // by how many tokens are before; unused places hold -2
	behind [3]map[[2]int32]place // by how many tokens a run has
}

// place is how many tokens came behind a run, and how many different ones.
type place struct{ all, kinds int }

func newTrigrams(size int) *trigrams {
	t := &trigrams{size: size}
	for i := range t.runs {
		t.runs[i] = map[[3]int32]int{}
	}
	for i := range t.behind {
		t.behind[i] = map[[2]int32]place{}
	}
	return t
}

// at are the last n tokens before w and w itself as keys.
func at(u, v, w int32, n int) (run [3]int32, history [2]int32) {
	if n < 2 {
		u = -2
	}
	if n < 1 {
		v = -2
	}
	return [3]int32{u, v, w}, [2]int32{u, v}
}

// count takes in a sentence.
func (t *trigrams) count(ids []int32) {
	u, v := int32(-1), int32(-1)
	for _, w := range ids {
		for n := range 3 {
			run, history := at(u, v, w, n)
			p := t.behind[n][history]
			if p.all++; t.runs[n][run] == 0 {
				p.kinds++
			}
			t.runs[n][run]++
			t.behind[n][history] = p
		}
		u, v = v, w
	}
	t.tokens += len(ids)
}

// loss is the sum over a sentence's tokens of -log p, and how many they are.
func (t *trigrams) loss(ids []int32) (sum float64, tokens int) {
	u, v := int32(-1), int32(-1)
	for _, w := range ids {
		p := 1 / float64(t.size)
		for n := range 3 {
			run, history := at(u, v, w, n)
			if h := t.behind[n][history]; h.all > 0 {
				p = (float64(t.runs[n][run]) + float64(h.kinds)*p) / float64(h.all+h.kinds)
			}
		}
		sum -= math.Log(p)
		u, v = v, w
	}
	return sum, len(ids)
}
