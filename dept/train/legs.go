package train

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/internal/jsontext"
)

// Leg is a part of a run with a schedule of its own. A run has one, and each time that
// it is extended one more, for which parameters and moments stay as they are.
type Leg struct {
	Steps    int `json:"steps"`
	Warmup   int `json:"warmup_steps"`
	Cooldown int `json:"cooldown_steps,omitempty"`
}

// legs are those of a run with the options.
func (o *Options) legs() []Leg {
	if len(o.Legs) > 0 {
		return o.Legs
	}
	return []Leg{{o.Steps, o.Warmup, o.Cooldown}}
}

// Total is how many updates all legs together are.
func (o *Options) Total() (steps int) {
	for _, l := range o.legs() {
		steps += l.Steps
	}
	return steps
}

// LastLeg is the leg that the run ends with.
func (o *Options) LastLeg() Leg {
	legs := o.legs()
	return legs[len(legs)-1]
}

// factor is that on every learning rate at update i, counted from 0 over all legs.
func (o *Options) factor(i int) float64 {
	for _, l := range o.legs() {
		if i >= l.Steps {
			i -= l.Steps
			continue
		}
		if o.Schedule == InverseSqrt {
			return inverseSqrtSchedule(i, l.Warmup, l.Cooldown, l.Steps)
		}
		return linearSchedule(i, l.Warmup, l.Steps)
	}
	return 0
}

// GoOn gives the options of a run that goes on the legs that it has in its folder, and
// with extend > 0 one more, of that many updates. Warm-up and cool-down are the last
// leg's: where that is not the first, they are given back to it, and a resumed leg
// must repeat them, as a *dept.SettingError says.
func (o *Options) GoOn(dir string, extend int) error {
	legs, err := readLegs(dir)
	if err != nil {
		return err
	}
	last := legs[len(legs)-1]
	switch {
	case extend < 0:
		return &dept.SettingError{Setting: "extend", Value: extend, Reason: "it must be a number from 1"}
	case o.Cooldown > extend && extend > 0:
		return &dept.SettingError{Setting: "cooldown-steps", Value: o.Cooldown, Reason: fmt.Sprintf("it must be a number from 0 to %d, of --extend", extend)}
	case extend > 0:
		legs = append(legs, Leg{extend, o.Warmup, o.Cooldown})
	case len(legs) == 1: // compared with all other settings
		return nil
	case o.Warmup != last.Warmup:
		return &dept.SettingError{Setting: "warmup-steps", Value: o.Warmup, Reason: fmt.Sprintf("the leg of %d updates by which the run was extended began with %d", last.Steps, last.Warmup)}
	case o.Cooldown != last.Cooldown:
		return &dept.SettingError{Setting: "cooldown-steps", Value: o.Cooldown, Reason: fmt.Sprintf("the leg of %d updates by which the run was extended began with %d", last.Steps, last.Cooldown)}
	}
	o.Legs, o.Warmup, o.Cooldown = legs, legs[0].Warmup, legs[0].Cooldown
	return nil
}

// readLegs are the legs of the run in a folder.
func readLegs(dir string) ([]Leg, error) {
	path := filepath.Join(dir, RunFile)
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("resume: %s holds no run to go on with: %w", dir, err)
	}
	legs, err := legsIn(data)
	if err != nil {
		return nil, fmt.Errorf("resume: %s: %w", path, err)
	}
	return legs, nil
}

// PlannedSteps is how many updates the run in a folder has, all its legs together.
func PlannedSteps(dir string) (steps int, err error) {
	legs, err := readLegs(dir)
	for _, l := range legs {
		steps += l.Steps
	}
	return steps, err
}

// legsIn are those of a run.json.
func legsIn(run []byte) ([]Leg, error) {
	var s struct {
		Train Leg   `json:"train"`
		Legs  []Leg `json:"legs"`
	}
	if err := jsontext.Unmarshal(run, &s); err != nil {
		return nil, err
	}
	if len(s.Legs) == 0 {
		return []Leg{s.Train}, nil
	}
	return s.Legs, nil
}

// extends reports whether the run's legs are those of its run.json and one more.
func (r *Run) extends(old []byte) (bool, error) {
	had, err := legsIn(old)
	if err != nil {
		return false, fmt.Errorf("%s: %w", RunFile, err)
	}
	have := r.Settings.Legs
	switch {
	case len(have) <= 1 && len(had) == 1 || slices.Equal(had, have):
		return false, nil
	case len(have) == len(had)+1 && slices.Equal(had, have[:len(had)]):
		return true, nil
	}
	return false, fmt.Errorf("the run has legs %v, and this is one of %v", had, have)
}
