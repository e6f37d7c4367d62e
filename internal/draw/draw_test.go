package draw

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

// These numbers decide what a backbone was trained on, so they are written down.
func TestNumbersStay(t *testing.T) {
	s := New(1, 2)
	var got []int
	for range 8 {
		got = append(got, s.Below(1000))
	}
	assert.Equal(t, []int{769, 616, 784, 796, 234, 41, 499, 449}, got)
	list := []int{0, 1, 2, 3, 4, 5}
	Shuffle(New(3, 4), list)
	sorted := slices.Sorted(slices.Values(list))
	assert.Equal(t, []int{0, 1, 2, 3, 4, 5}, sorted)
	assert.NotEqual(t, sorted, list)
}

func TestBelowIsEven(t *testing.T) {
	s := New(5, 6)
	counts := make([]int, 7)
	for range 70_000 {
		counts[s.Below(7)]++
	}
	for _, n := range counts {
		assert.InDelta(t, 10_000, n, 400)
	}
}
