package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// apart are the files that the service worker does not keep: pages that are of no use
// without their server, what the server says of its hub, what is for pages of others, and
// the worker itself.
var apart = []string{"bench.html", "bench.js", "dept.d.mts", "dept.mjs", "embed.html", "embed.js", "hub.json", "run.html", "run.js", "sw.js"}

// asked is where a page names a script, a style or a picture of the build.
var asked = regexp.MustCompile(`(?:src|href)="([^":?#/]+\.(?:js|css|svg|png))"`)

// version names the build by its files. Its pages ask for them by their name and the
// version, so that no file of one build is ever taken for another's, and the service
// worker, which gets the list of them with their digests, keeps a build whole or not
// at all.
func version(dist string) error {
	entries, err := os.ReadDir(dist) // sorted; a model is data, with versions of its own
	if err != nil {
		return err
	}
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

	var pages []string
	for _, name := range slices.Sorted(maps.Keys(digests)) {
		if filepath.Ext(name) != ".html" {
			continue
		}
		pages = append(pages, name)
		html, err := os.ReadFile(filepath.Join(dist, name))
		if err != nil {
			return err
		}
		if len(asked.FindAll(html, -1)) == 0 {
			return fmt.Errorf("%s asks for no file of the build", name)
		}
		var missing error
		html = asked.ReplaceAllFunc(html, func(part []byte) []byte {
			file := string(asked.FindSubmatch(part)[1])
			if digests[file] == "" {
				missing = fmt.Errorf("%s asks for %s, which the build has not", name, file)
			}
			return bytes.Replace(part, []byte(file), []byte(file+"?"+version), 1)
		})
		if missing != nil {
			return missing
		}
		if err := write(filepath.Join(dist, name), html); err != nil {
			return err
		}
	}
	for _, name := range pages {
		delete(digests, name) // they have the version themselves
	}

	list, err := json.MarshalIndent(map[string]any{"pages": pages, "files": digests}, "", "  ")
	if err != nil {
		return err
	}
	worker, err := os.ReadFile("web/src/sw.js")
	if err != nil {
		return err
	}
	head := fmt.Sprintf("const version = %q;\nconst { pages, files } = %s; // files with their SHA-256\n\n", version, list)
	return write(filepath.Join(dist, "sw.js"), append([]byte(head), worker...))
}
