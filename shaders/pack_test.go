package shaders

import (
	"fmt"
	"slices"
)

func packCases(target Target) []kernelCase {
	target.Groups = fewGroups
	all := [3]bool{true, true, true}
	var cases []kernelCase
	for _, p := range []Pack{
		{Rows: 1, Widths: []int{1}, Has: all},
		{Rows: 9, Widths: []int{7, 12}, Has: all},
		{Rows: 17, Widths: []int{64, 8, 300}, Has: all},
		{Rows: 11, Widths: []int{0, 6, 13}, Has: [3]bool{false, true, true}},
		{Rows: 9, Widths: []int{8, 12, 0}, Has: [3]bool{true, true, false}},
		{Rows: 33, Widths: []int{67, 5, 131}, Has: [3]bool{true, false, true}},
		{Rows: 10, Widths: []int{8, 8, 8}, Has: [3]bool{false, true, false}, Fill: 1},
		{Rows: 5, Widths: []int{6, 6}, Has: [3]bool{false, true}, Fill: -2, Interleaved: true},
		{Rows: 65, Widths: []int{68, 68}, Has: all, Interleaved: true},
		{Rows: 12, Widths: []int{5, 5, 5}, Has: [3]bool{true, true, false}, Fill: 1, Interleaved: true},
	} {
		n := len(p.Widths)
		parts := make([][]float32, 3)
		operands := make([]operand, 3)
		for i := range parts {
			parts[i] = normals(uint64(i), p.Rows*p.width(i), 1)
			if i < n && !p.Has[i] {
				parts[i] = slices.Repeat([]float32{p.Fill}, len(parts[i]))
			}
			operands[i] = in([]float32{7})
			if i < n && p.Has[i] {
				operands[i] = in(parts[i])
			}
		}
		var packed []float64
		for row := range p.Rows {
			total := p.width(0) + p.width(1) + p.width(2)
			for c := range total {
				part, column := 0, c
				if p.Interleaved {
					part, column = c%n, c/n
				}
				for !p.Interleaved && column >= p.Widths[part] {
					column -= p.Widths[part]
					part++
				}
				packed = append(packed, float64(parts[part][row*p.Widths[part]+column]))
			}
		}
		name := fmt.Sprintf("%dx%v,has=%v,interleaved=%v", p.Rows, p.Widths, p.Has, p.Interleaved)
		cases = append(cases, kernelCase{name: "pack/forward/" + name, call: p.Forward(target), operands: append(operands, out(packed, 1))})
		for i := range n {
			if p.Widths[i] == 0 {
				continue
			}
			old := normals(8, len(packed), 1)
			grown := wide(old)
			for row := range p.Rows {
				for c := range p.Widths[i] {
					at := c
					for j := range i {
						at += p.Widths[j]
					}
					if p.Interleaved {
						at = c*n + i
					}
					grown[row*(len(packed)/p.Rows)+at] += float64(parts[i][row*p.Widths[i]+c])
				}
			}
			cases = append(cases, kernelCase{name: fmt.Sprintf("pack/add part %d/%s", i, name), call: p.AddPart(target, i),
				operands: []operand{in(parts[i]), inout(old, grown, 2)}})
			before := normals(9, len(parts[i]), 1)
			cases = append(cases,
				kernelCase{name: fmt.Sprintf("pack/part %d/%s", i, name), call: p.Part(target, i, false),
					operands: []operand{in(narrow(packed)), out(wide(parts[i]), 1)}},
				kernelCase{name: fmt.Sprintf("pack/part %d,add/%s", i, name), call: p.Part(target, i, true),
					operands: []operand{in(narrow(packed)), inout(before, added(before, wide(parts[i])), 2)}})
		}
	}
	return cases
}
