package wgpu

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Features is a set of abilities that not every device has. Open asks for all
// that the adapter offers.
type Features uint8

// The features.
const (
	// F16 is WGSL's type f16, after `enable f16;`.
	F16 Features = 1 << iota
	// Subgroups are WGSL's subgroup operations. Browsers require `enable subgroups;`
	// for them; wgpu-native does not know that line, so shaders leave it out, and
	// browsers get it added.
	Subgroups
	// Timestamps are queries of the time at the bounds of a pass.
	Timestamps
	// CooperativeMatrices are wgpu-native's products of small matrices that a
	// subgroup holds, after `enable wgpu_cooperative_matrix;`: on Vulkan and Metal,
	// experimental. A driver may offer them and still refuse a device that asks for
	// them; the device opens without them then. In browsers they are Chromium's
	// subgroup matrices, and shaders are respelled.
	CooperativeMatrices
)

var featureNames = []string{"f16", "subgroups", "timestamps", "cooperative-matrix"}

// Has reports whether all of the others are in the set.
func (f Features) Has(others Features) bool { return f&others == others }

// Names lists the set.
func (f Features) Names() []string {
	names := []string{}
	for i, name := range featureNames {
		if f.Has(1 << i) {
			names = append(names, name)
		}
	}
	return names
}

// String lists the set on one line.
func (f Features) String() string {
	if f == 0 {
		return "no optional features"
	}
	return strings.Join(f.Names(), ", ")
}

// MarshalJSON lists the set as an array of names.
func (f Features) MarshalJSON() ([]byte, error) { return json.Marshal(f.Names()) }

// UnmarshalJSON reads what MarshalJSON writes.
func (f *Features) UnmarshalJSON(data []byte) error {
	var names []string
	if err := json.Unmarshal(data, &names); err != nil {
		return err
	}
	var err error
	*f, err = ParseFeatures(names)
	return err
}

// ParseFeatures is the set of the features of these names.
func ParseFeatures(names []string) (f Features, err error) {
	for _, name := range names {
		i := slices.Index(featureNames, name)
		if i < 0 {
			return 0, fmt.Errorf("no feature of a device is named %q; there are %s", name, strings.Join(featureNames, ", "))
		}
		f |= 1 << i
	}
	return f, nil
}
