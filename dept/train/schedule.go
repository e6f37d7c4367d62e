package train

import "math"

// linearSchedule is the factor on every learning rate at update i of total, counted from 0:
//
//	i/w               for i < w
//	(T−i)/max(1, T−w) from there on
//
// With w = warmup > 0 the first update's factor is 0; the last one's is 1/(T−w).
func linearSchedule(i, warmup, total int) float64 {
	if i < warmup {
		return float64(i) / float64(warmup)
	}
	return float64(total-i) / float64(max(1, total-warmup))
}

// inverseSqrtSchedule is the factor on every learning rate at update i of total,
// counted from 0, as T5 was pre-trained with:
//
//	min((i+1)/w, √(w/(i+1)))
//
// with w = max(1, warmup). Over the last cooldown updates it falls to 0 besides:
// times (T−i)/cooldown.
func inverseSqrtSchedule(i, warmup, cooldown, total int) float64 {
	w, n := float64(max(1, warmup)), float64(i+1)
	f := min(n/w, math.Sqrt(w/n))
	if left := total - i; left < cooldown {
		f *= float64(left) / float64(cooldown)
	}
	return f
}
