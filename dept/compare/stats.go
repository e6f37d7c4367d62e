package compare

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Mean is the mean of some numbers.
func Mean(x []float64) float64 { return stat.Mean(x, nil) }

// SD is the sample standard deviation, with n - 1 below the sum of squares; 0 of one number.
func SD(x []float64) float64 {
	if len(x) < 2 {
		return 0
	}
	return stat.StdDev(x, nil)
}

// Paired is what differences of two methods under the same seeds say.
type Paired struct {
	N    int     // seeds that both have
	Mean float64 // of the differences
	// Error is the mean's standard error, SD/√n.
	Error float64
	// P is that of the exact sign-flip test, two-sided: how many of the 2^n ways to give the
	// differences signs come to a mean at least as far from 0. It assumes nothing of how scores
	// are distributed. Least is the smallest that n seeds can give, 2/2^n.
	P, Least float64
	// T is Student's paired t with n - 1 degrees of freedom and TP its two-sided p, which take
	// differences for normal; Low and High are the 95 % interval of the mean by it. All are NaN
	// where the differences are all the same.
	T, TP, Low, High float64
}

// Compare pairs a's scores with b's under the same seeds, of which there are from 1 to 20.
func Compare(a, b []float64) Paired {
	d := make([]float64, len(a))
	for i := range d {
		d[i] = a[i] - b[i]
	}
	n := float64(len(d))
	p := Paired{N: len(d), Mean: Mean(d), Error: SD(d) / math.Sqrt(n), Least: math.Min(1, 2/math.Exp2(n))}
	p.P = signFlip(d)
	p.T, p.TP, p.Low, p.High = math.NaN(), math.NaN(), math.NaN(), math.NaN()
	if p.Error < 1e-9 { // the differences are the same but for what float64 rounds
		p.Error = 0
	}
	if p.Error > 0 {
		student := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: n - 1}
		p.T = p.Mean / p.Error
		p.TP = 2 * student.Survival(math.Abs(p.T))
		half := student.Quantile(0.975) * p.Error
		p.Low, p.High = p.Mean-half, p.Mean+half
	}
	return p
}

// signFlip is the two-sided p of the exact sign-flip test.
func signFlip(d []float64) float64 {
	var observed, size float64
	for _, x := range d {
		observed += x
		size += math.Abs(x)
	}
	// Sums that are the same but for the order of their terms count as the same.
	least := math.Abs(observed) - 1e-12*size
	extreme := 0
	for signs := range 1 << len(d) {
		sum := 0.0
		for i, x := range d {
			if signs>>i&1 == 1 {
				x = -x
			}
			sum += x
		}
		if math.Abs(sum) >= least {
			extreme++
		}
	}
	return float64(extreme) / math.Exp2(float64(len(d)))
}

// Holm corrects the p of several tests for their number: the chance that any of those called
// significant at a level is so by chance is at most that level (Holm, 1979).
func Holm(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(p[i], p[j]) })
	corrected := make([]float64, len(p))
	largest := 0.0
	for rank, i := range order {
		largest = math.Max(largest, math.Min(1, p[i]*float64(len(p)-rank)))
		corrected[i] = largest
	}
	return corrected
}
