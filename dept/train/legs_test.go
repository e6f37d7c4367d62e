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
	require.Equal(t, inverseSqrtSchedule(2, 1, 0, 5), o.factor(6))
}

// What is wrong in a run.json is said in JSON's words.
func TestLegsInRunFile(t *testing.T) {
	legs, err := legsIn([]byte("\ufeff" + `{"train": {"steps": 5.0, "warmup_steps": 2}}`))
	require.NoError(t, err)
	require.Equal(t, []Leg{{Steps: 5, Warmup: 2}}, legs)
	_, err = legsIn([]byte(`{"train": {"steps": 5}, "legs": 3}`))
	require.EqualError(t, err, "legs is a number, expected a list")
	_, err = legsIn([]byte(`{"train": `))
	require.ErrorContains(t, err, "cut off")
}
