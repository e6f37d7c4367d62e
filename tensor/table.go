package tensor

import (
	"fmt"

	"github.com/go-dept/dept/shaders"
	"github.com/go-dept/dept/wgpu"
)

// sliceUnit keeps the offset of a slice of a table a multiple of 256 bytes, whatever
// the table's width and storage.
const sliceUnit = 128

// NewTable makes a matrix of zeros that may be larger than what the device binds at
// once: it lies in pieces of whole rows then. Embed, CrossEntropy, Logits and AdamW go
// through them one by one; other operations take a table of one piece alone.
func (e *Engine) NewTable(name string, storage shaders.Storage, rows, width int) (*Array, error) {
	limits := e.dev.Limits()
	most := min(limits.StorageBinding, limits.BufferSize)
	if arrayBytes(storage, []int{rows, width}) <= most {
		return e.NewArray(name, storage, rows, width)
	}
	row := width * storage.Bytes()
	each := max(sliceUnit, int(most)/row/sliceUnit*sliceUnit)
	a := &Array{Name: name, Shape: []int{rows, width}, Storage: storage, dev: e.dev, each: int64(each * row)}
	for first := 0; first < rows; first += each {
		if err := a.allocate(arrayBytes(storage, []int{min(each, rows-first), width})); err != nil {
			a.Release()
			return nil, err
		}
	}
	return a, nil
}

// newLike makes a float32 array of zeros of the shape of a, which is float32, and in
// pieces as a is.
func (e *Engine) newLike(a *Array, name string) (*Array, error) {
	if len(a.bufs) > 1 {
		return e.NewTable(name, shaders.F32, a.Shape[0], a.Shape[1])
	}
	return e.NewArray(name, shaders.F32, a.Shape...)
}

// allocate gives the array another piece.
func (a *Array) allocate(bytes int64) error {
	buf, err := a.dev.NewBuffer(a.Name, bytes)
	if err == nil {
		a.bufs = append(a.bufs, buf)
	}
	return err
}

// at is where a byte of the array lies.
func (a *Array) at(offset int64) (*wgpu.Buffer, int64) {
	if len(a.bufs) == 1 {
		return a.bufs[0], offset
	}
	i := min(offset/a.each, int64(len(a.bufs)-1))
	return a.bufs[i], offset - i*a.each
}

// within does something for each piece that holds some of size bytes from offset on:
// with n of them, the first of which is byte at of those, at an offset of the piece.
func (a *Array) within(offset, size int64, do func(buf *wgpu.Buffer, offset, at, n int64) error) error {
	for at := int64(0); ; {
		buf, in := a.at(offset + at)
		n := size - at
		if len(a.bufs) > 1 {
			n = min(n, a.each-in)
		}
		if err := do(buf, in, at, n); err != nil {
			return err
		}
		if at += n; at >= size {
			return nil
		}
	}
}

// slice is n rows of a matrix from first on.
type slice struct{ first, n int }

// cut is rows in slices of no more than most.
func (s slice) cut(most int) []slice {
	var all []slice
	for end := s.first + s.n; s.first < end; s.first += most {
		all = append(all, slice{s.first, min(most, end-s.first)})
	}
	return all
}

// width is the last dimension.
func (a *Array) width() int { return a.Shape[len(a.Shape)-1] }

// pieces are the rows that lie together.
func (a *Array) pieces() []slice {
	all := slice{0, a.Len() / max(1, a.width())}
	if len(a.bufs) == 1 {
		return []slice{all}
	}
	return all.cut(int(a.each) / (a.width() * a.Storage.Bytes()))
}

// slices cuts a table into slices of no more than most rows, a multiple of sliceUnit
// or all, none of which lies in two pieces.
func (v *Value) slices(most int) []slice {
	pieces := []slice{{0, v.Rows()}}
	if v.array != nil {
		pieces = v.array.pieces()
	}
	var all []slice
	for _, p := range pieces {
		all = append(all, p.cut(most)...)
	}
	return all
}

// rows are a slice of the matrix as an operand.
func (v *Value) rows(s slice) operand {
	row := int64(v.Width() * v.storage.Bytes())
	return operand{v: v, offset: int64(s.first) * row, size: (int64(s.n)*row + 15) &^ 15}
}

// inPieces refuses a table in pieces of which an operation would read more than one.
func (o operand) inPieces(label string) error {
	if o.v == nil || o.v.array == nil || len(o.v.array.bufs) == 1 {
		return nil
	}
	a := o.v.array
	if buf, offset := a.at(o.offset); o.size > 0 && offset+o.size <= buf.Size() {
		return nil
	}
	return fmt.Errorf("%s: %w", label, a.dev.CheckBuffer(a.Name, arrayBytes(a.Storage, a.Shape)))
}
