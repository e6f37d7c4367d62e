//go:build !js

package main

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// The order statistics of the tables: the second and the ninth of ten.
func TestInterval(t *testing.T) {
	for _, tc := range []struct {
		n         int
		low, high float64
		coverage  float64
	}{
		{1, 1, 1, 0}, {2, 1, 2, 0.5}, {5, 1, 5, 0.9375}, {6, 1, 6, 0.96875}, {9, 2, 8, 0.9609375}, {10, 2, 9, 0.978515625}, {20, 6, 15, 0.958610534668},
	} {
		x := make([]float64, tc.n)
		for i := range x {
			x[i] = float64(i + 1)
		}
		rand.Shuffle(len(x), func(i, j int) { x[i], x[j] = x[j], x[i] })
		low, high, coverage := interval(x)
		assert.Equal(t, [2]float64{tc.low, tc.high}, [2]float64{low, high}, "%d values", tc.n)
		assert.InDelta(t, tc.coverage, coverage, 1e-12, "%d values", tc.n)
		assert.Equal(t, float64(tc.n+1)/2, median(x))
	}
}

// The ratio is that within a pair, not that of the medians.
func TestReport(t *testing.T) {
	pairs := [][2]figures{}
	for i := range 6 {
		slow := float64(i + 1)
		old := figures{DePT: step{100 * slow, 2e6}, PT: step{50 * slow, 1e6}, startMS: 10 * slow}
		new := figures{DePT: step{102 * slow, 2e6}, PT: step{55 * slow, 1e6}, startMS: 9 * slow}
		pairs = append(pairs, [2]figures{old, new})
	}
	var b strings.Builder
	assert.True(t, benchSuite.report(&b, pairs))
	lines := strings.Split(b.String(), "\n")
	for i, want := range []string{"1.020 to 1.020", "1.100 to 1.100", "1.000 to 1.000", "1.000 to 1.000", "0.900 to 0.900"} {
		line := lines[2+i]
		assert.Contains(t, line, want)
		assert.Equal(t, i == 1, strings.Contains(line, "over"), line)
	}
	assert.Contains(t, lines[2], "97 %")
}
