package metrics

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestScore(t *testing.T) {
	two, three := []string{"0", "1"}, []string{"0", "1", "2"}
	for _, tc := range []struct {
		name             string
		metric           Name
		outputs, targets string // a word a row
		labels           []string
		want             float64
	}{
		{"accuracy", Accuracy, "0 1 1 0", "0 1 0 0", two, 0.75},
		{"no label is wrong", Accuracy, "0 1 x 2", "0 1 0 0", two, 0.5},
		{"labels compare as text", Accuracy, "00 1", "0 1", two, 0.5},

		// tp 2, tn 1, fp 1, fn 1: (2·1 − 1·1)/√(3·3·2·2)
		{"matthews", Matthews, "1 1 1 0 0", "1 1 0 0 1", two, 1. / 6},
		{"all wrong", Matthews, "1 0", "0 1", two, -1},
		{"one output", Matthews, "1 1 1 1", "1 1 0 0", two, 0},
		{"one target", Matthews, "1 0 1 0", "1 1 1 1", two, 0},
		{"one target, all right", Matthews, "1 1", "1 1", two, 0},
		{"nothing but no label", Matthews, "x y x y", "1 1 0 0", two, 0},
		// c 2, n 4, p (0, 2, and 1 of x, 1 of y), t (2, 2): (2·4 − 4)/√((16−6)(16−8))
		{"no label for a class", Matthews, "x 1 y 1", "0 1 0 1", two, 4 / math.Sqrt(80)},
		{"one answer that is no label", Matthews, "x 1 x 1", "0 1 0 1", two, 0.5},
		// c 4, n 6, p (2, 2, 2), t (2, 2, 2): (24 − 12)/(36 − 12)
		{"three classes", Matthews, "0 1 1 2 2 0", "0 0 1 2 2 1", three, 0.5},

		// tp 2, fp 1, fn 1
		{"f1", F1, "1 1 1 0 0", "1 1 0 0 1", two, 4. / 6},
		{"f1 of no hit", F1, "0 0", "1 0", two, 0},
		// tp 1, fp 1 (x for 0), fn 1 (x for 1)
		{"f1 takes no label as the other", F1, "1 x x 0", "1 1 0 0", two, 2. / 4},

		// class 0: tp 1, fp 0, fn 1; class 1: tp 1, fp 1, fn 0; class 2: tp 1
		{"macro-f1", MacroF1, "0 1 1 2", "0 0 1 2", three, (2./3 + 2./3 + 1) / 3},
		{"macro-f1 of no label", MacroF1, "0 x 1 2", "0 0 1 2", three, (2./3 + 1 + 1) / 3},
		{"macro-f1 of an unseen class", MacroF1, "0 1", "0 1", three, 2. / 3},

		{"exact match", ExactMatch, "Ann bob", "Ann Bob", nil, 0.5},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := Score(tc.metric, Answers{Outputs: strings.Fields(tc.outputs), Targets: strings.Fields(tc.targets), Labels: tc.labels})
			require.NoError(t, err)
			assert.InDelta(t, tc.want, got, 1e-15)
		})
	}
}

func TestScoreStrips(t *testing.T) {
	got, err := Score(Accuracy, Answers{Outputs: []string{" 1\n"}, Targets: []string{"1 "}, Labels: []string{"0", "1"}})
	require.NoError(t, err)
	assert.Equal(t, 1.0, got)
	got, err = Score(ExactMatch, Answers{Outputs: []string{" a b "}, Targets: []string{"a b"}})
	require.NoError(t, err)
	assert.Equal(t, 1.0, got)
}

// Counts that a square no longer fits into 32 bits.
func TestMatthewsOfManyRows(t *testing.T) {
	c := &Confusion{Labels: []string{"0", "1"}, Counts: [][]int{{300000, 100000, 0}, {50000, 200000, 0}}}
	tp, tn, fp, fn := 200000., 300000., 100000., 50000.
	want := (tp*tn - fp*fn) / math.Sqrt((tp+fp)*(tp+fn)*(tn+fp)*(tn+fn))
	assert.InDelta(t, want, c.matthews(nil), 1e-12)
}

func TestScoreErrors(t *testing.T) {
	two := []string{"0", "1"}
	for _, tc := range []struct {
		metric           Name
		outputs, targets []string
		labels           []string
		want             string
	}{
		{Accuracy, []string{"1"}, nil, two, "1 outputs for 0 targets"},
		{Accuracy, nil, nil, two, "no rows"},
		{ExactMatch, nil, nil, nil, "no rows"},
		{Accuracy, []string{"1"}, []string{"7"}, two, `target "7" is none of the labels 0, 1`},
		{F1, []string{"1"}, []string{"1"}, []string{"0", "1", "2"}, "needs two classes"},
		{"bleu", []string{"1"}, []string{"1"}, two, "bleu: unknown metric: the metrics are accuracy"},
	} {
		_, err := Score(tc.metric, Answers{Outputs: tc.outputs, Targets: tc.targets, Labels: tc.labels})
		assert.ErrorContains(t, err, tc.want)
	}
}

func TestConfuse(t *testing.T) {
	c, err := Confuse([]string{"0", "1", "", "1"}, []string{"0", "0", "1", "1"}, []string{"0", "1"})
	require.NoError(t, err)
	assert.Equal(t, [][]int{{1, 1, 0}, {0, 1, 1}}, c.Counts)
}
