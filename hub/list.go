package hub

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"slices"
)

// listing is what the hub's API says of a repository at a revision.
type listing struct {
	SHA      string `json:"sha"`
	Siblings []struct {
		Name string `json:"rfilename"`
	} `json:"siblings"`
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

// list names the files of the snapshot: all that the repository has, or, where no server is asked,
// those that are there.
func (s *Snapshot) list(ctx context.Context) ([]string, error) {
	if s.local == nil {
		_, names, err := s.client.askList(ctx, s.Ref, s.Commit)
		return names, err
	}
	var names []string
	err := fs.WalkDir(os.DirFS(s.Dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, path)
		}
		return err
	})
	return names, err
}
