package shaders

import (
	"fmt"

	"github.com/go-dept/dept/wgpu"
)

// variant is one way to run the operations Op.
type variant[Op any] struct {
	name  string
	needs needs
	fits  func(Op) bool // the operations that it serves; nil is all
	call  func(Op, Target) Call
}

// needs is what a variant requires of a device.
type needs struct {
	on               wgpu.AdapterType // the only type on which it is taken; "" is any
	features         wgpu.Features
	invocations      int // threads of a workgroup
	workgroupStorage int // bytes
}

// table is the variants of an operation, in the order in which they are tried. What
// a row says decides the choice, never a timing: a resumed run must take the same.
type table[Op any] struct {
	name     string
	variants []variant[Op]
}

// known lists every row of every table, for the test that all have run.
var known []knownVariant

type knownVariant struct {
	name  string
	needs needs
}

func newTable[Op any](name string, variants ...variant[Op]) table[Op] {
	for _, v := range variants {
		known = append(known, knownVariant{name + "/" + v.name, v.needs})
	}
	return table[Op]{name, variants}
}

// call runs an operation by the first variant that the device serves and that fits.
func (t table[Op]) call(op Op, target Target) Call {
	for _, v := range t.variants {
		if target.serves(v.needs) && (v.fits == nil || v.fits(op)) {
			c := v.call(op, target)
			c.Variant = t.name + "/" + v.name
			return c
		}
	}
	panic(fmt.Sprintf("shaders: no variant of %s runs %+v on %+v", t.name, op, target))
}

// serves reports whether a device has what a variant needs.
func (t Target) serves(n needs) bool {
	return (n.on == "" || n.on == t.Type) && t.can(n)
}

// can is serves but for the type: what a variant needs so that it runs at all.
func (t Target) can(n needs) bool {
	return t.Features.Has(n.features) && t.Invocations >= n.invocations && t.WorkgroupStorage >= n.workgroupStorage
}

// rowLanes lists variants of kernels whose threads share a row and meet at a
// barrier: eight are one vector of a software adapter, and cost no switch there.
func rowLanes[Op any](gpu int, call func(op Op, t Target, lanes int) Call) []variant[Op] {
	with := func(lanes int) func(Op, Target) Call {
		return func(op Op, t Target) Call { return call(op, t, lanes) }
	}
	return []variant[Op]{
		{name: "vector", needs: needs{on: wgpu.CPU}, call: with(8)},
		{name: "lanes", needs: needs{invocations: gpu}, call: with(gpu)},
	}
}

// rowCells lists variants of kernels that count rows in cells: in fours where all
// widths are whole fours, else in ones.
func rowCells[Op any](fours func(Op) bool, call func(op Op, t Target, size int) Call) []variant[Op] {
	with := func(size int) func(Op, Target) Call {
		return func(op Op, t Target) Call { return call(op, t, size) }
	}
	return []variant[Op]{
		{name: "fours", fits: fours, call: with(4)},
		{name: "ones", call: with(1)},
	}
}

// cellType sets what a cell is in a kernel's text: size numbers of a type.
func cellType(number string, size int) string {
	if size == 4 {
		number = "vec4<" + number + ">"
	}
	return Constants("Cell", number)
}

// wholeFours reports whether all widths are.
func wholeFours(widths ...int) bool {
	for _, w := range widths {
		if w%4 != 0 {
			return false
		}
	}
	return true
}
