// Package safetensors reads and writes the safetensors file format of Hugging Face.
//
//	file, err := safetensors.Open("model.safetensors")
//	values, err := file.Float32("shared.weight")
//
//	err = safetensors.WriteFile("one.safetensors", []safetensors.Tensor{
//		safetensors.Float32("bias", safetensors.F32, []int{2}, []float32{0.5, -1}),
//	}, nil)
//
// A file is a little-endian uint64 N, then N bytes of JSON that map each tensor's name to its
// dtype, shape and byte range, then the elements, row-major and little-endian. The reader accepts
// exactly what the format's specification allows: a header of at most 100 MB that starts with '{',
// unique names, ranges that fit dtype and shape and that cover everything behind the header once,
// with no hole, no overlap and no byte left over. Only headers of more than about 16,000 tensors, which
// no model has, are refused as well: they would take far more memory than the file has bytes.
package safetensors

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/go-dept/dept/internal/jsontext"
)

// MaxHeaderLen is the largest header that the format allows, in bytes.
const MaxHeaderLen = 100_000_000

// maxSeparators bounds the colons and commas of a header; a matrix has five.
const maxSeparators = 1 << 17

// prefixLen is the length of the number in front of the header.
const prefixLen = 8

// metadataKey is the name in the header that is no tensor but a map of strings.
const metadataKey = "__metadata__"

// Info says where a tensor lies and what it is.
type Info struct {
	Name   string
	DType  DType
	Shape  []int // empty for a scalar
	Offset int64 // of the first byte, from the start of the file
	Size   int64 // in bytes: the product of Shape times DType.Size()
}

// Header is what stands in front of the elements.
type Header struct {
	Tensors  []Info            // in the order in which they lie in the file
	Metadata map[string]string // nil when the file has none
}

// HeaderLen reads the first eight bytes of a file of fileSize bytes and returns how many bytes of
// header follow them.
func HeaderLen(prefix []byte, fileSize int64) (int, error) {
	if len(prefix) < prefixLen || fileSize < prefixLen {
		return 0, fmt.Errorf("the file is %d bytes long, shorter than the 8 bytes that every safetensors file starts with: is it cut off?", min(int64(len(prefix)), fileSize))
	}
	n := binary.LittleEndian.Uint64(prefix)
	if n > MaxHeaderLen {
		return 0, fmt.Errorf("the header claims %d bytes, the format allows %d: this is no safetensors file", n, MaxHeaderLen)
	}
	if int64(n) > fileSize-prefixLen {
		return 0, fmt.Errorf("the header claims %d bytes but only %d follow: the file is cut off or is no safetensors file", n, fileSize-prefixLen)
	}
	return int(n), nil
}

// ParseHeader reads the JSON between the eight bytes of length and the elements, and checks it
// against the size of the whole file. It needs no file, so that a program that streams one can
// know each tensor's place before the elements arrive.
func ParseHeader(header []byte, fileSize int64) (*Header, error) {
	if len(header) > MaxHeaderLen {
		return nil, fmt.Errorf("the header is %d bytes long, the format allows %d", len(header), MaxHeaderLen)
	}
	if len(header) == 0 || header[0] != '{' {
		return nil, errors.New("the header does not start with '{': this is no safetensors file")
	}
	if !utf8.Valid(header) {
		return nil, errors.New("the header is not valid UTF-8")
	}
	if n := jsontext.Separators(header); n > maxSeparators {
		return nil, fmt.Errorf("the header has %d members and elements, where %d are far more than a model has", n, maxSeparators)
	}
	if !json.Valid(header) {
		return nil, errors.New("the header is not valid JSON")
	}
	h := &Header{}
	seen := map[string]bool{}
	dataStart := int64(prefixLen + len(header))
	err := eachMember(json.NewDecoder(bytes.NewReader(header)), func(name string, value json.RawMessage) error {
		if seen[name] {
			return fmt.Errorf("the header names %q twice", name)
		}
		seen[name] = true
		if name == metadataKey {
			metadata, err := parseMetadata(value)
			h.Metadata = metadata
			return err
		}
		info, err := parseInfo(value, dataStart, fileSize)
		if err != nil {
			return fmt.Errorf("tensor %q: %w", name, err)
		}
		info.Name = name
		h.Tensors = append(h.Tensors, info)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return h, h.checkCover(dataStart, fileSize)
}

// eachMember calls f with every member of the JSON object that dec is at, in order. Decoding into
// a map would hide a name that stands there twice.
func eachMember(dec *json.Decoder, f func(key string, value json.RawMessage) error) error {
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return errors.New("not a JSON object")
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return err
		}
		if err := f(key.(string), value); err != nil {
			return err
		}
	}
	return nil
}

func parseMetadata(value json.RawMessage) (map[string]string, error) {
	metadata := map[string]string{}
	err := eachMember(json.NewDecoder(bytes.NewReader(value)), func(key string, value json.RawMessage) error {
		if _, ok := metadata[key]; ok {
			return fmt.Errorf("names %q twice", key)
		}
		if value[0] != '"' {
			return fmt.Errorf("%q is not a string", key)
		}
		var s string
		if err := json.Unmarshal(value, &s); err != nil {
			return err
		}
		metadata[key] = s
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", metadataKey, err)
	}
	return metadata, nil
}

// parseInfo reads {"dtype", "shape", "data_offsets"} and checks the three against each other and
// against the file. Members with other names are skipped, as the reference implementation does.
func parseInfo(value json.RawMessage, dataStart, fileSize int64) (Info, error) {
	members := map[string]json.RawMessage{}
	err := eachMember(json.NewDecoder(bytes.NewReader(value)), func(key string, value json.RawMessage) error {
		if _, ok := members[key]; ok {
			return fmt.Errorf("has %q twice", key)
		}
		members[key] = value
		return nil
	})
	if err != nil {
		return Info{}, err
	}
	for _, key := range []string{"dtype", "shape", "data_offsets"} {
		if members[key] == nil {
			return Info{}, fmt.Errorf("has no %q", key)
		}
	}
	var info Info
	if err := json.Unmarshal(members["dtype"], &info.DType); err != nil {
		return Info{}, fmt.Errorf("dtype %s is not a string", members["dtype"])
	}
	if info.DType.Size() == 0 {
		return Info{}, fmt.Errorf("unknown dtype %q", info.DType)
	}
	shape, err := parseNaturals(members["shape"])
	if err != nil {
		return Info{}, fmt.Errorf("shape: %w", err)
	}
	info.Shape = make([]int, len(shape))
	for i, n := range shape {
		if n > math.MaxInt {
			return Info{}, fmt.Errorf("shape %v is too large", shape)
		}
		info.Shape[i] = int(n)
	}
	offsets, err := parseNaturals(members["data_offsets"])
	if err != nil {
		return Info{}, fmt.Errorf("data_offsets: %w", err)
	}
	if len(offsets) != 2 || offsets[0] > offsets[1] {
		return Info{}, fmt.Errorf("data_offsets %v are not a begin and an end", offsets)
	}
	if offsets[1] > fileSize-dataStart {
		return Info{}, fmt.Errorf("data_offsets %v end beyond the %d bytes behind the header: the file is cut off", offsets, max(fileSize-dataStart, 0))
	}
	info.Offset = dataStart + offsets[0]
	info.Size = offsets[1] - offsets[0]
	want, ok := byteSize(info.DType, info.Shape)
	if !ok {
		return Info{}, fmt.Errorf("shape %v is too large", info.Shape)
	}
	if want != info.Size {
		return Info{}, fmt.Errorf("data_offsets %v hold %d bytes, but shape %v of %s needs %d", offsets, info.Size, info.Shape, info.DType, want)
	}
	return info, nil
}

// parseNaturals reads an array of whole numbers from 0 to 2^63-1.
func parseNaturals(value json.RawMessage) ([]int64, error) {
	var numbers []json.RawMessage
	if value[0] != '[' {
		return nil, fmt.Errorf("%s is not an array", value)
	}
	if err := json.Unmarshal(value, &numbers); err != nil {
		return nil, err
	}
	naturals := make([]int64, len(numbers))
	for i, number := range numbers {
		n, err := strconv.ParseInt(string(number), 10, 64)
		if err != nil || n < 0 || number[0] == '-' {
			return nil, fmt.Errorf("%s is not a whole number from 0 to 2^63-1", number)
		}
		naturals[i] = n
	}
	return naturals, nil
}

// byteSize multiplies out a shape. It reports false where a dimension is negative or where the
// product, taken over the dimensions other than zero, overflows.
func byteSize(dtype DType, shape []int) (int64, bool) {
	size, empty := int64(dtype.Size()), false
	for _, n := range shape {
		switch {
		case n < 0 || n > 0 && size > math.MaxInt64/int64(n):
			return 0, false
		case n == 0:
			empty = true
		default:
			size *= int64(n)
		}
	}
	if empty {
		return 0, true
	}
	return size, true
}

// checkCover sorts the tensors by place and checks that they cover everything from dataStart to
// fileSize exactly once.
func (h *Header) checkCover(dataStart, fileSize int64) error {
	slices.SortStableFunc(h.Tensors, func(a, b Info) int {
		return cmp.Or(cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Size, b.Size))
	})
	end, last := dataStart, "the header"
	for _, t := range h.Tensors {
		switch {
		case t.Offset > end:
			return fmt.Errorf("there is a hole of %d bytes between %s and tensor %q", t.Offset-end, last, t.Name)
		case t.Offset < end:
			return fmt.Errorf("tensor %q overlaps %s by %d bytes", t.Name, last, end-t.Offset)
		}
		end, last = t.Offset+t.Size, fmt.Sprintf("tensor %q", t.Name)
	}
	if end != fileSize {
		return fmt.Errorf("%d bytes follow %s that belong to no tensor", fileSize-end, last)
	}
	return nil
}
