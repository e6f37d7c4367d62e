// Package wgpu opens a WebGPU device and runs compute shaders on it:
//
//	device, err := wgpu.Open(ctx, "") // the best adapter
//	defer device.Release()
//
// It is the narrow seam between go-dept and WebGPU: it opens an adapter, makes
// buffers and pipelines, submits lists of dispatches and reads results back. Two
// drivers stand behind it, one on wgpu-native (Vulkan, Metal, D3D12) and one on
// the browser's navigator.gpu; nothing above this package knows which.
//
// Everything that may wait takes a context. Errors are values that name the
// operation and the label of the object; a missing adapter, a limit that is too
// small and a lost device are recognized with errors.Is and errors.As.
package wgpu

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// AdapterType says what kind of hardware, or software, an adapter is.
type AdapterType string

// The adapter types, from fastest to slowest as a rule.
const (
	DiscreteGPU   AdapterType = "discrete-gpu"
	IntegratedGPU AdapterType = "integrated-gpu"
	OtherAdapter  AdapterType = "other"
	CPU           AdapterType = "cpu"
)

var adapterRank = map[AdapterType]int{DiscreteGPU: 0, IntegratedGPU: 1, OtherAdapter: 2, CPU: 3}

// AdapterInfo describes an adapter.
type AdapterInfo struct {
	Name    string      `json:"name"`
	Type    AdapterType `json:"type"`
	Backend string      `json:"backend"`
	Driver  string      `json:"driver,omitempty"`
	// Vendor is who makes the hardware, as browsers spell it: nvidia, amd, intel,
	// apple, arm, qualcomm; of software adapters google (SwiftShader) or mesa; empty where
	// that is not known.
	Vendor string `json:"vendor,omitempty"`
	// Features are those that a device of the adapter can have.
	Features Features `json:"features"`
}

// String gives the adapter's name, type and backend on one line.
func (a AdapterInfo) String() string {
	return fmt.Sprintf("%s (%s, %s)", a.Name, a.Type, a.Backend)
}

// Limits are the device limits that programs here run into, in bytes or counts.
type Limits struct {
	BufferSize             int64
	StorageBinding         int64
	WorkgroupStorage       int
	Invocations            int // threads of a workgroup
	WorkgroupsPerDimension int
}

// ErrNoAdapter is returned when the machine offers no WebGPU adapter.
var ErrNoAdapter = errors.New(noAdapterHint)

// ErrDeviceLost is returned once the device is gone: unplugged, reset by its
// driver, or released.
var ErrDeviceLost = errors.New("the device is lost: its driver was reset or it was released; open it again")

// LimitError says that something does not fit the device.
type LimitError struct {
	What  string // what was asked for, such as `buffer "logits"`
	Limit string // the limit's name
	Have  int64  // what the device allows
	Want  int64  // what was asked
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("%s needs %d, and the device's %s is %d: use another device, or, unless it is a weight, a smaller batch or shorter sequences",
		e.What, e.Want, e.Limit, e.Have)
}

// Adapters lists the adapters of this machine, best first. In a browser it is
// the one that the page is given. It returns ErrNoAdapter when there is none.
func Adapters(ctx context.Context) ([]AdapterInfo, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return listAdapters(ctx)
}

// Open opens the best adapter that is meant by name; the empty name takes the best of
// all. A name is a kind (cpu, gpu, discrete, integrated), a number in the list of
// Adapters such as #1, or a part of an adapter's own name in any case. The device gets
// all limits and Features that the adapter has.
func Open(ctx context.Context, name string) (*Device, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return openDevice(ctx, name)
}

// Kinds are the names of kinds of adapters, and the types that each means.
var Kinds = map[string][]AdapterType{
	"cpu": {CPU}, "gpu": {DiscreteGPU, IntegratedGPU}, "discrete": {DiscreteGPU}, "integrated": {IntegratedGPU},
}

// ranked are the indices of adapters, best first.
func ranked(infos []AdapterInfo) []int {
	order := make([]int, len(infos))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return adapterRank[infos[a].Type] - adapterRank[infos[b].Type] })
	return order
}

// pickAdapter returns the index of the best adapter that is meant by name.
func pickAdapter(infos []AdapterInfo, name string) (int, error) {
	if len(infos) == 0 {
		return 0, ErrNoAdapter
	}
	name = strings.ToLower(name)
	kind := Kinds[name]
	var list []string
	for k, i := range ranked(infos) {
		number := fmt.Sprintf("#%d", k+1)
		meant := strings.Contains(strings.ToLower(infos[i].Name), name)
		switch {
		case kind != nil:
			meant = slices.Contains(kind, infos[i].Type)
		case strings.HasPrefix(name, "#"):
			meant = name == number
		}
		if meant {
			return i, nil
		}
		list = append(list, number+" "+infos[i].String())
	}
	asked := fmt.Sprintf("no adapter's name contains %q", name)
	switch {
	case kind != nil:
		asked = "no adapter is of the kind " + name
	case strings.HasPrefix(name, "#"):
		asked = "there is no adapter " + name
	}
	return 0, fmt.Errorf("open device: %s; this machine has: %s", asked, strings.Join(list, "; "))
}

// Device is an open adapter with its queue. Its methods may be called from one
// goroutine at a time.
type Device struct {
	drv      deviceDriver
	info     AdapterInfo
	limits   Limits
	features Features

	mu        sync.Mutex // guards the counters below; Release may run late
	allocated int64
	peak      int64
}

// Info describes the adapter.
func (d *Device) Info() AdapterInfo { return d.info }

// Limits gives the device's limits.
func (d *Device) Limits() Limits { return d.limits }

// Within is the device with limits no larger than those given, as a smaller device has
// them. It is the same hardware, given back once.
func (d *Device) Within(l Limits) *Device {
	return &Device{drv: d.drv, info: d.info, features: d.features, limits: Limits{
		BufferSize:             min(d.limits.BufferSize, l.BufferSize),
		StorageBinding:         min(d.limits.StorageBinding, l.StorageBinding),
		WorkgroupStorage:       min(d.limits.WorkgroupStorage, l.WorkgroupStorage),
		Invocations:            min(d.limits.Invocations, l.Invocations),
		WorkgroupsPerDimension: min(d.limits.WorkgroupsPerDimension, l.WorkgroupsPerDimension),
	}}
}

// Features gives what the device can do beyond what every device can.
func (d *Device) Features() Features { return d.features }

// Allocated gives the bytes of all live buffers, and the most there ever were.
func (d *Device) Allocated() (now, peak int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.allocated, d.peak
}

func (d *Device) account(bytes int64) {
	d.mu.Lock()
	d.allocated += bytes
	d.peak = max(d.peak, d.allocated)
	d.mu.Unlock()
}

// Release gives the device and everything made from it back.
func (d *Device) Release() { d.drv.release() }

// Buffer is memory on the device. It may be bound as storage or as uniform, and
// copied from and to. Its first contents are zero.
type Buffer struct {
	dev   *Device
	drv   bufferDriver
	label string
	size  int64
}

// CheckBuffer reports whether a buffer of size bytes would fit the device's
// limits, without making it.
func (d *Device) CheckBuffer(label string, size int64) error {
	if size > d.limits.BufferSize {
		return &LimitError{fmt.Sprintf("buffer %q", label), "maxBufferSize", d.limits.BufferSize, size}
	}
	if size > d.limits.StorageBinding {
		return &LimitError{fmt.Sprintf("buffer %q", label), "maxStorageBufferBindingSize", d.limits.StorageBinding, size}
	}
	return nil
}

// NewBuffer makes a zeroed buffer of at least size bytes; sizes are rounded up
// to a multiple of 16, and to 16 for an empty one, since an empty binding is
// invalid.
func (d *Device) NewBuffer(label string, size int64) (*Buffer, error) {
	size = max(16, (size+15)&^15)
	if err := d.CheckBuffer(label, size); err != nil {
		return nil, err
	}
	drv, err := d.drv.newBuffer(label, size)
	if err != nil {
		return nil, fmt.Errorf("make buffer %q of %d bytes: %w", label, size, err)
	}
	d.account(size)
	return &Buffer{dev: d, drv: drv, label: label, size: size}, nil
}

// Size is the buffer's size in bytes, a multiple of 16.
func (b *Buffer) Size() int64 { return b.size }

// Label is the name the buffer was made with.
func (b *Buffer) Label() string { return b.label }

// Release gives the buffer's memory back. A second call does nothing.
func (b *Buffer) Release() {
	if b.drv != nil {
		b.drv.release()
		b.drv = nil
		b.dev.account(-b.size)
	}
}

func (b *Buffer) check(op string, offset, size int64) error {
	switch {
	case b.drv == nil:
		return fmt.Errorf("%s buffer %q: it was released", op, b.label)
	case offset < 0 || size < 0 || offset%4 != 0 || size%4 != 0 || offset+size > b.size:
		return fmt.Errorf("%s buffer %q: bytes %d to %d are not a 4-aligned range of its %d", op, b.label, offset, offset+size, b.size)
	}
	return nil
}

// Write copies data into the buffer before anything submitted later runs.
// offset and len(data) must be multiples of 4.
func (d *Device) Write(b *Buffer, offset int64, data []byte) error {
	if err := b.check("write", offset, int64(len(data))); err != nil {
		return err
	}
	if len(data) == 0 {
		return nil
	}
	if err := d.drv.write(b.drv, offset, data); err != nil {
		return fmt.Errorf("write buffer %q: %w", b.label, err)
	}
	return nil
}

// Read waits for everything submitted so far and copies len(dst) bytes out.
// offset and len(dst) must be multiples of 4.
func (d *Device) Read(ctx context.Context, b *Buffer, offset int64, dst []byte) error {
	r, err := d.ReadLater(b, offset, int64(len(dst)))
	if err != nil {
		return err
	}
	return r.Wait(ctx, dst)
}

// Readback is a copy that is on its way from the device.
type Readback struct {
	drv   readbackDriver
	label string
	size  int64
}

// ReadLater starts to copy size bytes out of b, as they stand after everything
// submitted so far, and returns at once: work submitted later is not held up.
func (d *Device) ReadLater(b *Buffer, offset, size int64) (*Readback, error) {
	if err := b.check("read", offset, size); err != nil {
		return nil, err
	}
	if size == 0 {
		return &Readback{label: b.label}, nil
	}
	drv, err := d.drv.readLater(b.drv, offset, size)
	if err != nil {
		return nil, fmt.Errorf("read buffer %q: %w", b.label, err)
	}
	return &Readback{drv: drv, label: b.label, size: size}, nil
}

// Wait blocks until the copy has arrived and puts it into dst, whose length
// must be the size that was asked for. It may be called once.
func (r *Readback) Wait(ctx context.Context, dst []byte) error {
	if int64(len(dst)) != r.size {
		return fmt.Errorf("read buffer %q: %d bytes were asked for, the destination holds %d", r.label, r.size, len(dst))
	}
	if r.size == 0 {
		return nil
	}
	if err := r.drv.wait(ctx, dst); err != nil {
		return fmt.Errorf("read buffer %q: %w", r.label, err)
	}
	return nil
}

// Pipeline is a compiled compute shader.
type Pipeline struct {
	drv   pipelineDriver
	label string
}

// NewPipeline compiles the entry point of a WGSL module. Compilation errors
// carry the label and the compiler's message.
func (d *Device) NewPipeline(ctx context.Context, label, wgsl, entry string) (*Pipeline, error) {
	drv, err := d.drv.newPipeline(ctx, label, wgsl, entry)
	if err != nil {
		return nil, fmt.Errorf("compile shader %q: %w", label, err)
	}
	return &Pipeline{drv: drv, label: label}, nil
}

// Binding is a range of a buffer at a @binding of @group(0). Size 0 means the
// rest of the buffer. Offsets are multiples of 256.
type Binding struct {
	Index  int
	Buffer *Buffer
	Offset int64
	Size   int64
}

// BindGroup is a pipeline's bindings, made once and used in any number of
// dispatches.
type BindGroup struct {
	drv bindGroupDriver
}

// Release gives the bind group back.
func (g *BindGroup) Release() { g.drv.release() }

// NewBindGroup binds exactly the bindings that the pipeline's entry point uses.
func (d *Device) NewBindGroup(p *Pipeline, bindings []Binding) (*BindGroup, error) {
	full := make([]Binding, len(bindings))
	for i, b := range bindings {
		if b.Size == 0 {
			b.Size = b.Buffer.size - b.Offset
		}
		if err := b.Buffer.check(fmt.Sprintf("bind to shader %q", p.label), b.Offset, b.Size); err != nil {
			return nil, err
		}
		full[i] = b
	}
	drv, err := d.drv.newBindGroup(p.drv, full)
	if err != nil {
		return nil, fmt.Errorf("bind buffers to shader %q: %w", p.label, err)
	}
	return &BindGroup{drv: drv}, nil
}

// Dispatch is one run of a pipeline over a grid of workgroups.
type Dispatch struct {
	Pipeline *Pipeline
	Group    *BindGroup
	Grid     [3]uint32
}

// Submit runs lists of dispatches in order, as one submission, each dispatch
// seeing what the ones before it wrote. It returns before they are done.
func (d *Device) Submit(lists ...[]Dispatch) error {
	if err := d.drv.submit(lists); err != nil {
		return fmt.Errorf("submit: %w", err)
	}
	return nil
}

// Wait blocks until everything submitted so far is done.
func (d *Device) Wait(ctx context.Context) error { return d.drv.wait(ctx) }
