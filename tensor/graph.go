package tensor

import (
	"fmt"

	"github.com/go-dept/dept/shaders"
)

// Value is a result inside a graph, or an array that takes part in it.
type Value struct {
	Shape []int

	name    string
	storage shaders.Storage
	array   *Array // where it lives; nil for a result, which lives in a slab
	head    *Value // the value whose first numbers these are, or nil
	needs   bool   // something trainable is upstream
	keep    bool   // readable after the program has run

	grad   *Value // what has been gathered so far, during Backward
	shared bool   // grad serves other values too, so nothing is added to it in place

	dropout shaders.Dropout // behind which a sum was added to a residual, where that sum needs a gradient
	dropped *Value          // what the dropout lets through of grad, where the kernel of grad wrote it too

	activation *activation // that made the value, where that needs a gradient
	past       bool        // grad has passed the activation
	reads      int         // operations that read the value

	first, last int // nodes that write it first and use it last
	slab        int

	passing bool   // not kept for the backward pass; see Graph.Recompute
	second  *Value // what the backward pass has computed of it again
}

// Rows and Width see a value as a matrix: all dimensions but the last, and the
// last.
func (v *Value) Rows() int { return product(v.Shape[:len(v.Shape)-1]) }

// Width is the last dimension.
func (v *Value) Width() int { return v.Shape[len(v.Shape)-1] }

func (v *Value) bytes() int64 { return arrayBytes(v.storage, v.Shape) }

// operand is what a kernel binds: a value, or a part of it, or integers.
type operand struct {
	v            *Value
	ints         *Ints
	offset, size int64 // bytes of v; size 0 is the whole
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
	backward bool // Backward has begun
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
	v, ok := g.arrays[a]
	if !ok {
		v = &Value{Shape: a.Shape, name: a.Name, storage: a.Storage, array: a, needs: a.Grad != nil}
		g.arrays[a] = v
	}
	return v
}

// Head is the first n rows of v, in place: a gradient of them is one of v's.
func (g *Graph) Head(v *Value, n int) *Value {
	if len(v.Shape) != 2 || n < 1 || n > v.Shape[0] {
		g.fail("head of "+v.name, "%d rows of %v", n, v.Shape)
		return v
	}
	if n == v.Shape[0] {
		return v
	}
	return v.view(n, v.Shape[1])
}

// Reshape is v with another shape of as many numbers, in place.
func (g *Graph) Reshape(v *Value, shape ...int) *Value {
	if product(shape) != product(v.Shape) {
		g.fail("reshape "+v.name, "%v as %v", v.Shape, shape)
		return v
	}
	return v.view(shape...)
}

// view is the beginning of v with a shape.
func (v *Value) view(shape ...int) *Value {
	return &Value{Shape: shape, name: v.name, storage: v.storage, head: v, needs: v.needs}
}

// Keep makes v readable after the program has run: it gets memory of its own,
// which no other program touches, for as long as the program lives.
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

// fail keeps the first mistake.
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

// run appends a dispatch. Operands stand in binding order from 1 on: *Value or
// *Ints, operand for a part, nil for one that the kernel does not read.
func (g *Graph) run(label string, call shaders.Call, operands ...any) {
	if err := g.e.device.Check(call); err != nil && g.err == nil {
		g.err = fmt.Errorf("%s: %w", label, err)
	}
	n := node{label: label, call: call}
	for _, o := range operands {
		var b operand
		switch o := o.(type) {
		case nil:
		case *Value:
			b.v = o
		case *Ints:
			b.ints = o
		case operand:
			b = o
		default:
			panic(fmt.Sprintf("tensor: a %T as an operand of %s", o, label))
		}
		if b.v == nil && b.ints == nil {
			b.v = g.Use(g.e.none)
		}
		if b.v != nil && b.v.head != nil {
			if b.size == 0 {
				b.size = (b.v.bytes() + 15) &^ 15
			}
			b.v = b.v.head
		}
		if err := b.inPieces(label); err != nil && g.err == nil {
			g.err = err
		}
		if b.v != nil && g.backward {
			b.v = g.again(b.v)
		}
		n.binds = append(n.binds, b)
	}
	g.append(n)
}

// append adds a node, whose values live at least until then.
func (g *Graph) append(n node) {
	for _, b := range n.binds {
		if b.v == nil {
			continue
		}
		if b.v.first < 0 {
			b.v.first = len(g.nodes)
		} else if b.v.first < len(g.nodes) && !g.backward {
			b.v.reads++
		}
		b.v.last = len(g.nodes)
	}
	g.nodes = append(g.nodes, n)
}
