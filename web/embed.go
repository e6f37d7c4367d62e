// Package web holds the page as it is served: everything in dist, which make web
// writes.
package web

import (
	"embed"
	"errors"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Files is the page's folder. In a program that was built before the page was
// it is an error that says how to build both.
func Files() (fs.FS, error) {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"index.html", "dept.wasm"} {
		if _, err := fs.Stat(files, name); err != nil {
			return nil, errors.New("the page is not part of this program: run make web, then build the program again (go build ./cmd/dept), or go run ./cmd/dept serve")
		}
	}
	return files, nil
}
