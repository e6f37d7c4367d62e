package wgpu_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/wgpu"
	"github.com/go-dept/dept/wgpu/wgputest"
)

func TestFeaturesHaveNames(t *testing.T) {
	f := wgpu.F16 | wgpu.Timestamps
	assert.Equal(t, "f16, timestamps", f.String())
	assert.Equal(t, "no optional features", wgpu.Features(0).String())
	assert.True(t, f.Has(wgpu.F16))
	assert.False(t, f.Has(wgpu.F16|wgpu.Subgroups))
	data, err := json.Marshal(f)
	require.NoError(t, err)
	assert.JSONEq(t, `["f16","timestamps"]`, string(data))
	var back wgpu.Features
	require.NoError(t, json.Unmarshal(data, &back))
	assert.Equal(t, f, back)
	assert.ErrorContains(t, json.Unmarshal([]byte(`["warp"]`), &back), `"warp"`)
}

// A device has the features that its adapter offers: a shader that uses one
// compiles exactly where the device reports it. Cooperative matrices alone may be
// refused.
func TestDeviceHasItsFeatures(t *testing.T) {
	dev := wgputest.Device(t)
	t.Logf("%s", dev.Features())
	assert.Equal(t, dev.Info().Features&^wgpu.CooperativeMatrices, dev.Features()&^wgpu.CooperativeMatrices)
	enable := ""
	if dev.Info().Backend == "browser" {
		enable = "enable subgroups;"
	}
	for feature, source := range map[wgpu.Features]string{
		wgpu.F16:       "enable f16; @group(0) @binding(0) var<storage, read_write> x: array<f16>; @compute @workgroup_size(1) fn main() { x[0] += 1.0h; }",
		wgpu.Subgroups: enable + "@group(0) @binding(0) var<storage, read_write> x: array<f32>; @compute @workgroup_size(32) fn main() { x[0] = subgroupAdd(x[0]); }",
	} {
		_, err := dev.NewPipeline(context.Background(), feature.String(), source, "main")
		assert.Equal(t, dev.Features().Has(feature), err == nil, "%s: %v", feature, err)
	}
}
