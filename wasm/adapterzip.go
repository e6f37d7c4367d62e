package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/go-dept/dept/dept"
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
// command line beside it names; nil is none.
func readAdapter(given []File) (*dept.Adapter, *tasks.Task, error) {
	files := map[string][]byte{}
	for _, f := range given {
		if !strings.HasSuffix(strings.ToLower(f.Name), ".zip") {
			files[path.Base(f.Name)] = f.Data
			continue
		}
		r, err := zip.NewReader(bytes.NewReader(f.Data), int64(len(f.Data)))
		if err != nil {
			return nil, nil, fmt.Errorf("%s is no zip that can be read: %w", f.Name, err)
		}
		for _, entry := range r.File {
			if entry.FileInfo().IsDir() {
				continue
			}
			data, err := unzip(entry)
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %s: %w", f.Name, entry.Name, err)
			}
			files[path.Base(entry.Name)] = data
		}
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
