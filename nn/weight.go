package nn

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/go-dept/dept/safetensors"
	"github.com/go-dept/dept/tensor"
)

// Checkpoint is where the numbers of a model come from, by the names of its
// Description.
type Checkpoint interface {
	// Reader gives a tensor's bytes as they are stored.
	Reader(name string) (safetensors.DType, *io.SectionReader, error)
	// Bytes is all that Reader gives.
	Bytes(name string) (safetensors.DType, []byte, error)
	// Float32 converts the tensor.
	Float32(name string) ([]float32, error)
	// Row converts a row of a matrix.
	Row(name string, i int) ([]float32, error)
}

// weight is an array and the tensors of the checkpoint it is packed from, at
// most three of one width: one below the other, or row by row in turn for the two
// of a gated unit. One product with it serves all its sites.
type weight struct {
	array  *tensor.Array
	names  []string
	sites  []Site // where it multiplies: of a matrix or a norm
	table  bool   // of the vocabulary, which may be in pieces
	layout tensor.Layout
}

// loader puts the tensors of a checkpoint on a device. The first error is kept.
type loader struct {
	ctx       context.Context
	m         *Model
	from      Checkpoint
	trainable bool
	shapes    map[string][]int
	err       error

	// What gated weights are interleaved with: the two tensors as they lie, one
	// below the other, and which of their rows goes where.
	stacked *tensor.Array
	order   *tensor.Ints
}

func (l *loader) release() {
	if l.stacked != nil {
		l.stacked.Release()
	}
	if l.order != nil {
		l.order.Release()
	}
	l.stacked, l.order = nil, nil
}

var storages = map[safetensors.DType]tensor.Storage{
	safetensors.F32: tensor.F32, safetensors.F16: tensor.F16, safetensors.BF16: tensor.BF16,
}

// table loads an embedding, in the storage of the file.
func (l *loader) table(name string) *weight {
	return l.load(&weight{names: []string{name}, table: true}, false)
}

// float loads a small tensor as float32: kernels read biases of scores so, and norms.
func (l *loader) float(name string) *weight { return l.load(&weight{names: []string{name}}, true) }

// norm loads the weight of a norm.
func (l *loader) norm(place, name string) *weight {
	return l.load(&weight{names: []string{name}, sites: []Site{l.m.norm(place, name)}}, true)
}

// linear loads the weights of a place's sites one below the other.
func (l *loader) linear(p Place, interleaved bool, parts ...Linear) *weight {
	w := &weight{layout: tensor.Layout{Interleaved: interleaved}, sites: p.sites(parts)}
	for _, part := range parts {
		w.names = append(w.names, part.Tensor)
		w.layout.Widths = append(w.layout.Widths, part.Out)
	}
	return l.load(w, false)
}

func (l *loader) load(w *weight, float bool) *weight {
	if l.err == nil {
		l.err = l.put(w, float)
	}
	return w
}

// put makes a weight's array and fills it.
func (l *loader) put(w *weight, float bool) error {
	var dtype safetensors.DType
	rows, words := 0, true
	for i, name := range w.names {
		t, r, err := l.from.Reader(name)
		if err != nil {
			return err
		}
		if i > 0 && t != dtype {
			float = true // parts of different storage meet in float32
		}
		dtype = t
		shape := l.shapes[name]
		rows += shape[0]
		unit := r.Size()
		if w.layout.Interleaved {
			unit /= int64(shape[0])
		}
		words = words && unit%4 == 0
	}
	stored, known := storages[dtype]
	storage := stored
	if float || l.trainable || !known {
		storage = tensor.F32
	}
	shape := append([]int{rows}, l.shapes[w.names[0]][1:]...)
	var err error
	if w.table {
		w.array, err = l.m.e.NewTable(w.names[0], storage, shape[0], shape[1])
	} else {
		w.array, err = l.m.e.NewArray(w.names[0], storage, shape...)
	}
	if err != nil {
		return err
	}
	l.m.weights = append(l.m.weights, w)
	for _, name := range w.names {
		l.m.byName[name] = w
	}
	// Nearly all of a model passes from its file to the device as it lies. Small
	// tensors, and what has another form on the device, go by way of Go's memory.
	switch {
	case known && words && !float && stored == storage:
		err = l.stream(w)
	case w.table && storage == tensor.F32:
		err = l.widen(w)
	default:
		err = l.convert(w, storage)
	}
	if err == nil && l.trainable {
		err = l.m.e.Trainable(w.array)
	}
	return err
}

// stream copies a weight's tensors to the device as they lie in the file.
func (l *loader) stream(w *weight) error {
	to := w.array
	if w.layout.Interleaved {
		if err := l.makeStacked(w.array.Shape[0], w.array.Shape[1]*w.array.Storage.Bytes()/4); err != nil {
			return err
		}
		to = l.stacked
	}
	offset := int64(0)
	for _, name := range w.names {
		_, r, err := l.from.Reader(name)
		if err != nil {
			return err
		}
		if err := to.WriteFrom(l.ctx, offset, r); err != nil {
			return err
		}
		offset += r.Size()
	}
	if !w.layout.Interleaved {
		return nil
	}
	g := l.m.e.NewGraph()
	g.GatherRows(w.names[0], g.Use(l.stacked), l.order, g.Use(w.array))
	p, err := g.Compile(l.ctx)
	if err != nil {
		return err
	}
	defer p.Release()
	return l.m.e.Run(p)
}

// makeStacked makes room for the two tensors of a gated weight, which all blocks
// share as long as they are stored alike.
func (l *loader) makeStacked(rows, words int) error {
	if l.stacked != nil && slices.Equal(l.stacked.Shape, []int{rows, words}) {
		return nil
	}
	l.release()
	var err error
	if l.stacked, err = l.m.e.NewArray("stacked", tensor.F32, rows, words); err != nil {
		return err
	}
	if l.order, err = l.m.e.NewInts("order", rows); err != nil {
		return err
	}
	from := make([]uint32, rows)
	for i := range from {
		from[i] = uint32(i%2*(rows/2) + i/2)
	}
	return l.order.Write(from)
}

// widen converts a table to float32, a million numbers at a time.
func (l *loader) widen(w *weight) error {
	dtype, r, err := l.from.Reader(w.names[0])
	if err != nil {
		return err
	}
	size := int64(dtype.Size())
	data := make([]byte, min(r.Size(), size<<20))
	for at := int64(0); at < r.Size(); at += int64(len(data)) {
		data = data[:min(int64(len(data)), r.Size()-at)]
		if n, err := r.ReadAt(data, at); n < len(data) {
			return fmt.Errorf("read %s: %w", w.names[0], err)
		}
		x, err := safetensors.Decode(dtype, data)
		if err != nil {
			return fmt.Errorf("read %s: %w", w.names[0], err)
		}
		if err := w.array.WriteBytes(at/size*4, tensor.FloatBytes(x)); err != nil {
			return err
		}
	}
	return nil
}

// convert brings a weight's tensors into the form they have on the device.
func (l *loader) convert(w *weight, storage tensor.Storage) error {
	parts := make([][]byte, len(w.names))
	for i, name := range w.names {
		if storage == tensor.F32 {
			x, err := l.from.Float32(name)
			if err != nil {
				return err
			}
			parts[i] = tensor.FloatBytes(x)
			continue
		}
		var err error
		if _, parts[i], err = l.from.Bytes(name); err != nil {
			return err
		}
	}
	return w.array.WriteBytes(0, w.pack(parts))
}

// pack joins the parts' bytes, up to a whole word.
func (w *weight) pack(parts [][]byte) []byte {
	out := parts[0]
	switch {
	case w.layout.Interleaved:
		out = make([]byte, 0, 2*len(parts[0]))
		row := 2 * len(parts[0]) / w.array.Shape[0]
		for at := 0; at < len(parts[0]); at += row {
			out = append(out, parts[0][at:at+row]...)
			out = append(out, parts[1][at:at+row]...)
		}
	case len(parts) > 1:
		out = slices.Concat(parts...)
	}
	return append(out, make([]byte, -len(out)&3)...)
}

// unpack takes the tensor of a name out of the packed numbers.
func (w *weight) unpack(name string, packed []float32) []float32 {
	part := slices.Index(w.names, name)
	if len(w.names) == 1 {
		return packed
	}
	width := w.array.Shape[1]
	if !w.layout.Interleaved {
		first := 0
		for _, rows := range w.layout.Widths[:part] {
			first += rows
		}
		return packed[first*width : (first+w.layout.Widths[part])*width]
	}
	out := make([]float32, 0, len(packed)/len(w.names))
	for row := part; row < w.array.Shape[0]; row += len(w.names) {
		out = append(out, packed[row*width:(row+1)*width]...)
	}
	return out
}

// row is where the rows of a site lie in the packed array: the first, and how far
// apart they are.
func (w *weight) row(part int) (first, step int) {
	if w.layout.Interleaved {
		return part, len(w.names)
	}
	for _, rows := range w.layout.Widths[:part] {
		first += rows
	}
	return first, 1
}
