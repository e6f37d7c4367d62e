//go:build !js

package main

/*
#include <stdint.h>
#include <stdlib.h>

// As wgpu-native's headers have it, which the Go binding keeps to itself.
typedef struct { const char *data; size_t length; } string_view;
typedef struct chained { struct chained *next; uint32_t type; } chained;
typedef struct { chained chain; string_view code; } source_wgsl;
typedef struct { chained *next; string_view label; } module_descriptor;

void *wgpuDeviceCreateShaderModuleTrusted(void *device, const module_descriptor *descriptor, uint64_t checks);

static void *create_module(void *device, const char *wgsl, size_t length, uint64_t checks) {
	source_wgsl source = {.chain = {.type = 2}, .code = {wgsl, length}};
	module_descriptor descriptor = {.next = &source.chain};
	return wgpuDeviceCreateShaderModuleTrusted(device, &descriptor, checks);
}
*/
import "C"

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"unsafe"

	native "github.com/oliverbestmann/webgpu/wgpu"
)

const allChecks = native.ShaderRuntimeChecksBoundsChecks | native.ShaderRuntimeChecksForceLoopBounding

// trusted makes of each shader what wgpu gives a driver with some of its checks alone.
func (k *kit) trusted(shaders []shader, checks native.ShaderRuntimeChecks) ([]string, error) {
	return k.written(shaders, func() (func(shader) error, func(), error) {
		adapters := native.CreateInstance(nil).EnumerateAdapters(nil)
		if len(adapters) == 0 {
			return nil, nil, fmt.Errorf("no Vulkan adapter")
		}
		dev, err := adapters[0].RequestDevice(&native.DeviceDescriptor{RequiredLimits: new(adapters[0].GetLimits())})
		if err != nil {
			return nil, nil, err
		}
		return func(s shader) error {
			code := C.CString(s.source)
			defer C.free(unsafe.Pointer(code))
			// The binding's objects are a pointer of the library's, and what it needs beside.
			module := new(native.ShaderModule)
			*(*unsafe.Pointer)(unsafe.Pointer(module)) = C.create_module(*(*unsafe.Pointer)(unsafe.Pointer(dev)), code, C.size_t(len(s.source)), C.uint64_t(checks))
			_, err := dev.TryCreateComputePipeline(&native.ComputePipelineDescriptor{
				Compute: native.ProgrammableStageDescriptor{Module: module, EntryPoint: s.Entry},
			})
			return err
		}, dev.Release, nil
	})
}

// costs prints what each of the checks that wgpu and the driver add costs the shaders
// that multiply.
func (r *report) costs(ctx context.Context, out io.Writer, k *kit, h hardware, shaders []shader, _ []string) error {
	type way struct {
		name  string
		spirv []string
		weak  bool
	}
	var ways []way
	for _, t := range []struct {
		name   string
		checks native.ShaderRuntimeChecks
	}{
		{"all", allChecks},
		{"no loop limits", allChecks &^ native.ShaderRuntimeChecksForceLoopBounding},
		{"no index checks", allChecks &^ native.ShaderRuntimeChecksBoundsChecks},
		{"neither", native.ShaderRuntimeChecksNone},
	} {
		files, err := k.trusted(shaders, t.checks)
		if err != nil {
			return err
		}
		ways = append(ways, way{t.name, files, false})
	}
	ways = append(ways, way{"no robust access", ways[0].spirv, true}, way{"none of the three", ways[3].spirv, true})
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for i, s := range shaders {
		for j, way := range ways {
			c, err := k.compile(ctx, r.drivers, h, way.spirv[i], s.Entry, way.weak)
			if err != nil {
				return err
			}
			if i == 0 && j == 0 {
				fmt.Fprintf(out, "\n%s: %s; clocks for 32 multiply-adds\n", h.name, c.device)
				fmt.Fprint(w, "shader\tchecks\tinstructions\tregisters\tspilled\tclocks in the main loops\tin all\tvector instructions in the loops\n")
			}
			name := ""
			if j == 0 {
				name = s.name()
			}
			vector := 0.0
			for _, l := range c.loops {
				vector += l.Vector
			}
			n := c.speed()
			fmt.Fprintf(w, "%s\t%s\t%.0f\t%.0f\t%.0f\t%.2f\t%.2f\t%.0f\n", name, way.name, c.instructions(), c.registers(), c.spilled(), n.loops, n.whole, vector)
		}
	}
	return w.Flush()
}
