package foreign

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Thing is what a folder should hold.
type Thing int

// What programs open.
const (
	Model Thing = iota
	Adapter
)

// maxNamed is how many names a sentence lists.
const maxNamed = 5

// Folder says what a folder is in which a thing was looked for in vain, and what to do; nil where
// nothing in it tells.
func Folder(dir fs.FS, want Thing) error {
	entries, err := fs.ReadDir(dir, ".")
	if err != nil {
		return nil
	}
	var files, folders []string
	for _, e := range entries {
		// A link in a hub's cache may be either.
		if stat, err := fs.Stat(dir, e.Name()); err == nil && stat.IsDir() {
			folders = append(folders, e.Name())
		} else {
			files = append(files, e.Name())
		}
	}
	for _, look := range []func() string{
		func() string { return cache(dir, folders) },
		func() string { return swapped(dir, files, want) },
		func() string { return otherForm(files, folders, want) },
		func() string { return parent(dir, folders, want) },
	} {
		if sentence := look(); sentence != "" {
			return errors.New(sentence)
		}
	}
	return nil
}

// cache recognises the cache of Hugging Face's programs, or a model's folder in it.
func cache(dir fs.FS, folders []string) string {
	if slices.Contains(folders, "snapshots") && (slices.Contains(folders, "refs") || slices.Contains(folders, "blobs")) {
		if s := snapshot(dir, "."); s != "" {
			return "it is a model's folder in a Hugging Face cache: give the snapshot in it, " + s
		}
		return "it is a model's folder in a Hugging Face cache, without a snapshot: download the model"
	}
	if slices.Contains(folders, "hub") {
		if sub, err := fs.ReadDir(dir, "hub"); err == nil && slices.ContainsFunc(sub, func(e fs.DirEntry) bool { return strings.HasPrefix(e.Name(), "models--") }) {
			return "it is the home of Hugging Face's programs: give a model by its name, such as google/flan-t5-small, or the folder of its snapshot below hub"
		}
	}
	var models []string
	for _, name := range folders {
		if model, ok := strings.CutPrefix(name, "models--"); ok {
			models = append(models, strings.Replace(model, "--", "/", 1))
		}
	}
	if len(models) == 0 {
		return ""
	}
	advice := "give the model by its name: " + list(models)
	if len(models) == 1 {
		at := "models--" + strings.Replace(models[0], "/", "--", 1)
		if s := snapshot(dir, at); s != "" {
			advice += ", or its snapshot in it, " + s
		}
	}
	return "it is a Hugging Face cache: " + advice
}

// snapshot is the path of a model's snapshot in its folder at: the one that main refers to, else
// the last.
func snapshot(dir fs.FS, at string) string {
	entries, err := fs.ReadDir(dir, path.Join(at, "snapshots"))
	if err != nil || len(entries) == 0 {
		return ""
	}
	commit, err := fs.ReadFile(dir, path.Join(at, "refs", "main"))
	if name := strings.TrimSpace(string(commit)); err == nil && slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == name }) {
		return path.Join(at, "snapshots", name)
	}
	return path.Join(at, "snapshots", entries[len(entries)-1].Name())
}

// holds says what a folder has: a model, an adapter or a run.
func holds(has func(name string) bool) string {
	switch {
	case has("adapter_config.json"):
		return "an adapter"
	case has("config.json"):
		return "a model"
	case has("run.json"):
		return "a run"
	}
	return ""
}

// swapped recognises an adapter where a model is wanted, and the reverse.
func swapped(dir fs.FS, files []string, want Thing) string {
	has := func(name string) bool { return slices.Contains(files, name) }
	switch held := holds(has); {
	case held == "an adapter" && want != Adapter:
		base := "the model that it was trained on"
		var config struct {
			Base string `json:"base_model_name_or_path"`
		}
		if data, err := fs.ReadFile(dir, "adapter_config.json"); err == nil && json.Unmarshal(data, &config) == nil && config.Base != "" {
			base += ", " + config.Base
		}
		return "it is an adapter, not a model: give it as --adapter, and as --model " + base
	case held == "a model" && want == Adapter:
		return "it is a whole model, not an adapter: give it as --model"
	case held == "a run":
		return "it is the folder of a run that has saved nothing yet: let the run go on with dept train --resume"
	}
	return ""
}

// otherForm recognises weights in a form that is not read.
func otherForm(files, folders []string, want Thing) string {
	find := func(match func(name string) bool) string {
		if i := slices.IndexFunc(files, match); i >= 0 {
			return files[i]
		}
		return ""
	}
	ends := func(suffixes ...string) string {
		return find(func(name string) bool {
			return slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(strings.ToLower(name), s) })
		})
	}
	if want == Adapter {
		if name := find(func(name string) bool { return name == "pytorch_adapter.bin" || name == "adapter.safetensors" }); name != "" {
			return "there is " + name + ", an adapter of the adapters library, but no adapter_config.json"
		}
		return ""
	}
	variant := func(name string) bool {
		return strings.HasSuffix(name, ".safetensors") && !strings.HasPrefix(name, "adapter") && name != "optimizer.safetensors" && name != "state.safetensors"
	}
	if name := find(func(name string) bool { return variant(name) && strings.HasPrefix(name, "model.") }); name != "" && name != "model.safetensors" {
		return "there is " + name + ", a variant of the weights: under the name model.safetensors it is read"
	}
	if name := find(func(name string) bool {
		return strings.HasPrefix(name, "pytorch_model.") && strings.HasSuffix(name, ".bin") && name != "pytorch_model.bin"
	}); name != "" {
		return "there is " + name + ", a variant of the weights: under the name pytorch_model.bin it is read"
	}
	if name := find(func(name string) bool {
		return strings.Contains(name, "-of-") && (variant(name) || strings.HasSuffix(name, ".bin"))
	}); name != "" {
		return "there is " + name + ", a part of the weights, but not the index of the parts (model.safetensors.index.json or pytorch_model.bin.index.json), which belongs to it"
	}
	if name := ends(".h5"); name != "" {
		return "there is " + name + ", weights of TensorFlow: " + fmt.Sprintf(inPython4, "from_tf")
	}
	if name := ends(".msgpack"); name != "" {
		return "there is " + name + ", weights of Flax: " + fmt.Sprintf(inPython4, "from_flax")
	}
	if name := ends(".gguf", ".ggml"); name != "" {
		return "there is " + name + ", llama.cpp's form of a model: " + asCheckpoint
	}
	if name := ends(".onnx"); name != "" || slices.Contains(folders, "onnx") {
		if name == "" {
			name = "a folder onnx"
		}
		return "there is " + name + ", an ONNX model: " + asCheckpoint
	}
	if name := find(func(name string) bool {
		return name == "saved_model.pb" || strings.HasPrefix(name, "model.ckpt-") || name == "operative_config.gin"
	}); name != "" {
		return "there is " + name + ", of a TensorFlow checkpoint as the T5 library writes it: give the model as Hugging Face publishes it"
	}
	if name := find(variant); name != "" && name != "model.safetensors" {
		return "there is " + name + ": if it is the model's weights, give it the name model.safetensors"
	}
	if name := ends(".pt", ".pth", ".ckpt"); name != "" {
		return "there is " + name + ": if it is the model's state dict, give it the name pytorch_model.bin"
	}
	if name := ends(".ot", ".mlmodel", ".tflite", ".xml"); name != "" {
		return "there is " + name + ", another program's form of a model: " + asCheckpoint
	}
	return ""
}

// parent recognises a folder whose subfolders hold what is wanted, such as the one in which runs
// lie side by side.
func parent(dir fs.FS, folders []string, want Thing) string {
	found := map[string][]string{}
	for _, name := range folders {
		sub, err := fs.Sub(dir, name)
		if err != nil {
			continue
		}
		if held := holds(func(file string) bool { return exists(sub, file) }); held != "" {
			found[held] = append(found[held], name)
		}
	}
	wanted := "a model"
	if want == Adapter {
		wanted = "an adapter"
	}
	plural := map[string]string{"an adapter": "adapters", "a model": "models", "a run": "runs"}
	for _, held := range []string{wanted, "a run", "an adapter", "a model"} {
		switch names := found[held]; len(names) {
		case 0:
		case 1:
			return fmt.Sprintf("its folder %s holds %s: give that", names[0], held)
		default:
			return fmt.Sprintf("its folders %s hold %s: give one of them", list(names), plural[held])
		}
	}
	return ""
}

// list names some of many.
func list(names []string) string {
	if len(names) > maxNamed {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxNamed], ", "), len(names)-maxNamed)
	}
	if len(names) == 1 {
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
