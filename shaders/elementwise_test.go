package shaders

import "fmt"

func elementwiseCases(target Target) []kernelCase {
	target.Groups = fewGroups
	var cases []kernelCase
	for _, n := range []int{1, 64, 65, 9999} {
		a, b, before := wide(normals(1, n, 1)), wide(normals(2, n, 1)), normals(3, n, 1)
		sum, less, more, ratio, constant := make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
		for i := range n {
			sum[i], less[i], more[i] = a[i]+b[i], a[i]-0.75*b[i], 2.5*a[i]
			ratio[i], constant[i] = a[i]/b[i], -2.5
		}
		row := func(op string, call Call, operands ...operand) {
			cases = append(cases, kernelCase{name: fmt.Sprintf("%s/n=%d", op, n), call: call, operands: operands})
		}
		x, y := in(narrow(a)), in(narrow(b))
		row("add", Add{N: n}.Call(target), x, y, out(sum, 2))
		row("add,factor", Add{n, -0.75}.Call(target), x, y, out(less, 2))
		row("add_to", AddTo{N: n}.Call(target), x, inout(before, added(before, a), 2))
		row("add_to,factor", AddTo{n, 2.5}.Call(target), x, inout(before, added(before, more), 2))
		row("divide", Divide{n}.Forward(target), x, y, out(ratio, 1))
		row("divide/grad_a", Divide{n}.GradA(target), x, y, inout(before, added(before, ratio), 2))
		row("fill", Fill{n, -2.5}.Call(target), out(constant, 1))
	}
	return cases
}
