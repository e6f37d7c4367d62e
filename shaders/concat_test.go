package shaders

import "fmt"

func concatCases(target Target) []kernelCase {
	target.Groups = fewGroups
	var cases []kernelCase
	for _, c := range []Concat{
		{Batch: 1, First: 1, Second: 1, Width: 1},
		{Batch: 3, First: 5, Second: 2, Width: 7},
		{Batch: 4, First: 11, Second: 9, Width: 36, Shared: true},
		{Batch: 130, First: 3, Second: 1, Width: 65, Shared: true},
		{Batch: 2, First: 4, Second: 30, Width: 128},
	} {
		rows := c.Batch
		if c.Shared {
			rows = 1
		}
		a, b := wide(normals(1, rows*c.First*c.Width, 1)), wide(normals(2, c.Batch*c.Second*c.Width, 1))
		dy := wide(normals(3, c.Batch*(c.First+c.Second)*c.Width, 1))
		y, da, db := make([]float64, len(dy)), make([]float64, len(a)), make([]float64, len(b))
		for i := range y {
			row, cell := i/((c.First+c.Second)*c.Width), i%((c.First+c.Second)*c.Width)
			x, dx, k := b, db, row*c.Second*c.Width+cell-c.First*c.Width
			if cell < c.First*c.Width {
				x, dx, k = a, da, row%rows*c.First*c.Width+cell
			}
			y[i] = x[k]
			dx[k] += dy[i]
		}
		row := func(op string, call Call, operands ...operand) {
			name := fmt.Sprintf("concat/%s/%dx(%d+%d)x%d,shared=%v", op, c.Batch, c.First, c.Second, c.Width, c.Shared)
			cases = append(cases, kernelCase{name: name, call: call, operands: operands})
		}
		front, rest := normals(4, len(a), 1), normals(5, len(b), 1)
		g := in(narrow(dy))
		row("forward", c.Forward(target), in(narrow(a)), in(narrow(b)), out(y, 1))
		row("grad_first", c.GradFirst(target, false), g, out(da, c.Batch))
		row("grad_first,add", c.GradFirst(target, true), g, inout(front, added(front, da), c.Batch))
		row("grad_second", c.GradSecond(target, false), g, out(db, 1))
		row("grad_second,add", c.GradSecond(target, true), g, inout(rest, added(rest, db), 2))
	}
	return cases
}
