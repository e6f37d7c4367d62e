package shaders

// CacheAppend puts a new row of each batch row into a cache of fixed capacity,
// at the step's Position; a position past the capacity writes nothing.
type CacheAppend struct {
	Batch, Capacity, Width int
}

// Call makes the dispatch.
//
// Bindings: 1 rows [Batch, Width], 2 cache [Batch, Capacity, Width].
func (c CacheAppend) Call(t Target) Call {
	return Call{
		Spec:   Spec{File: "cache", Entry: "append", Step: true},
		Params: params("cache", fields{"n": c.Batch * c.Width, "width": c.Width, "capacity": c.Capacity}),
		Grid:   t.grid1D(c.Batch*c.Width, 64),
	}
}

// GatherRows is out[i] = src[index[i]], for rows of any width.
type GatherRows struct {
	Rows, Width int // of out
}

var gatherTable = newTable("gather", rowCells(
	func(g GatherRows) bool { return g.Width%4 == 0 },
	func(g GatherRows, t Target, size int) Call {
		n, width := g.Rows*g.Width/size, g.Width/size
		return Call{
			Spec:   Spec{File: "cache", Entry: "gather", Constants: cellType("u32", size)},
			Params: params("cache", fields{"n": n, "width": width, "capacity": 0}),
			Grid:   t.grid1D(n, 64),
		}
	})...)

// Call makes the dispatch.
//
// Bindings: 1 src [any, Width], 2 index [Rows] unsigned integers,
// 3 out [Rows, Width].
func (g GatherRows) Call(t Target) Call { return gatherTable.call(g, t) }
