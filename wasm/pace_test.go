//go:build !js

package main

import (
	"math"
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
			p.add(ms)
			if i == 0 {
				assert.Equal(t, 1000., p.median(), name)
			}
		}
		assert.InDelta(t, 200, p.median(), 1e-9, name)
	}
	var p pace
	assert.Zero(t, p.median())
	p.add(170)
	assert.Equal(t, 170., p.median())
}

// A clock that is rounded to a millisecond, or to a frame's sixteen, says of half a
// millisecond that it is half a millisecond, or nothing yet.
func TestPaceOfCoarseClocks(t *testing.T) {
	for _, grain := range []float64{0.1, 1, 16.7} {
		var p pace
		now, told := 0.3, false
		clock := func() float64 { return math.Floor(now/grain) * grain }
		for i := range 2000 {
			before := clock()
			now += 0.37
			if i == 0 {
				now += 40 // which compiles
			}
			p.add(clock() - before)
			now += 0.11 // what does not count
			if ms := p.median(); i > 300 {
				told = true
				assert.InDelta(t, 0.37, ms, 0.37/4, "grain %g ms, update %d", grain, i)
			}
		}
		assert.True(t, told)
	}
}
