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
	"slices"
	"strings"

	"github.com/andybalholm/brotli"
)

// mostPacked is the share of a file that gzip may leave for it to be kept compressed:
// of weights it leaves over nine tenths, which is not worth a visitor's unpacking them,
// nor a progress bar that does not know its end.
const mostPacked = 0.8

// leastPacked is the size in bytes from which on a file is worth compressing: less
// goes into one packet anyway.
const leastPacked = 1024

// size is what a file takes in bytes, as it is and as it is sent; all three are the
// same where it is sent as it is.
type size struct {
	name                string
	plain, gzip, brotli int
}

// pack writes beside each file of a folder that gains by it the file compressed,
// FILE.br and FILE.gz, and makes another folder of what is sent to visitors: those
// two, or the file where there are none. It removes what was compressed of files that
// are gone.
func pack(from, to string) ([]size, error) {
	var sizes []size
	keep := map[string]bool{} // in either folder
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasPrefix(entry.Name(), ".") || isPacked(path) {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		copied := filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(copied), 0o777); err != nil {
			return err
		}
		s := size{filepath.ToSlash(name), len(content), len(content), len(content)}
		defer func() { sizes = append(sizes, s) }()
		gz, err := gzipped(content)
		if err != nil {
			return err
		}
		if len(content) < leastPacked || float64(len(gz)) > mostPacked*float64(len(content)) {
			keep[copied] = true
			return write(copied, content)
		}
		br, err := brotlied(path+".br", content)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for end, packed := range map[string][]byte{".br": br, ".gz": gz} {
			for _, base := range []string{path, copied} {
				keep[base+end] = true
				if err := write(base+end, packed); err != nil {
					return err
				}
			}
		}
		s.gzip, s.brotli = len(gz), len(br)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return sizes, errors.Join(
		clean(from, func(path string) bool { return keep[path] || !isPacked(path) }),
		clean(to, func(path string) bool { return keep[path] }))
}

func isPacked(path string) bool {
	return slices.Contains([]string{".br", ".gz"}, filepath.Ext(path))
}

// clean removes the files of a folder that are not to be kept.
func clean(dir string, keep func(path string) bool) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasPrefix(entry.Name(), ".") || keep(path) {
			return err
		}
		return os.Remove(path)
	})
}

// brotlied compresses with brotli, unless an earlier build has left just that at path.
// It is Node's, which takes 20 seconds for the program and not 50 as ours in Go does.
func brotlied(path string, content []byte) ([]byte, error) {
	if old, err := os.ReadFile(path); err == nil {
		was, err := io.ReadAll(brotli.NewReader(bytes.NewReader(old)))
		if err == nil && bytes.Equal(was, content) {
			return old, nil
		}
	}
	const script = `const { createBrotliCompress, constants } = require("zlib");
process.stdin.pipe(createBrotliCompress({ params: { [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS } })).pipe(process.stdout);`
	node := exec.Command("node", "-e", script)
	node.Stdin, node.Stderr = bytes.NewReader(content), os.Stderr
	return node.Output()
}

func gzipped(content []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(content); err != nil {
		return nil, err
	}
	err = w.Close()
	return b.Bytes(), err
}
