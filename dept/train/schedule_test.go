package train

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestLinearSchedule(t *testing.T) {
	for _, tc := range []struct {
		i, warmup, total int
		want             float64
	}{
		{0, 500, 1000, 0},
		{1, 500, 1000, 1. / 500},
		{499, 500, 1000, 499. / 500},
		{500, 500, 1000, 1},
		{501, 500, 1000, 499. / 500},
		{999, 500, 1000, 1. / 500}, // the last is 1/(T−w)
		{0, 0, 4, 1},
		{3, 0, 4, 1. / 4},
		{0, 4, 4, 0}, // all warm-up
		{3, 4, 4, 3. / 4},
		{1, 8, 4, 1. / 8},
		{0, 0, 1, 1},
		// The rates of P, 0.3 times these, in the golden runs' log: warm-up 3 of 12.
		{2, 3, 12, 2. / 3},
		{4, 3, 12, 8. / 9},
		{11, 3, 12, 1. / 9},
	} {
		assert.Equal(t, tc.want, linearSchedule(tc.i, tc.warmup, tc.total), "%+v", tc)
	}
}

func TestInverseSqrtSchedule(t *testing.T) {
	for _, c := range []struct {
		i    int
		want float64
	}{{0, 0.25}, {1, 0.5}, {3, 1}, {15, 0.5}, {63, 0.25}, {99, 0.2 * 0.1}, {94, math.Sqrt(4.0/95) * 0.6}} {
		assert.InDelta(t, c.want, inverseSqrtSchedule(c.i, 4, 10, 100), 1e-12, "update %d", c.i)
	}
	assert.Equal(t, 1.0, inverseSqrtSchedule(0, 0, 0, 1))
}
