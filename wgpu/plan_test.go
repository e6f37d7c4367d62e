package wgpu

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A device within limits refuses what is larger and has no more than the device it is.
func TestWithin(t *testing.T) {
	dev := OpenPlan(AdapterInfo{}, Limits{BufferSize: 1 << 30, StorageBinding: 1 << 29})
	small := dev.Within(Limits{BufferSize: 1 << 40, StorageBinding: 1 << 20})
	assert.Equal(t, Limits{BufferSize: 1 << 30, StorageBinding: 1 << 20}, small.Limits())
	require.NoError(t, small.CheckBuffer("fits", 1<<20))
	require.ErrorContains(t, small.CheckBuffer("large", 1<<20+1), "the device's maxStorageBufferBindingSize is 1048576")
	require.NoError(t, dev.CheckBuffer("large", 1<<20+1))
}

// A device on paper counts what it is asked for, has its limits, and computes nothing.
func TestPlan(t *testing.T) {
	ctx := context.Background()
	dev := OpenPlan(AdapterInfo{Name: "paper", Type: DiscreteGPU, Features: F16}, Limits{BufferSize: 1 << 30, StorageBinding: 1 << 29})
	defer dev.Release()
	assert.Equal(t, DiscreteGPU, dev.Info().Type)
	assert.True(t, dev.Features().Has(F16))
	large, err := dev.NewBuffer("large", 1<<29)
	require.NoError(t, err)
	now, _ := dev.Allocated()
	assert.Equal(t, int64(1<<29), now)
	_, err = dev.NewBuffer("larger", 1<<29+1)
	var limit *LimitError
	require.ErrorAs(t, err, &limit)
	require.NoError(t, dev.Write(large, 0, make([]byte, 8)))
	require.Error(t, dev.Write(large, 2, make([]byte, 8)))
	require.ErrorIs(t, dev.Read(ctx, large, 0, make([]byte, 8)), ErrPlan)
	p, err := dev.NewPipeline(ctx, "p", "", "main")
	require.NoError(t, err)
	g, err := dev.NewBindGroup(p, []Binding{{Buffer: large}})
	require.NoError(t, err)
	require.NoError(t, dev.Submit([]Dispatch{{Pipeline: p, Group: g}}))
	large.Release()
	now, peak := dev.Allocated()
	assert.Zero(t, now)
	assert.Equal(t, int64(1<<29), peak)
}
