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
		Params: params(c.Batch*c.Width, c.Width, c.Capacity),
		Grid:   t.grid1D(c.Batch*c.Width, 64),
	}
}

// GatherRows is out[i] = src[index[i]], for rows of any width.
type GatherRows struct {
	Rows, Width int // of out
}

// Call makes the dispatch.
//
// Bindings: 1 src [any, Width], 2 index [Rows] unsigned integers,
// 3 out [Rows, Width].
func (g GatherRows) Call(t Target) Call {
	entry, width := "gather", g.Width
	if width%4 == 0 {
		entry, width = "gather4", width/4
	}
	return Call{
		Spec:   Spec{File: "cache", Entry: entry},
		Params: params(g.Rows*width, width, 0),
		Grid:   t.grid1D(g.Rows*width, 64),
	}
}
