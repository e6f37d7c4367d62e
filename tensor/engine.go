// Package tensor runs arithmetic on a device: arrays that stay there, operations
// with one gradient rule each, and graphs that are recorded once for a shape,
// planned, and replayed every step without allocating anything.
//
//	e, err := tensor.NewEngine(device)
//	g := e.NewGraph()
//	y := g.Keep(g.Linear("y", g.Use(x), g.Use(w), tensor.LinearOptions{}))
//	program, err := g.Compile(ctx)
//	err = e.Run(program)
//	numbers, err := y.Read(ctx)
//
// A Graph is built by calling operations on Values, forward first; Backward then
// walks the operations in reverse and lets each append the dispatches of its
// gradient, only where something trainable needs them. Every gradient goes
// through one door, deliver, which knows whether it belongs to a trained array or
// to something computed. Compile lays the values out in as few slabs of device
// memory as their lifetimes allow and makes the bind groups; the Program that
// comes out is a list of dispatches.
package tensor

import (
	"context"

	"github.com/go-dept/dept/shaders"
	"github.com/go-dept/dept/wgpu"
)

// Engine owns what programs share on a device: compiled pipelines, the memory
// of their activations, and the uniform that tells kernels the current step.
type Engine struct {
	dev    *wgpu.Device
	pool   *shaders.Pool
	device Kernels // what the device can do
	target Kernels // what kernels are chosen by
	step   *wgpu.Buffer
	none   *Array // bound where an operand is absent
	slabs  []*wgpu.Buffer
}

// NewEngine makes an engine on a device.
func NewEngine(dev *wgpu.Device) (*Engine, error) {
	target, err := shaders.TargetOf(dev).WithMatrices(context.Background(), dev)
	if err != nil {
		return nil, err
	}
	e := &Engine{dev: dev, pool: shaders.NewPool(dev), device: target, target: target}
	if e.step, err = dev.NewBuffer("step", shaders.StepBytes); err != nil {
		return nil, err
	}
	if e.none, err = e.NewArray("none", shaders.F32, 1); err != nil {
		return nil, err
	}
	return e, nil
}

// Kernels is what the engine chooses kernels by: its device, unless Choose was called.
func (e *Engine) Kernels() Kernels { return e.target }

// Choose makes the engine choose kernels by k from now on: its own with what was
// measured on the device, or what a run was begun with. A kernel that is unknown here
// is a *MissingKernel; so is, where it is recorded, one that the device cannot run.
func (e *Engine) Choose(k Kernels) error {
	if err := k.Known(); err != nil {
		return err
	}
	k.Groups, k.MatrixLanes = e.device.Groups, e.device.MatrixLanes
	e.target = k
	return nil
}

// Device is the device the engine runs on.
func (e *Engine) Device() *wgpu.Device { return e.dev }

// Pipelines is the number of pipelines compiled so far.
func (e *Engine) Pipelines() int { return e.pool.Len() }

// SetStep tells the kernels of everything submitted later which step it is.
func (e *Engine) SetStep(s shaders.Step) error { return e.dev.Write(e.step, 0, s.Bytes()) }

// Release gives the engine's own memory back; arrays and programs have their
// own Release.
func (e *Engine) Release() {
	e.step.Release()
	e.none.Release()
	for _, s := range e.slabs {
		s.Release()
	}
	e.slabs = nil
}
