package dept

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestLinearSchedule(t *testing.T) {
	for _, tc := range []struct {
		i, warmup, total int
		want             float64
	}{
		{0, 500, 1000, 0},
		{1, 500, 1000, 1. / 500},
		{499, 500, 1000, 499. / 500},
		{500, 500, 1000, 1},
		{501, 500, 1000, 499. / 500},
		{999, 500, 1000, 1. / 500}, // the last is 1/(T−w)
		{0, 0, 4, 1},
		{3, 0, 4, 1. / 4},
		{0, 4, 4, 0}, // all warm-up
		{3, 4, 4, 3. / 4},
		{1, 8, 4, 1. / 8},
		{0, 0, 1, 1},
		// The rates of P, 0.3 times these, in the golden runs' log: warm-up 3 of 12.
		{2, 3, 12, 2. / 3},
		{4, 3, 12, 8. / 9},
		{11, 3, 12, 1. / 9},
	} {
		assert.Equal(t, tc.want, LinearSchedule(tc.i, tc.warmup, tc.total), "%+v", tc)
	}
}

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
			config := AdapterConfig{PromptLength: m, Rank: r, MaxSourceLength: tc.s, Width: tc.d}
			assert.LessOrEqual(t, config.Parameters(), 100*tc.d)
			config.Rank++
			assert.Greater(t, config.Parameters(), 100*tc.d)
		}
	}
	assert.Equal(t, 48, RankForBudget(100, 40, 128, 512))
	assert.Equal(t, 0, RankForBudget(10, 20, 128, 512))
}

func TestInverseSqrtSchedule(t *testing.T) {
	for _, c := range []struct {
		i    int
		want float64
	}{{0, 0.25}, {1, 0.5}, {3, 1}, {15, 0.5}, {63, 0.25}, {99, 0.2 * 0.1}, {94, math.Sqrt(4.0/95) * 0.6}} {
		assert.InDelta(t, c.want, InverseSqrtSchedule(c.i, 4, 10, 100), 1e-12, "update %d", c.i)
	}
	assert.Equal(t, 1.0, InverseSqrtSchedule(0, 0, 0, 1))
}
