package train

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLegs(t *testing.T) {
	one := Options{Steps: 4, Warmup: 2}
	require.Equal(t, 4, one.Total())
	for i, want := range []float64{0, 0.5, 1, 0.5} {
		require.Equal(t, want, one.factor(i))
	}
	o := one
	o.Legs = []Leg{{Steps: 4, Warmup: 2}, {Steps: 5, Warmup: 1}, {Steps: 2}}
	require.Equal(t, 11, o.Total())
	require.Equal(t, Leg{Steps: 2}, o.LastLeg())
	for i, want := range []float64{0, 0.5, 1, 0.5, 0, 1, 0.75, 0.5, 0.25, 1, 0.5} {
		require.Equal(t, want, o.factor(i), "update %d", i)
	}
	o.Schedule = InverseSqrt
	require.Equal(t, InverseSqrtSchedule(2, 1, 0, 5), o.factor(6))
}
