package main

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"

	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/safetensors"
)

// benchWeights are random weights in half precision for a model of any size. What is
// held is one block of numbers for each width, which the tensors of that width repeat.
type benchWeights struct {
	shapes map[string][]int
	blocks map[int]repeated
}

func newBenchWeights(d nn.Description) *benchWeights {
	w := &benchWeights{shapes: map[string][]int{}, blocks: map[int]repeated{}}
	for _, t := range d.Tensors() {
		w.shapes[t.Name] = t.Shape
	}
	return w
}

// blockLength is a prime, so that the rows of no matrix are all alike.
const blockLength = 65521

// block is what matrices of a width repeat: normal numbers whose deviation keeps the
// size of what is multiplied. A vector is the scale of a norm, of ones.
func (w *benchWeights) block(shape []int) (repeated, error) {
	width := shape[len(shape)-1]
	if len(shape) == 1 {
		width = 0
	}
	if b, ok := w.blocks[width]; ok {
		return b, nil
	}
	values := make([]float32, blockLength)
	random := rand.New(rand.NewPCG(1, uint64(width)))
	for i := range values {
		if values[i] = 1; width > 0 {
			values[i] = float32(random.NormFloat64() / math.Sqrt(float64(width)))
		}
	}
	block, err := safetensors.Encode(safetensors.F16, values)
	w.blocks[width] = block
	return block, err
}

// Reader, Bytes, Float32 and Row are nn.Checkpoint's.
func (w *benchWeights) Reader(name string) (safetensors.DType, *io.SectionReader, error) {
	shape, ok := w.shapes[name]
	if !ok {
		return "", nil, fmt.Errorf("the model has no tensor %q", name)
	}
	block, err := w.block(shape)
	size := int64(safetensors.F16.Size())
	for _, n := range shape {
		size *= int64(n)
	}
	return safetensors.F16, io.NewSectionReader(block, 0, size), err
}

func (w *benchWeights) Bytes(name string) (safetensors.DType, []byte, error) {
	dtype, r, err := w.Reader(name)
	if err != nil {
		return "", nil, err
	}
	data, err := io.ReadAll(r)
	return dtype, data, err
}

func (w *benchWeights) Float32(name string) ([]float32, error) {
	dtype, data, err := w.Bytes(name)
	if err != nil {
		return nil, err
	}
	return safetensors.Decode(dtype, data)
}

func (w *benchWeights) Row(name string, i int) ([]float32, error) {
	dtype, r, err := w.Reader(name)
	if err != nil {
		return nil, err
	}
	row := make([]byte, w.shapes[name][1]*dtype.Size())
	if _, err := r.ReadAt(row, int64(i*len(row))); err != nil {
		return nil, fmt.Errorf("row %d of tensor %q: %w", i, name, err)
	}
	return safetensors.Decode(dtype, row)
}

// repeated reads as its bytes over and over.
type repeated []byte

func (b repeated) ReadAt(p []byte, offset int64) (int, error) {
	for n := 0; n < len(p); {
		n += copy(p[n:], b[(offset+int64(n))%int64(len(b)):])
	}
	return len(p), nil
}
