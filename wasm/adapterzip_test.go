//go:build !js

package main

import (
	"archive/zip"
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
)

// What people drop where an adapter is meant: folders of several, copies that a browser numbered, a part alone,
// a zip of something else.
func TestReadAdapter(t *testing.T) {
	adapter := func(rows int) map[string][]byte {
		files, err := zeros(&dept.PromptConfig{PromptLength: rows, Width: 32, Submodules: 1}).Files()
		require.NoError(t, err)
		return files
	}
	near, deep := adapter(1), adapter(2)
	at := func(folder string, files map[string][]byte) (list []File) {
		for name, content := range files {
			list = append(list, File{Name: folder + name, Data: content})
		}
		return list
	}
	zipOf := func(files []File) []File {
		var packed bytes.Buffer
		w := zip.NewWriter(&packed)
		for _, f := range files {
			entry, err := w.Create(f.Name)
			require.NoError(t, err)
			_, err = entry.Write(f.Data)
			require.NoError(t, err)
		}
		require.NoError(t, w.Close())
		return []File{{Name: "archive.zip", Data: packed.Bytes()}}
	}
	run := append(at("run/", near), at("run/checkpoint-5/", deep)...)
	numbered := []File{
		{Name: "adapter_config (1).json", Data: near[dept.AdapterConfigFile]},
		{Name: "adapter_model(2).safetensors", Data: near[dept.AdapterWeightsFile]},
	}
	for name, files := range map[string][]File{"loose": at("", near), "a run": run, "a run's zip": zipOf(run), "numbered": numbered} {
		a, _, err := readAdapter(files)
		require.NoError(t, err, name)
		assert.Equal(t, 1, a.Config.(*dept.PromptConfig).PromptLength, name)
	}
	for want, files := range map[string][]File{
		"several adapters in it: run/checkpoint-5 and run/checkpoint-6":     append(at("run/checkpoint-5/", near), at("run/checkpoint-6/", deep)...),
		"adapter_model.safetensors came without the adapter_config.json":    {{Name: "adapter_model.safetensors", Data: near[dept.AdapterWeightsFile]}},
		"there is no adapter in it, but train.csv: unpack it and drop that": zipOf([]File{{Name: "train.csv", Data: []byte("text,label\n")}}),
		"there is no adapter_config.json among README.md and notes.pt":      {{Name: "README.md"}, {Name: "notes.pt"}},
		"no adapter_model.safetensors or adapter_model.bin: no weights":     {{Name: "adapter_config.json", Data: near[dept.AdapterConfigFile]}},
		"archive.zip is no zip that can be read":                            {{Name: "archive.zip", Data: []byte("PK")}},
	} {
		_, _, err := readAdapter(files)
		assert.ErrorContains(t, err, want)
	}
}
