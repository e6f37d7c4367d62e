package tensor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/wgpu"
	"github.com/go-dept/dept/wgpu/wgputest"
)

// No size of the table is one that a kernel would like; a piece has a multiple of 128
// rows.
const tableRows, tableWidth = 877, 21

// engineBinding is an engine on the device that binds no more than some bytes.
func engineBinding(t *testing.T, bytes int64) *Engine {
	dev := wgputest.Device(t)
	limits := dev.Limits()
	limits.StorageBinding = bytes
	e, err := NewEngine(dev.Within(limits))
	require.NoError(t, err)
	t.Cleanup(e.Release)
	return e
}

// bindings are limits with which a float32 table lies in so many pieces.
var bindings = []struct {
	bytes  int64
	pieces int
}{{1 << 20, 1}, {512 * tableWidth * 4, 2}, {400 * tableWidth * 4, 3}, {200 * tableWidth * 4, 7}}

// What is written to a table in pieces is what is read from it, wherever it begins
// and ends.
func TestTableInPieces(t *testing.T) {
	ctx := context.Background()
	x := normals(1, tableRows*tableWidth, 1)
	for _, b := range bindings {
		e := engineBinding(t, b.bytes)
		a, err := e.NewTable("table", F32, tableRows, tableWidth)
		require.NoError(t, err)
		defer a.Release()
		require.Len(t, a.bufs, b.pieces)
		require.GreaterOrEqual(t, a.Bytes(), int64(4*len(x)))

		zeros, err := a.ReadFloats(ctx)
		require.NoError(t, err)
		require.Equal(t, make([]float32, len(x)), zeros)
		data := FloatBytes(x)
		third := int64(len(data)) / 12 * 4
		require.NoError(t, a.WriteBytes(third, data[third:2*third]))
		file := append([]byte("head"), data...)
		for _, part := range [][2]int64{{0, third}, {2 * third, int64(len(data))}} {
			src := io.NewSectionReader(bytes.NewReader(file), 4+part[0], part[1]-part[0])
			require.NoError(t, a.WriteFrom(ctx, part[0], src))
		}
		got, err := a.ReadFloats(ctx)
		require.NoError(t, err)
		require.Equal(t, x, got)
		require.ErrorContains(t, a.WriteBytes(int64(len(data))-4, data[:64]), "not a 4-aligned range")
	}
}

// tableResults are what a pass makes of a table: embedding, loss, logits and best
// tokens, and with a trained table the gradients and an update.
type tableResults struct {
	embedded, loss, nll, logits, h, table, updated []float32
	best                                           []uint32
}

// runTable runs a pass over a table of some storage, which serves as embedding and as
// head, on an engine.
func runTable(t *testing.T, e *Engine, storage Storage, words []byte, train bool) (r tableResults) {
	ctx := context.Background()
	const batch, length, prompt = 2, 9, 3
	table, err := e.NewTable("table", storage, tableRows, tableWidth)
	require.NoError(t, err)
	defer table.Release()
	require.NoError(t, table.WriteBytes(0, words))
	h := newArray(t, e, "h", normals(2, batch*length*tableWidth, 0.4), batch*length, tableWidth)
	require.NoError(t, e.Trainable(h))
	if train {
		require.NoError(t, e.Trainable(table))
	}
	ids := make([]uint32, batch*length)
	labels := make([]uint32, batch*length)
	missing := int32(-100)
	for i := range ids {
		ids[i] = uint32(i * 53 % tableRows) // of every piece, the last row and 0 among them
		labels[i] = uint32((i*i*31 + 902) % tableRows)
		if i%7 == 3 {
			ids[i], labels[i] = tableRows-1, uint32(missing)
		}
	}
	runs, order := Runs(ids)
	total, best := newArray(t, e, "total", []float32{0}, 1), newInts(t, e, make([]uint32, batch*length), batch*length)

	g := e.NewGraph()
	embedded := g.Keep(g.Embed("embed", newInts(t, e, ids, batch, length), EmbedOptions{
		Table: g.Use(table), P: g.Use(newArray(t, e, "P", normals(3, prompt*tableWidth, 1), prompt, tableWidth)),
		Shift: g.Use(newArray(t, e, "shift", normals(4, length*tableWidth, 1), length, tableWidth)), Dropout: drop,
		Runs: newInts(t, e, runs, len(runs)), Order: newInts(t, e, order, len(order)),
	}))
	nll := g.Keep(g.CrossEntropy("loss", g.Use(h), g.Use(table), newInts(t, e, labels, batch*length), 0.5, g.Use(total)))
	logits := g.Logits("logits", g.Use(h), g.Use(table), 0.5)
	for _, columns := range logits {
		g.Keep(columns)
	}
	g.ArgMax("best", logits, best)
	g.BackwardFrom(embedded, g.Use(newArray(t, e, "dy", normals(5, product(embedded.Shape), 0.02), embedded.Shape...)))
	p, err := g.Compile(ctx)
	require.NoError(t, err)
	defer p.Release()
	require.NoError(t, e.SetStep(Step{Key: Key(1, 2, 3), LossScale: 0.25}))
	require.NoError(t, e.Run(p))

	read := func(a *Array) []float32 {
		x, err := a.ReadFloats(ctx)
		require.NoError(t, err)
		return x
	}
	r.embedded, r.nll = read(embedded.array), read(nll.array)
	r.loss, r.h = read(total), read(h.Grad)
	r.best, err = best.Read(ctx)
	require.NoError(t, err)
	r.logits = make([]float32, batch*length*tableRows)
	first := 0
	for _, columns := range logits {
		x, n := read(columns.array), columns.Width()
		for row := range batch * length {
			copy(r.logits[row*tableRows+first:], x[row*n:(row+1)*n])
		}
		first += n
	}
	require.Equal(t, tableRows, first)
	if train {
		r.table = read(table.Grad)
		adam, err := e.NewAdamW(ctx, []Param{{Array: h, Group: "a"}, {Array: table, Group: "a"}})
		require.NoError(t, err)
		defer adam.Release()
		require.NoError(t, adam.SetRates(map[string]float64{"a": 0.1}, 1))
		require.NoError(t, e.Run(adam.Program()))
		norms, err := adam.NormsLater(1)
		require.NoError(t, err)
		each, err := norms(ctx)
		require.NoError(t, err)
		for i, x := range [][]float32{r.h, r.table} {
			var squares float64
			for _, v := range x {
				squares += float64(v) * float64(v)
			}
			require.InEpsilon(t, math.Sqrt(squares), each[i], 1e-6)
		}
		r.updated = read(table)
		require.Equal(t, make([]float32, len(r.table)), read(table.Grad), "the update leaves the gradient")
	}
	return r
}

// A table in pieces gives what it gives in one: embeddings to the bit, sums up to
// their order.
func TestTableInPiecesComputesTheSame(t *testing.T) {
	float := FloatBytes(normals(1, tableRows*tableWidth, 1))
	half := make([]byte, (tableRows*tableWidth+1)/2*4)
	for i := range tableRows * tableWidth {
		copy(half[2*i:], float[4*i+2:4*i+4]) // bfloat16 is the upper half
	}
	for _, c := range []struct {
		storage Storage
		words   []byte
		train   bool
	}{{F32, float, false}, {F32, float, true}, {BF16, half, false}} {
		want := runTable(t, engineBinding(t, 1<<20), c.storage, c.words, c.train)
		for _, b := range bindings[1:] {
			t.Run(fmt.Sprintf("%s/trained=%t/%d", c.storage, c.train, b.pieces), func(t *testing.T) {
				bytes := b.bytes * int64(c.storage.Bytes()) / 4
				if c.storage != F32 {
					bytes = max(bytes, 18*128*4) // of logits
				}
				got := runTable(t, engineBinding(t, bytes), c.storage, c.words, c.train)
				assert.Equal(t, want.embedded, got.embedded)
				assert.Equal(t, want.best, got.best)
				assert.InEpsilon(t, want.loss[0], got.loss[0], 1e-6)
				for _, x := range []struct {
					name      string
					got, want []float32
				}{
					{"losses", got.nll, want.nll}, {"logits", got.logits, want.logits}, {"gradient of the states", got.h, want.h},
					{"gradient of the table", got.table, want.table}, {"updated table", got.updated, want.updated},
				} {
					if len(x.want) == 0 {
						continue // of a table that is not trained
					}
					assert.LessOrEqual(t, nmse(x.got, doubles(x.want)), 1e-13, x.name)
				}
			})
		}
	}
}

func doubles(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

// An operation that reads more than a piece of a table says which limit is too small.
func TestTableInPiecesIsRefused(t *testing.T) {
	e := engineBinding(t, 200*tableWidth*4)
	table, err := e.NewTable("table", F32, tableRows, tableWidth)
	require.NoError(t, err)
	defer table.Release()
	g := e.NewGraph()
	g.Linear("product", g.Use(newArray(t, e, "x", make([]float32, tableWidth), 1, tableWidth)), g.Use(table), LinearOptions{})
	_, err = g.Check()
	var limit *wgpu.LimitError
	require.True(t, errors.As(err, &limit), "%v", err)
	require.Equal(t, "maxStorageBufferBindingSize", limit.Limit)
	require.ErrorContains(t, err, `product: buffer "table" needs 73668`)
	_, err = e.NewTable("wide", F32, 1, 1<<20)
	require.ErrorAs(t, err, &limit)
}
