package shaders

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/go-dept/dept/wgpu"
)

// TestFirstThatFits: a table takes the first variant that the device serves and
// that fits the operation, and reports where there is none.
func TestFirstThatFits(t *testing.T) {
	named := func(entry string) func(int, Target) Call {
		return func(int, Target) Call { return Call{Spec: Spec{Entry: entry}} }
	}
	even := func(n int) bool { return n%2 == 0 }
	numbers := table[int]{"numbers", []variant[int]{
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
