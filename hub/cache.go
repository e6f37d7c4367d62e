package hub

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// cacheTag is the file by which programs that back folders up know one that can be downloaded again
// (https://bford.info/cachedir).
const (
	cacheTag     = "CACHEDIR.TAG"
	cacheTagText = "Signature: 8a477f597d28d172789f06886806bc55\n# Models and data sets of the Hugging Face Hub: see https://bford.info/cachedir\n"
)

// tag marks the cache's folder. It is a courtesy: that it cannot be done is no error.
func (c *Client) tag() {
	f, err := os.OpenFile(filepath.Join(c.Cache, cacheTag), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err == nil {
		f.WriteString(cacheTagText)
		f.Close()
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// symlink is a variable for the tests of systems that have none.
var symlink = os.Symlink

// link puts the blob at the file's place in the snapshot: as a relative link, or, where there are
// none, as the blob itself if it is fresh, else as a copy.
func (s *Snapshot) link(name, blob string, fresh bool) error {
	path := s.path(name)
	target, err := filepath.Rel(filepath.Dir(path), blob)
	if err != nil {
		return err
	}
	temporary := s.temporary()
	if err := symlink(target, temporary); err == nil {
		return moveTo(temporary, path)
	}
	if fresh {
		return moveTo(blob, path)
	}
	if err := copyFile(temporary, blob); err != nil {
		os.Remove(temporary)
		return err
	}
	return moveTo(temporary, path)
}

// temporary is a new name among the blobs, outside of the folders whose every file Python's client
// takes for one of the repository.
func (s *Snapshot) temporary() string {
	return filepath.Join(s.repo(), "blobs", fmt.Sprintf("%08x%s", rand.Uint32(), incomplete))
}

// moveTo renames a file, and removes it where that fails.
func moveTo(temporary, path string) error {
	err := os.Rename(temporary, path)
	if err != nil {
		os.Remove(temporary)
	}
	return err
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// refCommit is the commit that a revision was at when it was last brought; "" if it never was.
func (c *Client) refCommit(r Ref) string {
	text, _ := os.ReadFile(filepath.Join(c.Cache, r.folder(), "refs", filepath.FromSlash(r.Revision)))
	if sha := strings.TrimSpace(string(text)); commit.MatchString(sha) {
		return sha
	}
	return ""
}

// keepRef notes that a revision is at the snapshot's commit. It does so when all that was wanted of
// the snapshot is there, so that a revision always leads to something whole.
func (s *Snapshot) keepRef() error {
	if s.Ref.pinned() || s.client.refCommit(s.Ref) == s.Commit {
		return nil
	}
	path := filepath.Join(s.repo(), "refs", filepath.FromSlash(s.Ref.Revision))
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	temporary := s.temporary()
	if err := os.WriteFile(temporary, []byte(s.Commit), 0o666); err != nil {
		os.Remove(temporary)
		return err
	}
	return moveTo(temporary, path)
}

// noExist is where a file is noted that the commit does not have.
func (s *Snapshot) noExist(name string) string {
	return filepath.Join(s.repo(), ".no_exist", s.Commit, filepath.FromSlash(name))
}

// absent says whether the commit is known not to have a file: it was asked for in vain, or the list
// of all files lacks it that Python's client leaves.
func (s *Snapshot) absent(name string) bool {
	if exists(s.noExist(name)) {
		return true
	}
	listed := s.pythonsList()
	return listed != nil && !slices.Contains(listed, name)
}

// noteMissing notes that the commit does not have a file, so that nobody asks again. A cache that
// cannot be written makes it ask again.
func (s *Snapshot) noteMissing(name string) {
	path := s.noExist(name)
	if os.MkdirAll(filepath.Dir(path), 0o777) == nil {
		os.WriteFile(path, nil, 0o666)
	}
}
