package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
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
		return "", nil, fmt.Errorf("the hub's list of files: %w", plainly(err))
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

// plainly words an error of reading JSON without the names of this program's types.
func plainly(err error) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return fmt.Errorf("there is a %s at byte %d, where another kind of value belongs", wrong.Value, wrong.Offset)
	}
	return err
}

// askList asks the hub for a repository's files at a revision.
func (c *Client) askList(ctx context.Context, r Ref, revision string) (sha string, names []string, err error) {
	data, _, err := c.getJSON(ctx, fmt.Sprintf("%s/api/%ss/%s/revision/%s", c.Endpoint, r.Kind, r.Name, url.PathEscape(revision)))
	if err != nil {
		return "", nil, err
	}
	return parseListing(data)
}

// parseTree reads what the API says of a commit's files, of one page of them.
func parseTree(data []byte) (map[string]about, error) {
	var entries []struct {
		Type, Path, OID string
		Size            int64
		LFS             *struct{ OID string }
	}
	if err := json.Unmarshal(data, &entries); err != nil {
		return nil, fmt.Errorf("the hub's tree of files: %w", plainly(err))
	}
	files := map[string]about{}
	for _, e := range entries {
		if e.LFS != nil {
			e.OID = e.LFS.OID
		}
		if e.Type == "file" && validFile(e.Path) && validBlob(e.OID) && e.Size >= 0 {
			files[e.Path] = about{etag: e.OID, size: e.Size}
		}
	}
	return files, nil
}

// maxJSON is the most bytes of an answer of the API that are read.
const maxJSON = 64 << 20

// maxPages is how many pages of a tree are read, each of a thousand files.
const maxPages = 20

// fromTree is what the API says of a file. It is asked where the file's own address does not tell:
// behind a transport that follows redirects, or a mirror.
func (s *Snapshot) fromTree(ctx context.Context, name string) (a about, ok bool) {
	c := s.client
	if s.tree == nil {
		s.tree, _ = c.askTree(ctx, s.Ref, s.Commit) // without it there is no telling
	}
	a, ok = s.tree[name]
	a.commit = s.Commit
	return a, ok
}

// askTree asks the API for a commit's files. With an error come those of the pages before it.
func (c *Client) askTree(ctx context.Context, r Ref, commit string) (map[string]about, error) {
	files := map[string]about{}
	address := fmt.Sprintf("%s/api/%ss/%s/tree/%s?recursive=true", c.Endpoint, r.Kind, r.Name, commit)
	for range maxPages {
		data, next, err := c.getJSON(ctx, address)
		if err != nil {
			return files, err
		}
		page, err := parseTree(data)
		if err != nil {
			return files, err
		}
		maps.Copy(files, page)
		if address = next; next == "" {
			break
		}
	}
	return files, nil
}

// nextPage is the address in a Link header of the page behind this one.
var nextPage = regexp.MustCompile(`<([^>]+)>;\s*rel="next"`)

// getJSON asks the API. next is the address of the next page, or empty.
func (c *Client) getJSON(ctx context.Context, address string) (data []byte, next string, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.AskTimeout, fmt.Errorf("no answer in %s", c.AskTimeout))
	defer cancel()
	response, err := c.send(ctx, "GET", address, nil, nil)
	if err != nil {
		return nil, "", because(ctx, err)
	}
	defer response.Body.Close()
	if data, err = io.ReadAll(io.LimitReader(response.Body, maxJSON)); err != nil {
		return nil, "", because(ctx, &unreachable{err})
	}
	if m := nextPage.FindStringSubmatch(response.Header("Link")); m != nil && sameOrigin(m[1], c.Endpoint) {
		next = m[1]
	}
	return data, next, nil
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
	if names := s.pythonsList(); names != nil {
		return names, nil
	}
	return s.present()
}

// pythonsList names the files of the commit as Python's client noted them; nil where it did not.
func (s *Snapshot) pythonsList() []string {
	data, err := os.ReadFile(filepath.Join(s.repo(), "trees", s.Commit+".json"))
	var tree struct{ Files map[string]any }
	if err != nil || json.Unmarshal(data, &tree) != nil || len(tree.Files) == 0 {
		return nil
	}
	return slices.Sorted(maps.Keys(tree.Files))
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
