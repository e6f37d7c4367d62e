package tensor

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/go-dept/dept/shaders"
	"github.com/go-dept/dept/wgpu"
)

// Ints is a block of 32-bit integers on the device: token ids, labels, windows,
// indexes. Operations take them where they mean integers, so that none is taken
// for numbers, and they have no gradient. Shapes are row-major.
type Ints struct {
	Name  string
	Shape []int

	dev *wgpu.Device
	buf *wgpu.Buffer
}

// NewInts makes integers, all 0.
func (e *Engine) NewInts(name string, shape ...int) (*Ints, error) {
	buf, err := e.dev.NewBuffer(name, arrayBytes(shaders.F32, shape))
	if err != nil {
		return nil, err
	}
	return &Ints{Name: name, Shape: slices.Clone(shape), dev: e.dev, buf: buf}, nil
}

// Len is the number of elements.
func (a *Ints) Len() int { return product(a.Shape) }

// Bytes is the device memory that they take.
func (a *Ints) Bytes() int64 { return a.buf.Size() }

// Release gives the memory back.
func (a *Ints) Release() { a.buf.Release() }

// Write sets the first len(x) elements.
func (a *Ints) Write(x []uint32) error {
	if len(x) > a.Len() {
		return fmt.Errorf("write %s: %d integers into %v", a.Name, len(x), a.Shape)
	}
	b := make([]byte, 0, 4*len(x))
	for _, v := range x {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return a.dev.Write(a.buf, 0, b)
}

// Read waits for the device and returns all elements.
func (a *Ints) Read(ctx context.Context) ([]uint32, error) {
	b := make([]byte, 4*a.Len())
	if err := a.dev.Read(ctx, a.buf, 0, b); err != nil {
		return nil, err
	}
	x := make([]uint32, a.Len())
	for i := range x {
		x[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	return x, nil
}
