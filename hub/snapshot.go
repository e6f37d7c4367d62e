package hub

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Snapshot is a repository at a commit, as far as it is in the cache.
type Snapshot struct {
	Ref    Ref
	Commit string // 40 hexadecimal digits
	Dir    string // the folder that the repository's files are in
	client *Client
	known  map[string]about // what the server said of files
	tree   map[string]about // the same of all files, where it was asked so
	local  error            // why no server is asked; nil if one is
}

// open finds the commit that a revision is at: it asks, else takes the one that the cache has.
func (c *Client) open(ctx context.Context, r Ref, ask func(*Snapshot) (commit string, err error)) (*Snapshot, error) {
	s := &Snapshot{Ref: r, client: c, known: map[string]about{}}
	cached := c.refCommit(r)
	switch {
	case r.pinned():
		s.Commit = r.Revision
	case !c.Offline:
		s.Commit, s.local = ask(s)
	}
	if c.Offline {
		s.local = errOffline
	}
	if isMissing(s.local) {
		return nil, s.local // the repository is there, and the server does not say at which commit
	}
	if s.local != nil && s.Commit == "" {
		if cached == "" {
			if !c.Offline {
				return nil, s.local
			}
			return nil, &NotCached{r, c.Cache, "", s.local}
		}
		if s.Commit = cached; !c.Offline {
			c.warn("%v; taking what the cache has of %s, commit %s", reason(s.local), r, cached)
		}
	}
	s.Dir = filepath.Join(c.Cache, r.folder(), "snapshots", s.Commit)
	return s, nil
}

// openAt opens a repository by asking for a file that it should have.
func (c *Client) openAt(ctx context.Context, r Ref, probe string) (*Snapshot, error) {
	return c.open(ctx, r, func(s *Snapshot) (string, error) {
		ask := c.ask
		if c.refCommit(r) != "" {
			ask = c.askOnce // there is something to fall back on
		}
		a, err := ask(ctx, r, r.Revision, probe)
		var refused *Refusal
		switch {
		case err == nil:
			s.known[probe] = a
			return a.commit, nil
		case errors.As(err, &refused) && refused.Code == "EntryNotFound" && commit.MatchString(refused.commit):
			return refused.commit, nil
		case refused != nil && refused.Code == "EntryNotFound":
			return "", &MissingFile{r, probe}
		case errors.As(err, new(*unclear)):
			if sha, _, listErr := c.askList(ctx, r, r.Revision); listErr == nil {
				return sha, nil
			}
		}
		return "", c.explain(r, "", err)
	})
}

// reason is why the hub could not tell.
func reason(err error) error {
	var uncached *NotCached
	if errors.As(err, &uncached) {
		return uncached.Why
	}
	return err
}

// repo is the repository's folder in the cache.
func (s *Snapshot) repo() string { return filepath.Join(s.client.Cache, s.Ref.folder()) }

// path is where a file of the snapshot is, or would be.
func (s *Snapshot) path(name string) string { return filepath.Join(s.Dir, filepath.FromSlash(name)) }

// has says whether a file is there.
func (s *Snapshot) has(name string) bool { return validFile(name) && exists(s.path(name)) }

// file brings a file if it is not there. The error is MissingFile where the repository has none of
// that name, and NotCached where no server may be asked.
func (s *Snapshot) file(ctx context.Context, name string) error {
	c := s.client
	switch {
	case !validFile(name):
		return fmt.Errorf("%s names a file %q, which would lie outside of its folder", s.Ref, name)
	case s.has(name):
		return nil
	case s.absent(name):
		return &MissingFile{s.Ref, name}
	case s.local != nil:
		return &NotCached{s.Ref, c.Cache, name, reason(s.local)}
	}
	a, ok := s.known[name]
	if !ok {
		var err error
		a, err = c.ask(ctx, s.Ref, s.Commit, name)
		if errors.As(err, new(*unclear)) {
			if inTree, ok := s.fromTree(ctx, name); ok {
				a, err = inTree, nil
			}
		}
		if err != nil {
			err = c.explain(s.Ref, name, err)
			if isMissing(err) {
				s.noteMissing(name)
			}
			return err
		}
		if a.commit != s.Commit {
			return fmt.Errorf("asked for %s of %s at commit %s, %s answers with commit %s: run the same again", name, s.Ref, s.Commit, c.Endpoint, a.commit)
		}
	}
	return s.download(ctx, name, a)
}

// uncached says whether a file is missing only as far as the cache knows.
func (s *Snapshot) uncached(err error) bool { return s.local != nil && errors.As(err, new(*NotCached)) }

// optional brings those of the files that the repository has.
func (s *Snapshot) optional(ctx context.Context, names ...string) error {
	for _, name := range names {
		if err := s.file(ctx, name); err != nil && !isMissing(err) && !s.uncached(err) {
			return err
		}
	}
	return nil
}

// oneOf brings the first of the files that is there, or else that the repository has.
func (s *Snapshot) oneOf(ctx context.Context, names ...string) (string, error) {
	for _, name := range names {
		if s.has(name) {
			return name, nil
		}
	}
	var first error
	for _, name := range names {
		err := s.file(ctx, name)
		if err == nil || !isMissing(err) && !s.uncached(err) {
			return name, err
		}
		if first == nil || isMissing(first) && !isMissing(err) {
			first = err
		}
	}
	return "", first
}

// done ends the bringing of a snapshot: what was wanted of it is there.
func (s *Snapshot) done() (*Snapshot, error) {
	if err := s.keepRef(); err != nil && !os.IsPermission(err) {
		s.client.warn("the cache %s does not note which commit %s is at, so that it is not found without the hub: %v", s.client.Cache, s.Ref, err)
	}
	return s, nil
}
