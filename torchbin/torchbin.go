// Package torchbin reads the tensors of files that PyTorch's torch.save has written, such as the
// adapter_model.bin of older adapters.
package torchbin

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-dept/dept/safetensors"
)

// view is a view of a storage, in elements.
type view struct {
	storage       storage
	offset        int64
	shape, stride []int64
}

type storage struct {
	dtype    safetensors.DType
	key      string
	elements int64
}

// maxPickle bounds the pickle; an adapter's has a few hundred bytes.
const maxPickle = 1 << 20

// Parse reads what torch.save (PyTorch 1.6 and later) wrote of a dictionary of tensors: a zip of
// one pickle, <name>/data.pkl, and of the bytes of each storage, <name>/data/<key>. It packs the
// tensors anew as safetensors: float32, float16 or bfloat16, with the shapes that they have there.
//
// A pickle is a program. This one may make dictionaries, tuples, texts, numbers, and tensors
// that view float storages; whatever it asks for beyond that is an error. So is a tensor that does
// not lie in its storage row by row.
func Parse(data []byte) (*safetensors.File, error) {
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("not a zip as torch.save writes it: %w", err)
	}
	entries := entries{}
	for _, entry := range archive.File {
		_, name, _ := strings.Cut(entry.Name, "/")
		if entries[name] != nil {
			return nil, fmt.Errorf("there are two entries %q", entry.Name)
		}
		entries[name] = entry
	}
	if entries["byteorder"] != nil {
		order, err := entries.read("byteorder")
		if err != nil {
			return nil, err
		}
		if string(order) != "little" {
			return nil, fmt.Errorf("byte order %.20q: only little is read", order)
		}
	}
	pickle, err := entries.read("data.pkl")
	if err != nil {
		return nil, err
	}
	if len(pickle) > maxPickle {
		return nil, fmt.Errorf("data.pkl has %d bytes: it describes more than an adapter", len(pickle))
	}
	dict, err := unpickleTensors(pickle)
	if err != nil {
		return nil, fmt.Errorf("data.pkl: %w", err)
	}
	var tensors []safetensors.Tensor
	total := 0
	for name, tensor := range dict {
		values, err := entries.values(tensor)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		// Tensors may share a storage, but must not make a small file a large one.
		if total += len(values); total > len(data) {
			return nil, fmt.Errorf("the tensors have more than the file's %d bytes together", len(data))
		}
		tensors = append(tensors, safetensors.Tensor{
			Name: name, DType: tensor.storage.dtype, Shape: tensor.ints(),
			Data: func() ([]byte, error) { return values, nil },
		})
	}
	var packed bytes.Buffer
	if err := safetensors.Write(&packed, tensors, nil); err != nil {
		return nil, err
	}
	return safetensors.Parse(packed.Bytes())
}

// entries are the entries of a zip by the name behind <name>/.
type entries map[string]*zip.File

// read gives the bytes of an entry. They are stored without compression, so there are no more
// of them than the file has.
func (t entries) read(name string) ([]byte, error) {
	entry := t[name]
	if entry == nil {
		return nil, fmt.Errorf("there is no entry %q", name)
	}
	if entry.Method != zip.Store {
		return nil, fmt.Errorf("entry %q is compressed, which torch.save does not do", name)
	}
	opened, err := entry.Open()
	if err != nil {
		return nil, fmt.Errorf("entry %q: %w", name, err)
	}
	defer opened.Close()
	content, err := io.ReadAll(opened) // up to the end, where the checksum is compared
	if err != nil {
		return nil, fmt.Errorf("entry %q: %w", name, err)
	}
	return content, nil
}

// values gives a tensor's elements as they are stored. They have to lie one after another.
func (t entries) values(tensor view) ([]byte, error) {
	storage := tensor.storage
	content, err := t.read("data/" + storage.key)
	if err != nil {
		return nil, err
	}
	size := int64(storage.dtype.Size())
	if have := int64(len(content)); have%size != 0 || have/size != storage.elements {
		return nil, fmt.Errorf("its storage %q has %d bytes, expected %d elements of %s", storage.key, have, storage.elements, storage.dtype)
	}
	elements, err := tensor.elements()
	if err != nil {
		return nil, err
	}
	if tensor.offset < 0 || tensor.offset > storage.elements-elements {
		return nil, fmt.Errorf("shape %v at offset %d does not fit a storage of %d elements", tensor.shape, tensor.offset, storage.elements)
	}
	return content[tensor.offset*size:][:elements*size], nil
}

// elements counts a tensor's elements, which lie in its storage row by row.
func (t view) elements() (int64, error) {
	if slices.Contains(t.shape, 0) {
		return 0, nil // the strides mean nothing
	}
	elements := int64(1)
	for i, n := range slices.Backward(t.shape) {
		if n < 0 || n > t.storage.elements/elements {
			return 0, fmt.Errorf("shape %v does not fit a storage of %d elements", t.shape, t.storage.elements)
		}
		if n > 1 && t.stride[i] != elements {
			return 0, fmt.Errorf("shape %v with strides %v is not contiguous", t.shape, t.stride)
		}
		elements *= n
	}
	return elements, nil
}

// ints is the shape as safetensors has it.
func (t view) ints() []int {
	shape := make([]int, len(t.shape))
	for i, n := range t.shape {
		shape[i] = int(n)
	}
	return shape
}
