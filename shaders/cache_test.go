package shaders

import "fmt"

func cacheCases(target Target) []kernelCase {
	target.Groups = fewGroups
	var cases []kernelCase
	for _, c := range []struct{ batch, capacity, width, position int }{
		{1, 1, 1, 0}, {3, 5, 7, 4}, {4, 9, 64, 0}, {2, 6, 65, 3}, {2, 3, 5, 3},
	} {
		rows, cache := normals(1, c.batch*c.width, 1), normals(2, c.batch*c.capacity*c.width, 1)
		want := wide(cache)
		for b := 0; b < c.batch && c.position < c.capacity; b++ {
			copy(want[(b*c.capacity+c.position)*c.width:], wide(rows[b*c.width:(b+1)*c.width]))
		}
		cases = append(cases, kernelCase{
			name: fmt.Sprintf("cache/append/%dx%dx%d,position=%d", c.batch, c.capacity, c.width, c.position),
			call: CacheAppend{c.batch, c.capacity, c.width}.Call(target), step: Step{Position: uint32(c.position)},
			operands: []operand{in(rows), inout(cache, want, 1)},
		})
	}
	for _, c := range []struct{ rows, width int }{{1, 1}, {5, 7}, {12, 129}, {3, 4}, {5, 68}, {7, 1001}, {7, 1000}} {
		const sources = 6
		src, index := normals(1, sources*c.width, 1), randomIDs(2, c.rows, sources)
		want := make([]float64, 0, c.rows*c.width)
		for _, i := range index {
			want = append(want, wide(src[int(i)*c.width:int(i+1)*c.width])...)
		}
		cases = append(cases, kernelCase{
			name:     fmt.Sprintf("cache/gather/%dx%d", c.rows, c.width),
			call:     GatherRows{c.rows, c.width}.Call(target),
			operands: []operand{in(src), in(index), out(want, 1)},
		})
	}
	return cases
}
