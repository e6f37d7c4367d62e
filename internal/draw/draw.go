// Package draw draws numbers by lot, the same ones under every release of Go: a
// run or a data set that is a function of a seed has to stay one.
package draw

import (
	"math/bits"
	"math/rand/v2"
)

// Source is a stream of numbers.
type Source struct{ pcg *rand.PCG }

// New is the stream that belongs to two numbers; other numbers give another one.
func New(seed, stream uint64) Source { return Source{rand.NewPCG(seed, stream)} }

// Below is a number from 0 to n-1; n is at least 1.
func (s Source) Below(n int) int {
	high, _ := bits.Mul64(s.pcg.Uint64(), uint64(n))
	return int(high)
}

// Pick is one of a list that is not empty.
func Pick[T any](s Source, list []T) T { return list[s.Below(len(list))] }

// Shuffle brings a list into an order by lot: Fisher and Yates' shuffle.
func Shuffle[T any](s Source, list []T) {
	for i := len(list) - 1; i > 0; i-- {
		j := s.Below(i + 1)
		list[i], list[j] = list[j], list[i]
	}
}
