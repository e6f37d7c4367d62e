package hub

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

// Kind is a kind of repository.
type Kind string

// The kinds of repository that are read.
const (
	Model   Kind = "model"
	Dataset Kind = "dataset"
)

// DefaultRevision is the branch that a name without a revision means.
const DefaultRevision = "main"

// Ref names a repository at a revision.
type Ref struct {
	Kind     Kind
	Name     string // ORG/NAME, or NAME for the oldest models
	Revision string // a branch, a tag or a commit
}

// Prefix marks a name as one of the hub's.
const Prefix = "hf:"

// ParseRef reads ORG/NAME, NAME or either with @REVISION behind it and hf: before it. It refuses
// what the hub gives no repository as a name, and whatever would lead out of the cache's folder.
func ParseRef(kind Kind, text string) (Ref, error) {
	name, revision, given := strings.Cut(strings.TrimPrefix(text, Prefix), "@")
	if !given {
		revision = DefaultRevision
	}
	if err := checkName(name); err != nil {
		return Ref{}, fmt.Errorf("%q is no name of a %s on the hub: %w", text, kind, err)
	}
	if !validRevision(revision) {
		return Ref{}, fmt.Errorf("%q is no name of a %s on the hub: %q is no branch, tag or commit", text, kind, revision)
	}
	return Ref{kind, name, revision}, nil
}

// ParseDataset reads the name of a data set, behind which :PART may name a split, CONFIG/SPLIT or
// a file of it.
func ParseDataset(text string) (ref Ref, part string, err error) {
	name, part, given := strings.Cut(strings.TrimPrefix(text, Prefix), ":")
	if ref, err = ParseRef(Dataset, name); err != nil {
		return Ref{}, "", err
	}
	if given && !validFile(part) {
		return Ref{}, "", fmt.Errorf("%s: %q is neither a split nor a file", text, part)
	}
	return ref, part, nil
}

var (
	namePart = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?$`)
	commit   = regexp.MustCompile(`^[0-9a-f]{40}$`)
)

func checkName(name string) error {
	parts := strings.Split(name, "/")
	if len(parts) > 2 {
		return fmt.Errorf("it has %d slashes and names have one at most", len(parts)-1)
	}
	for _, part := range parts {
		switch {
		case !namePart.MatchString(part):
			return fmt.Errorf("%q must be 1 to 96 letters, digits and .-_ that neither begin nor end with . or -", part)
		case strings.Contains(part, "--") || strings.Contains(part, "..") || strings.HasSuffix(part, ".git"):
			return fmt.Errorf("%q may have neither -- nor .. in it and not end in .git", part)
		}
	}
	return nil
}

// validRevision holds for names that git takes for a branch or a tag and that stay inside refs/.
func validRevision(revision string) bool {
	for _, part := range strings.Split(revision, "/") {
		if part == "" || part[0] == '.' || part[0] == '-' || strings.HasSuffix(part, ".lock") || strings.HasSuffix(part, ".") {
			return false
		}
	}
	return len(revision) <= 200 && !strings.Contains(revision, "..") &&
		strings.IndexFunc(revision, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`~^:?*[\@{"<>|`, r) }) < 0
}

// validFile holds for the relative path of a file that stays inside its repository on every system.
func validFile(name string) bool {
	return name != "." && !strings.ContainsAny(name, "\\:\x00") && filepath.IsLocal(filepath.FromSlash(name)) &&
		!strings.HasPrefix(name, "./") && !strings.Contains("/"+name+"/", "/../") && !strings.Contains(name, "//") && !strings.HasSuffix(name, "/")
}

// String is the name as ParseRef reads it.
func (r Ref) String() string {
	if r.Revision == DefaultRevision {
		return r.Name
	}
	return r.Name + "@" + r.Revision
}

// pinned says that the revision is a commit, which never changes.
func (r Ref) pinned() bool { return commit.MatchString(r.Revision) }

// folder is the repository's in the cache.
func (r Ref) folder() string {
	return string(r.Kind) + "s--" + strings.ReplaceAll(r.Name, "/", "--")
}

// path is the repository's on the hub's server.
func (r Ref) path() string {
	if r.Kind == Dataset {
		return "datasets/" + r.Name
	}
	return r.Name
}
