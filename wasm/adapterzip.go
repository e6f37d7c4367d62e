package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/dept/tasks"
	"github.com/go-dept/dept/dept/train"
)

// zipAdapter packs the folder that the command line writes, ready to unpack.
func zipAdapter(a *dept.Adapter) (File, error) {
	files, err := a.Files()
	if err != nil {
		return File{}, err
	}
	var packed bytes.Buffer
	w := zip.NewWriter(&packed)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f, err := w.Create("adapter/" + name)
		if err != nil {
			return File{}, err
		}
		if _, err := f.Write(files[name]); err != nil {
			return File{}, err
		}
	}
	if err := w.Close(); err != nil {
		return File{}, err
	}
	return File{Name: "adapter.zip", Data: packed.Bytes()}, nil
}

// maxAdapterFile is far above any adapter, so that a zip cannot fill the memory.
const maxAdapterFile = 256 << 20

// readAdapter reads an adapter from its files or from a zip of them, and finds the task that a run of the
// command line beside it names; nil is none. Of several, as a run of Transformers' Trainer keeps them, it is the
// one that is nearest.
func readAdapter(given []File) (*dept.Adapter, *tasks.Task, error) {
	all := map[string][]byte{}
	for _, f := range given {
		if !strings.HasSuffix(strings.ToLower(f.Name), ".zip") {
			all[f.Name] = f.Data
			continue
		}
		if err := unzipInto(all, f); err != nil {
			return nil, nil, err
		}
	}
	files, err := adapterFolder(all)
	if err != nil {
		return nil, nil, err
	}
	a, err := dept.ParseAdapter(files)
	if err != nil {
		return nil, nil, err
	}
	var run struct {
		Task string `json:"task"`
	}
	if json.Unmarshal(files[train.RunFile], &run) != nil {
		return a, nil, nil // nobody needs it
	}
	task, err := tasks.Lookup(run.Task)
	if err != nil {
		return a, nil, nil
	}
	return a, task, nil
}

// copyMark is what browsers put into the name of a file that was downloaded before: "adapter_config (1).json".
var copyMark = regexp.MustCompile(` ?\(\d+\)`)

// adapterFolder gives the files of the adapter among all, by their names in its folder.
func adapterFolder(all map[string][]byte) (map[string][]byte, error) {
	paths := slices.Sorted(maps.Keys(all))
	base := func(p string) string { return copyMark.ReplaceAllString(path.Base(p), "") }
	folder, err := nearestFolder(paths, func(p string) bool { return base(p) == dept.AdapterConfigFile })
	if err != nil {
		return nil, fmt.Errorf("there are several adapters in it: %w", err)
	}
	if folder == "" {
		return nil, noAdapter(mapped(paths, base))
	}
	files := map[string][]byte{}
	for _, p := range paths {
		if path.Dir(p) == folder {
			files[base(p)] = all[p]
		}
	}
	return files, nil
}

// noAdapter says what came in the place of one.
func noAdapter(names []string) error {
	for _, name := range names {
		switch path.Ext(name) {
		case ".safetensors", ".bin":
			return fmt.Errorf("%s came without the %s that lies beside it", name, dept.AdapterConfigFile)
		case ".csv", ".tsv", ".json", ".jsonl":
			return fmt.Errorf("there is no adapter in it, but %s: unpack it and drop that", name)
		}
	}
	return fmt.Errorf("there is no %s among %s", dept.AdapterConfigFile, data.List(names))
}

// unzipInto adds the files of a zip, by their paths in it.
func unzipInto(files map[string][]byte, f File) error {
	r, err := zip.NewReader(bytes.NewReader(f.Data), int64(len(f.Data)))
	if err != nil {
		return fmt.Errorf("%s is no zip that can be read: %w", f.Name, err)
	}
	for _, entry := range r.File {
		if entry.FileInfo().IsDir() {
			continue
		}
		content, err := unzip(entry)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", f.Name, entry.Name, err)
		}
		files[path.Join(f.Name, entry.Name)] = content
	}
	return nil
}

func unzip(entry *zip.File) ([]byte, error) {
	r, err := entry.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, maxAdapterFile+1))
	if err == nil && len(data) > maxAdapterFile {
		err = fmt.Errorf("it is larger than %d MiB", maxAdapterFile>>20)
	}
	return data, err
}
