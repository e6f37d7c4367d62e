package dept

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/nn"
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

// A constant shift trains B alone, and an adapter of it is one of DePT to every reader, by whose numbers
// it is known again; one number of A that is no 1 makes it a shift by position.
func TestConstantShift(t *testing.T) {
	d := nn.Description{Width: 6}
	v := DePT.Defaults()
	v["shift"], v["prompt-length"], v["prompt-init"] = ShiftConstant, 2, string(InitRandom)
	_, _, err := DePT.Configure(v, 5, d)
	require.EqualError(t, err, "rank 45: a shift that is constant has rank 1, since A is a column of ones")
	v["rank"] = 1
	c, advice, err := DePT.Configure(v, 5, d)
	require.NoError(t, err)
	assert.Empty(t, advice)
	a, err := NewAdapter(c, v, Origin{Model: d, Seed: 1})
	require.NoError(t, err)
	assert.Equal(t, []float32{1, 1, 1, 1, 1}, a.Values(TensorA))
	assert.Equal(t, []int{2*6 + 6, 2*6 + 6}, []int{a.Parameters(), c.(*PromptConfig).Parameters()})
	assert.Contains(t, c.Describe(), "A [5, 1] of ones")

	files, err := a.Files()
	require.NoError(t, err)
	assert.NotContains(t, string(files[AdapterConfigFile]), "onstant", "other programs know no such key")
	back, err := ParseAdapter(files)
	require.NoError(t, err)
	shift := DePT.Setting("shift")
	assert.Equal(t, []any{ShiftConstant, ShiftConstant, 2*6 + 6}, []any{shift.Of(c), shift.Of(back.Config), back.Parameters()})
	assert.Equal(t, GroupFixed, back.Tensors[1].Group)

	a.Values(TensorA)[3] = 0.5
	files, err = a.Files()
	require.NoError(t, err)
	back, err = ParseAdapter(files)
	require.NoError(t, err)
	assert.Equal(t, []any{ShiftPosition, 2*6 + 5 + 6}, []any{shift.Of(back.Config), back.Parameters()})
}
