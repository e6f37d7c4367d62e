package train

import (
	"math/bits"
	"math/rand/v2"
)

// sampler says which rows make up each batch. A batch is the next b rows of the epoch, never
// regrouped by length, and the last one of an epoch is short. It remembers nothing but what it
// can work out again, so a resumed run asks for the same numbers and gets the same rows.
// One goroutine at a time may use it.
type sampler struct {
	rows, batch int
	seed        uint64
	shuffle     bool
	epoch       int   // that order is of
	order       []int // [rows], nil before the first use
}

// newSampler makes a sampler of batches of the given size over rows 0 … rows−1, in file order
// or shuffled anew in each epoch. It panics unless both numbers are positive.
func newSampler(rows, batch int, seed uint64, shuffle bool) *sampler {
	if rows < 1 || batch < 1 {
		panic("train: a sampler needs at least one row and a batch of at least one")
	}
	return &sampler{rows: rows, batch: batch, seed: seed, shuffle: shuffle}
}

// Batch gives the rows of batch k, counted from 0 over all epochs. The caller must not change
// the slice.
func (s *sampler) Batch(k int) []int {
	epoch, start := s.position(k)
	if s.order == nil || s.epoch != epoch {
		s.epoch, s.order = epoch, epochOrder(s.seed, epoch, s.rows, s.shuffle)
	}
	return s.order[start:min(start+s.batch, s.rows)]
}

// position is the epoch of batch k and the place of its first row in the epoch's order.
func (s *sampler) position(k int) (epoch, start int) {
	perEpoch := (s.rows-1)/s.batch + 1
	return k / perEpoch, k % perEpoch * s.batch
}

// epochOrder is the order of n rows in an epoch: file order, or the permutation of (seed, epoch),
// Fisher and Yates' shuffle over PCG-DXSM. It is spelled out here because runs are to repeat
// under later releases of Go too.
func epochOrder(seed uint64, epoch, n int, shuffle bool) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	if !shuffle {
		return order
	}
	random := rand.NewPCG(seed, uint64(epoch))
	for i := n - 1; i > 0; i-- {
		// The high word of the product is a draw from 0 … i.
		j, _ := bits.Mul64(random.Uint64(), uint64(i)+1)
		order[i], order[j] = order[j], order[i]
	}
	return order
}
