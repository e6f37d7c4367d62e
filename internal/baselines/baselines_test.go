package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Probabilities of what may come next sum to one, be the history known or not, and what
// came before is likelier.
func TestTrigrams(t *testing.T) {
	const size = 7
	m := newTrigrams(size)
	m.count([]int32{1, 2, 3, 1, 2, 4})
	m.count([]int32{1, 2, 3})
	require.Equal(t, 9, m.tokens)
	behind := func(history []int32, w int32) float64 {
		without, _ := m.loss(history)
		with, n := m.loss(append(append([]int32{}, history...), w))
		require.Equal(t, len(history)+1, n)
		return math.Exp(without - with)
	}
	for _, history := range [][]int32{{}, {1}, {1, 2}, {5}, {5, 6}, {6, 1}} {
		var sum float64
		for w := range int32(size) {
			sum += behind(history, w)
		}
		assert.InDelta(t, 1, sum, 1e-12, history)
	}
	assert.Greater(t, behind([]int32{1, 2}, 3), behind([]int32{1, 2}, 4))
	assert.Greater(t, behind([]int32{1, 2}, 4), behind([]int32{1, 2}, 5))
	// By hand: 9 tokens of 4 kinds; 2 is followed twice by 3 and once by 4, as 1 2 is.
	one := (2 + 4.0/7) / 13
	two := (2 + 2*one) / 5
	assert.InDelta(t, (2+2*two)/5, behind([]int32{1, 2}, 3), 1e-12)
}

// Rows whose words tell their labels are learned; the files are read as the task has them.
func TestWords(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, good, bad []string) string {
		var b strings.Builder
		b.WriteString("sentence\tlabel\n")
		for i := range 40 {
			fmt.Fprintf(&b, "It was %s %d.\t1\nIt was %s %d.\t0\n", good[i%len(good)], i, bad[i%len(bad)], i)
		}
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(b.String()), 0o666))
		return path
	}
	train := write("train.tsv", []string{"fine", "lovely"}, []string{"dull", "poor"})
	dev := write("dev.tsv", []string{"Lovely,", "fine"}, []string{"dull", "odd, poor"})
	var out bytes.Buffer
	require.NoError(t, run(&out, []string{"words", "-train", train, "-dev", dev, "-rows", "60"}))
	assert.Contains(t, out.String(), "words sst2: accuracy 1.0000 on 80 rows")
	assert.ErrorContains(t, run(&out, []string{"words", "-train", train, "-dev", filepath.Join(dir, "none.tsv")}), "none.tsv")
	assert.ErrorContains(t, run(&out, []string{"sums"}), "words or trigram")
}
