package main

import "slices"

// recent is over how many updates the time of one is taken. As many as three are under
// way, and browsers hand their records out one by one or in lumps of two or three: six
// are whole lumps of any size. It also makes up for clocks of a coarse grain.
const recent = 6

// pace is how long a run's updates take, in milliseconds.
type pace struct {
	took  []float64 // from one record to the next
	means []float64 // of the recent ones, at each
}

// add takes note of an update's time, and gives the mean of the recent ones. The first,
// which compiles, counts for nothing but itself.
func (p *pace) add(ms float64) float64 {
	p.took = append(p.took, ms)
	n := len(p.took)
	last := p.took[max(n-recent, min(n-1, 1)):]
	var sum float64
	for _, ms := range last {
		sum += ms
	}
	mean := sum / float64(len(last))
	p.means = append(p.means, mean)
	return mean
}

// median is the usual mean; those at the beginning are left out where there are others.
func (p *pace) median() float64 {
	means := slices.Sorted(slices.Values(p.means[min(len(p.means)/2, recent):]))
	if len(means) == 0 {
		return 0
	}
	return means[len(means)/2]
}
