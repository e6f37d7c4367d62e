package torchbin

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/internal/allocation"
	"github.com/go-dept/dept/internal/reference"
	"github.com/go-dept/dept/safetensors"
)

// torchZip is a zip of entries, "name=content" each, under adapter/.
func torchZip(method uint16, entries ...string) []byte {
	var file bytes.Buffer
	w := zip.NewWriter(&file)
	for _, entry := range entries {
		name, content, _ := strings.Cut(entry, "=")
		e, err := w.CreateHeader(&zip.FileHeader{Name: "adapter/" + name, Method: method})
		if err != nil {
			panic(err)
		}
		io.WriteString(e, content)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return file.Bytes()
}

// Pieces of pickles, written as Python's pickle of protocol 2 writes them, without its memo.

func pickleText(text string) string {
	return "X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(text)))) + text
}

func pickleInt(n int32) string {
	return "J" + string(binary.LittleEndian.AppendUint32(nil, uint32(n)))
}

func pickleInts(numbers ...int32) string {
	var p strings.Builder
	p.WriteString("(")
	for _, n := range numbers {
		p.WriteString(pickleInt(n))
	}
	return p.String() + "t"
}

func pickleStorage(kind, key string, elements int32) string {
	return "(" + pickleText("storage") + "ctorch\n" + kind + "\n" + pickleText(key) + pickleText("cpu") + pickleInt(elements) + "tQ"
}

func pickleTensor(storage string, offset int32, shape, stride string) string {
	return "ctorch._utils\n_rebuild_tensor_v2\n(" + storage + pickleInt(offset) + shape + stride +
		"\x89ccollections\nOrderedDict\n)RtR"
}

// pickleDictOf is a plain dictionary of one tensor, w.
func pickleDictOf(tensor string) string {
	return "\x80\x02}(" + pickleText("w") + tensor + "u."
}

func float32Bytes(values ...float32) string {
	var b []byte
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return string(b)
}

func TestTorchBin(t *testing.T) {
	row := pickleTensor(pickleStorage("FloatStorage", "0", 6), 0, pickleInts(2, 3), pickleInts(3, 1))
	data := float32Bytes(1, -2, 3, 4.5, 5, 6)
	for _, tc := range []struct {
		name   string
		pickle string
		data   string
		shape  []int
		want   []float32
	}{
		{"float32", pickleDictOf(row), data, []int{2, 3}, []float32{1, -2, 3, 4.5, 5, 6}},
		{"float16", pickleDictOf(pickleTensor(pickleStorage("HalfStorage", "0", 2), 0, pickleInts(2), pickleInts(1))),
			"\x00\x3c\x01\x00", []int{2}, []float32{1, 0x1p-24}},
		{"bfloat16", pickleDictOf(pickleTensor(pickleStorage("BFloat16Storage", "0", 2), 0, pickleInts(2), pickleInts(1))),
			"\x80\x3f\x00\xc0", []int{2}, []float32{1, -2}},
		{"float64", pickleDictOf(pickleTensor(pickleStorage("DoubleStorage", "0", 1), 0, pickleInts(1), pickleInts(1))),
			"\x00\x00\x00\x00\x00\x00\xf8\xbf", []int{1}, []float32{-1.5}},
		{"a parameter", pickleDictOf("ctorch._utils\n_rebuild_parameter\n(" + row + "\x88ccollections\nOrderedDict\n)RtR"),
			data, []int{2, 3}, []float32{1, -2, 3, 4.5, 5, 6}},
		{"a view", pickleDictOf(pickleTensor(pickleStorage("FloatStorage", "0", 6), 2, pickleInts(1, 3), pickleInts(99, 1))),
			data, []int{1, 3}, []float32{3, 4.5, 5}},
		{"a number", pickleDictOf(pickleTensor(pickleStorage("FloatStorage", "0", 6), 5, pickleInts(), pickleInts())),
			data, []int{}, []float32{6}},
		{"no rows", pickleDictOf(pickleTensor(pickleStorage("FloatStorage", "0", 0), 0, pickleInts(0, 768), pickleInts(768, 1))),
			"", []int{0, 768}, []float32{}},
		{"an OrderedDict with _metadata", "\x80\x02ccollections\nOrderedDict\n)R" + pickleText("w") + row + "s" +
			"}" + pickleText("_metadata") + "Nsb.", data, []int{2, 3}, []float32{1, -2, 3, 4.5, 5, 6}},
		{"numbers of every size", pickleDictOf(strings.Replace(row, pickleInts(2, 3), "K\x02q\x05M\x03\x00\x86", 1)),
			data, []int{2, 3}, []float32{1, -2, 3, 4.5, 5, 6}},
		{"long numbers and a memo", pickleDictOf(pickleTensor(pickleStorage("FloatStorage", "0", 6), 0,
			"\x8a\x01\x02\x8a\x02\x03\x00r\x01\x00\x00\x00\x86", "j\x01\x00\x00\x00K\x01\x86")),
			data, []int{2, 3}, []float32{1, -2, 3, 4.5, 5, 6}},
		{"a negative long number", pickleDictOf(pickleTensor(pickleStorage("FloatStorage", "0", 6), 0,
			"K\x01\x85", "\x8a\x01\xff\x85")), data, []int{1}, []float32{1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			file, err := Parse(torchZip(zip.Store, "data.pkl="+tc.pickle, "byteorder=little", "data/0="+tc.data, "version=3\n"))
			require.NoError(t, err)
			info, ok := file.Lookup("w")
			require.True(t, ok)
			assert.Equal(t, tc.shape, info.Shape)
			values, err := file.Float32("w")
			require.NoError(t, err)
			assert.Equal(t, tc.want, values)
		})
	}
}

// legacy is a file of before PyTorch 1.6: the dictionary's pickle, then its storages by key,
// "key=bytes" each of so many elements.
func legacy(pickle string, elements int64, storages ...string) []byte {
	file := string(legacyMagic) + "\x80\x02M\xe9\x03." +
		"\x80\x02}(" + pickleText("protocol_version") + "M\xe9\x03" + pickleText("little_endian") + "\x88u." + pickle + "\x80\x02]("
	data := ""
	for _, s := range storages {
		key, content, _ := strings.Cut(s, "=")
		file += pickleText(key)
		data += string(binary.LittleEndian.AppendUint64(nil, uint64(elements))) + content
	}
	return []byte(file + "e." + data)
}

func TestLegacy(t *testing.T) {
	storage := func(key string) string {
		return strings.Replace(pickleStorage("FloatStorage", key, 6), "tQ", "NtQ", 1)
	}
	pickle := "\x80\x02}(" + pickleText("v") + pickleTensor(storage("7"), 3, pickleInts(3), pickleInts(1)) +
		pickleText("w") + pickleTensor(storage("5"), 0, pickleInts(2, 3), pickleInts(3, 1)) + "u."
	first, second := float32Bytes(1, -2, 3, 4.5, 5, 6), float32Bytes(7, 8, 9, 10, 11, 12)
	good := legacy(pickle, 6, "5="+first, "7="+second)
	file, err := Parse(good)
	require.NoError(t, err)
	for name, want := range map[string][]float32{"v": {10, 11, 12}, "w": {1, -2, 3, 4.5, 5, 6}} {
		values, err := file.Float32(name)
		require.NoError(t, err)
		assert.Equal(t, want, values)
	}
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"cut in a storage":   {good[:len(good)-1], `storage "7" has 6 elements of 4 bytes at byte`},
		"cut in a count":     {good[:len(good)-30], `the file is cut off`},
		"cut in the pickles": {good[:60], "ends within an instruction"},
		"another count":      {legacy(pickle, 5, "5="+first, "7="+second), "the file is cut off"},
		"a storage missing":  {legacy(pickle, 6, "5="+first), `tensor "v": its storage "7" has 0 elements, expected 6 of F32`},
		"one too many":       {legacy(pickle, 6, "5="+first, "7="+second, "8="), `storage "8" belongs to no tensor`},
		"big-endian":         {bytes.Replace(good, []byte("\x88u."), []byte("\x89u."), 1), "big-endian machine"},
		"another version":    {bytes.Replace(good, []byte("M\xe9\x03."), []byte("M\xea\x03."), 1), "is not read"},
		"no dictionary":      {legacy("\x80\x02K\x01.", 6), "it holds a number, expected a dictionary of tensors"},
	} {
		_, err := Parse(c.file)
		assert.ErrorContains(t, err, c.want, name)
	}
}

// A file is read where its tensors lie, when they are asked for; those that share a storage may be
// more than the file together.
func TestRead(t *testing.T) {
	storage := pickleStorage("FloatStorage", "0", 1000)
	row := pickleTensor(storage, 0, pickleInts(1000), pickleInts(1))
	content := torchZip(zip.Store, "data.pkl=\x80\x02}("+pickleText("shared")+row+pickleText("lm_head")+row+"u.", "data/0="+strings.Repeat("\x00\x00\x80?", 1000))
	r := &counting{Reader: bytes.NewReader(content)}
	file, err := Read(r, int64(len(content)), "pytorch_model.bin")
	require.NoError(t, err)
	assert.Less(t, r.read, 2000, "the storage is not read")
	for _, name := range []string{"shared", "lm_head"} {
		values, err := file.Float32(name)
		require.NoError(t, err)
		assert.Equal(t, float32(1), values[999])
	}
	_, err = Parse(content)
	require.NoError(t, err, "one tensor of two names")
	damaged := bytes.Replace(content, []byte("\x00\x00\x80?"), []byte("\x00\x00\x81?"), 1)
	damaged = bytes.Replace(damaged, []byte("lm_head"), []byte("lm_heaD"), 1)
	_, err = Read(bytes.NewReader(damaged), int64(len(damaged)), "pytorch_model.bin")
	assert.ErrorContains(t, err, "reading pytorch_model.bin: entry \"data.pkl\": zip: checksum error")
}

type counting struct {
	*bytes.Reader
	read int
}

func (c *counting) ReadAt(p []byte, offset int64) (int, error) {
	n, err := c.Reader.ReadAt(p, offset)
	c.read += n
	return n, err
}

// The pickles that ask for most memory by the byte stay within the bound.
func TestLargePickles(t *testing.T) {
	n := maxPickle - 100
	for name, pickle := range map[string]string{
		"dictionaries":     "\x80\x02N" + strings.Repeat("}b", n/2),
		"tuples of tuples": "\x80\x02N" + strings.Repeat("\x85", n),
		"memories":         "\x80\x02Nq\x00" + strings.Repeat("h\x00r\x01\x02\x03\x04b", n/8),
		"values":           "\x80\x02" + strings.Repeat("N", n),
		"marks":            "\x80\x02" + strings.Repeat("(", n),
		"rows":             "\x80\x02]" + strings.Repeat("("+strings.Repeat("N", 1000)+"e", n/1002),
	} {
		content := torchZip(zip.Store, "data.pkl="+pickle)
		allocation.Check(t, len(content), func() {
			_, err := Read(bytes.NewReader(content), int64(len(content)), "pytorch_model.bin")
			require.Error(t, err, name)
		})
	}
}

// A directory that takes more memory than any model's is refused.
func TestLargeDirectory(t *testing.T) {
	var file bytes.Buffer
	w := zip.NewWriter(&file)
	for i := range 1 << 15 {
		_, err := w.CreateHeader(&zip.FileHeader{Name: fmt.Sprint("a/", i), Method: zip.Store})
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	_, err := Parse(file.Bytes())
	assert.ErrorContains(t, err, "its directory is too large")
}

func TestTorchBinErrors(t *testing.T) {
	storage := pickleStorage("FloatStorage", "0", 6)
	tensor := pickleTensor(storage, 0, pickleInts(2, 3), pickleInts(3, 1))
	good := pickleDictOf(tensor)
	data := "data/0=" + strings.Repeat("\x00", 24)
	of := func(shape, stride string) string { return pickleDictOf(pickleTensor(storage, 0, shape, stride)) }
	for _, tc := range []struct {
		name    string
		entries []string
		want    string
	}{
		{"no pickle", []string{data}, `there is no entry "data.pkl"`},
		{"no storage", []string{"data.pkl=" + good}, `tensor "w": there is no entry "data/0"`},
		{"a short storage", []string{"data.pkl=" + good, "data/0=abc"}, `storage "0" has 3 bytes, expected 6 elements of F32`},
		{"a long storage", []string{"data.pkl=" + good, data + "abcd"}, `storage "0" has 28 bytes, expected 6 elements`},
		{"twice", []string{"data.pkl=" + good, data, data}, `there are two entries "adapter/data/0"`},
		{"big-endian", []string{"byteorder=big", "data.pkl=" + good, data}, `byte order "big": only little is read`},
		{"a large pickle", []string{"data.pkl=" + strings.Repeat("(", maxPickle+1)}, "it describes more than the tensors of a model"},
		{"too many rows", []string{"data.pkl=" + of(pickleInts(3, 3), pickleInts(3, 1)), data}, "shape [3 3] does not fit a storage of 6 elements"},
		{"an overflowing shape", []string{"data.pkl=" + of(pickleInts(1<<30, 1<<30, 1<<30), pickleInts(1, 1, 1)), data}, "does not fit a storage of 6"},
		{"a negative shape", []string{"data.pkl=" + of(pickleInts(-2, -3), pickleInts(3, 1)), data}, "shape [-2 -3] has a negative dimension"},
		{"a negative empty shape", []string{"data.pkl=" + of(pickleInts(-2, 0), pickleInts(3, 1)), data}, "shape [-2 0] has a negative dimension"},
		{"a transposed view", []string{"data.pkl=" + of(pickleInts(3, 2), pickleInts(1, 3)), data}, "is not contiguous"},
		{"a spread row", []string{"data.pkl=" + of(pickleInts(6), pickleInts(0)), data}, "is not contiguous"},
		{"beyond the end", []string{"data.pkl=" + pickleDictOf(pickleTensor(storage, 1, pickleInts(2, 3), pickleInts(3, 1))), data}, "at offset 1 does not fit"},
		{"before the start", []string{"data.pkl=" + pickleDictOf(pickleTensor(storage, -1, pickleInts(2), pickleInts(1))), data}, "at offset -1 does not fit"},
		{"complex numbers", []string{"data.pkl=" + pickleDictOf(strings.Replace(tensor, "FloatStorage", "ComplexFloatStorage", 1)), data}, `refers to "torch ComplexFloatStorage"`},
		{"too many values", []string{"data.pkl=\x80\x02" + strings.Repeat("N", maxStack+1)}, "has too many values at once"},
		{"appending to nothing", []string{"data.pkl=\x80\x02Na."}, "appends to nothing"},
		{"appending to a text", []string{"data.pkl=\x80\x02" + pickleText("w") + "Na."}, "appends to a text"},
		{"code", []string{"data.pkl=\x80\x02cos\nsystem\n(" + pickleText("ls") + "tR."}, `byte 2: refers to "os system"`},
		{"protocol 4", []string{"data.pkl=\x80\x04}."}, "protocol 4, expected 2"},
		{"an unknown instruction", []string{"data.pkl=\x80\x02\x94."}, "instruction 0x94 does not belong"},
		{"cut off", []string{"data.pkl=" + good[:len(good)-3]}, "ends within an instruction"},
		{"nothing", []string{"data.pkl="}, "byte 0: ends within an instruction"},
		{"no dictionary", []string{"data.pkl=\x80\x02" + tensor + ".", data}, "expected a dictionary of tensors"},
		{"an empty stack", []string{"data.pkl=\x80\x02."}, "takes a value from an empty stack"},
		{"a stack empty above a mark", []string{"data.pkl=\x80\x02}(."}, "takes a value from an empty stack"},
		{"a tuple across a mark", []string{"data.pkl=\x80\x02N(N\x86."}, "takes a value from an empty stack"},
		{"no mark", []string{"data.pkl=\x80\x02t."}, "there is no mark"},
		{"nothing to recall", []string{"data.pkl=\x80\x02h\x07."}, "recalls value 7, which it never remembered"},
		{"nothing to remember", []string{"data.pkl=\x80\x02q\x07."}, "remembers a value of an empty stack"},
		{"an odd item", []string{"data.pkl=\x80\x02}(Nu."}, "sets an item that is no pair, or nowhere"},
		{"items of nothing", []string{"data.pkl=\x80\x02NNs."}, "sets an item that is no pair, or nowhere"},
		{"items of a tuple", []string{"data.pkl=\x80\x02)NNs."}, "sets an item of a tuple"},
		{"a key that is a number", []string{"data.pkl=\x80\x02}K\x01Ns."}, "a key is a number, expected a text"},
		{"a reference to nothing", []string{"data.pkl=\x80\x02NQ."}, "an outside reference that is no storage"},
		{"a storage of no type", []string{"data.pkl=\x80\x02(" + pickleText("storage") + "NNNNtQ."}, "a storage whose type, key or size is none"},
		{"a call of a text", []string{"data.pkl=\x80\x02" + pickleText("w") + ")R."}, "neither a dictionary nor a tensor"},
		{"a tensor of nothing", []string{"data.pkl=\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(NNNNNNtR."}, "neither a dictionary nor a tensor"},
		{"shape and strides of two lengths", []string{"data.pkl=" + of(pickleInts(6), pickleInts(1, 1)), data}, "neither a dictionary nor a tensor"},
		{"nine dimensions", []string{"data.pkl=" + of(pickleInts(1, 1, 1, 1, 1, 1, 1, 1, 6), pickleInts(1, 1, 1, 1, 1, 1, 1, 1, 1)), data}, "neither a dictionary nor a tensor"},
		{"a number of nine bytes", []string{"data.pkl=\x80\x02\x8a\x09123456789."}, "a number of 9 bytes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Parse(torchZip(zip.Store, tc.entries...))
			assert.ErrorContains(t, err, tc.want)
		})
	}

	_, err := Parse([]byte("\x80\x02}."))
	assert.ErrorContains(t, err, "not a zip as torch.save writes it")
	_, err = Parse(torchZip(zip.Deflate, "data.pkl="+good, data))
	assert.ErrorContains(t, err, `entry "data.pkl" is compressed`)
	torn := torchZip(zip.Store, "data.pkl="+good, data)
	torn[bytes.Index(torn, []byte("FloatStorage"))] ^= 1
	_, err = Parse(torn)
	assert.ErrorContains(t, err, "checksum error")
}

// A small file must not ask for much memory by viewing one storage again and again.
func TestTorchBinSharedStorage(t *testing.T) {
	var pickle strings.Builder
	pickle.WriteString("\x80\x02}")
	for i := range int32(100) {
		tensor := pickleTensor(pickleStorage("FloatStorage", "0", 1<<20), i, pickleInts(1<<20-100), pickleInts(1))
		pickle.WriteString(pickleText(fmt.Sprint(i)) + tensor + "s")
	}
	_, err := Parse(torchZip(zip.Store, "data.pkl="+pickle.String()+".", "data/0="+strings.Repeat("\x00", 4<<20)))
	assert.ErrorContains(t, err, "more than the file's")
}

// The tensors of an authors' file, byte for byte those of its storages.
func TestReferenceTorchBin(t *testing.T) {
	path, ok := reference.Path(t, "data/dept_checkpoints/sst2/adapter_model.bin")
	if !ok {
		return
	}
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	file, err := Parse(content)
	require.NoError(t, err)
	require.Len(t, file.Tensors(), 3)
	for _, name := range []string{"prompt_embeddings", "prompt_encoder.lora_embedding_A", "prompt_encoder.lora_embedding_B"} {
		stored, err := file.Bytes(name)
		require.NoError(t, err)
		assert.Contains(t, hex.EncodeToString(content), hex.EncodeToString(stored))
	}
}

func FuzzTorchBin(f *testing.F) {
	tensor := pickleTensor(pickleStorage("FloatStorage", "0", 6), 0, pickleInts(2, 3), pickleInts(3, 1))
	f.Add(pickleDictOf(tensor), strings.Repeat("\x00", 24))
	f.Add(pickleDictOf(pickleTensor(pickleStorage("HalfStorage", "0", 3), 1, pickleInts(1, 2), pickleInts(2, 1))), "123456")
	f.Add("\x80\x02ccollections\nOrderedDict\n)Rq\x00"+pickleText("w")+"N"+"s}"+pickleText("_metadata")+"Nsb.", "")
	f.Add("\x80\x02}(K\x01M\x02\x00J\x03\x00\x00\x00\x8a\x01\x04\x85\x86\x87)tq\x00h\x00r\x01\x00\x00\x00j\x01\x00\x00\x00Q.", "")
	f.Fuzz(func(t *testing.T, pickle, storage string) {
		file, err := Parse(torchZip(zip.Store, "data.pkl="+pickle, "data/0="+storage))
		if err != nil {
			return
		}
		total := 0
		seen := map[string]bool{}
		for _, info := range file.Tensors() {
			values, err := file.Bytes(info.Name)
			require.NoError(t, err)
			if place := fmt.Sprint(info.Offset, info.Size, info.DType); !seen[place] {
				seen[place] = true
				total += len(values)
			}
		}
		assert.LessOrEqual(t, total, len(pickle)+len(storage)+1000)
	})
}

// The whole file at the fuzzer's mercy, zip and all; what is read takes little memory.
func FuzzTorchZip(f *testing.F) {
	tensor := pickleTensor(pickleStorage("FloatStorage", "0", 6), 0, pickleInts(2, 3), pickleInts(3, 1))
	f.Add(torchZip(zip.Store, "data.pkl="+pickleDictOf(tensor), "data/0="+strings.Repeat("\x00", 24), "byteorder=little"))
	f.Add(torchZip(zip.Deflate, "data.pkl="))
	f.Add(legacy(pickleDictOf(tensor), 6, "0="+strings.Repeat("\x00", 24)))
	f.Fuzz(func(t *testing.T, content []byte) {
		var file *safetensors.File
		var err error
		allocation.Check(t, len(content), func() {
			file, err = Read(bytes.NewReader(content), int64(len(content)), "pytorch_model.bin")
		})
		if err != nil {
			return
		}
		for _, info := range file.Tensors() {
			_, err := file.Bytes(info.Name)
			require.NoError(t, err)
		}
	})
}
