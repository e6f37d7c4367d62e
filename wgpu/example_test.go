//go:build !js

package wgpu_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"log"

	"github.com/go-dept/dept/wgpu"
)

// A shader doubles the numbers of a buffer.
func Example() {
	ctx := context.Background()
	device, err := wgpu.Open(ctx, "")
	if err != nil {
		log.Fatal(err)
	}
	defer device.Release()
	pipeline, err := device.NewPipeline(ctx, "double", `
		@group(0) @binding(0) var<storage, read_write> x: array<u32>;
		@compute @workgroup_size(4) fn main(@builtin(global_invocation_id) id: vec3u) { x[id.x] *= 2; }`, "main")
	if err != nil {
		log.Fatal(err)
	}
	buffer, err := device.NewBuffer("x", 16)
	if err != nil {
		log.Fatal(err)
	}
	defer buffer.Release()
	numbers := []byte{1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0}
	if err := device.Write(buffer, 0, numbers); err != nil {
		log.Fatal(err)
	}
	group, err := device.NewBindGroup(pipeline, []wgpu.Binding{{Buffer: buffer}})
	if err != nil {
		log.Fatal(err)
	}
	if err := device.Submit([]wgpu.Dispatch{{Pipeline: pipeline, Group: group, Grid: [3]uint32{1, 1, 1}}}); err != nil {
		log.Fatal(err)
	}
	if err := device.Read(ctx, buffer, 0, numbers); err != nil {
		log.Fatal(err)
	}
	for i := range 4 {
		fmt.Println(binary.LittleEndian.Uint32(numbers[4*i:]))
	}
	// Output:
	// 2
	// 4
	// 6
	// 8
}
