// Package web holds the page as it is served: everything in packed, which make web
// writes.
package web

import (
	"embed"
	"errors"
	"io/fs"
)

//go:embed all:packed
var packed embed.FS

// Files is the page's folder, as small as it is sent: a file that gains by it is there
// compressed alone, as FILE.br with brotli and as FILE.gz with gzip. In a program that
// was built before the page was it is an error that says how to build both.
func Files() (fs.FS, error) {
	files, err := fs.Sub(packed, "packed")
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"index.html.gz", "dept.wasm.gz"} {
		if _, err := fs.Stat(files, name); err != nil {
			return nil, errors.New("the page is not part of this program, nor of any that go install builds: take a release, or run make web in a clone of the repository and then dist/dept serve")
		}
	}
	return files, nil
}
