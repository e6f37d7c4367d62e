package tensor

import "github.com/go-dept/dept/shaders"

// CacheAppend puts rows [batch, width] at the step's position of a cache
// [batch, capacity, width].
func (g *Graph) CacheAppend(name string, rows, cache *Value) {
	c := shaders.CacheAppend{Batch: cache.Shape[0], Capacity: cache.Shape[1], Width: cache.Shape[2]}
	g.run(name, c.Call(g.e.target), rows, cache)
}

// GatherRows is out[i] = src[index[i]] over the first dimension.
func (g *Graph) GatherRows(name string, src, index, out *Value) {
	n := shaders.GatherRows{Rows: index.Shape[0], Width: product(src.Shape[1:])}
	g.run(name, n.Call(g.e.target), src, index, out)
}
