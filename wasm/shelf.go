package main

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/go-dept/dept/wgpu"
)

// shelf is where models come from, and where they are kept.
type shelf interface {
	// open finds the model that is asked for, and fetches what is not here as far as that is needed
	// now. The device is the one that the model will be on: what does not fit it is not fetched.
	open(ctx context.Context, m Load, dev *wgpu.Device, progress func(Progress)) (*source, error)
	// kept lists the models that are here from the hub.
	kept(ctx context.Context) (Kept, error)
	// remove removes one of them.
	remove(ctx context.Context, id string) error
}

// source is a model's folder, and what is known of it.
type source struct {
	files  modelFiles
	name   string // as adapters name their base
	commit string // of a model of the hub's, else empty
	id     string // of what is kept, else empty
	notice string // a sentence, else empty
	remedy string // for files that do not hold what they should
}

// modelFolder finds the folder of a model among files that a visitor has chosen, by their paths: the
// one with a config.json that is nearest. It gives the paths by the names of the files in it.
func modelFolder(paths []string) (files map[string]string, folder string, err error) {
	folder, err = nearestFolder(paths, func(p string) bool { return path.Base(p) == configFile })
	switch {
	case err != nil:
		return nil, "", failf(codeFile, diskRemedy, "there are several models in it: %w", err)
	case folder == "":
		return nil, "", failf(codeFile, diskRemedy, "there is no config.json among the %d files", len(paths))
	}
	files = map[string]string{}
	for _, p := range paths {
		if path.Dir(p) == folder {
			files[path.Base(p)] = p
		}
	}
	return files, folder, nil
}

// nearestFolder is the folder with a file that is told by its path, the least deep; empty where there is none. Two
// that are as deep are an error, which names them.
func nearestFolder(paths []string, is func(path string) bool) (string, error) {
	var folders []string
	for _, p := range paths {
		if is(p) && !slices.Contains(folders, path.Dir(p)) {
			folders = append(folders, path.Dir(p))
		}
	}
	depth := func(folder string) int {
		if folder == "." {
			return 0
		}
		return strings.Count(folder+"/", "/")
	}
	slices.SortFunc(folders, func(a, b string) int { return cmp.Or(cmp.Compare(depth(a), depth(b)), strings.Compare(a, b)) })
	switch {
	case len(folders) == 0:
		return "", nil
	case len(folders) > 1 && depth(folders[0]) == depth(folders[1]):
		return "", fmt.Errorf("%s and %s", folders[0], folders[1])
	}
	return folders[0], nil
}

const (
	configFile = "config.json"
	diskRemedy = "Choose or drop the folder of a T5 model as Hugging Face lays it out: config.json, tokenizer.json or spiece.model, and model.safetensors or pytorch_model.bin."
)

// megabytes says how much that is, as browsers and shops do: a million bytes each.
func megabytes(bytes int64) string {
	switch {
	case bytes >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(bytes)/1e9)
	case bytes >= 1e7:
		return fmt.Sprintf("%.0f MB", float64(bytes)/1e6)
	}
	return fmt.Sprintf("%.1f MB", float64(bytes)/1e6)
}
