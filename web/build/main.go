// Command build writes the page as a static folder, web/dist: what npm bundles of
// web/src, the program as wasm, and the model that the page's tasks are for. It
// is run in the repository's root, by make web.
package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/go-dept/dept/internal/atomicfile"
	"github.com/go-dept/dept/t5/backbone"
)

const dist = "web/dist"

// mostWasm is how many bytes of wasm a visitor may have to fetch, compressed.
const mostWasm = 4 << 20

func main() {
	if err := build(); err != nil {
		fmt.Fprintln(os.Stderr, "build the page:", err)
		os.Exit(1)
	}
}

func build() error {
	if err := bundle(); err != nil {
		return err
	}
	if err := program(); err != nil {
		return err
	}
	if err := model(); err != nil {
		return fmt.Errorf("the model: %w", err)
	}
	return report()
}

// bundle has npm put page and scripts together.
func bundle() error {
	if _, err := exec.LookPath("npm"); err != nil {
		return errors.New("npm is missing: install Node.js (Debian: apt-get install nodejs npm); only the build needs it")
	}
	if _, err := os.Stat("web/node_modules/.package-lock.json"); err != nil {
		if err := run("web", nil, "npm", "ci"); err != nil {
			return err
		}
	}
	return run("web", nil, "npm", "run", "--silent", "build")
}

// program compiles the worker and puts beside it what starts it.
func program() error {
	wasm := filepath.Join(dist, "dept.wasm")
	err := run(".", []string{"GOOS=js", "GOARCH=wasm"}, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", wasm, "./wasm")
	if err != nil {
		return err
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("go env GOROOT: %w", err)
	}
	for _, from := range []string{filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", "wasm_exec.js"), "wasm/worker.js"} {
		content, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		if err := write(filepath.Join(dist, filepath.Base(from)), content); err != nil {
			return err
		}
	}
	return nil
}

func run(dir string, env []string, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(append([]string{name}, args...), " "), err)
	}
	return nil
}

func write(path string, content []byte) error {
	return atomicfile.WriteFile(path, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// model puts the backbone beside the page.
func model() error {
	files, dir := backbone.Files(), filepath.Join(dist, "model")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for _, name := range []string{"config.json", "model.safetensors", "tokenizer.json"} {
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		if err := write(filepath.Join(dir, name), content); err != nil {
			return err
		}
	}
	return nil
}

// report prints what a visitor fetches, and refuses a program that is too large.
func report() error {
	var all, packed int64
	err := filepath.WalkDir(dist, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasPrefix(entry.Name(), ".") {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		small, err := gzipped(content)
		if err != nil {
			return err
		}
		all += int64(len(content))
		packed += small
		fmt.Printf("%-28s %8.1f KiB %8.1f KiB compressed\n", strings.TrimPrefix(path, dist+"/"), kib(int64(len(content))), kib(small))
		if entry.Name() == "dept.wasm" && small > mostWasm {
			return fmt.Errorf("dept.wasm is %d bytes compressed, more than %d: see what it has come to import", small, mostWasm)
		}
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Printf("%-28s %8.1f KiB %8.1f KiB compressed\n", dist, kib(all), kib(packed))
	return nil
}

func kib(bytes int64) float64 { return float64(bytes) / 1024 }

func gzipped(content []byte) (int64, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return 0, err
	}
	if _, err := w.Write(content); err != nil {
		return 0, err
	}
	err = w.Close()
	return int64(b.Len()), err
}
