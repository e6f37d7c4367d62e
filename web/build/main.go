// Command build writes the page as a static folder, web/dist: what npm bundles of
// web/src, the program as wasm, the model that the page's tasks are for, and each
// file that gains by it compressed beside itself. The same, without what is there
// compressed, is web/packed, which dept has inside. It is run in the repository's
// root, by make web.
package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-dept/dept/internal/atomicfile"
	"github.com/go-dept/dept/t5/backbone"
)

const (
	dist   = "web/dist"
	packed = "web/packed"
)

// mostWasm is how many bytes of wasm a visitor may have to fetch, compressed.
const mostWasm = 4 << 20

// mostArticle is how many bytes the article may take, compressed, before the model comes.
const mostArticle = 300 << 10

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
	if err := writeArticles(dist); err != nil {
		return fmt.Errorf("the article: %w", err)
	}
	if err := program(); err != nil {
		return err
	}
	if err := model(); err != nil {
		return fmt.Errorf("the model: %w", err)
	}
	if err := version(dist); err != nil {
		return fmt.Errorf("the build's version: %w", err)
	}
	sizes, err := pack(dist, packed)
	if err != nil {
		return fmt.Errorf("compress: %w", err)
	}
	return report(sizes)
}

// bundle has npm put page and scripts together.
func bundle() error {
	if _, err := exec.LookPath("npm"); err != nil {
		return errors.New("npm is missing: install Node.js (Debian: apt-get install nodejs npm); only the build needs it")
	}
	if !installed() {
		if err := run("web", nil, "npm", "ci"); err != nil {
			return err
		}
	}
	return run("web", nil, "npm", "run", "--silent", "build")
}

// installed says whether npm has brought what the lock file names since that was changed.
func installed() bool {
	lock, err := os.Stat("web/package-lock.json")
	if err != nil {
		return false
	}
	done, err := os.Stat("web/node_modules/.package-lock.json")
	return err == nil && !done.ModTime().Before(lock.ModTime())
}

// program compiles the worker and puts beside it what starts it.
func program() error {
	wasm := filepath.Join(dist, "dept.wasm")
	err := run(".", []string{"GOOS=js", "GOARCH=wasm"}, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", wasm, "./wasm")
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
func report(sizes []size) error {
	all, article := size{name: dist}, 0
	for _, s := range append(sizes, size{}) {
		if s.name == "" {
			s = all
		}
		fmt.Printf("%-28s %8.1f KiB  gzip %8.1f KiB  brotli %8.1f KiB\n", s.name, kib(s.plain), kib(s.gzip), kib(s.brotli))
		all.plain, all.gzip, all.brotli = all.plain+s.plain, all.gzip+s.gzip, all.brotli+s.brotli
		if slices.Contains([]string{"index.html", "article.js", "article.css", "icon.svg"}, s.name) {
			article += s.gzip
		}
		if s.name == "dept.wasm" && s.gzip > mostWasm {
			return fmt.Errorf("dept.wasm is %d bytes compressed, more than %d: see what it has come to import", s.gzip, mostWasm)
		}
	}
	if article > mostArticle {
		return fmt.Errorf("the article takes %d bytes compressed, more than %d: see what its figures have come to hold", article, mostArticle)
	}
	return nil
}

func kib(bytes int) float64 { return float64(bytes) / 1024 }
