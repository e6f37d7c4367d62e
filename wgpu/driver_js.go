package wgpu

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall/js"
	"time"
)

const noAdapterHint = "this browser gives the page no WebGPU adapter: use a current Chrome, Edge, Firefox or Safari " +
	"with hardware acceleration switched on, and open the page over https or from localhost " +
	"(Chrome and Chromium on Linux may need the flag --enable-unsafe-webgpu)"

var (
	_ deviceDriver    = (*jsDevice)(nil)
	_ bufferDriver    = (*jsBuffer)(nil)
	_ bindGroupDriver = (*jsBindGroup)(nil)
	_ readbackDriver  = (*jsReadback)(nil)
)

// GPUBufferUsage and GPUMapMode, as the WebGPU specification numbers them.
const (
	usageMapRead = 0x0001
	usageCopySrc = 0x0004
	usageCopyDst = 0x0008
	usageUniform = 0x0040
	usageStorage = 0x0080
	mapModeRead  = 0x0001
)

// neededLimits are the limits that kernels here run into; a device that is not
// asked for more gets the specification's defaults, whatever the adapter can do.
var neededLimits = []string{
	"maxBufferSize",
	"maxStorageBufferBindingSize",
	"maxStorageBuffersPerShaderStage",
	"maxComputeWorkgroupStorageSize",
	"maxComputeInvocationsPerWorkgroup",
	"maxComputeWorkgroupSizeX",
	"maxComputeWorkgroupSizeY",
	"maxComputeWorkgroupSizeZ",
	"maxComputeWorkgroupsPerDimension",
}

var uint8Array = js.Global().Get("Uint8Array")

// Library names what compiles shaders for a driver.
func Library() string { return js.Global().Get("navigator").Get("userAgent").String() }

// requestAdapter asks the page, or the worker, for its one adapter.
func requestAdapter(ctx context.Context) (js.Value, AdapterInfo, error) {
	navigator := js.Global().Get("navigator")
	if navigator.IsUndefined() || navigator.Get("gpu").IsUndefined() {
		return js.Undefined(), AdapterInfo{}, ErrNoAdapter
	}
	adapter, err := await(ctx, navigator.Get("gpu").Call("requestAdapter", map[string]any{"powerPreference": "high-performance"}))
	if err != nil {
		return js.Undefined(), AdapterInfo{}, fmt.Errorf("ask for a WebGPU adapter: %w", err)
	}
	if adapter.IsNull() {
		return js.Undefined(), AdapterInfo{}, ErrNoAdapter
	}
	info := describe(adapter.Get("info"))
	info.Features = jsFeatures(adapter)
	return adapter, info, nil
}

// webFeatures are the features as the specification names them. It has no
// cooperative matrices; Chromium has, behind a flag.
var webFeatures = []struct {
	feature Features
	name    string
}{
	{F16, "shader-f16"},
	{Subgroups, "subgroups"},
	{Timestamps, "timestamp-query"},
	{CooperativeMatrices, "chromium-experimental-subgroup-matrix"},
}

// jsFeatures reads the features of an adapter or a device.
func jsFeatures(v js.Value) (f Features) {
	for _, w := range webFeatures {
		if v.Get("features").Call("has", w.name).Bool() {
			f |= w.feature
		}
	}
	return f
}

// describe reads a GPUAdapterInfo. Browsers blank what could identify the
// visitor, and say no more of the type than whether it is the software fallback.
func describe(info js.Value) AdapterInfo {
	field := func(name string) string {
		if v := info.Get(name); v.Type() == js.TypeString {
			return v.String()
		}
		return ""
	}
	name := field("description")
	if name == "" {
		name = strings.TrimSpace(field("vendor") + " " + field("architecture"))
	}
	typ := OtherAdapter
	known := strings.ToLower(name + " " + field("architecture"))
	for _, software := range []string{"swiftshader", "llvmpipe", "lavapipe", "basic render"} {
		if strings.Contains(known, software) {
			typ = CPU
		}
	}
	if info.Get("isFallbackAdapter").Truthy() {
		typ = CPU
	}
	switch {
	case name != "":
	case typ == CPU:
		name = "a processor that does not give its name"
	default:
		name = "a GPU that does not give its name"
	}
	return AdapterInfo{Name: name, Type: typ, Backend: "browser", Driver: field("driver"), Vendor: strings.ToLower(field("vendor"))}
}

func listAdapters(ctx context.Context) ([]AdapterInfo, error) {
	_, info, err := requestAdapter(ctx)
	if err != nil {
		return nil, err
	}
	return []AdapterInfo{info}, nil
}

func openDevice(ctx context.Context, name string) (*Device, error) {
	adapter, info, err := requestAdapter(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := pickAdapter([]AdapterInfo{info}, name); err != nil {
		return nil, err
	}
	limits := adapter.Get("limits")
	required := map[string]any{}
	for _, l := range neededLimits {
		required[l] = limits.Get(l)
	}
	var features []any
	for _, w := range webFeatures {
		if info.Features.Has(w.feature) {
			features = append(features, w.name)
		}
	}
	dev, err := await(ctx, adapter.Call("requestDevice", map[string]any{
		"label": "go-dept", "requiredLimits": required, "requiredFeatures": features,
	}))
	if err != nil {
		return nil, fmt.Errorf("open device %s: %w", info, err)
	}
	limits = dev.Get("limits")
	return &Device{drv: newDevice(dev), info: info, features: jsFeatures(dev), limits: Limits{
		BufferSize:             int64(limits.Get("maxBufferSize").Float()),
		StorageBinding:         int64(limits.Get("maxStorageBufferBindingSize").Float()),
		WorkgroupStorage:       limits.Get("maxComputeWorkgroupStorageSize").Int(),
		Invocations:            limits.Get("maxComputeInvocationsPerWorkgroup").Int(),
		WorkgroupsPerDimension: limits.Get("maxComputeWorkgroupsPerDimension").Int(),
	}}, nil
}

// jsDevice needs no lock: wasm has one thread, and callbacks only run while all
// other goroutines wait.
type jsDevice struct {
	dev, queue js.Value
	staging    map[int64][]js.Value // idle read-back buffers by size
	scratch    js.Value             // Uint8Array that writes pass through
	firefox    bool

	scopes []scope // closed, and not known to be empty yet
	lost   error   // wraps ErrDeviceLost once the device is gone
}

// scope is the promise of an error scope that was closed, and what was made
// inside. Between one check and the next a scope for each kind of error is open,
// for submissions, writes and whatever else; what says nothing of those.
type scope struct {
	what    string
	promise js.Value
}

// kindsOfErrors are all that there are: with a scope open for each, no error is left
// to the device's event uncapturederror, which not every browser has.
var kindsOfErrors = [...]string{"out-of-memory", "internal", "validation"}

func newDevice(dev js.Value) *jsDevice {
	d := &jsDevice{
		dev:     dev,
		queue:   dev.Get("queue"),
		staging: map[int64][]js.Value{},
		scratch: uint8Array.New(1 << 20),
		firefox: strings.Contains(js.Global().Get("navigator").Get("userAgent").String(), "Firefox"),
	}
	var lost js.Func
	lost = js.FuncOf(func(_ js.Value, args []js.Value) any {
		lost.Release()
		if d.lost == nil {
			d.lost = lossError(reason(args[0]))
		}
		return nil
	})
	dev.Get("lost").Call("then", lost)
	d.openScopes()
	return d
}

// openScopes opens a scope for each kind of error.
func (d *jsDevice) openScopes() {
	for _, kind := range kindsOfErrors {
		d.dev.Call("pushErrorScope", kind)
	}
}

func lossError(why error) error { return fmt.Errorf("%w (%w)", ErrDeviceLost, why) }

// gpuError turns a GPUError into a Go error.
func gpuError(v js.Value) error {
	return fmt.Errorf("%s: %w", v.Get("constructor").Get("name").String(), reason(v))
}

// reason gives what a promise was rejected with, or anything else that has a
// message.
func reason(v js.Value) error {
	if v.Type() == js.TypeObject && v.Get("message").Truthy() {
		return errors.New(strings.TrimSpace(v.Get("message").String()))
	}
	return errors.New(js.Global().Get("String").Invoke(v).String())
}

// catch turns a JavaScript exception into an error.
func catch(err *error) {
	switch thrown := recover().(type) {
	case nil:
	case js.Error:
		*err = reason(thrown.Value)
	default:
		panic(thrown)
	}
}

// outcome is what became of a promise.
type outcome struct {
	value js.Value
	err   error
}

// settle returns a channel on which the promise's outcome will lie.
func settle(promise js.Value) <-chan outcome {
	settled := make(chan outcome, 1)
	var done, failed js.Func
	finish := func(o outcome) any {
		done.Release()
		failed.Release()
		settled <- o
		return nil
	}
	done = js.FuncOf(func(_ js.Value, args []js.Value) any { return finish(outcome{value: args[0]}) })
	failed = js.FuncOf(func(_ js.Value, args []js.Value) any { return finish(outcome{err: rejection(args[0])}) })
	promise.Call("then", done, failed)
	return settled
}

// rejection is reason, or a lost device's error: what is under way when it
// goes is aborted.
func rejection(v js.Value) error {
	if v.Type() == js.TypeObject && v.Get("name").Type() == js.TypeString && v.Get("name").String() == "AbortError" {
		return lossError(reason(v))
	}
	return reason(v)
}

func await(ctx context.Context, promise js.Value) (js.Value, error) {
	select {
	case o := <-settle(promise):
		return o.value, o.err
	case <-ctx.Done():
		return js.Undefined(), ctx.Err()
	}
}

// awaitQueue waits for a promise that the queue's work settles.
func (d *jsDevice) awaitQueue(ctx context.Context, settled <-chan outcome) error {
	var nudge <-chan time.Time
	if d.firefox {
		// Firefox looks at its queue every 100 ms, and at each submission.
		ticker := time.NewTicker(time.Millisecond)
		defer ticker.Stop()
		nudge = ticker.C
	}
	for {
		select {
		case o := <-settled:
			return o.err
		case <-ctx.Done():
			return ctx.Err()
		case <-nudge:
			d.queue.Call("submit", []any{d.dev.Call("createCommandEncoder").Call("finish")})
		}
	}
}

// scoped makes an object in error scopes of its own. Whether it is valid turns
// out later: check reports it.
func (d *jsDevice) scoped(what string, method string, descriptor map[string]any) js.Value {
	d.dev.Call("pushErrorScope", "out-of-memory")
	d.dev.Call("pushErrorScope", "validation")
	object := d.dev.Call(method, descriptor)
	for range 2 {
		d.scopes = append(d.scopes, scope{what, d.popScope()})
	}
	return object
}

// popScope closes the innermost error scope and returns the promise of its error
// or null. A lost device rejects it, which is no news to anybody: some function
// has to take the rejection, or the page gets an unhandledrejection event.
func (d *jsDevice) popScope() js.Value {
	promise := d.dev.Call("popErrorScope")
	promise.Call("catch", js.Global().Get("Boolean"))
	return promise
}

// check collects what has gone wrong since the last time. Waiting calls end
// with it, and err is how they ended so far. Of several errors the first is
// reported, since an invalid object makes everything that uses it invalid.
func (d *jsDevice) check(ctx context.Context, err error) error {
	if d.lost != nil {
		return d.lost
	}
	for range kindsOfErrors {
		d.scopes = append(d.scopes, scope{promise: d.popScope()})
	}
	d.openScopes()
	promises := js.Global().Get("Array").New()
	for _, s := range d.scopes {
		promises.Call("push", s.promise)
	}
	answers, ended := await(ctx, js.Global().Get("Promise").Call("allSettled", promises))
	if ended != nil {
		return ended
	}
	scopes := d.scopes
	d.scopes = nil
	if d.lost != nil {
		return d.lost
	}
	for i, s := range scopes {
		switch e := answers.Index(i).Get("value"); {
		case !e.Truthy():
		case s.what == "":
			return gpuError(e)
		default:
			return fmt.Errorf("%s: %w", s.what, gpuError(e))
		}
	}
	return err
}

type jsBuffer struct{ buf js.Value }

func (b *jsBuffer) release() { b.buf.Call("destroy") }

func (d *jsDevice) newBuffer(label string, size int64) (_ bufferDriver, err error) {
	if d.lost != nil {
		return nil, d.lost
	}
	defer catch(&err)
	return &jsBuffer{d.scoped(fmt.Sprintf("make buffer %q of %d bytes", label, size), "createBuffer", map[string]any{
		"label": label,
		"size":  size,
		"usage": usageStorage | usageUniform | usageCopySrc | usageCopyDst,
	})}, nil
}

type jsPipeline struct {
	label            string
	pipeline, layout js.Value
}

func (d *jsDevice) newPipeline(ctx context.Context, label, wgsl, entry string) (_ pipelineDriver, err error) {
	if d.lost != nil {
		return nil, d.lost
	}
	defer catch(&err)
	d.dev.Call("pushErrorScope", "validation")
	module := d.dev.Call("createShaderModule", map[string]any{"label": label, "code": browserText(wgsl)})
	invalid := d.popScope()
	info, err := await(ctx, module.Call("getCompilationInfo"))
	if err != nil {
		return nil, d.check(ctx, err)
	}
	if err := compilationError(info.Get("messages")); err != nil {
		return nil, err
	}
	if e, err := await(ctx, invalid); err != nil {
		return nil, d.check(ctx, err)
	} else if e.Truthy() {
		return nil, gpuError(e)
	}
	pipeline, err := await(ctx, d.dev.Call("createComputePipelineAsync", map[string]any{
		"label":   label,
		"layout":  "auto",
		"compute": map[string]any{"module": module, "entryPoint": entry},
	}))
	if err := d.check(ctx, err); err != nil {
		return nil, err
	}
	return &jsPipeline{label, pipeline, pipeline.Call("getBindGroupLayout", 0)}, nil
}

// compilationError joins the errors of a GPUCompilationInfo, one a line as
// line:column: message.
func compilationError(messages js.Value) error {
	var lines []string
	for i := range messages.Length() {
		if m := messages.Index(i); m.Get("type").String() == "error" {
			lines = append(lines, fmt.Sprintf("%d:%d: %s", m.Get("lineNum").Int(), m.Get("linePos").Int(), m.Get("message").String()))
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return errors.New(strings.Join(lines, "\n"))
}

type jsBindGroup struct{ group js.Value }

func (g *jsBindGroup) release() { g.group = js.Undefined() }

func (d *jsDevice) newBindGroup(p pipelineDriver, bindings []Binding) (_ bindGroupDriver, err error) {
	if d.lost != nil {
		return nil, d.lost
	}
	defer catch(&err)
	entries := make([]any, len(bindings))
	for i, b := range bindings {
		entries[i] = map[string]any{
			"binding":  b.Index,
			"resource": map[string]any{"buffer": b.Buffer.drv.(*jsBuffer).buf, "offset": b.Offset, "size": b.Size},
		}
	}
	pipeline := p.(*jsPipeline)
	return &jsBindGroup{d.scoped(fmt.Sprintf("bind buffers to shader %q", pipeline.label), "createBindGroup", map[string]any{
		"label": pipeline.label, "layout": pipeline.layout, "entries": entries,
	})}, nil
}

func (d *jsDevice) write(b bufferDriver, offset int64, data []byte) (err error) {
	if d.lost != nil {
		return d.lost
	}
	defer catch(&err)
	for len(data) > 0 {
		n := js.CopyBytesToJS(d.scratch, data)
		d.queue.Call("writeBuffer", b.(*jsBuffer).buf, offset, d.scratch, 0, n)
		offset += int64(n)
		data = data[n:]
	}
	return nil
}

func (d *jsDevice) submit(lists [][]Dispatch) (err error) {
	if d.lost != nil {
		return d.lost
	}
	defer catch(&err)
	encoder := d.dev.Call("createCommandEncoder")
	pass := encoder.Call("beginComputePass")
	// A call by name decodes the name and looks it up every time: three times
	// as slow as a bound method.
	bound := func(method string, first ...any) js.Value {
		return pass.Get(method).Call("bind", append([]any{pass}, first...)...)
	}
	setPipeline, setGroup0, dispatch := bound("setPipeline"), bound("setBindGroup", 0), bound("dispatchWorkgroups")
	var last *Pipeline
	for _, dispatches := range lists {
		for i := range dispatches {
			s := &dispatches[i]
			if s.Pipeline != last {
				setPipeline.Invoke(s.Pipeline.drv.(*jsPipeline).pipeline)
				last = s.Pipeline
			}
			setGroup0.Invoke(s.Group.drv.(*jsBindGroup).group)
			dispatch.Invoke(s.Grid[0], s.Grid[1], s.Grid[2])
		}
	}
	pass.Call("end")
	d.queue.Call("submit", []any{encoder.Call("finish")})
	return nil
}

type jsReadback struct {
	dev    *jsDevice
	buf    js.Value
	size   int64
	mapped <-chan outcome
}

func (d *jsDevice) readLater(b bufferDriver, offset, size int64) (_ readbackDriver, err error) {
	if d.lost != nil {
		return nil, d.lost
	}
	defer catch(&err)
	var staging js.Value
	if idle := d.staging[size]; len(idle) > 0 {
		staging = idle[len(idle)-1]
		d.staging[size] = idle[:len(idle)-1]
	} else {
		staging = d.scoped(fmt.Sprintf("make a read-back buffer of %d bytes", size), "createBuffer", map[string]any{
			"label": "read-back", "size": size, "usage": usageMapRead | usageCopyDst,
		})
	}
	encoder := d.dev.Call("createCommandEncoder")
	encoder.Call("copyBufferToBuffer", b.(*jsBuffer).buf, offset, staging, 0, size)
	d.queue.Call("submit", []any{encoder.Call("finish")})
	return &jsReadback{d, staging, size, settle(staging.Call("mapAsync", mapModeRead))}, nil
}

func (r *jsReadback) wait(ctx context.Context, dst []byte) (err error) {
	defer catch(&err)
	err = r.dev.awaitQueue(ctx, r.mapped)
	if err := r.dev.check(ctx, err); err != nil {
		r.buf.Call("destroy")
		return err
	}
	js.CopyBytesToGo(dst, uint8Array.New(r.buf.Call("getMappedRange")))
	r.buf.Call("unmap")
	// A few sizes recur every step; large one-off reads are not worth keeping.
	if idle := r.dev.staging[r.size]; len(idle) < 4 && r.size <= 1<<20 {
		r.dev.staging[r.size] = append(idle, r.buf)
	} else {
		r.buf.Call("destroy")
	}
	return nil
}

func (d *jsDevice) wait(ctx context.Context) (err error) {
	if d.lost != nil {
		return d.lost
	}
	defer catch(&err)
	return d.check(ctx, d.awaitQueue(ctx, settle(d.queue.Call("onSubmittedWorkDone"))))
}

func (d *jsDevice) release() {
	d.lost = ErrDeviceLost
	for _, idle := range d.staging {
		for _, b := range idle {
			b.Call("destroy")
		}
	}
	d.dev.Call("destroy")
}
