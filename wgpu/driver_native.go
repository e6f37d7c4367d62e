//go:build !js

package wgpu

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"

	native "github.com/oliverbestmann/webgpu/wgpu"
)

var noAdapterHint = "no WebGPU adapter on this machine: " + driverHint(runtime.GOOS)

// driverHint says what brings a system an adapter.
func driverHint(system string) string {
	switch system {
	case "windows":
		return "install the driver of the GPU's maker, for Direct3D 12 or Vulkan"
	case "darwin":
		return "it takes macOS on a Mac whose GPU has Metal"
	}
	return "install a Vulkan driver " +
		"(Debian and Ubuntu: apt-get install libvulkan1 mesa-vulkan-drivers, which also brings a software adapter), " +
		"or name the driver's file in VK_DRIVER_FILES"
}

var (
	_ deviceDriver    = (*nativeDevice)(nil)
	_ bufferDriver    = (*nativeBuffer)(nil)
	_ bindGroupDriver = (*nativeBindGroup)(nil)
	_ readbackDriver  = (*nativeReadback)(nil)
)

// One instance a process: making and dropping instances and devices on several
// threads at once crashes some Vulkan drivers.
var instance = sync.OnceValue(func() *native.Instance {
	native.SetLogLevel(native.LogLevelOff) // errors come back as values
	// Where nobody is logged in at a desktop, drivers look for a display and
	// complain on stderr that the variable is missing.
	if _, ok := os.LookupEnv("XDG_RUNTIME_DIR"); !ok && runtime.GOOS == "linux" {
		os.Setenv("XDG_RUNTIME_DIR", os.TempDir())
	}
	return native.CreateInstance(nil)
})

// Library names what compiles shaders for a driver, with its version.
func Library() string {
	v := uint32(native.GetVersion())
	return fmt.Sprintf("wgpu-native %d.%d.%d.%d", v>>24, v>>16&0xff, v>>8&0xff, v&0xff)
}

// vendors by the numbers that the PCI and Khronos groups gave them.
var vendors = map[uint32]string{
	0x1002: "amd", 0x106b: "apple", 0x10de: "nvidia", 0x13b5: "arm", 0x1ae0: "google", 0x5143: "qualcomm", 0x8086: "intel",
	0x10005: "mesa",
}

func nativeAdapters() ([]*native.Adapter, []AdapterInfo) {
	types := map[native.AdapterType]AdapterType{
		native.AdapterTypeDiscreteGPU:   DiscreteGPU,
		native.AdapterTypeIntegratedGPU: IntegratedGPU,
		native.AdapterTypeCPU:           CPU,
	}
	var adapters []*native.Adapter
	var infos []AdapterInfo
	for _, a := range instance().EnumerateAdapters(nil) {
		i := a.GetInfo()
		// OpenGL lists the same hardware once more with smaller limits.
		if i.BackendType == native.BackendTypeOpenGL || i.BackendType == native.BackendTypeOpenGLES {
			a.Release()
			continue
		}
		typ, ok := types[i.AdapterType]
		if !ok {
			typ = OtherAdapter
		}
		adapters = append(adapters, a)
		infos = append(infos, AdapterInfo{
			Name: i.Device, Type: typ, Backend: i.BackendType.String(), Driver: i.Description, Vendor: vendors[i.VendorId], Features: nativeFeatures(a.HasFeature),
		})
	}
	return adapters, infos
}

func listAdapters(context.Context) ([]AdapterInfo, error) {
	adapters, infos := nativeAdapters()
	for _, a := range adapters {
		a.Release()
	}
	if len(infos) == 0 {
		return nil, ErrNoAdapter
	}
	sorted := make([]AdapterInfo, 0, len(infos))
	for _, i := range ranked(infos) {
		sorted = append(sorted, infos[i])
	}
	return sorted, nil
}

// featureBits are the features as wgpu-native numbers them: its own subgroup
// operations, since it does not have the specification's yet.
var featureBits = []struct {
	feature Features
	name    native.FeatureName
}{
	{F16, native.FeatureNameShaderF16},
	{Subgroups, native.NativeFeatureSubgroup},
	{Timestamps, native.FeatureNameTimestampQuery},
	{CooperativeMatrices, native.NativeFeatureCooperativeMatrix},
}

func nativeFeatures(has func(native.FeatureName) bool) (f Features) {
	for _, b := range featureBits {
		if has(b.name) {
			f |= b.feature
		}
	}
	return f
}

// requestDevice asks an adapter for a device with all its limits and the
// features.
func requestDevice(a *native.Adapter, limits native.Limits, features Features) (*native.Device, error) {
	var names []native.FeatureName
	for _, b := range featureBits {
		if features.Has(b.feature) {
			names = append(names, b.name)
		}
	}
	return a.RequestDevice(&native.DeviceDescriptor{Label: "go-dept", RequiredLimits: &limits, RequiredFeatures: names})
}

func openDevice(_ context.Context, name string) (*Device, error) {
	adapters, infos := nativeAdapters()
	defer func() {
		for _, a := range adapters {
			a.Release()
		}
	}()
	i, err := pickAdapter(infos, name)
	if err != nil {
		return nil, err
	}
	limits := adapters[i].GetLimits()
	dev, err := requestDevice(adapters[i], limits, infos[i].Features)
	if err != nil && infos[i].Features.Has(CooperativeMatrices) {
		dev, err = requestDevice(adapters[i], limits, infos[i].Features&^CooperativeMatrices)
	}
	if err != nil {
		return nil, fmt.Errorf("open device %s: %w", infos[i], err)
	}
	return &Device{
		drv:      &nativeDevice{dev: dev, queue: dev.GetQueue(), staging: map[int64][]*native.Buffer{}},
		info:     infos[i],
		features: nativeFeatures(dev.HasFeature),
		limits: Limits{
			BufferSize:             int64(min(limits.MaxBufferSize, 1<<62)),
			StorageBinding:         int64(min(limits.MaxStorageBufferBindingSize, 1<<62)),
			WorkgroupStorage:       int(limits.MaxComputeWorkgroupStorageSize),
			Invocations:            int(limits.MaxComputeInvocationsPerWorkgroup),
			WorkgroupsPerDimension: int(limits.MaxComputeWorkgroupsPerDimension),
		},
	}, nil
}

type nativeDevice struct {
	dev     *native.Device
	queue   *native.Queue
	staging map[int64][]*native.Buffer // idle read-back buffers by size
	written int64                      // bytes since the last submission
	flushed uint64                     // the submission that the last large writes went with
}

type nativeBuffer struct{ buf *native.Buffer }

func (b *nativeBuffer) release() {
	b.buf.Destroy()
	b.buf.Release()
}

type nativePipeline struct {
	pipeline *native.ComputePipeline
	layout   *native.BindGroupLayout
}

type nativeBindGroup struct{ group *native.BindGroup }

func (g *nativeBindGroup) release() { g.group.Release() }

func (d *nativeDevice) newBuffer(label string, size int64) (bufferDriver, error) {
	buf, err := d.dev.TryCreateBuffer(&native.BufferDescriptor{
		Label: label,
		Size:  uint64(size),
		Usage: native.BufferUsageStorage | native.BufferUsageUniform | native.BufferUsageCopySrc | native.BufferUsageCopyDst,
	})
	if err != nil {
		return nil, err
	}
	return &nativeBuffer{buf}, nil
}

func (d *nativeDevice) newPipeline(_ context.Context, label, wgsl, entry string) (pipelineDriver, error) {
	module, err := d.dev.TryCreateShaderModule(&native.ShaderModuleDescriptor{
		Label:      label,
		WGSLSource: &native.ShaderSourceWGSL{Code: wgsl},
	})
	if err != nil {
		return nil, err
	}
	defer module.Release()
	pipeline, err := d.dev.TryCreateComputePipeline(&native.ComputePipelineDescriptor{
		Label:   label,
		Compute: native.ProgrammableStageDescriptor{Module: module, EntryPoint: entry},
	})
	if err != nil {
		return nil, err
	}
	return &nativePipeline{pipeline, pipeline.GetBindGroupLayout(0)}, nil
}

func (d *nativeDevice) newBindGroup(p pipelineDriver, bindings []Binding) (bindGroupDriver, error) {
	entries := make([]native.BindGroupEntry, len(bindings))
	for i, b := range bindings {
		entries[i] = native.BindGroupEntry{
			Binding: uint32(b.Index),
			Buffer:  b.Buffer.drv.(*nativeBuffer).buf,
			Offset:  uint64(b.Offset),
			Size:    uint64(b.Size),
		}
	}
	group, err := d.dev.TryCreateBindGroup(&native.BindGroupDescriptor{Layout: p.(*nativePipeline).layout, Entries: entries})
	if err != nil {
		return nil, err
	}
	return &nativeBindGroup{group}, nil
}

// mostWritten is how many bytes may wait for the next submission: wgpu-native holds a
// copy of all that is written until then.
const mostWritten = 32 << 20

func (d *nativeDevice) write(b bufferDriver, offset int64, data []byte) error {
	if err := d.queue.TryWriteBuffer(b.(*nativeBuffer).buf, uint64(offset), data); err != nil {
		return err
	}
	if d.written += int64(len(data)); d.written > mostWritten {
		index := d.queue.Submit()
		d.dev.Poll(true, &d.flushed) // the one before: this one's bytes go their way meanwhile
		d.written, d.flushed = 0, uint64(index)
	}
	return nil
}

func (d *nativeDevice) submit(lists [][]Dispatch) error {
	_, err := d.encode(func(enc *native.CommandEncoder) error {
		pass := enc.BeginComputePass(nil)
		defer pass.Release()
		var last *Pipeline
		for _, dispatches := range lists {
			for i := range dispatches {
				s := &dispatches[i]
				if s.Pipeline != last {
					pass.SetPipeline(s.Pipeline.drv.(*nativePipeline).pipeline)
					last = s.Pipeline
				}
				pass.SetBindGroup(0, s.Group.drv.(*nativeBindGroup).group, nil)
				pass.DispatchWorkgroups(s.Grid[0], s.Grid[1], s.Grid[2])
			}
		}
		return pass.TryEnd()
	})
	return err
}

// encode records one command buffer and submits it.
func (d *nativeDevice) encode(record func(*native.CommandEncoder) error) (native.SubmissionIndex, error) {
	enc, err := d.dev.TryCreateCommandEncoder(nil)
	if err != nil {
		return 0, err
	}
	defer enc.Release()
	if err := record(enc); err != nil {
		return 0, err
	}
	commands, err := enc.TryFinish(nil)
	if err != nil {
		return 0, err
	}
	defer commands.Release()
	d.written = 0
	return d.queue.Submit(commands), nil
}

type nativeReadback struct {
	dev   *nativeDevice
	buf   *native.Buffer
	size  int64
	index native.SubmissionIndex
}

func (d *nativeDevice) readLater(b bufferDriver, offset, size int64) (readbackDriver, error) {
	var staging *native.Buffer
	if idle := d.staging[size]; len(idle) > 0 {
		staging = idle[len(idle)-1]
		d.staging[size] = idle[:len(idle)-1]
	} else {
		var err error
		staging, err = d.dev.TryCreateBuffer(&native.BufferDescriptor{
			Label: "read-back",
			Size:  uint64(size),
			Usage: native.BufferUsageMapRead | native.BufferUsageCopyDst,
		})
		if err != nil {
			return nil, err
		}
	}
	index, err := d.encode(func(enc *native.CommandEncoder) error {
		return enc.TryCopyBufferToBuffer(b.(*nativeBuffer).buf, uint64(offset), staging, 0, uint64(size))
	})
	if err != nil {
		return nil, err
	}
	return &nativeReadback{dev: d, buf: staging, size: size, index: index}, nil
}

func (r *nativeReadback) wait(ctx context.Context, dst []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var status native.MapAsyncStatus
	done := false
	err := r.buf.TryMapAsync(native.MapModeRead, 0, uint64(r.size), func(s native.MapAsyncStatus) { status, done = s, true })
	if err != nil {
		return err
	}
	// Waiting for the copy's own submission leaves later ones running. wgpu-native
	// calls back from inside Poll, on this thread.
	index := uint64(r.index)
	for !done {
		r.dev.dev.Poll(true, &index)
	}
	if status != native.MapAsyncStatusSuccess {
		return errors.Join(fmt.Errorf("map read-back buffer: %s", status), ErrDeviceLost)
	}
	copy(dst, r.buf.GetMappedRange(0, uint(r.size)))
	if err := r.buf.TryUnmap(); err != nil {
		return err
	}
	// A few sizes recur every step; large one-off reads are not worth keeping.
	if idle := r.dev.staging[r.size]; len(idle) < 4 && r.size <= 1<<20 {
		r.dev.staging[r.size] = append(idle, r.buf)
	} else {
		r.buf.Destroy()
		r.buf.Release()
	}
	return nil
}

func (d *nativeDevice) wait(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d.dev.Poll(true, nil)
	return nil
}

func (d *nativeDevice) release() {
	for _, idle := range d.staging {
		for _, b := range idle {
			b.Release()
		}
	}
	d.queue.Release()
	d.dev.Release()
}
