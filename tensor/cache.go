package tensor

import "github.com/go-dept/dept/shaders"

// CacheAppend puts rows [batch, width] at the step's position of a cache
// [batch, capacity, width].
func (g *Graph) CacheAppend(name string, rows, cache *Value) {
	if len(cache.Shape) != 3 || product(rows.Shape) != cache.Shape[0]*cache.Shape[2] {
		g.fail("append to cache "+name, "rows %v into %v", rows.Shape, cache.Shape)
		return
	}
	c := shaders.CacheAppend{Batch: cache.Shape[0], Capacity: cache.Shape[1], Width: cache.Shape[2]}
	g.run(name, c.Call(g.e.target), rows, cache)
}

// GatherRows is out[i] = src[index[i]] over the first dimension.
func (g *Graph) GatherRows(name string, src *Value, index *Ints, out *Value) {
	g.run(name, gatherRows(src.Shape, index).Call(g.e.target), src, index, out)
}

// GatherInts is GatherRows for integers.
func (g *Graph) GatherInts(name string, src, index, out *Ints) {
	g.run(name, gatherRows(src.Shape, index).Call(g.e.target), src, index, out)
}

func gatherRows(src []int, index *Ints) shaders.GatherRows {
	return shaders.GatherRows{Rows: index.Len(), Width: product(src[1:])}
}
