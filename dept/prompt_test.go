package dept

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// The ranks of the DePT paper's tables for the parameters of l = 100, where they are whole, and
// the next lower whole number elsewhere.
func TestRankForBudget(t *testing.T) {
	for _, tc := range []struct {
		d, s  int
		ranks [6]int // for m = 0, 20, …, 100
	}{
		{512, 256, [6]int{66, 53, 40, 26, 13, 0}},
		{768, 256, [6]int{75, 60, 45, 30, 15, 0}},
		{768, 512, [6]int{60, 48, 36, 24, 12, 0}},
		{1024, 256, [6]int{80, 64, 48, 32, 16, 0}},
	} {
		for i, want := range tc.ranks {
			m := 20 * i
			r := RankForBudget(100, m, tc.s, tc.d)
			assert.Equal(t, want, r, "d %d, s %d, m %d", tc.d, tc.s, m)
			config := PromptConfig{PromptLength: m, Rank: r, MaxSourceLength: tc.s, Width: tc.d}
			assert.LessOrEqual(t, config.Parameters(), 100*tc.d)
			config.Rank++
			assert.Greater(t, config.Parameters(), 100*tc.d)
		}
	}
	assert.Equal(t, 48, RankForBudget(100, 40, 128, 512))
	assert.Equal(t, 0, RankForBudget(10, 20, 128, 512))
}
