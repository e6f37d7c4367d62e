package shaders_test

import (
	"fmt"
	"log"
	"strings"

	"github.com/go-dept/dept/shaders"
	"github.com/go-dept/dept/wgpu"
)

// The text of a kernel for a device that need not be here.
func ExampleSource() {
	device := wgpu.OpenPlan(wgpu.AdapterInfo{Name: "some GPU", Type: wgpu.DiscreteGPU}, wgpu.Limits{
		BufferSize: 256 << 20, StorageBinding: 128 << 20, WorkgroupStorage: 16 << 10, Invocations: 256, WorkgroupsPerDimension: 1<<16 - 1,
	})
	call := shaders.RMSNorm{Rows: 8, Width: 512, Eps: 1e-6}.Forward(shaders.TargetOf(device))
	wgsl, err := shaders.Source(call.Spec)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(call.Grid, strings.Contains(wgsl, "@compute"))
	// Output: [8 1 1] true
}
