package shaders

import (
	"fmt"
	"math/bits"
	"slices"

	"github.com/go-dept/dept/wgpu"
)

// variant is one way to run the operations Op.
type variant[Op any] struct {
	name  string
	needs needs
	fits  func(Op) bool // the operations that it serves; nil is all
	suits func(Op) bool // those for which it is taken unmeasured; nil is all
	call  func(Op, Target) Call
}

// needs is what a variant requires of a device.
type needs struct {
	on               wgpu.AdapterType // the only type on which it is taken; "" is any
	vendor           string           // the only vendor for whose devices it is taken unmeasured; "" is any
	features         wgpu.Features
	invocations      int // threads of a workgroup
	workgroupStorage int // bytes
}

// table is the variants of an operation, in the order in which they are tried. What
// the target says decides the choice, never a timing: a resumed run must take the
// same. Where somebody measured (Target.Variants), the faster one is taken.
type table[Op any] struct {
	name     string
	variants []variant[Op]
	class    func(Op) string // see Call.Class; nil is the call's Operation
}

// by makes the table tell its operations apart by class, for Target.Variants.
func (t table[Op]) by(class func(Op) string) table[Op] {
	t.class = class
	return t
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
	return table[Op]{name: name, variants: variants}
}

// call runs an operation by the variant that the target names for its class, or else
// by the first that the device serves and that fits.
func (t table[Op]) call(op Op, target Target) Call {
	i := slices.IndexFunc(t.variants, func(v variant[Op]) bool {
		return target.serves(v.needs) && v.runs(op) && (v.suits == nil || v.suits(op))
	})
	if i < 0 {
		panic(fmt.Sprintf("shaders: no variant of %s runs %+v on %+v", t.name, op, target))
	}
	c := t.with(t.variants[i], op, target)
	named := func(v variant[Op]) bool {
		return t.name+"/"+v.name == target.Variants[c.Class] && target.can(v.needs) && v.runs(op)
	}
	if k := slices.IndexFunc(t.variants, named); k >= 0 {
		c = t.with(t.variants[k], op, target)
	}
	c.others = func(target Target) (all []Call) {
		for _, v := range t.variants {
			if (v.needs.on == "" || v.needs.on == target.Type) && target.can(v.needs) && v.runs(op) {
				all = append(all, t.with(v, op, target))
			}
		}
		return all
	}
	return c
}

// runs reports whether the variant serves an operation.
func (v variant[Op]) runs(op Op) bool { return v.fits == nil || v.fits(op) }

// with is the call of a variant.
func (t table[Op]) with(v variant[Op], op Op, target Target) Call {
	c := v.call(op, target)
	c.Variant, c.needs = t.name+"/"+v.name, v.needs
	if t.class != nil {
		c.Class = t.class(op)
	} else {
		c.Class = c.Operation()
	}
	return c
}

// serves reports whether a device is one for which a variant is taken unmeasured.
func (t Target) serves(n needs) bool {
	return (n.on == "" || n.on == t.Type) && (n.vendor == "" || n.vendor == t.Vendor) && t.can(n)
}

// can is serves but for type and vendor: what a variant needs so that it runs at all.
func (t Target) can(n needs) bool {
	return t.Features.Has(n.features) && t.Invocations >= n.invocations && t.WorkgroupStorage >= n.workgroupStorage
}

// Check reports what a device lacks that a call of another target's needs.
func (t Target) Check(c Call) error {
	if t.can(c.needs) {
		return nil
	}
	return &MissingError{c.Variant, c.needs.features &^ t.Features, c.needs.invocations, c.needs.workgroupStorage}
}

// Known reports a variant of the target's that this program does not have.
func (t Target) Known() error {
	for class, name := range t.Variants {
		if !slices.ContainsFunc(known, func(v knownVariant) bool { return v.name == name }) {
			return fmt.Errorf("%s: %w", class, &MissingError{Variant: name})
		}
	}
	return nil
}

// MissingError says that a device, or this program, cannot run a variant of a kernel.
type MissingError struct {
	Variant          string
	Features         wgpu.Features // that the device lacks
	Invocations      int           // threads of a workgroup that the variant takes
	WorkgroupStorage int           // bytes that it takes
}

func (e *MissingError) Error() string {
	switch {
	case e.Features == 0 && e.Invocations == 0 && e.WorkgroupStorage == 0:
		return fmt.Sprintf("this version of the program has no kernel %s", e.Variant)
	case e.Features != 0:
		return fmt.Sprintf("the kernel %s needs %v, which this device lacks", e.Variant, e.Features)
	}
	return fmt.Sprintf("the kernel %s needs workgroups of %d threads with %d bytes, which this device lacks", e.Variant, e.Invocations, e.WorkgroupStorage)
}

// atMost is the least power of two that is no less than n: sizes with the same one
// are measured together.
func atMost(n int) int { return 1 << bits.Len(uint(max(n, 1)-1)) }

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
