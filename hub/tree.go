package hub

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Tree is what the hub's API says of a repository at a commit: which files it has, how large they
// are, and their checksums. It takes no cache, and no headers that a page may not read.
type Tree struct {
	Ref    Ref
	Commit string // 40 hexadecimal digits
	client *Client
	files  map[string]about
}

// Tree asks for a repository's tree. The error has a Refusal in it where the hub answers with one.
func (c *Client) Tree(ctx context.Context, r Ref) (*Tree, error) {
	t := &Tree{Ref: r, client: c}
	err := c.persist(ctx, func() (err error) {
		t.Commit, _, err = c.askList(ctx, r, r.Revision)
		return err
	})
	if err == nil {
		err = c.persist(ctx, func() (err error) {
			t.files, err = c.askTree(ctx, r, t.Commit)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("asking %s for %s: %w", c.Endpoint, r, err)
	}
	return t, nil
}

// Has says whether the repository has a file.
func (t *Tree) Has(name string) bool {
	_, ok := t.files[name]
	return ok
}

// Size is the size of files together, in bytes.
func (t *Tree) Size(names ...string) (bytes int64) {
	for _, name := range names {
		bytes += t.files[name].size
	}
	return bytes
}

// shardFile is a part of the weights as the hub's programs name it, such as
// model-00001-of-00002.safetensors.
var shardFile = regexp.MustCompile(`^(model|pytorch_model)-[0-9]+-of-[0-9]+(\.safetensors|\.bin)$`)

// Model names the files that a checkpoint needs, as Client.Model brings them, and which of them hold
// the weights.
func (t *Tree) Model() (small, weights []string, err error) {
	if !t.Has(configFile) {
		if t.Has(adapterConfigFile) {
			return nil, nil, fmt.Errorf("%s is an adapter, not a model: it has %s and no %s", t.Ref, adapterConfigFile, configFile)
		}
		return nil, nil, fmt.Errorf("%s has no %s%s", t.Ref, configFile, t.instead())
	}
	for _, name := range append([]string{configFile, "generation_config.json"}, tokenizerFiles...) {
		if t.Has(name) {
			small = append(small, name)
		}
	}
	if i := slices.IndexFunc(vocabularyFiles, t.Has); i >= 0 { // byte tokenizers have neither
		small = append(small, vocabularyFiles[i])
	}
	i := slices.IndexFunc(weightsFiles, t.Has)
	if i < 0 {
		return nil, nil, fmt.Errorf("%s has no weights that dept reads (%s)%s", t.Ref, strings.Join(weightsFiles, ", "), t.instead())
	}
	whole, isIndex := strings.CutSuffix(weightsFiles[i], ".index.json")
	if !isIndex {
		return small, []string{whole}, nil
	}
	small = append(small, weightsFiles[i])
	for _, name := range slices.Sorted(maps.Keys(t.files)) {
		if part := shardFile.FindStringSubmatch(name); part != nil && part[1]+part[2] == whole {
			weights = append(weights, name)
		}
	}
	return small, weights, nil
}

// instead says what the repository has.
func (t *Tree) instead() string {
	names := slices.Sorted(maps.Keys(t.files))
	if len(names) == 0 {
		return ""
	}
	return "; it has " + someOf(names)
}

// Bring brings all of a file into f, from f's end on where an earlier try left something there, and
// compares it with its checksum.
func (t *Tree) Bring(ctx context.Context, name string, f Partial) error {
	a, ok := t.files[name]
	if !ok {
		return &MissingFile{t.Ref, name}
	}
	return t.client.bring(ctx, t.Ref, t.Commit, name, a, f)
}
