package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// The files of a model and of an adapter.
const (
	configFile        = "config.json"
	adapterConfigFile = "adapter_config.json"
)

var (
	vocabularyFiles = []string{"tokenizer.json", "spiece.model"}
	tokenizerFiles  = []string{"tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"}
	// Where a file is there, those behind it are not needed.
	weightsFiles = []string{"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"}
	adapterFiles = []string{"adapter_model.safetensors", "adapter_model.bin", "adapter.safetensors", "pytorch_adapter.bin"}
)

// Model brings what a checkpoint needs of a repository: its configuration, its tokenizer's files,
// and its weights, safetensors before pytorch_model.bin.
func (c *Client) Model(ctx context.Context, r Ref) (*Snapshot, error) {
	s, err := c.openAt(ctx, r, configFile)
	if err != nil {
		return nil, err
	}
	if r.pinned() && s.wholeModel() {
		return s, nil
	}
	if err := s.kindOf(ctx, configFile, adapterConfigFile, "an adapter: give it with --adapter, and its model with --model"); err != nil {
		return nil, err
	}
	if err := s.optional(ctx, append([]string{"generation_config.json"}, tokenizerFiles...)...); err != nil {
		return nil, err
	}
	if _, err := s.oneOf(ctx, vocabularyFiles...); err != nil && !isMissing(err) && !s.uncached(err) {
		return nil, err // byte tokenizers have neither
	}
	weights, err := s.oneOf(ctx, weightsFiles...)
	if isMissing(err) {
		return nil, fmt.Errorf("%s has no weights that dept reads (%s)%s", r, strings.Join(weightsFiles, ", "), s.instead(ctx))
	}
	if err != nil {
		return nil, err
	}
	shards, err := s.shards(weights)
	if err != nil {
		return nil, err
	}
	for _, shard := range shards {
		if err := s.file(ctx, shard); err != nil {
			return nil, err
		}
	}
	return s.done()
}

// Adapter brings an adapter.
func (c *Client) Adapter(ctx context.Context, r Ref) (*Snapshot, error) {
	s, err := c.openAt(ctx, r, adapterConfigFile)
	if err != nil {
		return nil, err
	}
	if r.pinned() && s.has(adapterConfigFile) && slices.ContainsFunc(adapterFiles, s.has) {
		return s, nil
	}
	if err := s.kindOf(ctx, adapterConfigFile, configFile, "a model: give it with --model"); err != nil {
		return nil, err
	}
	if _, err := s.oneOf(ctx, adapterFiles...); err != nil {
		return nil, err
	}
	return s.done()
}

// Config brings a model's config.json alone.
func (c *Client) Config(ctx context.Context, r Ref) (*Snapshot, error) {
	s, err := c.openAt(ctx, r, configFile)
	if err != nil {
		return nil, err
	}
	if err := s.file(ctx, configFile); err != nil {
		return nil, err
	}
	return s.done()
}

// Any brings a model, or an adapter where the repository holds one.
func (c *Client) Any(ctx context.Context, r Ref) (*Snapshot, error) {
	s, err := c.openAt(ctx, r, adapterConfigFile)
	if err != nil {
		return nil, err
	}
	if err := s.file(ctx, adapterConfigFile); isMissing(err) || s.uncached(err) {
		return c.Model(ctx, r)
	} else if err != nil {
		return nil, err
	}
	return c.Adapter(ctx, r)
}

// kindOf brings the file that repositories of the kind wanted have. Where it is missing and the
// other kind's is there, the error says what the repository is.
func (s *Snapshot) kindOf(ctx context.Context, wanted, other, is string) error {
	err := s.file(ctx, wanted)
	if !isMissing(err) {
		return err
	}
	if s.file(ctx, other) == nil {
		return fmt.Errorf("%w but %s: it is %s", err, other, is)
	}
	return fmt.Errorf("%w%s", err, s.instead(ctx))
}

// wholeModel says whether all that a model cannot do without is there.
func (s *Snapshot) wholeModel() bool {
	settled := func(name string) bool { return s.has(name) || s.absent(name) }
	if !s.has(configFile) || !s.has(vocabularyFiles[0]) && !s.has(vocabularyFiles[1]) && !(settled(vocabularyFiles[0]) && settled(vocabularyFiles[1])) {
		return false
	}
	for _, weights := range weightsFiles {
		if s.has(weights) {
			shards, err := s.shards(weights)
			return err == nil && !slices.ContainsFunc(shards, func(shard string) bool { return !s.has(shard) })
		}
	}
	return false
}

// shards are the files that an index of weights names; none for another file.
func (s *Snapshot) shards(weights string) ([]string, error) {
	if !strings.HasSuffix(weights, ".index.json") {
		return nil, nil
	}
	data, err := os.ReadFile(s.path(weights))
	if err != nil {
		return nil, err
	}
	shards, err := parseIndex(data)
	if err != nil {
		return nil, fmt.Errorf("%s of %s: %w", weights, s.Ref, err)
	}
	return shards, nil
}

// parseIndex reads the names of the shards from an index of weights.
func parseIndex(data []byte) ([]string, error) {
	var index struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(data, &index); err != nil {
		return nil, fmt.Errorf("it is no index of weights: %w", plainly(err))
	}
	shards := slices.Compact(slices.Sorted(maps.Values(index.WeightMap)))
	if len(shards) == 0 {
		return nil, errors.New("it is an index of weights that names no files")
	}
	return shards, nil
}

// instead says what a repository has where it lacks what was wanted, if the hub tells.
func (s *Snapshot) instead(ctx context.Context) string {
	names, err := s.list(ctx)
	if err != nil || len(names) == 0 {
		return ""
	}
	return "; it has " + someOf(names)
}

func someOf(names []string) string {
	if len(names) > 12 {
		names = append(names[:12:12], "…")
	}
	return strings.Join(names, ", ")
}

func isMissing(err error) bool { return errors.As(err, new(*MissingFile)) }
