package hub

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Stored is a repository in the cache.
type Stored struct {
	Kind      Kind
	Name      string
	Dir       string
	Revisions []string // commits, and behind each the branches and tags that are at it
	Size      int64    // bytes, of incomplete files too
	Partial   int64    // bytes of incomplete files
}

// List lists the models and data sets in the cache by their names. A cache that is not there is
// empty.
func (c *Client) List() ([]Stored, error) {
	entries, err := os.ReadDir(c.Cache)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the cache: %w", err)
	}
	var list []Stored
	for _, e := range entries {
		for _, kind := range []Kind{Model, Dataset} {
			name, ok := strings.CutPrefix(e.Name(), string(kind)+"s--")
			if name = strings.ReplaceAll(name, "--", "/"); !ok || checkName(name) != nil {
				continue
			}
			stored := Stored{Kind: kind, Name: name, Dir: filepath.Join(c.Cache, e.Name())}
			if err := stored.look(); err != nil {
				return nil, fmt.Errorf("reading the cache: %w", err)
			}
			list = append(list, stored)
		}
	}
	return list, nil
}

// look fills in what is in the repository's folder.
func (s *Stored) look() error {
	refs := map[string][]string{} // by commit
	folder := filepath.Join(s.Dir, "refs")
	err := walk(folder, func(path string, d fs.DirEntry) error {
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(folder, path)
		refs[string(text)] = append(refs[string(text)], filepath.ToSlash(name))
		return err
	})
	if err != nil {
		return err
	}
	commits, err := os.ReadDir(filepath.Join(s.Dir, "snapshots"))
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	for _, commit := range commits {
		s.Revisions = append(s.Revisions, strings.Join(append([]string{commit.Name()}, refs[commit.Name()]...), " "))
	}
	return walk(s.Dir, func(path string, d fs.DirEntry) error {
		info, err := d.Info()
		if os.IsNotExist(err) || err == nil && !info.Mode().IsRegular() {
			return nil
		}
		if err == nil {
			s.Size += info.Size()
			if strings.HasSuffix(path, ".incomplete") {
				s.Partial += info.Size()
			}
		}
		return err
	})
}

// walk visits all the files of a folder that may not be there.
func walk(folder string, visit func(path string, d fs.DirEntry) error) error {
	return filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		switch {
		case os.IsNotExist(err):
			return nil
		case err != nil || d.IsDir():
			return err
		}
		return visit(path, d)
	})
}

// Verified is what Verify found.
type Verified struct {
	Right   int      // files whose checksum is right
	Unknown int      // files whose checksum is not known
	Wrong   []string // what is wrong, a sentence for each file
}

// Verify computes the checksums of a stored repository's files.
func (s Stored) Verify(ctx context.Context) (v Verified, err error) {
	err = walk(filepath.Join(s.Dir, "blobs"), func(path string, d fs.DirEntry) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		name := filepath.Base(path)
		if strings.HasSuffix(name, ".incomplete") {
			return nil
		}
		wrong, known, err := checkFile(path, name)
		switch {
		case err != nil:
			return err
		case wrong != nil:
			v.Wrong = append(v.Wrong, fmt.Sprintf("%s: %v", path, wrong))
		case known:
			v.Right++
		default:
			v.Unknown++
		}
		return nil
	})
	if err != nil {
		return v, err
	}
	err = walk(filepath.Join(s.Dir, "snapshots"), func(path string, d fs.DirEntry) error {
		switch {
		case !exists(path):
			v.Wrong = append(v.Wrong, path+": it leads to a blob that is not there")
		case d.Type().IsRegular():
			v.Unknown++ // where there are no links a file does not say its checksum
		}
		return nil
	})
	return v, err
}

// checkFile is checkSum for the file at path.
func checkFile(path, etag string) (wrong error, known bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		return nil, false, err
	}
	return checkSum(f, stat.Size(), etag)
}

// Remove removes a repository from the cache.
func (c *Client) Remove(s Stored) error {
	// The refs first: what is half removed is not taken for whole.
	for _, dir := range []string{filepath.Join(s.Dir, "refs"), s.Dir, filepath.Join(c.Cache, ".locks", filepath.Base(s.Dir))} {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("removing %s: %w", s.Name, err)
		}
	}
	return nil
}

// Find gives those of the stored repositories that have a name.
func Find(list []Stored, name string) []Stored {
	return slices.DeleteFunc(slices.Clone(list), func(s Stored) bool { return s.Name != name })
}
