package safetensors

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
)

// File is a safetensors file whose header has been read and checked. Elements are read when asked
// for. Its methods may be called from several goroutines.
type File struct {
	name   string // for errors
	r      io.ReaderAt
	close  func() error
	header *Header
	byName map[string]Info
}

// Open opens the file at path. Close it when done.
func Open(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	stat, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	file, err := Read(f, stat.Size(), path)
	if err != nil {
		f.Close()
		return nil, err
	}
	file.close = f.Close
	return file, nil
}

// Parse opens a file that is in memory. The File keeps data.
func Parse(data []byte) (*File, error) {
	return Read(bytes.NewReader(data), int64(len(data)), "safetensors data")
}

// Read opens a file of size bytes behind r; name is what errors call it. Closing the File does not
// close r.
func Read(r io.ReaderAt, size int64, name string) (*File, error) {
	header, err := readHeader(r, size)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	f := &File{name: name, r: r, close: func() error { return nil }, header: header}
	f.byName = make(map[string]Info, len(header.Tensors))
	for _, t := range header.Tensors {
		f.byName[t.Name] = t
	}
	return f, nil
}

// View is a file of tensors that lie among size bytes behind r as another format has them, each
// where its Info says; name is what errors call it. They may share bytes. Closing the File does not
// close r.
func View(r io.ReaderAt, size int64, name string, tensors []Info) (*File, error) {
	f := &File{name: name, r: r, close: func() error { return nil }, header: &Header{Tensors: tensors}}
	f.byName = make(map[string]Info, len(tensors))
	for _, t := range tensors {
		want, ok := byteSize(t.DType, t.Shape)
		if !ok || want != t.Size || t.Offset < 0 || t.Size > size || t.Offset > size-t.Size {
			return nil, fmt.Errorf("reading %s: tensor %q of shape %v and type %s does not lie in %d bytes from %d on, of %d", name, t.Name, t.Shape, t.DType, t.Size, t.Offset, size)
		}
		if _, taken := f.byName[t.Name]; taken {
			return nil, fmt.Errorf("reading %s: there are two tensors %q", name, t.Name)
		}
		f.byName[t.Name] = t
	}
	return f, nil
}

// Zeros is a file in which the tensors lie and every number is 0. Only its header takes
// memory, so that a model of any size can be planned; the tensors' Data is not asked for.
func Zeros(tensors []Tensor) (*File, error) {
	header, err := encodeHeader(tensors, nil)
	if err != nil {
		return nil, err
	}
	z := zeros(append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...))
	size := int64(len(z))
	for _, t := range tensors {
		n, ok := byteSize(t.DType, t.Shape)
		if !ok {
			return nil, fmt.Errorf("tensor %q: shape %v of %s is too large", t.Name, t.Shape, t.DType)
		}
		size += n
	}
	return Read(z, size, "zeros")
}

// zeros reads as its bytes, with zeros after them.
type zeros []byte

func (z zeros) ReadAt(p []byte, offset int64) (int, error) {
	n := 0
	if offset < int64(len(z)) {
		n = copy(p, z[offset:])
	}
	clear(p[n:])
	return len(p), nil
}

func readHeader(r io.ReaderAt, size int64) (*Header, error) {
	prefix := make([]byte, min(prefixLen, size))
	if err := readFull(r, prefix, 0); err != nil {
		return nil, err
	}
	n, err := HeaderLen(prefix, size)
	if err != nil {
		return nil, err
	}
	header := make([]byte, n)
	if err := readFull(r, header, prefixLen); err != nil {
		return nil, err
	}
	return ParseHeader(header, size)
}

// readFull fills p. A ReaderAt may return io.EOF with the last bytes, which is no error here.
func readFull(r io.ReaderAt, p []byte, offset int64) error {
	if n, err := r.ReadAt(p, offset); n < len(p) {
		return fmt.Errorf("bytes %d to %d: %w", offset, offset+int64(len(p)), err)
	}
	return nil
}

// Name returns the path that Open was given, or the name that Read was given.
func (f *File) Name() string { return f.name }

// Tensors lists the tensors in the order in which they lie in the file. Do not change the slice.
func (f *File) Tensors() []Info { return f.header.Tensors }

// Metadata returns the file's map of strings, nil when it has none. Do not change it.
func (f *File) Metadata() map[string]string { return f.header.Metadata }

// Lookup finds a tensor by name.
func (f *File) Lookup(name string) (Info, bool) {
	info, ok := f.byName[name]
	return info, ok
}

// Reader reads the elements of a tensor as they are stored.
func (f *File) Reader(name string) (*io.SectionReader, error) {
	info, ok := f.byName[name]
	if !ok {
		return nil, fmt.Errorf("%s has no tensor %q", f.name, name)
	}
	return io.NewSectionReader(f.r, info.Offset, info.Size), nil
}

// Bytes returns the elements of a tensor as they are stored: row-major, little-endian.
func (f *File) Bytes(name string) ([]byte, error) {
	info, ok := f.byName[name]
	if !ok {
		return nil, fmt.Errorf("%s has no tensor %q", f.name, name)
	}
	data := make([]byte, info.Size)
	if err := readFull(f.r, data, info.Offset); err != nil {
		return nil, fmt.Errorf("reading tensor %q of %s: %w", name, f.name, err)
	}
	return data, nil
}

// Float32 returns the elements of a tensor, row-major, converted as Decode does.
func (f *File) Float32(name string) ([]float32, error) {
	data, err := f.Bytes(name)
	if err != nil {
		return nil, err
	}
	values, err := Decode(f.byName[name].DType, data)
	if err != nil {
		return nil, fmt.Errorf("reading tensor %q of %s: %w", name, f.name, err)
	}
	return values, nil
}

// Close closes the file that Open opened.
func (f *File) Close() error { return f.close() }
