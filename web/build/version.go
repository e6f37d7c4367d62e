package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// apart are the files that the service worker does not keep: pages that are of no use
// without their server, what the server says of its hub, and the worker itself.
var apart = []string{"bench.html", "bench.js", "hub.json", "run.html", "run.js", "sw.js"}

// version names the build by its files. The page asks for them by their name and the
// version, so that no file of one build is ever taken for another's, and the service
// worker, which gets the list of them with their digests, keeps a build whole or not
// at all.
func version(dist string) error {
	entries, err := os.ReadDir(dist) // sorted; a model is data, with versions of its own
	if err != nil {
		return err
	}
	const page = "index.html"
	all := sha256.New()
	digests := map[string]string{}
	for _, entry := range entries {
		name := entry.Name()
		if entry.IsDir() || strings.HasPrefix(name, ".") || isPacked(name) || slices.Contains(apart, name) {
			continue
		}
		content, err := os.ReadFile(filepath.Join(dist, name))
		if err != nil {
			return err
		}
		digests[name] = fmt.Sprintf("%x", sha256.Sum256(content))
		fmt.Fprintln(all, name, digests[name])
	}
	version := fmt.Sprintf("%x", all.Sum(nil)[:8])

	html, err := os.ReadFile(filepath.Join(dist, page))
	if err != nil {
		return err
	}
	for _, name := range []string{"main.js", "style.css", "icon.svg"} {
		if digests[name] == "" {
			return &fs.PathError{Op: "find", Path: filepath.Join(dist, name), Err: fs.ErrNotExist}
		}
		plain, tagged := []byte(`"`+name+`"`), []byte(`"`+name+`?`+version+`"`)
		if !bytes.Contains(html, plain) {
			return fmt.Errorf("%s does not ask for %s", page, plain)
		}
		html = bytes.ReplaceAll(html, plain, tagged)
	}
	if err := write(filepath.Join(dist, page), html); err != nil {
		return err
	}
	delete(digests, page) // it has the version itself

	list, err := json.MarshalIndent(digests, "", "  ")
	if err != nil {
		return err
	}
	worker, err := os.ReadFile("web/src/sw.js")
	if err != nil {
		return err
	}
	head := fmt.Sprintf("const version = %q;\nconst files = %s; // SHA-256\n\n", version, list)
	return write(filepath.Join(dist, "sw.js"), append([]byte(head), worker...))
}
