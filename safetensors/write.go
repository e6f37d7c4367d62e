package safetensors

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"github.com/go-dept/dept/internal/atomicfile"
)

// Tensor is a tensor to be written.
type Tensor struct {
	Name  string
	DType DType
	Shape []int
	// Data returns the elements, row-major and little-endian. It is called once, when their turn
	// to be written comes, so that a checkpoint never has to be in memory as a whole.
	Data func() ([]byte, error)
}

// Float32 is a tensor of type F32, F16 or BF16 with the given values, row-major. It keeps values
// and converts them when they are written.
func Float32(name string, dtype DType, shape []int, values []float32) Tensor {
	return Tensor{name, dtype, shape, func() ([]byte, error) { return Encode(dtype, values) }}
}

// WriteFile writes a file at path, whole or not at all.
func WriteFile(path string, tensors []Tensor, metadata map[string]string) error {
	return atomicfile.WriteFile(path, func(w io.Writer) error {
		return Write(w, tensors, metadata)
	})
}

// Write writes a file to w. The same tensors and metadata give the same bytes in whatever order
// they come: tensors lie sorted by element size, the widest first, and then by name, so that each
// starts at a multiple of its element size, and the header is padded with spaces to a multiple of
// eight bytes.
func Write(w io.Writer, tensors []Tensor, metadata map[string]string) error {
	tensors = slices.Clone(tensors)
	slices.SortStableFunc(tensors, func(a, b Tensor) int {
		return cmp.Or(cmp.Compare(b.DType.Size(), a.DType.Size()), cmp.Compare(a.Name, b.Name))
	})
	header, err := encodeHeader(tensors, metadata)
	if err != nil {
		return err
	}
	if _, err := w.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(header)))); err != nil {
		return err
	}
	if _, err := w.Write(header); err != nil {
		return err
	}
	for _, t := range tensors {
		data, err := t.Data()
		if err != nil {
			return fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		if size, _ := byteSize(t.DType, t.Shape); int64(len(data)) != size {
			return fmt.Errorf("tensor %q: shape %v of %s needs %d bytes, there are %d", t.Name, t.Shape, t.DType, size, len(data))
		}
		if _, err := w.Write(data); err != nil {
			return err
		}
	}
	return nil
}

// encodeHeader checks the tensors and writes the header of a file in which they lie in this order.
func encodeHeader(tensors []Tensor, metadata map[string]string) ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	member := func(name string, value any) error {
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		key, err := json.Marshal(name)
		if err != nil {
			return err
		}
		v, err := json.Marshal(value)
		if err != nil {
			return err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(v)
		return nil
	}
	if len(metadata) > 0 {
		if err := member(metadataKey, metadata); err != nil {
			return nil, err
		}
	}
	seen := map[string]bool{metadataKey: true}
	var end int64
	for _, t := range tensors {
		size, ok := byteSize(t.DType, t.Shape)
		switch {
		case seen[t.Name]:
			return nil, fmt.Errorf("tensor %q: the name is taken", t.Name)
		case !utf8.ValidString(t.Name):
			return nil, fmt.Errorf("tensor %q: the name is not valid UTF-8", t.Name)
		case t.DType.Size() == 0:
			return nil, fmt.Errorf("tensor %q: unknown dtype %q", t.Name, t.DType)
		case !ok || end+size < end:
			return nil, fmt.Errorf("tensor %q: shape %v has a negative dimension or is too large", t.Name, t.Shape)
		}
		seen[t.Name] = true
		err := member(t.Name, struct {
			DType   DType    `json:"dtype"`
			Shape   []int    `json:"shape"`
			Offsets [2]int64 `json:"data_offsets"`
		}{t.DType, append([]int{}, t.Shape...), [2]int64{end, end + size}})
		if err != nil {
			return nil, err
		}
		end += size
	}
	b.WriteByte('}')
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	if b.Len() > MaxHeaderLen {
		return nil, fmt.Errorf("the header would be %d bytes long, the format allows %d: write fewer tensors", b.Len(), MaxHeaderLen)
	}
	return b.Bytes(), nil
}
