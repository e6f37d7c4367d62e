// Package torchbin reads the tensors of files that PyTorch's torch.save has written: the
// pytorch_model.bin of older checkpoints and the adapter_model.bin of older adapters.
//
//	file, err := torchbin.Parse(content)
//	values, err := file.Float32("shared.weight")
//
// t5.OpenCheckpoint and dept.ReadAdapter do so where there are no safetensors.
package torchbin

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
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

// What is read before a tensor is asked for is bounded: the pickle, of which a model of 11 billion
// parameters has 100 kB, and the zip's directory.
const (
	maxPickle    = 1 << 20
	maxDirectory = 1 << 20
)

// Parse is Read for a file that is in memory, with all of its storages' checksums compared. Tensors
// that have more bytes together than the file, since they share parts of a storage, are an error;
// one that has several names is counted once.
func Parse(data []byte) (*safetensors.File, error) {
	file, err := Read(bytes.NewReader(data), int64(len(data)), "PyTorch data")
	if err != nil {
		return nil, err
	}
	var total int64
	type place struct {
		offset, size int64
		dtype        safetensors.DType
	}
	seen := map[place]bool{}
	for _, tensor := range file.Tensors() {
		place := place{tensor.Offset, tensor.Size, tensor.DType}
		if seen[place] {
			continue
		}
		seen[place] = true
		if total += tensor.Size; total > int64(len(data)) {
			return nil, fmt.Errorf("the tensors have more than the file's %d bytes together", len(data))
		}
	}
	if isLegacy(data) {
		return file, nil // has no checksums
	}
	archive, err := openZip(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(archive)) {
		if strings.HasPrefix(name, "data/") {
			if err := archive.read(name, io.Discard); err != nil {
				return nil, err
			}
		}
	}
	return file, nil
}

// Read reads what torch.save wrote of a dictionary of tensors, in size bytes behind r; name is what
// errors call it. Since PyTorch 1.6 that is a zip of one pickle, <name>/data.pkl, and of the bytes
// of each storage, <name>/data/<key>; before, pickles with the storages behind them. The tensors
// are read when they are asked for. Closing the File does not close r.
//
// A pickle is a program. This one may make dictionaries, tuples, texts, numbers, and tensors
// that view storages; whatever it asks for beyond that is an error. So is a tensor that does not
// lie in its storage row by row.
func Read(r io.ReaderAt, size int64, name string) (*safetensors.File, error) {
	tensors, err := locate(r, size)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return safetensors.View(r, size, name, tensors)
}

func locate(r io.ReaderAt, size int64) ([]safetensors.Info, error) {
	head := make([]byte, min(int64(len(legacyMagic)), size))
	if n, err := r.ReadAt(head, 0); n < len(head) {
		return nil, err
	}
	if isLegacy(head) {
		return locateLegacy(r, size)
	}
	archive, err := openZip(r, size)
	if err != nil {
		return nil, err
	}
	if archive["byteorder"] != nil {
		var order bytes.Buffer
		if err := archive.read("byteorder", &order); err != nil {
			return nil, err
		}
		if order.String() != "little" {
			return nil, fmt.Errorf("byte order %.20q: only little is read", order.String())
		}
	}
	var pickle bytes.Buffer
	if err := archive.read("data.pkl", &pickle); err != nil {
		return nil, err
	}
	dict, _, err := unpickle(pickle.Bytes())
	if err != nil {
		return nil, fmt.Errorf("data.pkl: %w", err)
	}
	return place(dict, archive.find)
}

// place gives the tensors of a dictionary their places in the file; find says where a storage
// begins.
func place(dict any, find func(storage) (int64, error)) ([]safetensors.Info, error) {
	items, ok := dict.(pickleDict)
	if !ok {
		return nil, fmt.Errorf("it holds %s, expected a dictionary of tensors", kindOf(dict))
	}
	var tensors []safetensors.Info
	for _, name := range slices.Sorted(maps.Keys(items)) {
		tensor, ok := items[name].(view)
		if !ok {
			continue
		}
		info, err := tensor.info(find)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		info.Name = name
		tensors = append(tensors, info)
	}
	return tensors, nil
}

// info says where a tensor lies. Its elements have to lie one after another.
func (t view) info(find func(storage) (int64, error)) (safetensors.Info, error) {
	start, err := find(t.storage)
	if err != nil {
		return safetensors.Info{}, err
	}
	elements, err := t.elements()
	if err != nil {
		return safetensors.Info{}, err
	}
	if t.offset < 0 || t.offset > t.storage.elements-elements {
		return safetensors.Info{}, fmt.Errorf("shape %v at offset %d does not fit a storage of %d elements", t.shape, t.offset, t.storage.elements)
	}
	size := int64(t.storage.dtype.Size())
	info := safetensors.Info{DType: t.storage.dtype, Shape: make([]int, len(t.shape)), Offset: start + t.offset*size, Size: elements * size}
	for i, n := range t.shape {
		info.Shape[i] = int(n)
	}
	return info, nil
}

// elements counts a tensor's elements, which lie in its storage row by row.
func (t view) elements() (int64, error) {
	if slices.ContainsFunc(t.shape, func(n int64) bool { return n < 0 }) {
		return 0, fmt.Errorf("shape %v has a negative dimension", t.shape)
	}
	if slices.Contains(t.shape, 0) {
		return 0, nil // the strides mean nothing
	}
	elements := int64(1)
	for i, n := range slices.Backward(t.shape) {
		if n > t.storage.elements/elements {
			return 0, fmt.Errorf("shape %v does not fit a storage of %d elements", t.shape, t.storage.elements)
		}
		if n > 1 && t.stride[i] != elements {
			return 0, fmt.Errorf("shape %v with strides %v is not contiguous", t.shape, t.stride)
		}
		elements *= n
	}
	return elements, nil
}

// archive are the entries of a zip by the name behind <name>/.
type archive map[string]*zip.File

func openZip(r io.ReaderAt, size int64) (archive, error) {
	directory := &bounded{r, maxDirectory}
	file, err := zip.NewReader(directory, size)
	if err != nil {
		return nil, fmt.Errorf("not a zip as torch.save writes it, or cut off: %w", err)
	}
	directory.left = math.MaxInt64
	entries := archive{}
	for _, entry := range file.File {
		_, name, _ := strings.Cut(entry.Name, "/")
		if entries[name] != nil {
			return nil, fmt.Errorf("there are two entries %q", entry.Name)
		}
		entries[name] = entry
	}
	return entries, nil
}

// bounded is a reader of which so many bytes may be read.
type bounded struct {
	io.ReaderAt
	left int64
}

func (b *bounded) ReadAt(p []byte, offset int64) (int, error) {
	if b.left -= int64(len(p)); b.left < 0 {
		return 0, errors.New("its directory is too large")
	}
	return b.ReaderAt.ReadAt(p, offset)
}

// lookup finds an entry, which is stored as it is.
func (a archive) lookup(name string) (*zip.File, error) {
	entry := a[name]
	if entry == nil {
		return nil, fmt.Errorf("there is no entry %q", name)
	}
	if entry.Method != zip.Store {
		return nil, fmt.Errorf("entry %q is compressed, which torch.save does not do", name)
	}
	return entry, nil
}

// read copies an entry up to its end, where the checksum is compared. Those outside of data/ are
// small.
func (a archive) read(name string, to io.Writer) error {
	entry, err := a.lookup(name)
	if err != nil {
		return err
	}
	if entry.UncompressedSize64 > maxPickle && !strings.HasPrefix(name, "data/") {
		return fmt.Errorf("entry %q has %d bytes: it describes more than the tensors of a model", name, entry.UncompressedSize64)
	}
	opened, err := entry.Open()
	if err == nil {
		defer opened.Close()
		_, err = io.Copy(to, opened)
	}
	if err != nil {
		return fmt.Errorf("entry %q: %w", name, err)
	}
	return nil
}

// find says where a storage begins.
func (a archive) find(s storage) (int64, error) {
	entry, err := a.lookup("data/" + s.key)
	if err != nil {
		return 0, err
	}
	size := uint64(s.dtype.Size())
	if have := entry.UncompressedSize64; have%size != 0 || have/size != uint64(s.elements) {
		return 0, fmt.Errorf("its storage %q has %d bytes, expected %d elements of %s", s.key, have, s.elements, s.dtype)
	}
	return entry.DataOffset()
}
