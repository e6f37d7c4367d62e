package wgpu

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPickAdapter(t *testing.T) {
	infos := []AdapterInfo{
		{Name: "llvmpipe (LLVM 15)", Type: CPU, Backend: "vulkan"},
		{Name: "Intel(R) UHD Graphics", Type: IntegratedGPU, Backend: "vulkan"},
		{Name: "NVIDIA CPU-less 9000", Type: DiscreteGPU, Backend: "vulkan"},
		{Name: "llvmpipe (LLVM 15)", Type: OtherAdapter, Backend: "gl"},
	}
	for name, want := range map[string]int{
		"": 2, "cpu": 0, "CPU": 0, "gpu": 2, "integrated": 1, "discrete": 2, "nvidia": 2, "intel": 1, "llvmpipe": 3, "cpu-less": 2,
		"#1": 2, "#2": 1, "#3": 3, "#4": 0,
	} {
		got, err := pickAdapter(infos, name)
		require.NoError(t, err, name)
		require.Equal(t, want, got, name)
	}
	for name, want := range map[string]string{
		"voodoo": `no adapter's name contains "voodoo"; this machine has: #1 NVIDIA CPU-less 9000 (discrete-gpu, vulkan); #2 Intel`,
		"#5":     "there is no adapter #5", "#0": "there is no adapter #0", "#": "there is no adapter #",
	} {
		_, err := pickAdapter(infos, name)
		require.ErrorContains(t, err, want)
	}
	_, err := pickAdapter(infos[:1], "gpu")
	require.ErrorContains(t, err, "no adapter is of the kind gpu; this machine has: #1 llvmpipe")
	_, err = pickAdapter(nil, "")
	require.ErrorIs(t, err, ErrNoAdapter)
}
