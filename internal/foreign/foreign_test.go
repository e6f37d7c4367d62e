package foreign

import (
	"archive/zip"
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/internal/allocation"
)

func zipOf(name string) string {
	var file bytes.Buffer
	w := zip.NewWriter(&file)
	e, _ := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
	io.WriteString(e, "x")
	w.Close()
	return file.String()
}

func TestCheck(t *testing.T) {
	for head, want := range map[string]string{
		"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n": "it is a Git LFS pointer, not the file: run git lfs pull",
		"\n <!DOCTYPE html><html><head>":                  "it is an HTML page, not the file",
		"<HTML lang=en>":                                  "it is an HTML page",
		"Entry not found":                                 "it is a server's error message, not the file",
		"{\"error\":\"Invalid username or password.\"}\n": "it is a server's error message",
		"Access to model google/gemma is restricted. You must be authenticated.": "it is a server's error message",
		"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>":        "it is an XML text",
		"\x10\x00\x00\x00\x00\x00\x00\x00{\"w\":{}}":                             "it is a safetensors file: give the folder that holds it",
		zipOf("archive/data.pkl"):                                                "it is a PyTorch file: give the folder that holds it",
		"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.":                               "it is a PyTorch file",
		"GGUF\x03\x00\x00\x00":                                                   "it is a GGUF file, llama.cpp's form of a model",
		"\x89HDF\r\n\x1a\n\x00":                                                  "it is an HDF5 file, as Keras and TensorFlow store weights: transformers 4 writes",
		"\x84\xa7decoder\x83":                                                    "it is a msgpack file, as Flax stores weights",
		"\x08\x07\x12\x07pytorch\x1a\x05":                                        "it is an ONNX model",
		"PAR1\x15\x04":                                                           "it is a Parquet file",
		"ARROW1\x00\x00":                                                         "it is an Arrow file",
		zipOf("[Content_Types].xml"):                                             "it is a spreadsheet: save it as CSV",
		zipOf("weights.npy"):                                                     "it is a zip of NumPy arrays",
		zipOf("readme.txt"):                                                      "it is a zip archive: unpack it first",
		"\x1f\x8b\x08":                                                           "it is compressed with gzip",
		"\x28\xb5\x2f\xfd":                                                       "it is compressed with Zstandard",
		"\xfd7zXZ\x00":                                                           "it is compressed with xz",
		"BZh91AY&SY":                                                             "it is compressed with bzip2",
		strings.Repeat("\x00", 257) + "ustar\x00":                                "it is a tar archive",
		"\x80\x04\x95\x10\x00":                                                   "it is a Python pickle",
		"\x93NUMPY\x01\x00":                                                      "it is a NumPy array",
		"SQLite format 3\x00":                                                    "it is an SQLite database",
		"%PDF-1.7":                                                               "it is a PDF document",
		"\x89PNG\r\n\x1a\n":                                                      "it is a picture",
		"\xff\xfe{\x00\"\x00":                                                    "it is text in UTF-16: save it as UTF-8",
	} {
		err := Check([]byte(head))
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "\n")
		assert.NotContains(t, err.Error(), "%!")
		require.ErrorContains(t, CheckAt(strings.NewReader(head)), want)
	}
	for _, plain := range []string{
		"", "{", `{"model_type": "t5"}`, "\xef\xbb\xbf{\"a\": 1}", "source\ttarget\n", "Entry not found in the dictionary, he said", "Access to model trains",
		"a < b", "BZhh", "PK", "\x80", "\x0a\x0e\x0a\x05<unk>\x15\x00", `[{"source": "GGUF"}]`, `{"error":"the film is bad"}`, "version 2", "häß",
	} {
		assert.NoError(t, Check([]byte(plain)), plain)
	}
	assert.NoError(t, Check([]byte(zipOf("a/data.pkl")), SafeTensors, PyTorch))
	assert.NoError(t, Check([]byte("\x1f\x8b\x08"), Gzip))
	assert.Error(t, Check([]byte("\x1f\x8b\x08"), Parquet))
}

// files is a folder in memory, "name=content" each.
func files(names ...string) fstest.MapFS {
	dir := fstest.MapFS{}
	for _, n := range names {
		name, content, _ := strings.Cut(n, "=")
		dir[name] = &fstest.MapFile{Data: []byte(content)}
	}
	return dir
}

func TestFolder(t *testing.T) {
	model := []string{"config.json", "model.safetensors"}
	for _, c := range []struct {
		name  string
		want  Thing
		files []string
		says  string
	}{
		{"an adapter as a model", Model, []string{`adapter_config.json={"base_model_name_or_path": "google/flan-t5-small"}`, "adapter_model.safetensors"},
			"it is an adapter, not a model: give it as --adapter, and as --model the model that it was trained on, google/flan-t5-small"},
		{"an adapter of nobody", Model, []string{"adapter_config.json={"}, "give it as --adapter, and as --model the model that it was trained on"},
		{"a model as an adapter", Adapter, model, "it is a whole model, not an adapter: give it as --model"},
		{"a cache", Model, []string{"models--google--flan-t5-small/refs/main=c1\n", "models--google--flan-t5-small/snapshots/c0/config.json", "models--google--flan-t5-small/snapshots/c1/config.json"},
			"it is a Hugging Face cache: give the model by its name: google/flan-t5-small, or its snapshot in it, models--google--flan-t5-small/snapshots/c1"},
		{"a cache of two", Model, []string{"models--a--b/snapshots/c/config.json", "models--t5-small/snapshots/c/config.json"}, "give the model by its name: a/b and t5-small"},
		{"a model's folder of a cache", Model, []string{"refs/main=c1", "blobs/x", "snapshots/c1/config.json"}, "it is a model's folder in a Hugging Face cache: give the snapshot in it, snapshots/c1"},
		{"one that lost its reference", Model, []string{"blobs/x", "snapshots/c1/config.json", "snapshots/c2/config.json"}, "give the snapshot in it, snapshots/c2"},
		{"the programs' home", Model, []string{"token", "hub/models--a--b/refs/main"}, "it is the home of Hugging Face's programs"},
		{"the parent of runs", Adapter, []string{"sst2/run.json", "sst2/adapter_config.json", "mrpc/adapter_config.json", "notes.txt"}, "its folders mrpc and sst2 hold adapters: give one of them"},
		{"the parent of a run", Model, []string{"first/run.json"}, "its folder first holds a run: give that"},
		{"a trainer's folder", Model, []string{"checkpoint-500/config.json", "checkpoint-500/pytorch_model.bin"}, "its folder checkpoint-500 holds a model: give that"},
		{"many", Model, []string{"a/config.json", "b/config.json", "c/config.json", "d/config.json", "e/config.json", "f/config.json"}, "its folders a, b, c, d, e and 1 more hold models"},
		{"a run that saved nothing", Adapter, []string{"run.json", "log.jsonl"}, "has saved nothing yet"},
		{"TensorFlow's weights", Model, []string{"config.json", "tf_model.h5"}, "there is tf_model.h5, weights of TensorFlow: transformers 4 writes"},
		{"Flax's weights", Model, []string{"config.json", "flax_model.msgpack"}, "from_flax=True"},
		{"a variant", Model, []string{"config.json", "model.fp16.safetensors"}, "there is model.fp16.safetensors, a variant of the weights: under the name model.safetensors it is read"},
		{"an older variant", Model, []string{"config.json", "pytorch_model.fp16.bin"}, "under the name pytorch_model.bin it is read"},
		{"a part without its index", Model, []string{"config.json", "model-00001-of-00002.safetensors"}, "but not the index of the parts"},
		{"GGUF", Model, []string{"flan-t5-small-q4_0.gguf"}, "llama.cpp's form of a model: give the folder of the checkpoint"},
		{"ONNX", Model, []string{"config.json", "onnx/encoder_model.onnx"}, "an ONNX model"},
		{"the T5 library's", Model, []string{"operative_config.gin", "model.ckpt-1000000.index"}, "of a TensorFlow checkpoint as the T5 library writes it"},
		{"a state dict", Model, []string{"config.json", "best.pt"}, "give it the name pytorch_model.bin"},
		{"weights of another name", Model, []string{"config.json", "t5.safetensors"}, "there is t5.safetensors: if it is the model's weights"},
		{"half an adapter of another library", Adapter, []string{"pytorch_adapter.bin"}, "of the adapters library"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := Folder(files(c.files...), c.want)
			require.ErrorContains(t, err, c.says)
			assert.NotContains(t, err.Error(), "\n")
		})
	}
	for _, want := range []Thing{Model, Adapter} {
		assert.NoError(t, Folder(files(), want))
		assert.NoError(t, Folder(files("notes.txt", "pictures/one.png"), want))
	}
	assert.NoError(t, Folder(os.DirFS(filepath.Join(t.TempDir(), "absent")), Model))
}

func TestCheckFolder(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, CheckFolder(dir, "config.json"))
	require.ErrorIs(t, CheckFolder(filepath.Join(dir, "absent"), "config.json"), os.ErrNotExist)
	for content, want := range map[string]string{
		"GGUF\x03":   "it is a GGUF file, llama.cpp's form of a model",
		"{}":         "it is no folder; give the folder that holds config.json",
		"":           "it is no folder",
		"PK\x03\x04": "it is a zip archive",
	} {
		path := filepath.Join(dir, "file")
		require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
		require.ErrorContains(t, CheckFolder(path, "config.json"), want)
	}
}

// FuzzCheck: any bytes are recognised or not, and what is found in the first bytes does not depend
// on what follows them.
func FuzzCheck(f *testing.F) {
	for _, format := range []string{"version https://git-lfs.github.com/spec/v1\n", "PK\x03\x04" + strings.Repeat("\xff", 40), "\x80\x02}", "\x84\xa7decoder", "\x08\x07\x12\x07", zipOf("a/data.pkl"), " <html>"} {
		f.Add([]byte(format))
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		err := Check(head)
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
		}
		if len(head) >= HeadLen {
			require.Equal(t, err, Check(append(head[:HeadLen:HeadLen], "more"...)))
		}
	})
}

// FuzzFolder: a folder of any names is recognised or not.
func FuzzFolder(f *testing.F) {
	for _, names := range []string{"adapter_config.json", "models--a--b/snapshots/c/x\nmodels--a--b/refs/main", "snapshots/c\nblobs/d", "run/run.json\nrun/config.json", "tf_model.h5", "hub/models--"} {
		f.Add(names, `{"base_model_name_or_path": "x"}`)
	}
	f.Fuzz(func(t *testing.T, names, content string) {
		dir := fstest.MapFS{}
		for name := range strings.SplitSeq(names, "\n") {
			if fs.ValidPath(name) && name != "." {
				dir[name] = &fstest.MapFile{Data: []byte(content)}
			}
		}
		for _, want := range []Thing{Model, Adapter} {
			allocation.Check(t, len(names)+len(content), func() { _ = Folder(dir, want) })
		}
	})
}
