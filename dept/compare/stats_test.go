package compare

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestComparePairs holds the tests to SciPy 1.17.1's: stats.ttest_rel with its confidence_interval, and
// stats.permutation_test of the differences' mean with permutation_type='samples', which is exact.
func TestComparePairs(t *testing.T) {
	t.Parallel()
	nan := math.NaN()
	for _, c := range []struct {
		a, b []float64
		want Paired
	}{
		{
			[]float64{71.2, 70.4, 72.9}, []float64{70.1, 69.9, 70.3},
			Paired{3, 1.4000000000000057, 0.6244997998398419, 0.25, 0.25, 2.2417941532712216, 0.15422906933775204, -1.2870057685088825, 4.087005768508893},
		},
		{
			[]float64{50, 52.5}, []float64{51, 50},
			Paired{2, 0.75, 1.75, 1, 0.5, 0.42857142857142855, 0.7422378831816868, -21.485858288305714, 22.985858288305714},
		},
		{
			[]float64{81.25, 80.5, 82.75, 79, 83.5, 80, 81}, []float64{78.5, 80.25, 79.75, 79.5, 80, 78.25, 80.5},
			Paired{7, 1.6071428571428572, 0.5846680551337464, 0.0625, 0.015625, 2.748812498016868, 0.033344124050245776, 0.17651166405020735, 3.037774050235507},
		},
		{
			[]float64{1, 2, 3, 4, 5, 6}, []float64{1.5, 1.5, 3.5, 3.5, 5.5, 5.5},
			Paired{6, 0, 0.22360679774997896, 1, 0.03125, 0, 1, -0.5747995726208991, 0.5747995726208991},
		},
		{
			[]float64{90.1, 91.3, 90.8, 92.2, 91.7, 90.5, 91.1, 92}, []float64{88, 89.9, 88.7, 90.4, 89.9, 88.2, 89.1, 90.3},
			Paired{8, 1.8999999999999968, 0.1, 0.0078125, 0.0078125, 19, 2.7832124969587695e-07, 1.663537574840718, 2.1364624251592756},
		},
		{[]float64{60, 60, 60}, []float64{60, 60, 60}, Paired{3, 0, 0, 1, 0.25, nan, nan, nan, nan}},
		// Differences that float64 alone tells apart are the same.
		{[]float64{58.3, 60}, []float64{45, 46.7}, Paired{2, 13.3, 0, 0.5, 0.5, nan, nan, nan, nan}},
		{[]float64{58}, []float64{45}, Paired{1, 13, 0, 1, 1, nan, nan, nan, nan}},
	} {
		got := Compare(c.a, c.b)
		require.Equal(t, c.want.N, got.N)
		for _, x := range [][2]float64{
			{c.want.Mean, got.Mean}, {c.want.Error, got.Error}, {c.want.P, got.P}, {c.want.Least, got.Least},
			{c.want.T, got.T}, {c.want.TP, got.TP}, {c.want.Low, got.Low}, {c.want.High, got.High},
		} {
			if math.IsNaN(x[0]) {
				require.True(t, math.IsNaN(x[1]), "%v: %+v", c.a, got)
			} else {
				require.InDelta(t, x[0], x[1], 1e-9*math.Max(1, math.Abs(x[0])), "%v: %+v", c.a, got)
			}
		}
	}
	require.InDelta(t, 1.0816653826392004, SD([]float64{1.1, 0.5, 2.6}), 1e-12) // numpy's std with ddof=1
	// statsmodels' multipletests(method='holm')
	require.InDeltaSlice(t, []float64{0.04, 0.09, 0.09, 0.025, 0.5}, Holm([]float64{0.01, 0.04, 0.03, 0.005, 0.5}), 1e-12)
}

func TestPairInWords(t *testing.T) {
	t.Parallel()
	pair := func(a, b []float64) Pair {
		p := Pair{Task: "sst2", Method: "pt", Reference: "dept", Paired: Compare(a, b)}
		p.Pooled = math.Sqrt((SD(a)*SD(a) + SD(b)*SD(b)) / float64(len(a)))
		p.Corrected = p.P
		return p
	}
	for _, c := range []struct {
		a, b []float64
		want string
	}{
		{[]float64{70}, []float64{60}, "One seed cannot tell them apart"},
		{[]float64{70, 71}, []float64{70.4, 70.8}, "A tie"},
		{[]float64{70, 70}, []float64{70, 70}, "A tie"},
		{[]float64{70, 71, 72}, []float64{60, 61, 63}, "pt looks better, and 3 seeds cannot show it: their least p is 0.25"},
		{[]float64{60, 61, 62, 63, 64, 65}, []float64{70, 71.5, 72, 73, 74, 75}, "pt is worse than dept"},
		{[]float64{72, 72, 72, 72, 68, 72, 69}, []float64{70, 70, 70, 70, 70, 70, 70}, "pt looks better, and it is not shown"},
	} {
		require.Contains(t, pair(c.a, c.b).String(), c.want)
	}
}
