package tensor

import "slices"

// Recompute records a part of the forward pass of whose results only the one that
// record returns stays in memory for the backward pass. What a gradient reads of the
// others is computed again there, by the same kernels from the same numbers and so
// to the bit; nothing else is (Chen et al., "Training Deep Nets with Sublinear Memory
// Cost"). Each of the results must be written by one operation.
func (g *Graph) Recompute(record func() *Value) *Value {
	first := len(g.values)
	y := record()
	for _, v := range g.values[first:] {
		v.passing = v != y && v != y.head
	}
	return y
}

// again is what a gradient binds for v: v, or where v has not stayed in memory, the
// value that is computed once more.
func (g *Graph) again(v *Value) *Value {
	if !v.passing || v.array != nil || v.keep {
		return v
	}
	if v.second == nil {
		at := v.first
		n := node{g.nodes[at].label + ".again", g.nodes[at].call, slices.Clone(g.nodes[at].binds)}
		for i, b := range n.binds {
			switch {
			case b.v == nil:
			case b.v.passing && b.v.first == at: // one of the node's results
				b.v.second = g.result(b.v.name, false, b.v.Shape...)
				n.binds[i].v = b.v.second
			default:
				n.binds[i].v = g.again(b.v)
			}
		}
		g.append(n)
	}
	return v.second
}
