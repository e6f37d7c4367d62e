package metrics

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// correlate reads outputs and what is wanted as numbers.
func (a *Answers) correlate(metric Name) (float64, error) {
	wanted := a.references()
	if metric == PearsonRounded || metric == SpearmanRounded {
		wanted = single(a.Targets)
	}
	x, y := make([]float64, len(wanted)), make([]float64, len(wanted))
	for i := range wanted {
		var ok bool
		if y[i], ok = number(wanted[i][0]); !ok {
			return 0, fmt.Errorf("row %d: target %.40q is no number", i, wanted[i][0])
		}
		if x[i], ok = number(a.Outputs[i]); !ok {
			x[i] = -1
		}
	}
	if metric == Spearman || metric == SpearmanRounded {
		x, y = ranks(x), ranks(y)
	}
	return pearson(x, y), nil
}

// number reads a text as a finite number.
func number(text string) (float64, bool) {
	x, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	return x, err == nil && !math.IsInf(x, 0) && !math.IsNaN(x)
}

// pearson is the correlation of two lists, 0 where one of them is constant.
func pearson(x, y []float64) float64 {
	var mx, my float64
	for i := range x {
		mx += x[i] / float64(len(x))
		my += y[i] / float64(len(y))
	}
	var xy, xx, yy float64
	for i := range x {
		dx, dy := x[i]-mx, y[i]-my
		xy += dx * dy
		xx += dx * dx
		yy += dy * dy
	}
	if constant(x) || constant(y) {
		return 0
	}
	return max(-1, min(1, xy/(math.Sqrt(xx)*math.Sqrt(yy))))
}

func constant(x []float64) bool { return slices.Min(x) == slices.Max(x) }

// ranks numbers values by size from 1; equal ones share the mean of their ranks.
func ranks(x []float64) []float64 {
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		switch {
		case x[i] < x[j]:
			return -1
		case x[i] > x[j]:
			return 1
		}
		return 0
	})
	ranked := make([]float64, len(x))
	for first := 0; first < len(order); {
		end := first + 1
		for end < len(order) && x[order[end]] == x[order[first]] {
			end++
		}
		for _, i := range order[first:end] {
			ranked[i] = float64(first+end+1) / 2
		}
		first = end
	}
	return ranked
}
