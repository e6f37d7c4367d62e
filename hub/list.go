package hub

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// listing is what the hub's API says of a repository at a revision.
type listing struct {
	SHA      string    `json:"sha"`
	Siblings []sibling `json:"siblings"`
}

type sibling struct {
	Name string `json:"rfilename"`
}

// parseListing reads an answer of the API. Names that would lead out of the repository's folder
// are refused.
func parseListing(data []byte) (sha string, names []string, err error) {
	var l listing
	if err := json.Unmarshal(data, &l); err != nil {
		return "", nil, fmt.Errorf("the hub's list of files: %w", err)
	}
	if !commit.MatchString(l.SHA) {
		return "", nil, fmt.Errorf("the hub's list of files gives %q as its commit", l.SHA)
	}
	for _, file := range l.Siblings {
		if !validFile(file.Name) {
			return "", nil, fmt.Errorf("the hub's list of files has %q, which would lie outside of its folder", file.Name)
		}
		names = append(names, file.Name)
	}
	slices.Sort(names)
	return l.SHA, names, nil
}

// askList asks the hub for a repository's files at a revision.
func (c *Client) askList(ctx context.Context, r Ref, revision string) (sha string, names []string, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.AskTimeout, fmt.Errorf("no answer in %s", c.AskTimeout))
	defer cancel()
	address := fmt.Sprintf("%s/api/%ss/%s/revision/%s", c.Endpoint, r.Kind, r.Name, url.PathEscape(revision))
	response, err := c.send(ctx, "GET", address, nil, nil)
	if err != nil {
		return "", nil, because(ctx, err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, maxJSON))
	if err != nil {
		return "", nil, because(ctx, &unreachable{err})
	}
	return parseListing(data)
}

// Files brings the files of a repository whose names match one of the patterns of path.Match, which
// are for the last element of a name unless they have a slash.
func (c *Client) Files(ctx context.Context, r Ref, patterns ...string) (*Snapshot, error) {
	s, names, err := c.openList(ctx, r)
	if err != nil {
		return nil, err
	}
	found := false
	for _, name := range names {
		wanted, err := matches(name, patterns)
		if err != nil {
			return nil, err
		}
		if !wanted {
			continue
		}
		found = true
		if err := s.file(ctx, name); err != nil {
			return nil, err
		}
	}
	if !found {
		return nil, fmt.Errorf("%s has no file %s%s", r, strings.Join(patterns, " or "), s.instead(ctx))
	}
	return s.done()
}

func matches(name string, patterns []string) (bool, error) {
	for _, pattern := range patterns {
		of := name
		if !strings.Contains(pattern, "/") {
			of = path.Base(name)
		}
		if matched, err := path.Match(pattern, of); err != nil || matched {
			if err != nil {
				err = fmt.Errorf("%q is no pattern of file names", pattern)
			}
			return matched, err
		}
	}
	return false, nil
}

// list names the files of the snapshot: those that the repository has, as the hub says now or said
// to us or to Python's client, or else those that are there.
func (s *Snapshot) list(ctx context.Context) ([]string, error) {
	if s.local == nil && !exists(s.noted()) {
		_, names, err := s.client.askList(ctx, s.Ref, s.Commit)
		return names, err
	}
	if data, err := os.ReadFile(s.noted()); err == nil {
		_, names, err := parseListing(data)
		return names, err
	}
	if data, err := os.ReadFile(filepath.Join(s.repo(), "trees", s.Commit+".json")); err == nil {
		var tree struct{ Files map[string]any }
		if err := json.Unmarshal(data, &tree); err == nil && len(tree.Files) > 0 {
			return slices.Sorted(maps.Keys(tree.Files)), nil
		}
	}
	return s.present()
}

// present names the files that are there.
func (s *Snapshot) present() (names []string, err error) {
	err = fs.WalkDir(os.DirFS(s.Dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, path)
		}
		return err
	})
	return names, err
}

// noted is where the list of a data set's files is kept, so that without a network it is known
// which of a split are missing.
func (s *Snapshot) noted() string { return filepath.Join(s.repo(), "listings", s.Commit+".json") }

// noteList keeps the list. A cache that cannot be written goes without.
func (s *Snapshot) noteList(names []string) {
	l := listing{SHA: s.Commit}
	for _, name := range names {
		l.Siblings = append(l.Siblings, sibling{name})
	}
	data, err := json.Marshal(l)
	if err != nil || exists(s.noted()) {
		return
	}
	for _, dir := range []string{filepath.Dir(s.noted()), filepath.Join(s.repo(), "blobs")} {
		if os.MkdirAll(dir, 0o777) != nil {
			return
		}
	}
	temporary := s.temporary()
	if os.WriteFile(temporary, data, 0o666) != nil {
		os.Remove(temporary)
		return
	}
	moveTo(temporary, s.noted())
}
