package main

import "slices"

// recent is over how many updates the time of one is taken, at least. As many as three are
// under way, and browsers hand their records out one by one or in lumps of two or three:
// six are whole lumps of any size.
const recent = 6

// span is the least time, in milliseconds, that updates take together before it is
// divided among them: browsers round their clocks, to a millisecond or more.
const span = 100

// usual is of how many means the median is taken.
const usual = 100

// pace is how long a run's updates take, in milliseconds.
type pace struct {
	took  []float64 // from one record to the next
	means []float64 // of the recent ones, at each that there is one at
}

// add takes note of an update's time. The first, which compiles, counts for nothing but
// itself.
func (p *pace) add(ms float64) {
	p.took = append(p.took, ms)
	first := min(len(p.took)-1, 1)
	n, sum := 0, 0.0
	for i := len(p.took) - 1; i >= first && (n < recent || sum < span); i-- {
		n, sum = n+1, sum+p.took[i]
	}
	if sum >= span {
		p.means = append(p.means, sum/float64(n))
	}
}

// median is the usual one of the last means; those at the beginning are left out where there
// are others. It is 0 before the clock can tell.
func (p *pace) median() float64 {
	means := p.means[max(min(len(p.means)/2, recent), len(p.means)-usual):]
	means = slices.Sorted(slices.Values(means))
	if len(means) == 0 {
		return 0
	}
	return means[len(means)/2]
}
