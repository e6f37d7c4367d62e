package tensor

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/go-dept/dept/shaders"
	"github.com/go-dept/dept/wgpu"
)

// Array is a block of numbers on the device that lives until it is released:
// weights, inputs, optimiser state. Shapes are row-major.
type Array struct {
	Name    string
	Shape   []int
	Storage shaders.Storage
	// Grad collects the array's gradient, always as float32. Only an array that
	// has one is trainable; see Trainable.
	Grad *Array

	dev  *wgpu.Device
	bufs []*wgpu.Buffer // one, or the pieces of a table
	each int64          // bytes of the table in each piece but the last, where there are several
}

// NewArray makes an array of zeros.
func (e *Engine) NewArray(name string, storage shaders.Storage, shape ...int) (*Array, error) {
	a := &Array{Name: name, Shape: slices.Clone(shape), Storage: storage, dev: e.dev}
	if err := a.allocate(arrayBytes(storage, shape)); err != nil {
		return nil, err
	}
	return a, nil
}

// arrayBytes is the size of an array, up to a whole word.
func arrayBytes(storage shaders.Storage, shape []int) int64 {
	return (int64(product(shape))*int64(storage.Bytes()) + 3) &^ 3
}

func product(shape []int) int {
	n := 1
	for _, s := range shape {
		n *= s
	}
	return n
}

// Trainable gives the array a gradient, so that graphs recorded from now on
// compute it. Half-precision arrays cannot be trained.
func (e *Engine) Trainable(a *Array) error {
	if a.Storage != shaders.F32 {
		return fmt.Errorf("train %s: its numbers are %s; load it as float32", a.Name, a.Storage)
	}
	if a.Grad != nil {
		return nil
	}
	var err error
	a.Grad, err = e.newLike(a, a.Name+".grad")
	return err
}

// Len is the number of elements.
func (a *Array) Len() int { return product(a.Shape) }

// Bytes is the device memory the array takes, its gradient left out.
func (a *Array) Bytes() (n int64) {
	for _, b := range a.bufs {
		n += b.Size()
	}
	return n
}

// Release gives the memory of the array and of its gradient back.
func (a *Array) Release() {
	for _, b := range a.bufs {
		b.Release()
	}
	if a.Grad != nil {
		a.Grad.Release()
	}
}

// WriteBytes copies data to the byte offset; both must be multiples of 4.
func (a *Array) WriteBytes(offset int64, data []byte) error {
	return a.within(offset, int64(len(data)), func(buf *wgpu.Buffer, offset, at, n int64) error {
		return a.dev.Write(buf, offset, data[at:at+n])
	})
}

// WriteFrom copies all of src to the byte offset; offset and size must be
// multiples of 4. See wgpu.Device.WriteFrom.
func (a *Array) WriteFrom(ctx context.Context, offset int64, src *io.SectionReader) error {
	outer, start, _ := src.Outer()
	return a.within(offset, src.Size(), func(buf *wgpu.Buffer, offset, at, n int64) error {
		return a.dev.WriteFrom(ctx, buf, offset, io.NewSectionReader(outer, start+at, n))
	})
}

// WriteFloats sets the whole of a float32 array.
func (a *Array) WriteFloats(x []float32) error {
	if a.Storage != shaders.F32 || len(x) != a.Len() {
		return fmt.Errorf("write %s: %d float32 numbers into %v of %s", a.Name, len(x), a.Shape, a.Storage)
	}
	return a.WriteBytes(0, FloatBytes(x))
}

// ReadFloats waits for the device and returns the whole of a float32 array.
func (a *Array) ReadFloats(ctx context.Context) ([]float32, error) {
	if a.Storage != shaders.F32 {
		return nil, fmt.Errorf("read %s: its numbers are %s, not float32", a.Name, a.Storage)
	}
	b := make([]byte, 4*a.Len())
	err := a.within(0, int64(len(b)), func(buf *wgpu.Buffer, offset, at, n int64) error {
		return a.dev.Read(ctx, buf, offset, b[at:at+n])
	})
	if err != nil {
		return nil, err
	}
	return bytesFloats(b), nil
}

// FloatBytes is the little-endian form of x.
func FloatBytes(x []float32) []byte {
	b := make([]byte, 0, 4*len(x))
	for _, v := range x {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

func bytesFloats(b []byte) []float32 {
	x := make([]float32, len(b)/4)
	for i := range x {
		x[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return x
}

// ReadLater starts to copy count float32 numbers from index first on, without
// waiting for the device; the function it returns waits for them. They must lie in
// one piece.
func (a *Array) ReadLater(first, count int) (func(context.Context) ([]float32, error), error) {
	buf, offset := a.at(int64(4 * first))
	r, err := a.dev.ReadLater(buf, offset, int64(4*count))
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) ([]float32, error) {
		b := make([]byte, 4*count)
		if err := r.Wait(ctx, b); err != nil {
			return nil, err
		}
		return bytesFloats(b), nil
	}, nil
}
