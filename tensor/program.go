package tensor

import (
	"context"
	"fmt"
	"slices"

	"github.com/go-dept/dept/shaders"
	"github.com/go-dept/dept/wgpu"
)

// Plan is what a program needs before it runs.
type Plan struct {
	Slabs []int64 // sizes of the activation buffers that programs share, largest first
	Bytes int64   // their sum
}

// plan gives every result that no array holds a slab such that no two whose lifetimes overlap share
// one: largest first, each into the first slab that is free for its lifetime.
func (g *Graph) plan() Plan {
	var p Plan
	order := slices.Clone(g.values)
	order = slices.DeleteFunc(order, func(v *Value) bool { return v.first < 0 || v.array != nil || v.keep })
	slices.SortStableFunc(order, func(a, b *Value) int { return int(b.bytes() - a.bytes()) })
	var tenants [][]*Value
	for _, v := range order {
		free := func(ts []*Value) bool {
			return !slices.ContainsFunc(ts, func(t *Value) bool { return v.first <= t.last && t.first <= v.last })
		}
		v.slab = slices.IndexFunc(tenants, free)
		if v.slab < 0 {
			v.slab = len(tenants)
			tenants = append(tenants, nil)
			p.Slabs = append(p.Slabs, max(16, (v.bytes()+15)&^15))
			p.Bytes += p.Slabs[v.slab]
		}
		tenants[v.slab] = append(tenants[v.slab], v)
	}
	return p
}

// Check plans the graph and reports whether it fits the device, without
// allocating anything.
func (g *Graph) Check() (Plan, error) {
	if g.err != nil {
		return Plan{}, g.err
	}
	p := g.plan()
	for _, v := range g.values {
		if v.first >= 0 {
			if err := g.e.dev.CheckBuffer(v.name, v.bytes()); err != nil {
				return p, err
			}
		}
	}
	return p, nil
}

// Program is a recorded graph, ready to run any number of times.
type Program struct {
	Plan Plan

	e          *Engine
	dispatches []wgpu.Dispatch
	kernels    []Kernel
	params     *wgpu.Buffer
	kept       []*Array
	sections   []section
}

// Kernel is a dispatch of a program as it was recorded.
type Kernel struct {
	Label string // what it is for, such as "encoder.0.self.q"
	Call  shaders.Call
	Bytes int64 // of all that it binds: it may touch less, or some of it twice

	binds []wgpu.Binding // but for the parameters
}

// uniformAlign is the offset that every device accepts for a uniform binding.
const uniformAlign = 256

// Compile plans the graph, takes its memory and makes its pipelines and bind
// groups.
func (g *Graph) Compile(ctx context.Context) (*Program, error) {
	plan, err := g.Check()
	if err != nil {
		return nil, err
	}
	slabs, err := g.e.takeSlabs(plan.Slabs)
	if err != nil {
		return nil, err
	}
	p := &Program{Plan: plan, e: g.e, sections: g.sections}
	if err := p.link(ctx, g, slabs); err != nil {
		p.Release()
		return nil, err
	}
	return p, nil
}

// Warm compiles the graph's pipelines and nothing else, so that Compile finds them. Where ctx
// is done it stops after the one at hand.
func (g *Graph) Warm(ctx context.Context) error {
	if g.err != nil {
		return g.err
	}
	for _, n := range g.nodes {
		if _, err := g.e.pool.Pipeline(ctx, n.call.Spec); err != nil {
			return err
		}
	}
	return nil
}

// link gives what is kept its memory and makes the dispatches.
func (p *Program) link(ctx context.Context, g *Graph, slabs []*wgpu.Buffer) error {
	for _, v := range g.values {
		if v.keep && v.first >= 0 && v.array == nil {
			a, err := g.e.NewArray(v.name, v.storage, v.Shape...)
			if err != nil {
				return err
			}
			v.array = a
			p.kept = append(p.kept, a)
		}
	}
	offsets, err := p.writeParams(g)
	if err != nil {
		return err
	}
	for _, n := range g.nodes {
		pipeline, err := g.e.pool.Pipeline(ctx, n.call.Spec)
		if err != nil {
			return err
		}
		size := int64(len(n.call.Params)+15) &^ 15
		var binds []wgpu.Binding
		for i, b := range n.binds {
			binds = append(binds, b.binding(i+1, slabs))
		}
		if n.call.Spec.Step {
			binds = append(binds, wgpu.Binding{Index: shaders.StepBinding, Buffer: g.e.step, Size: shaders.StepBytes})
		}
		params := wgpu.Binding{Index: 0, Buffer: p.params, Offset: offsets[string(n.call.Params)], Size: size}
		group, err := g.e.dev.NewBindGroup(pipeline, append([]wgpu.Binding{params}, binds...))
		if err != nil {
			return fmt.Errorf("%s: %w", n.label, err)
		}
		p.dispatches = append(p.dispatches, wgpu.Dispatch{Pipeline: pipeline, Group: group, Grid: n.call.Grid})
		p.kernels = append(p.kernels, Kernel{n.label, n.call, n.bytes(), binds})
	}
	return nil
}

// bytes is the size of what the node binds, what is absent left out.
func (n node) bytes() (total int64) {
	for _, b := range n.binds {
		switch {
		case b.ints != nil:
			total += b.ints.Bytes()
		case b.size > 0:
			total += b.size
		default:
			total += b.v.bytes()
		}
	}
	return total
}

// binding binds the operand: to its own size, not its slab's, so that robust
// access ends where the value ends.
func (o operand) binding(index int, slabs []*wgpu.Buffer) wgpu.Binding {
	if o.ints != nil {
		return wgpu.Binding{Index: index, Buffer: o.ints.buf, Size: o.ints.buf.Size()}
	}
	b := wgpu.Binding{Index: index, Offset: o.offset, Size: o.size}
	if b.Size == 0 {
		b.Size = max(16, (o.v.bytes()+15)&^15) - o.offset
	}
	if o.v.array != nil {
		b.Buffer, b.Offset = o.v.array.at(o.offset)
	} else {
		b.Buffer = slabs[o.v.slab]
	}
	return b
}

// writeParams puts the parameters of all dispatches into one uniform buffer, equal
// ones once, and returns where each lie.
func (p *Program) writeParams(g *Graph) (map[string]int64, error) {
	var params []byte
	offsets := map[string]int64{}
	for _, n := range g.nodes {
		if _, ok := offsets[string(n.call.Params)]; !ok {
			offsets[string(n.call.Params)] = int64(len(params))
			params = append(params, n.call.Params...)
			params = append(params, make([]byte, (uniformAlign-len(params)%uniformAlign)%uniformAlign)...)
		}
	}
	var err error
	if p.params, err = g.e.dev.NewBuffer("params", int64(len(params))); err != nil {
		return nil, err
	}
	return offsets, g.e.dev.Write(p.params, 0, params)
}

// takeSlabs finds a distinct slab for each size, sizes falling; programs share
// them, since they run one after the other.
func (e *Engine) takeSlabs(sizes []int64) ([]*wgpu.Buffer, error) {
	taken := make([]*wgpu.Buffer, len(sizes))
	free := slices.Clone(e.slabs)
	for i, size := range sizes {
		// The smallest that fits.
		best := -1
		for k, s := range free {
			if s.Size() >= size && (best < 0 || s.Size() < free[best].Size()) {
				best = k
			}
		}
		if best >= 0 {
			taken[i] = free[best]
			free = slices.Delete(free, best, best+1)
			continue
		}
		slab, err := e.dev.NewBuffer(fmt.Sprintf("slab %d", len(e.slabs)), size)
		if err != nil {
			return nil, err
		}
		e.slabs = append(e.slabs, slab)
		taken[i] = slab
	}
	return taken, nil
}

// Run submits the programs in order, as one submission, and returns without
// waiting.
func (e *Engine) Run(programs ...*Program) error {
	lists := make([][]wgpu.Dispatch, len(programs))
	for i, p := range programs {
		lists[i] = p.dispatches
	}
	return e.dev.Submit(lists...)
}

// Section is the part of the program recorded under a name; it shares
// everything with the whole.
func (p *Program) Section(name string) *Program {
	part := &Program{Plan: p.Plan, e: p.e}
	for i, s := range p.sections {
		end := len(p.dispatches)
		if i+1 < len(p.sections) {
			end = p.sections[i+1].start
		}
		if s.name == name {
			part.dispatches = append(part.dispatches, p.dispatches[s.start:end]...)
			part.kernels = append(part.kernels, p.kernels[s.start:end]...)
		}
	}
	return part
}

// Dispatches is the program in parts of one dispatch each; they share everything with
// the whole.
func (p *Program) Dispatches() []*Program {
	parts := make([]*Program, len(p.dispatches))
	for i := range parts {
		parts[i] = &Program{Plan: p.Plan, e: p.e, dispatches: p.dispatches[i : i+1], kernels: p.kernels[i : i+1]}
	}
	return parts
}

// Sections names the parts in order.
func (p *Program) Sections() []string {
	names := make([]string, len(p.sections))
	for i, s := range p.sections {
		names[i] = s.name
	}
	return names
}

// Calls names every dispatch in order.
func (p *Program) Calls() []string {
	names := make([]string, len(p.kernels))
	for i, k := range p.kernels {
		names[i] = k.Label
	}
	return names
}

// Kernels lists every dispatch in order.
func (p *Program) Kernels() []Kernel { return p.kernels }

// Release gives the program's bind groups, parameters and kept values back. The
// slabs stay with the engine.
func (p *Program) Release() {
	for _, d := range p.dispatches {
		d.Group.Release()
	}
	for _, a := range p.kept {
		a.Release()
	}
	p.dispatches, p.kept = nil, nil
	if p.params != nil {
		p.params.Release()
	}
}

// Read waits for the device and returns the numbers of a value that Keep has
// marked, or that an array holds.
func (v *Value) Read(ctx context.Context) ([]float32, error) {
	if v.array == nil {
		return nil, fmt.Errorf("read %s: its memory is used again before the program ends: mark it with Keep before Compile", v.name)
	}
	return v.array.ReadFloats(ctx)
}

// Reserve takes the slabs of a plan now, so that programs no larger than it take
// none later.
func (e *Engine) Reserve(p Plan) error {
	_, err := e.takeSlabs(p.Slabs)
	return err
}
