//go:build !js

package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestPace: an update's time is the same however its records arrive, and the time to
// compile is not in it.
func TestPace(t *testing.T) {
	for name, took := range map[string][]float64{
		"one by one":    {1000, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200},
		"in twos":       {1000, 400, 0, 400, 0, 400, 0, 400, 0, 400, 0, 400, 0},
		"in threes":     {1000, 600, 0, 0, 600, 0, 0, 600, 0, 0, 600, 0, 0},
		"one, then two": {1000, 200, 400, 0, 200, 400, 0, 200, 400, 0, 200, 400, 0},
	} {
		var p pace
		for i, ms := range took {
			mean := p.add(ms)
			if i == 0 {
				assert.Equal(t, 1000., mean, name)
			}
			if i >= recent {
				assert.InDelta(t, 200, mean, 1e-9, "%s: %d", name, i)
			}
		}
		assert.InDelta(t, 200, p.median(), 1e-9, name)
	}
	var p pace
	assert.Zero(t, p.median())
	p.add(7)
	assert.Equal(t, 7., p.median())
}
