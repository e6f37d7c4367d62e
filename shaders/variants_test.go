package shaders

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/wgpu"
)

// TestFirstThatFits: a table takes the first variant that the device serves and
// that fits the operation, and reports where there is none.
func TestFirstThatFits(t *testing.T) {
	named := func(entry string) func(int, Target) Call {
		return func(int, Target) Call { return Call{Spec: Spec{Entry: entry}} }
	}
	even := func(n int) bool { return n%2 == 0 }
	numbers := table[int]{name: "numbers", variants: []variant[int]{
		{name: "soft", needs: needs{on: wgpu.CPU}, call: named("soft")},
		{name: "half", needs: needs{features: wgpu.F16, invocations: 512}, fits: even, call: named("half")},
		{name: "big", needs: needs{workgroupStorage: 32 << 10}, call: named("big")},
		{name: "even", fits: even, call: named("even")},
	}}
	gpu := Target{Type: wgpu.DiscreteGPU, Features: wgpu.F16 | wgpu.Subgroups, Invocations: 512, WorkgroupStorage: 16 << 10}
	weak, roomy, soft := gpu, gpu, gpu
	weak.Invocations = 256
	roomy.WorkgroupStorage = 32 << 10
	soft.Type = wgpu.CPU
	for _, c := range []struct {
		n      int
		target Target
		want   string
	}{{1, soft, "soft"}, {2, gpu, "half"}, {2, weak, "even"}, {3, roomy, "big"}, {2, roomy, "half"}} {
		call := numbers.call(c.n, c.target)
		assert.Equal(t, c.want, call.Spec.Entry)
		assert.Equal(t, "numbers/"+c.want, call.Variant)
	}
	assert.Panics(t, func() { numbers.call(3, weak) })
}

// TestMeasuredFirst: what was measured counts before the table's order, where the
// device can run it and it fits; a vendor's variant is others' to be measured.
func TestMeasuredFirst(t *testing.T) {
	named := func(entry string) func(int, Target) Call {
		return func(int, Target) Call { return Call{Spec: Spec{Entry: entry}} }
	}
	numbers := table[int]{name: "numbers", variants: []variant[int]{
		{name: "light", needs: needs{vendor: "intel"}, call: named("light")},
		{name: "first", call: named("first")},
		{name: "even", fits: func(n int) bool { return n%2 == 0 }, call: named("even")},
		{name: "half", needs: needs{features: wgpu.F16, invocations: 128}, call: named("half")},
		{name: "soft", needs: needs{on: wgpu.CPU}, call: named("soft")},
	}}.by(func(n int) string { return fmt.Sprint("numbers up to ", atMost(n)) })
	gpu := Target{Type: wgpu.DiscreteGPU, Features: wgpu.F16, Invocations: 256}
	intel, plain := gpu, gpu
	intel.Vendor, plain.Features = "intel", 0
	assert.Equal(t, "numbers/first", numbers.call(3, gpu).Variant)
	assert.Equal(t, "numbers/light", numbers.call(3, intel).Variant)

	with := func(target Target, name string) Target {
		target.Variants = map[string]string{"numbers up to 4": name}
		return target
	}
	for _, c := range []struct {
		n      int
		target Target
		want   string
	}{
		{4, with(gpu, "numbers/even"), "even"}, {3, with(gpu, "numbers/even"), "first"}, {5, with(gpu, "numbers/half"), "first"},
		{3, with(gpu, "numbers/half"), "half"}, {3, with(plain, "numbers/half"), "first"}, {3, with(gpu, "numbers/light"), "light"},
	} {
		assert.Equal(t, "numbers/"+c.want, numbers.call(c.n, c.target).Variant)
	}
	var all []string
	for _, c := range numbers.call(4, gpu).Variants(gpu) {
		all = append(all, c.Variant)
	}
	assert.Equal(t, []string{"numbers/light", "numbers/first", "numbers/even", "numbers/half"}, all)

	half := numbers.call(3, with(gpu, "numbers/half"))
	require.NoError(t, gpu.Check(half))
	assert.ErrorContains(t, plain.Check(half), "numbers/half needs f16")
	plain.Features, plain.Invocations = wgpu.F16, 64
	assert.ErrorContains(t, plain.Check(half), "workgroups of 128 threads")
	assert.ErrorContains(t, with(gpu, "matmul/none").Known(), "no kernel matmul/none")
	assert.NoError(t, with(gpu, "matmul/tile").Known())
}
