package train

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestOrder(t *testing.T) {
	assert.Equal(t, []int{0, 1, 2, 3, 4}, epochOrder(42, 3, 5, false))
	// Worked out apart, in Python, from the definition of PCG-DXSM. Other numbers here change every
	// run there has been.
	assert.Equal(t, []int{6, 2, 5, 3, 4, 7, 0, 1, 9, 8}, epochOrder(42, 0, 10, true))
	assert.Equal(t, []int{2, 3, 9, 6, 0, 8, 7, 4, 5, 1}, epochOrder(42, 1, 10, true))

	for _, n := range []int{1, 2, 3, 1000} {
		order := epochOrder(7, 0, n, true)
		slices.Sort(order)
		assert.Equal(t, epochOrder(0, 0, n, false), order, "a permutation of %d", n)
	}
}

// Each of the 24 orders of four rows comes up about as often as the others.
func TestOrderIsEven(t *testing.T) {
	const draws = 24000
	counts := map[string]int{}
	for epoch := range draws {
		counts[fmt.Sprint(epochOrder(1, epoch, 4, true))]++
	}
	assert.Len(t, counts, 24)
	for order, count := range counts {
		// A fair draw has mean 1000 and deviation 31: five of them are missed once in 10^6.
		assert.InDelta(t, draws/24, count, 155, order)
	}
}

func TestSamplerFileOrder(t *testing.T) {
	s := newSampler(5, 2, 42, false)
	for k, want := range [][]int{{0, 1}, {2, 3}, {4}, {0, 1}, {2, 3}, {4}, {0, 1}} {
		assert.Equal(t, want, s.Batch(k), "batch %d", k)
	}
	assert.Equal(t, []int{0, 1, 2}, newSampler(3, 8, 42, false).Batch(5), "a batch larger than the set")
}

func TestSamplerShuffles(t *testing.T) {
	const rows, batch, perEpoch = 11, 4, 3
	s := newSampler(rows, batch, 42, true)
	var all [][]int
	for epoch := range 3 {
		var seen []int
		for k := range perEpoch {
			rows := s.Batch(epoch*perEpoch + k)
			all = append(all, slices.Clone(rows))
			seen = append(seen, rows...)
		}
		assert.Equal(t, epochOrder(42, epoch, rows, true), seen, "epoch %d is its permutation", epoch)
	}
	assert.NotEqual(t, all[:perEpoch], all[perEpoch:2*perEpoch], "epochs differ")

	// A run that starts again anywhere goes on with the same batches.
	for k := len(all) - 1; k >= 0; k-- {
		assert.Equal(t, all[k], newSampler(rows, batch, 42, true).Batch(k), "batch %d afresh", k)
		assert.Equal(t, all[k], s.Batch(k), "batch %d again", k)
	}
}

func TestSamplerPanics(t *testing.T) {
	assert.Panics(t, func() { newSampler(0, 1, 0, false) })
	assert.Panics(t, func() { newSampler(1, 0, 0, false) })
}
