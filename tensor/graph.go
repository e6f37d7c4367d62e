package tensor

import (
	"context"
	"fmt"
	"slices"

	"github.com/go-dept/dept/shaders"
	"github.com/go-dept/dept/wgpu"
)

// Value is a result inside a graph, or an array that takes part in it.
type Value struct {
	Shape []int

	name    string
	storage shaders.Storage
	array   *Array // nil for a result, which lives in a slab
	needs   bool   // something trainable is upstream
	grad    *Value // what has been added up so far, during Backward
	keep    bool   // readable after the program has run

	first, last int // nodes that write it first and use it last
	slab        int
}

// Rows and Width see a value as a matrix: all dimensions but the last, and the
// last.
func (v *Value) Rows() int { return product(v.Shape[:len(v.Shape)-1]) }

// Width is the last dimension.
func (v *Value) Width() int { return v.Shape[len(v.Shape)-1] }

func (v *Value) bytes() int64 { return arrayBytes(v.storage, v.Shape) }

// operand is a value, or a part of it, as a kernel binds it.
type operand struct {
	v            *Value
	offset, size int64 // bytes; size 0 is the whole
}

type node struct {
	label string
	call  shaders.Call
	binds []operand // at bindings 1, 2, ...
}

// Graph is a computation being recorded. Operations on it do not fail one by
// one: the first mistake is kept, and Compile returns it.
type Graph struct {
	e        *Engine
	nodes    []node
	tape     []func() // gradient rules, in forward order
	arrays   map[*Array]*Value
	values   []*Value
	sections []section
	err      error
}

type section struct {
	name  string
	start int
}

// NewGraph starts a graph.
func (e *Engine) NewGraph() *Graph {
	return &Graph{e: e, arrays: map[*Array]*Value{}}
}

// Section names the part of the program that follows, for Program.Section. Its
// gradient becomes the section of that name with ".grad".
func (g *Graph) Section(name string) {
	before := ""
	if len(g.sections) > 0 {
		before = g.sections[len(g.sections)-1].name
	}
	g.tape = append(g.tape, func() { g.sections = append(g.sections, section{before + ".grad", len(g.nodes)}) })
	g.sections = append(g.sections, section{name, len(g.nodes)})
}

// Use brings an array into the graph.
func (g *Graph) Use(a *Array) *Value {
	if a == nil {
		a = g.e.none
	}
	v, ok := g.arrays[a]
	if !ok {
		v = &Value{Shape: a.Shape, name: a.Name, storage: a.Storage, array: a, needs: a.Grad != nil}
		g.arrays[a] = v
	}
	return v
}

// Keep makes v an array that can be read after the program has run.
func (g *Graph) Keep(v *Value) *Value {
	v.keep = true
	return v
}

// Store makes a result live in an array, so that it outlasts the program and
// other programs can use it. Shapes must hold equally many numbers.
func (g *Graph) Store(v *Value, a *Array) {
	if product(v.Shape) != a.Len() || v.storage != a.Storage {
		g.fail("store "+v.name, "%v into the array %s %v", v.Shape, a.Name, a.Shape)
		return
	}
	v.array = a
}

func (g *Graph) fail(op string, format string, args ...any) {
	if g.err == nil {
		g.err = fmt.Errorf("%s: %s", op, fmt.Sprintf(format, args...))
	}
}

func (g *Graph) result(name string, needs bool, shape ...int) *Value {
	v := &Value{Shape: shape, name: name, needs: needs, first: -1}
	g.values = append(g.values, v)
	return v
}

// Temporary is a value for operations that write into one they are given.
func (g *Graph) Temporary(name string, shape ...int) *Value {
	return g.result(name, false, shape...)
}

// run appends a dispatch; operands are Values, or operand for a part of one, in
// binding order.
func (g *Graph) run(label string, call shaders.Call, operands ...any) {
	n := node{label: label, call: call}
	for _, o := range operands {
		switch o := o.(type) {
		case *Value:
			if o == nil {
				o = g.Use(nil)
			}
			n.binds = append(n.binds, operand{v: o})
		case operand:
			n.binds = append(n.binds, o)
		}
	}
	for _, b := range n.binds {
		if b.v.first < 0 {
			b.v.first = len(g.nodes)
		}
		b.v.last = len(g.nodes)
	}
	g.nodes = append(g.nodes, n)
}

// Backward appends the gradient of everything trainable. It is called once,
// after the loss has been recorded.
func (g *Graph) Backward() {
	if n := len(g.sections); n > 0 {
		g.sections = append(g.sections, section{g.sections[n-1].name + ".grad", len(g.nodes)})
	}
	for _, rule := range slices.Backward(g.tape) {
		rule()
	}
}

// BackwardFrom is Backward for a part of a model: grad is the gradient of v,
// which no loss follows.
func (g *Graph) BackwardFrom(v, grad *Value) {
	v.grad = grad
	g.Backward()
}

// Gradient is the gradient of an input that Backward has come to; nil where
// nothing trainable is upstream of it.
func (g *Graph) Gradient(v *Value) *Value { return v.grad }

// addGrad adds a gradient that already exists as a value.
func (g *Graph) addGrad(v, grad *Value) {
	if !v.needs {
		return
	}
	if v.grad == nil {
		v.grad = grad // shared, not copied: gradients are never changed in place
		return
	}
	sum := g.result(v.name+".grad", false, v.Shape...)
	g.run("add", shaders.Add{N: product(v.Shape)}.Call(g.e.target), v.grad, grad, sum)
	v.grad = sum
}

// Plan is what a program needs before it runs.
type Plan struct {
	Slabs []int64 // sizes of the shared activation buffers, largest first
	Bytes int64   // their sum
}

// plan gives every result a slab such that no two whose lifetimes overlap share
// one: largest first, each into the first slab that is free for its lifetime.
func (g *Graph) plan() Plan {
	var p Plan
	order := slices.Clone(g.values)
	order = slices.DeleteFunc(order, func(v *Value) bool { return v.first < 0 || v.array != nil && !v.keep })
	slices.SortStableFunc(order, func(a, b *Value) int { return int(b.bytes() - a.bytes()) })
	var tenants [][]*Value
	for _, v := range order {
		if v.keep {
			v.last = len(g.nodes)
		}
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
	calls      []string
	params     *wgpu.Buffer
	sections   []section
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
	for _, v := range g.values {
		if v.keep && v.first >= 0 {
			v.array = &Array{Name: v.name, Shape: v.Shape, Storage: v.storage, dev: g.e.dev, buf: slabs[v.slab]}
		}
	}
	p := &Program{Plan: plan, e: g.e, sections: g.sections}

	// The parameters of all dispatches lie in one uniform buffer; equal ones
	// once.
	var params []byte
	offsets := map[string]int64{}
	for _, n := range g.nodes {
		if _, ok := offsets[string(n.call.Params)]; !ok {
			offsets[string(n.call.Params)] = int64(len(params))
			params = append(params, n.call.Params...)
			params = append(params, make([]byte, (uniformAlign-len(params)%uniformAlign)%uniformAlign)...)
		}
	}
	if p.params, err = g.e.dev.NewBuffer("params", int64(len(params))); err != nil {
		return nil, err
	}
	if err := g.e.dev.Write(p.params, 0, params); err != nil {
		p.Release()
		return nil, err
	}
	for _, n := range g.nodes {
		pipeline, err := g.e.pool.Pipeline(ctx, n.call.Spec)
		if err != nil {
			p.Release()
			return nil, err
		}
		size := int64(len(n.call.Params)+15) &^ 15
		bindings := []wgpu.Binding{{Index: 0, Buffer: p.params, Offset: offsets[string(n.call.Params)], Size: size}}
		for i, b := range n.binds {
			var buf *wgpu.Buffer
			if b.v.array != nil {
				buf = b.v.array.buf
			} else {
				buf = slabs[b.v.slab]
			}
			size := b.size
			if size == 0 {
				// Bound to its own size, not its slab's, so that robust access
				// ends where the value ends.
				size = max(16, (b.v.bytes()+15)&^15) - b.offset
			}
			bindings = append(bindings, wgpu.Binding{Index: i + 1, Buffer: buf, Offset: b.offset, Size: size})
		}
		if n.call.Spec.Step {
			bindings = append(bindings, wgpu.Binding{Index: shaders.StepBinding, Buffer: g.e.step, Size: shaders.StepBytes})
		}
		group, err := g.e.dev.NewBindGroup(pipeline, bindings)
		if err != nil {
			p.Release()
			return nil, fmt.Errorf("%s: %w", n.label, err)
		}
		p.dispatches = append(p.dispatches, wgpu.Dispatch{Pipeline: pipeline, Group: group, Grid: n.call.Grid})
		p.calls = append(p.calls, n.label)
	}
	return p, nil
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
			part.calls = append(part.calls, p.calls[s.start:end]...)
		}
	}
	return part
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
func (p *Program) Calls() []string { return p.calls }

// Release gives the program's bind groups and parameters back. The slabs stay
// with the engine.
func (p *Program) Release() {
	for _, d := range p.dispatches {
		d.Group.Release()
	}
	p.dispatches = nil
	p.params.Release()
}

// Read waits for the device and returns a value that Keep has marked.
func (v *Value) Read(ctx context.Context) ([]float32, error) {
	if v.array == nil {
		return nil, fmt.Errorf("read %s: it was not kept", v.name)
	}
	return v.array.ReadFloats(ctx)
}

// ReadUints is Read for integers.
func (v *Value) ReadUints(ctx context.Context) ([]uint32, error) {
	if v.array == nil {
		return nil, fmt.Errorf("read %s: it was not kept", v.name)
	}
	return v.array.ReadUints(ctx)
}

// Reserve takes the slabs of a plan now, so that programs no larger than it take
// none later.
func (e *Engine) Reserve(p Plan) error {
	_, err := e.takeSlabs(p.Slabs)
	return err
}
