//go:build defaults

package pagetest

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
)

// modest is an adapter that offers the least that WebGPU allows, under a name of
// Apple's: no features, and the specification's default limits, to which the browser
// then holds every pipeline and every buffer.
const modest = `{
	const least = {
		maxBufferSize: 256 << 20, maxStorageBufferBindingSize: 128 << 20, maxStorageBuffersPerShaderStage: 8,
		maxComputeWorkgroupStorageSize: 16 << 10, maxComputeInvocationsPerWorkgroup: 256, maxComputeWorkgroupSizeX: 256,
		maxComputeWorkgroupSizeY: 256, maxComputeWorkgroupSizeZ: 64, maxComputeWorkgroupsPerDimension: 65535,
	};
	const ask = GPUAdapter.prototype.requestDevice;
	Object.defineProperties(GPUAdapter.prototype, {
		limits: { get: () => least },
		features: { get: () => new Set() },
		info: { get: () => ({ vendor: "apple", architecture: "common-3", description: "", isFallbackAdapter: false }) },
		requestDevice: { value(descriptor) {
			if (descriptor.requiredFeatures.length > 0) throw new Error("features are asked for: " + descriptor.requiredFeatures);
			for (const [limit, value] of Object.entries(descriptor.requiredLimits)) {
				if (value !== least[limit]) throw new Error(limit + " is asked for: " + value);
			}
			return ask.call(this, {});
		} },
	});
}`

// TestDefaults is a visit with an adapter of the specification's default limits and
// without features, as Safari has on the oldest GPUs that it knows: every method trains
// there, with the kernels for GPUs, and the first as dept train does.
func TestDefaults(t *testing.T) {
	s := newSite(t)
	s.first.Store(modest)
	v := s.openFirefox(t, nil)
	v.trains("apple common-3", 4)
	v.set("steps", "2")
	for _, k := range dept.Kinds {
		if k.Checkpoints() || k.Name == v.value("method") {
			continue
		}
		v.click("reset")
		v.untilStatus("Reset")
		v.set("method", k.Name)
		v.click("train")
		v.untilStatus("Done after 2 steps")
		loss := v.numbers(v.label("chart-loss"))
		require.NotEmpty(v, loss, k.Name)
		assert.Positive(v, loss[0], k.Name)
		t.Logf("%s: %s", k.Title, v.text("status"))
	}
	t.Logf("pipelines: %d", s.pipelines.Load())
}
