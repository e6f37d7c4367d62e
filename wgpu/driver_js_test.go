package wgpu_test

import (
	"context"
	"encoding/binary"
	"math"
	"runtime"
	"syscall/js"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/wgpu"
	"github.com/go-dept/dept/wgpu/wgputest"
)

// increment adds one to the first number of x.
const increment = `
@group(0) @binding(0) var<storage, read_write> x: array<u32>;
@compute @workgroup_size(1) fn increment() {
  x[0] += 1u;
}`

type counter struct {
	buffer   *wgpu.Buffer
	pipeline *wgpu.Pipeline
	group    *wgpu.BindGroup
}

func newCounter(t testing.TB, dev *wgpu.Device) counter {
	b, err := dev.NewBuffer("counter", 4)
	require.NoError(t, err)
	p, err := dev.NewPipeline(context.Background(), "increment", increment, "increment")
	require.NoError(t, err)
	g, err := dev.NewBindGroup(p, []wgpu.Binding{{Index: 0, Buffer: b}})
	require.NoError(t, err)
	t.Cleanup(g.Release)
	t.Cleanup(b.Release)
	return counter{b, p, g}
}

func (c counter) dispatches(n int) []wgpu.Dispatch {
	list := make([]wgpu.Dispatch, n)
	for i := range list {
		list[i] = wgpu.Dispatch{Pipeline: c.pipeline, Group: c.group, Grid: [3]uint32{1, 1, 1}}
	}
	return list
}

func (c counter) read(t testing.TB, dev *wgpu.Device) uint32 {
	var word [4]byte
	require.NoError(t, dev.Read(context.Background(), c.buffer, 0, word[:]))
	return binary.LittleEndian.Uint32(word[:])
}

func TestAdapterInBrowser(t *testing.T) {
	infos, err := wgpu.Adapters(context.Background())
	require.NoError(t, err)
	require.Len(t, infos, 1)
	assert.Equal(t, wgputest.Device(t).Info(), infos[0])
	_, err = wgpu.Open(context.Background(), "no such adapter")
	assert.ErrorContains(t, err, infos[0].Name)
}

// The specification's defaults are what a device gets that asks for nothing:
// 128 MiB bindings.
func TestLimitsAreTheAdapters(t *testing.T) {
	l := wgputest.Device(t).Limits()
	t.Logf("%+v", l)
	assert.Greater(t, l.StorageBinding, int64(128<<20))
	assert.Greater(t, l.BufferSize, int64(256<<20))
	assert.GreaterOrEqual(t, l.WorkgroupsPerDimension, 65535)
}

// Three megabytes and a bit pass through the driver's scratch in pieces.
func TestWriteAndRead(t *testing.T) {
	dev := wgputest.Device(t)
	data := make([]byte, 3<<20+20)
	for i := range data {
		data[i] = byte(i ^ i>>8 ^ i>>16)
	}
	b, err := dev.NewBuffer("data", int64(len(data))+8)
	require.NoError(t, err)
	defer b.Release()
	require.NoError(t, dev.Write(b, 8, data))
	got := make([]byte, len(data))
	require.NoError(t, dev.Read(context.Background(), b, 8, got))
	require.Equal(t, data, got)
	head := make([]byte, 12)
	require.NoError(t, dev.Read(context.Background(), b, 0, head))
	require.Equal(t, append(make([]byte, 8), data[:4]...), head)
}

func TestDispatchesSeeEachOther(t *testing.T) {
	dev := wgputest.Device(t)
	c := newCounter(t, dev)
	require.NoError(t, dev.Submit(c.dispatches(3), c.dispatches(4)))
	require.EqualValues(t, 7, c.read(t, dev))
}

// A read that was asked for earlier shows what was there then.
func TestReadLater(t *testing.T) {
	ctx, dev := context.Background(), wgputest.Device(t)
	c := newCounter(t, dev)
	var reads []*wgpu.Readback
	for range 6 {
		require.NoError(t, dev.Submit(c.dispatches(1)))
		r, err := dev.ReadLater(c.buffer, 0, 4)
		require.NoError(t, err)
		reads = append(reads, r)
	}
	for i, r := range reads {
		var word [4]byte
		require.NoError(t, r.Wait(ctx, word[:]))
		require.EqualValues(t, i+1, binary.LittleEndian.Uint32(word[:]))
	}
}

func TestShaderErrorsNameTheLine(t *testing.T) {
	ctx, dev := context.Background(), wgputest.Device(t)
	_, err := dev.NewPipeline(ctx, "wrong", "// one\nfn f() -> u32 { return 1.5; }", "f")
	require.ErrorContains(t, err, `compile shader "wrong"`)
	require.ErrorContains(t, err, "2:")
	t.Log(err)
	_, err = dev.NewPipeline(ctx, "no entry", increment, "decrement")
	require.ErrorContains(t, err, `compile shader "no entry"`)
	require.ErrorContains(t, err, "decrement")
	t.Log(err)
	newCounter(t, dev) // the errors are not reported again
	require.NoError(t, dev.Wait(ctx))
}

// Making an object does not wait for the browser; the next call that waits says
// that it is invalid.
func TestInvalidObjectsAreReported(t *testing.T) {
	ctx, dev := context.Background(), wgputest.Device(t)
	c := newCounter(t, dev)

	g, err := dev.NewBindGroup(c.pipeline, []wgpu.Binding{{Index: 5, Buffer: c.buffer}})
	require.NoError(t, err)
	require.NoError(t, dev.Submit([]wgpu.Dispatch{{Pipeline: c.pipeline, Group: g, Grid: [3]uint32{1, 1, 1}}}))
	err = dev.Wait(ctx)
	require.ErrorContains(t, err, `bind buffers to shader "increment"`)
	t.Log(err)

	list := c.dispatches(1)
	list[0].Grid[0] = uint32(dev.Limits().WorkgroupsPerDimension + 1)
	require.NoError(t, dev.Submit(list))
	var word [4]byte
	err = dev.Read(ctx, c.buffer, 0, word[:])
	require.ErrorContains(t, err, "GPUValidationError")
	t.Log(err)

	require.NoError(t, dev.Wait(ctx), "an error is reported once")
	require.Zero(t, c.read(t, dev))
}

func TestWaitingEndsWithItsContext(t *testing.T) {
	dev := wgputest.Device(t)
	c := newCounter(t, dev)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, dev.Wait(ctx), context.Canceled)
	require.ErrorIs(t, dev.Read(ctx, c.buffer, 0, make([]byte, 4)), context.Canceled)
	require.Zero(t, c.read(t, dev), "the device is still good")
}

func TestLostDevice(t *testing.T) {
	ctx := context.Background()
	dev, err := wgpu.Open(ctx, "")
	require.NoError(t, err)
	c := newCounter(t, dev)
	require.NoError(t, dev.Submit(c.dispatches(1)))
	pending, err := dev.ReadLater(c.buffer, 0, 4)
	require.NoError(t, err)
	dev.Release()
	word := make([]byte, 4)
	for name, err := range map[string]error{
		"pending read": pending.Wait(ctx, word),
		"read":         dev.Read(ctx, c.buffer, 0, word),
		"write":        dev.Write(c.buffer, 0, word),
		"submit":       dev.Submit(c.dispatches(1)),
		"wait":         dev.Wait(ctx),
		"buffer":       second(dev.NewBuffer("late", 4)),
		"pipeline":     second(dev.NewPipeline(ctx, "late", increment, "increment")),
		"bind group":   second(dev.NewBindGroup(c.pipeline, []wgpu.Binding{{Index: 0, Buffer: c.buffer}})),
	} {
		assert.ErrorIs(t, err, wgpu.ErrDeviceLost, name)
	}
}

// TestCrash works until the GPU process dies, which whoever runs it brings about
// on the line it logs, and then opens the device again.
func TestCrash(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute) // ends a test that hangs
	defer cancel()
	dev, err := wgpu.Open(ctx, "")
	require.NoError(t, err)
	c := newCounter(t, dev)
	t.Log("ready for the crash")
	for err == nil {
		if err = dev.Submit(c.dispatches(10)); err == nil {
			err = dev.Read(ctx, c.buffer, 0, make([]byte, 4))
		}
	}
	t.Log(err)
	require.ErrorIs(t, err, wgpu.ErrDeviceLost)
	require.ErrorIs(t, dev.Wait(ctx), wgpu.ErrDeviceLost)
	for dev, err = wgpu.Open(ctx, ""); err != nil && ctx.Err() == nil; dev, err = wgpu.Open(ctx, "") {
		time.Sleep(100 * time.Millisecond) // the GPU process is starting
	}
	require.NoError(t, err)
	defer dev.Release()
	c = newCounter(t, dev)
	require.NoError(t, dev.Submit(c.dispatches(10)))
	require.EqualValues(t, 10, c.read(t, dev))
}

func second[T any](_ T, err error) error { return err }

// A training step replays about 600 dispatches. A submission costs little more than
// the three calls into JavaScript that a dispatch cannot do without, and two
// hundred of them leave the heap where it was.
func TestReplayIsCheap(t *testing.T) {
	const dispatches, steps = 600, 200
	ctx, dev := context.Background(), wgputest.Device(t)
	c := newCounter(t, dev)
	d := newCounter(t, dev)
	list := c.dispatches(dispatches)
	for i := range list {
		if i%2 == 0 {
			list[i] = d.dispatches(1)[0] // so that the pipeline changes every time
		}
	}
	nothing := js.Global().Get("Boolean").Call("bind", js.Null())
	object := js.Global().Get("Object").New()
	// The least times count: the machine may have other things to do. A browser's
	// clock is coarse, so that the calls are made many times at once.
	const again = 8
	submitting, calling := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
	step := func() {
		start := time.Now()
		require.NoError(t, dev.Submit(list))
		submitting = min(submitting, time.Since(start))
		r, err := dev.ReadLater(c.buffer, 0, 4)
		require.NoError(t, err)
		require.NoError(t, r.Wait(ctx, make([]byte, 4)))
		start = time.Now()
		for range again * dispatches { // setPipeline, setBindGroup, dispatchWorkgroups
			nothing.Invoke(object)
			nothing.Invoke(object)
			nothing.Invoke(uint32(1), uint32(1), uint32(1))
		}
		calling = min(calling, time.Since(start)/again)
	}
	heap := func() int {
		var m runtime.MemStats
		for range 3 { // what a finalizer lets go of falls to the next collection
			runtime.GC()
			time.Sleep(time.Millisecond)
		}
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	for range 20 {
		step()
	}
	before := heap()
	for range steps {
		step()
	}
	after := heap()
	ratio := float64(submitting) / float64(calling)
	t.Logf("%s to submit %d dispatches, %s for as many times three calls: a ratio of %.2f; live heap %d bytes before, %d after",
		submitting, dispatches, calling, ratio, before, after)
	assert.Less(t, ratio, 4.0)
	assert.LessOrEqual(t, after, before+4<<10, "a callback a step would leave eight times that")
	require.EqualValues(t, (steps+20)*dispatches/2, c.read(t, dev))
}
