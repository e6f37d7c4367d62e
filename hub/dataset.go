package hub

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// ConvertedRevision is where the hub keeps each data set as parquet, whatever its own form is.
const ConvertedRevision = "refs/convert/parquet"

// Dataset brings files of a data set and returns their paths in the order of their names. The part
// is a split, CONFIG/SPLIT, or a file's own name; without one it is the first of the splits that
// there is. Splits are those of the parquet files, or of what the hub has converted to parquet.
func (c *Client) Dataset(ctx context.Context, r Ref, part string, splits ...string) (paths []string, err error) {
	s, names, err := c.openRows(ctx, r, part)
	if err != nil {
		return nil, err
	}
	chosen := []string{part}
	if !slices.Contains(names, part) {
		if chosen, err = choose(parquet(names), part, splits); err != nil {
			return nil, fmt.Errorf("%s: %w", r, err)
		}
	}
	s.noteList(names)
	for _, name := range chosen {
		if err := s.file(ctx, name); err != nil {
			return nil, err
		}
		paths = append(paths, s.path(name))
	}
	_, err = s.done()
	return paths, err
}

// Parquet brings all of a data set's parquet files, its own or those that the hub has converted.
func (c *Client) Parquet(ctx context.Context, r Ref) (*Snapshot, error) {
	s, _, err := c.openRows(ctx, r, "")
	if err != nil {
		return nil, err
	}
	return c.Files(ctx, s.Ref, "*.parquet")
}

// openRows opens a data set where it has a file or else parquet: at its own revision, or where the
// hub has converted it.
func (c *Client) openRows(ctx context.Context, r Ref, file string) (*Snapshot, []string, error) {
	s, names, err := c.openList(ctx, r)
	if r.Revision != DefaultRevision || err == nil && (slices.Contains(names, file) || len(parquet(names)) > 0) {
		return s, names, err
	}
	converted, list, convertedErr := c.openList(ctx, Ref{r.Kind, r.Name, ConvertedRevision})
	switch {
	case convertedErr == nil && (err == nil || errors.As(err, new(*NotCached))):
		return converted, list, nil // without a network, perhaps nothing else was ever brought
	case err != nil:
		return nil, nil, err
	}
	return nil, nil, fmt.Errorf("%s has no parquet files of its own, and of converted ones: %w; name another file behind a colon", r, convertedErr)
}

// openList opens a repository by its list of files.
func (c *Client) openList(ctx context.Context, r Ref) (s *Snapshot, names []string, err error) {
	s, err = c.open(ctx, r, func(s *Snapshot) (sha string, err error) {
		if sha, names, err = c.askList(ctx, r, r.Revision); err != nil {
			return "", c.explain(r, "", err)
		}
		return sha, nil
	})
	if err != nil {
		return nil, nil, err
	}
	if names == nil {
		if names, err = s.list(ctx); err != nil {
			return nil, nil, c.explain(r, "", err)
		}
	}
	return s, names, nil
}

// parquet are the parquet files among names, by configuration and split.
func parquet(names []string) map[string]map[string][]string {
	found := map[string]map[string][]string{}
	for _, name := range names {
		if path.Ext(name) != ".parquet" {
			continue
		}
		config, split := splitOf(name)
		if found[config] == nil {
			found[config] = map[string][]string{}
		}
		found[config][split] = append(found[config][split], name)
	}
	return found
}

var (
	shardName  = regexp.MustCompile(`^(.+)-\d{5}-of-\d{5}(-[0-9a-f]+)?$`)
	shardCount = regexp.MustCompile(`^\d+$`)
)

// splitOf reads the configuration and the split of a file from its name, which is as the datasets
// library writes them, CONFIG/SPLIT-00000-of-00001.parquet, or as the hub does when it converts,
// CONFIG/SPLIT/0000.parquet. A folder named data, or none, is the configuration default.
func splitOf(name string) (config, split string) {
	folder, split := path.Dir(name), strings.TrimSuffix(path.Base(name), ".parquet")
	if m := shardName.FindStringSubmatch(split); m != nil {
		split = m[1]
	} else if shardCount.MatchString(split) && folder != "." {
		folder, split = path.Dir(folder), strings.TrimPrefix(path.Base(folder), "partial-")
	}
	if folder == "." || folder == "data" {
		folder = "default"
	}
	return folder, split
}

// choose picks the files of a part, or else of the first of the splits that there is.
func choose(files map[string]map[string][]string, part string, splits []string) ([]string, error) {
	configs := slices.Sorted(maps.Keys(files))
	if len(configs) == 0 {
		return nil, errors.New("it has no parquet files: name another file behind a colon")
	}
	config, split, given := "", part, false
	if i := strings.LastIndex(part, "/"); i >= 0 {
		config, split, given = part[:i], part[i+1:], true
	}
	switch {
	case given && files[config] == nil:
		return nil, fmt.Errorf("it has no file and no configuration for %q; configurations are %s", part, strings.Join(configs, ", "))
	case given:
	case files["default"] != nil:
		config = "default"
	case len(configs) == 1:
		config = configs[0]
	default:
		return nil, fmt.Errorf("it has the configurations %s: name one with its split behind a colon, as in :%s/train", strings.Join(configs, ", "), configs[0])
	}
	if split != "" {
		splits = []string{split}
	}
	for _, split := range splits {
		if chosen := files[config][split]; chosen != nil {
			return chosen, nil
		}
	}
	return nil, fmt.Errorf("it has no split %s; there are %s: name one behind a colon", strings.Join(splits, " or "), strings.Join(slices.Sorted(maps.Keys(files[config])), ", "))
}
