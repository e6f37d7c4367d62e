package safetensors

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/internal/allocation"
)

// raw assembles a file from a header and n bytes of elements, checking nothing.
func raw(header string, n int) []byte {
	data := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	data = append(data, header...)
	for i := range n {
		data = append(data, byte(i))
	}
	return data
}

// bad holds files that break one rule each, and a part of the error that says which.
var bad = []struct {
	name, want string
	data       []byte
}{
	{"empty file", "0 bytes long", nil},
	{"shorter than the length", "7 bytes long", make([]byte, 7)},
	{"no header", "does not start with '{'", make([]byte, 8)},
	{"header length beyond the cap", "the format allows 100000000", append(binary.LittleEndian.AppendUint64(nil, MaxHeaderLen+1), '{', '}')},
	{"header length with the top bit set", "the format allows 100000000", append(binary.LittleEndian.AppendUint64(nil, 1<<63|2), '{', '}')},
	{"header cut off", "cut off", raw(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 8)[:30]},
	{"elements cut off", "cut off", raw(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 7)},
	{"header of spaces", "does not start with '{'", raw(`  {}`, 0)},
	{"array as header", "does not start with '{'", raw(`[]`, 0)},
	{"broken JSON", "not valid JSON", raw(`{"a":`, 0)},
	{"two JSON values", "not valid JSON", raw(`{}{}`, 0)},
	{"zero byte after the JSON", "not valid JSON", raw("{}\x00", 0)},
	{"invalid UTF-8", "UTF-8", raw("{\"\xff\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0)},
	{"endless nesting", "not valid JSON", raw(`{"a":`+strings.Repeat("[", 20000), 0)},
	{"duplicate name", `"a" twice`, raw(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 2)},
	{"duplicate name, one escaped", `"a" twice`, raw(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\u0061":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 2)},
	{"duplicate metadata", `"__metadata__" twice`, raw(`{"__metadata__":{},"__metadata__":{}}`, 0)},
	{"duplicate metadata key", `"k" twice`, raw(`{"__metadata__":{"k":"1","k":"2"}}`, 0)},
	{"metadata not strings", `"k" is not a string`, raw(`{"__metadata__":{"k":1}}`, 0)},
	{"metadata null", `"k" is not a string`, raw(`{"__metadata__":{"k":null}}`, 0)},
	{"metadata an array", "not a JSON object", raw(`{"__metadata__":["k"]}`, 0)},
	{"tensor a number", "not a JSON object", raw(`{"a":1}`, 0)},
	{"no dtype", `has no "dtype"`, raw(`{"a":{"shape":[1],"data_offsets":[0,1]}}`, 1)},
	{"no shape", `has no "shape"`, raw(`{"a":{"dtype":"U8","data_offsets":[0,1]}}`, 1)},
	{"no offsets", `has no "data_offsets"`, raw(`{"a":{"dtype":"U8","shape":[1]}}`, 1)},
	{"duplicate shape", `has "shape" twice`, raw(`{"a":{"dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1]}}`, 1)},
	{"unknown dtype", `unknown dtype "F33"`, raw(`{"a":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}}`, 4)},
	{"dtype a number", "dtype 32", raw(`{"a":{"dtype":32,"shape":[1],"data_offsets":[0,4]}}`, 4)},
	{"dtype null", `unknown dtype ""`, raw(`{"a":{"dtype":null,"shape":[1],"data_offsets":[0,4]}}`, 4)},
	{"shape a number", "shape: 1 is not an array", raw(`{"a":{"dtype":"U8","shape":1,"data_offsets":[0,1]}}`, 1)},
	{"shape null", "shape: null is not an array", raw(`{"a":{"dtype":"U8","shape":null,"data_offsets":[0,1]}}`, 1)},
	{"negative dimension", "-1 is not a whole number", raw(`{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}}`, 1)},
	{"two negative dimensions", "-1 is not a whole number", raw(`{"a":{"dtype":"U8","shape":[-1,-1],"data_offsets":[0,1]}}`, 1)},
	{"minus zero", "-0 is not a whole number", raw(`{"a":{"dtype":"U8","shape":[-0],"data_offsets":[0,0]}}`, 0)},
	{"fraction", "1.0 is not a whole number", raw(`{"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}}`, 1)},
	{"string as dimension", `"1" is not a whole number`, raw(`{"a":{"dtype":"U8","shape":["1"],"data_offsets":[0,1]}}`, 1)},
	{"dimension beyond 2^63", "is not a whole number", raw(`{"a":{"dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,1]}}`, 1)},
	{"product overflows", "too large", raw(`{"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}}`, 0)},
	{"product overflows in bytes", "too large", raw(`{"a":{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]}}`, 0)},
	{"product overflows beside a zero", "too large", raw(`{"a":{"dtype":"U8","shape":[0,4294967296,4294967296],"data_offsets":[0,0]}}`, 0)},
	{"wrong product", "shape [3] of F32 needs 12", raw(`{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}`, 8)},
	{"negative offset", "-1 is not a whole number", raw(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[-1,0]}}`, 0)},
	{"offsets reversed", "not a begin and an end", raw(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}}`, 1)},
	{"three offsets", "not a begin and an end", raw(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,1]}}`, 1)},
	{"offset far beyond the file", "beyond the 1 bytes", raw(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[9223372036854775806,9223372036854775807]}}`, 1)},
	{"overlap", `tensor "b" overlaps tensor "a" by 1 bytes`, raw(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}`, 3)},
	{"same range twice", "overlaps", raw(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}`, 2)},
	{"hole", `hole of 1 bytes between tensor "a" and tensor "b"`, raw(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}`, 3)},
	{"hole at the start", "hole of 1 bytes between the header", raw(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 2)},
	{"trailing byte", `1 bytes follow tensor "a"`, raw(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 2)},
	{"trailing byte without tensors", "1 bytes follow the header", raw(`{}`, 1)},
}

func TestBadFiles(t *testing.T) {
	for _, c := range bad {
		t.Run(c.name, func(t *testing.T) {
			f, err := Parse(c.data)
			require.ErrorContains(t, err, c.want)
			require.Nil(t, f)

			path := filepath.Join(t.TempDir(), "bad.safetensors")
			require.NoError(t, os.WriteFile(path, c.data, 0o644))
			_, err = Open(path)
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, path)
		})
	}
}

func TestGoodFiles(t *testing.T) {
	for name, c := range map[string]struct {
		data    []byte
		tensors []Info
	}{
		"no tensor":      {raw(`{}`, 0), nil},
		"padded header":  {raw("{} \n\t ", 0), nil},
		"scalar":         {raw(`{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}`, 4), []Info{{"a", F32, []int{}, 61, 4}}},
		"unknown member": {raw(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"note":{}}}`, 1), []Info{{"a", U8, []int{1}, 71, 1}}},
		"empty tensors between": {
			raw(`{"c":{"dtype":"U8","shape":[1],"data_offsets":[1,2]},"e":{"dtype":"F32","shape":[3,0],"data_offsets":[1,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 2),
			[]Info{{"a", U8, []int{1}, 168, 1}, {"e", F32, []int{3, 0}, 169, 0}, {"c", U8, []int{1}, 169, 1}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := Parse(c.data)
			require.NoError(t, err)
			assert.Equal(t, c.tensors, f.Tensors())
		})
	}
}

func sample() ([]Tensor, map[string]string) {
	return []Tensor{
		Float32("z", F32, []int{2, 3}, []float32{1, -2, 3.5, 0, 5, -6}),
		Float32("h", F16, []int{3}, []float32{0.5, 65504, -0.25}),
		Float32("b", BF16, []int{1, 1}, []float32{-3}),
		Float32("a", F32, nil, []float32{7}),
		{"odd <name> \"é\"", U8, []int{3}, func() ([]byte, error) { return []byte{1, 2, 3}, nil }},
		{"none", I64, []int{0, 4}, func() ([]byte, error) { return nil, nil }},
	}, map[string]string{"format": "pt", "a": "β"}
}

func TestWriteThenRead(t *testing.T) {
	tensors, metadata := sample()
	path := filepath.Join(t.TempDir(), "a.safetensors")
	require.NoError(t, WriteFile(path, tensors, metadata))
	f, err := Open(path)
	require.NoError(t, err)
	defer f.Close()

	assert.Equal(t, metadata, f.Metadata())
	require.Len(t, f.Tensors(), len(tensors))
	for _, want := range tensors {
		info, ok := f.Lookup(want.Name)
		require.True(t, ok, want.Name)
		assert.Equal(t, want.DType, info.DType)
		assert.Equal(t, append([]int{}, want.Shape...), info.Shape)
		assert.Zero(t, info.Offset%int64(info.DType.Size()), "%s starts at %d", want.Name, info.Offset)
		data, err := want.Data()
		require.NoError(t, err)
		got, err := f.Bytes(want.Name)
		require.NoError(t, err)
		assert.Equal(t, append([]byte{}, data...), got)
	}
	values, err := f.Float32("h")
	require.NoError(t, err)
	assert.Equal(t, []float32{0.5, 65504, -0.25}, values)
	_, err = f.Float32("odd <name> \"é\"")
	assert.ErrorContains(t, err, "U8")
	_, err = f.Bytes("missing")
	assert.ErrorContains(t, err, `no tensor "missing"`)
	_, err = f.Reader("missing")
	assert.ErrorContains(t, err, `no tensor "missing"`)
}

func TestWriteIsDeterministic(t *testing.T) {
	tensors, metadata := sample()
	var first, second bytes.Buffer
	require.NoError(t, Write(&first, tensors, metadata))
	for i, j := 0, len(tensors)-1; i < j; i, j = i+1, j-1 {
		tensors[i], tensors[j] = tensors[j], tensors[i]
	}
	require.NoError(t, Write(&second, tensors, metadata))
	assert.Equal(t, first.Bytes(), second.Bytes())
	assert.Zero(t, binary.LittleEndian.Uint64(first.Bytes())%8, "the header's length")
}

// The exact bytes of a small file, so that the layout cannot drift.
func TestWrittenBytes(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, Write(&b, []Tensor{
		Float32("n", BF16, []int{1}, []float32{1}),
		Float32("m", F32, []int{1}, []float32{1}),
	}, map[string]string{"format": "pt"}))
	header := `{"__metadata__":{"format":"pt"},"m":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"n":{"dtype":"BF16","shape":[1],"data_offsets":[4,6]}}`
	header += strings.Repeat(" ", (8-len(header)%8)%8)
	want := append(raw(header, 0), 0, 0, 0x80, 0x3f, 0x80, 0x3f)
	assert.Equal(t, want, b.Bytes())
}

func TestWriteRefuses(t *testing.T) {
	bytesOf := func(n int) func() ([]byte, error) {
		return func() ([]byte, error) { return make([]byte, n), nil }
	}
	for _, c := range []struct {
		want    string
		tensors []Tensor
	}{
		{"taken", []Tensor{{"a", U8, []int{1}, bytesOf(1)}, {"a", U8, []int{1}, bytesOf(1)}}},
		{"taken", []Tensor{{"__metadata__", U8, []int{1}, bytesOf(1)}}},
		{"UTF-8", []Tensor{{"\xff", U8, []int{1}, bytesOf(1)}}},
		{"unknown dtype", []Tensor{{"a", "F12", []int{1}, bytesOf(1)}}},
		{"negative", []Tensor{{"a", U8, []int{-1}, bytesOf(1)}}},
		{"too large", []Tensor{{"a", U8, []int{1 << 32, 1 << 32}, bytesOf(1)}}},
		{"too large", []Tensor{{"a", U8, []int{1 << 62}, bytesOf(1)}, {"b", U8, []int{1 << 62}, bytesOf(1)}, {"c", U8, []int{1 << 62}, bytesOf(1)}}},
		{"needs 2 bytes, there are 1", []Tensor{{"a", U8, []int{2}, bytesOf(1)}}},
		{"element 0", []Tensor{Float32("a", F16, []int{1}, []float32{1e6})}},
	} {
		assert.ErrorContains(t, Write(&bytes.Buffer{}, c.tensors, nil), c.want)
	}
	path := filepath.Join(t.TempDir(), "a.safetensors")
	require.Error(t, WriteFile(path, []Tensor{{"a", U8, []int{2}, bytesOf(1)}}, nil))
	assert.NoFileExists(t, path)
}

func TestOpenMissingFile(t *testing.T) {
	_, err := Open(filepath.Join(t.TempDir(), "none.safetensors"))
	assert.ErrorIs(t, err, os.ErrNotExist)
	_, err = Open(t.TempDir())
	assert.Error(t, err, "a folder")
}

// A file that shrinks after it was opened gives an error, not a panic and not zeros.
func TestFileThatShrinks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.safetensors")
	require.NoError(t, WriteFile(path, []Tensor{Float32("a", F32, []int{100}, make([]float32, 100))}, nil))
	f, err := Open(path)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, os.Truncate(path, 200))
	_, err = f.Float32("a")
	assert.ErrorContains(t, err, `tensor "a"`)
}

// FuzzParse: whatever the bytes, Parse returns an error or a file whose every tensor can be read,
// and which Write turns into a file with the same tensors.
func FuzzParse(f *testing.F) {
	for _, c := range bad {
		f.Add(c.data)
	}
	var b bytes.Buffer
	tensors, metadata := sample()
	if err := Write(&b, tensors, metadata); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add(raw("{}", 0))
	f.Fuzz(func(t *testing.T, data []byte) {
		var file *File
		var err error
		allocation.Check(t, len(data), func() { file, err = Parse(data) })
		if err != nil {
			return
		}
		var total int64
		var again []Tensor
		for _, info := range file.Tensors() {
			total += info.Size
			elements, err := file.Bytes(info.Name)
			require.NoError(t, err)
			require.Len(t, elements, int(info.Size))
			if info.DType.Float() {
				_, err := file.Float32(info.Name)
				require.NoError(t, err)
			}
			again = append(again, Tensor{info.Name, info.DType, info.Shape, func() ([]byte, error) { return elements, nil }})
		}
		n := int64(binary.LittleEndian.Uint64(data))
		require.Equal(t, int64(len(data)), 8+n+total, "every byte belongs to something")

		var copied bytes.Buffer
		require.NoError(t, Write(&copied, again, file.Metadata()))
		back, err := Parse(copied.Bytes())
		require.NoError(t, err)
		require.Len(t, back.Tensors(), len(again))
		for _, want := range again {
			got, err := back.Bytes(want.Name)
			require.NoError(t, err)
			wantData, _ := want.Data()
			require.True(t, bytes.Equal(wantData, got), want.Name)
		}
	})
}

func ExampleWrite() {
	var b bytes.Buffer
	err := Write(&b, []Tensor{Float32("bias", F32, []int{2}, []float32{0.5, -1})}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	f, err := Parse(b.Bytes())
	if err != nil {
		fmt.Println(err)
		return
	}
	values, err := f.Float32("bias")
	fmt.Println(values, err)
	// Output: [0.5 -1] <nil>
}

// Headers that ask for most memory by the byte stay within the bound, or are refused.
func TestCrowdedHeaders(t *testing.T) {
	tensor := `:{"dtype":"F32","shape":[0],"data_offsets":[0,0]}`
	var many strings.Builder
	for i := range maxSeparators/8 - 1 {
		fmt.Fprintf(&many, `,"%d"%s`, i, tensor)
	}
	for name, header := range map[string]string{
		"tensors":  `{"a"` + tensor + many.String() + "}",
		"more":     `{"a"` + tensor + many.String() + strings.ReplaceAll(many.String(), `,"`, `,"x`) + "}",
		"metadata": `{"__metadata__":{"a":""` + strings.Repeat(`,"b":""`, maxSeparators/2-2) + "}}",
		"shape":    `{"a":{"dtype":"F32","data_offsets":[0,0],"shape":[0` + strings.Repeat(",1", maxSeparators-8) + "]}}",
		"offsets":  `{"a":{"dtype":"F32","shape":[0],"data_offsets":[0` + strings.Repeat(",0", maxSeparators) + "]}}",
	} {
		data := raw(header, 0)
		allocation.Check(t, len(data), func() {
			_, err := Parse(data)
			if name == "tensors" {
				require.NoError(t, err)
			} else if name != "shape" {
				require.Error(t, err, name)
			}
		})
	}
}
