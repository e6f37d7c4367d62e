//go:build linux && !android

package wgpu

// wgpu-native puts a counter of turns into every loop, so that none runs for ever. The
// loops here end by themselves, and the counters cost up to half of a kernel's time: they
// keep drivers' compilers from unrolling (docs/results.md). So on Linux the linker takes
// the function below for the one that makes modules, which the binding calls, and it asks
// for the checks of bounds alone. Other systems' linkers cannot do so, or are not tried.

/*
#cgo LDFLAGS: -Wl,--wrap=wgpuDeviceCreateShaderModule

#include <stdint.h>
#include <stddef.h>

// The library's own, resolved once all is linked.
extern void *__real_wgpuDeviceCreateShaderModule(void *device, void const *descriptor) __attribute__((weak));
extern void *wgpuDeviceCreateShaderModuleTrusted(void *device, void const *descriptor, uint64_t checks) __attribute__((weak));

// WGPUShaderRuntimeChecks_BoundsChecks
static const uint64_t bounds_checks = 1;

void *__wrap_wgpuDeviceCreateShaderModule(void *device, void const *descriptor) {
  if (wgpuDeviceCreateShaderModuleTrusted == NULL) {
    return __real_wgpuDeviceCreateShaderModule(device, descriptor);
  }
  return wgpuDeviceCreateShaderModuleTrusted(device, descriptor, bounds_checks);
}

static int has_trusted(void) { return wgpuDeviceCreateShaderModuleTrusted != NULL; }
*/
import "C"

// loopsUnbounded reports whether modules are made without counters in their loops.
func loopsUnbounded() bool { return C.has_trusted() != 0 }
