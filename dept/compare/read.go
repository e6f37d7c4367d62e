package compare

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// mostBytes is the size of the largest suite that is read.
const mostBytes = 64 << 10

// Read reads a suite from YAML. File stands for it in errors, which name the line.
//
// Keys are those below, and flags of dept train, which hold for all trials; which flags there are
// is for others to check. A task's and a method's keys are its name, a task's test, and flags.
//
//	out, tasks, methods, seeds, search: {steps, seeds}, preset, scale-steps
func Read(file string, text io.Reader) (*Suite, error) {
	r := reader{file}
	content, err := io.ReadAll(io.LimitReader(text, mostBytes+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(content) > mostBytes {
		return nil, fmt.Errorf("%s: it has more than %d KiB, which no suite needs", file, mostBytes>>10)
	}
	d := yaml.NewDecoder(bytes.NewReader(content))
	var document, second yaml.Node
	if err := d.Decode(&document); err == io.EOF {
		return nil, fmt.Errorf("%s: it is empty", file)
	} else if err != nil {
		return nil, fmt.Errorf("%s: %s", file, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := d.Decode(&second); err != io.EOF {
		return nil, fmt.Errorf("%s: it holds more than one document", file)
	}
	return r.suite(document.Content[0])
}

// reader reads the nodes of a file.
type reader struct{ file string }

// at is where a node stands.
func (r reader) at(n *yaml.Node) string { return fmt.Sprintf("%s: line %d", r.file, n.Line) }

func (r reader) refuse(n *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("%s: "+format, append([]any{r.at(n)}, args...)...)
}

// pairs hands over the keys and values of a mapping.
func (r reader) pairs(n *yaml.Node, what string, each func(key string, k, value *yaml.Node) error) error {
	if n.Kind != yaml.MappingNode {
		return r.refuse(n, "%s is written as keys with values, and this is %s", what, kindOf(n))
	}
	seen := map[string]bool{}
	for i := 0; i < len(n.Content); i += 2 {
		k := n.Content[i]
		if k.Kind != yaml.ScalarNode || k.Value == "" || k.Value == "<<" {
			return r.refuse(k, "a key is a word, and this is %s", kindOf(k))
		}
		key := strings.ReplaceAll(k.Value, "_", "-")
		if seen[key] {
			return r.refuse(k, "%s is there twice", key)
		}
		seen[key] = true
		if err := each(key, k, n.Content[i+1]); err != nil {
			return err
		}
	}
	return nil
}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "keys with values"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias, which is not read here"
	}
	return fmt.Sprintf("%.40q", n.Value)
}

func (r reader) suite(n *yaml.Node) (*Suite, error) {
	s := &Suite{}
	err := r.pairs(n, "a suite", func(key string, k, v *yaml.Node) (err error) {
		switch key {
		case "out":
			s.Out, err = r.scalar(key, v)
		case "preset":
			s.Preset, err = r.scalar(key, v)
		case "scale-steps":
			s.Scale, err = number(r, key, v, func(x string) (float64, error) { return strconv.ParseFloat(x, 64) })
			if err == nil && s.Scale <= 0 {
				err = r.refuse(v, "scale-steps %s: it must be more than 0", v.Value)
			}
		case "tasks":
			s.Tasks, err = r.entries(key, "task", v)
		case "methods":
			s.Methods, err = r.entries(key, "method", v)
		case "seeds":
			s.Seeds, err = r.seeds(v)
		case "search":
			s.Search, err = r.search(v)
		case "test":
			err = r.refuse(k, "test is a task's: write it there")
		default:
			s.Settings, err = r.setting(s.Settings, key, k, v)
		}
		return err
	})
	return s, err
}

// entries reads tasks or methods. Kind is the key that says which of the table one is.
func (r reader) entries(list, kind string, n *yaml.Node) ([]Entry, error) {
	if n.Kind != yaml.SequenceNode {
		return nil, r.refuse(n, "%s is a list, and this is %s", list, kindOf(n))
	}
	var entries []Entry
	for _, item := range n.Content {
		e := Entry{}
		if item.Kind == yaml.ScalarNode && kind == "method" { // a method with its own settings
			value, err := r.scalar(kind, item)
			if err != nil {
				return nil, err
			}
			entries = append(entries, Entry{Name: value, Settings: Settings{{kind, []string{value}, r.at(item)}}})
			continue
		}
		err := r.pairs(item, "a "+kind, func(key string, k, v *yaml.Node) (err error) {
			switch {
			case key == "name":
				e.Name, err = r.scalar(key, v)
			case key == "test" && kind == "task":
				e.Test, err = r.scalar(key, v)
			default:
				e.Settings, err = r.setting(e.Settings, key, k, v)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		if e.Name == "" {
			e.Name, _ = e.Settings.Get(kind)
		}
		if e.Name == "" {
			return nil, r.refuse(item, "it has neither %s nor name", kind)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// setting adds a flag with its values.
func (r reader) setting(s Settings, key string, k, v *yaml.Node) (Settings, error) {
	x := Setting{Name: key, At: r.at(k)}
	list := []*yaml.Node{v}
	if v.Kind == yaml.SequenceNode {
		list = v.Content
	}
	for _, item := range list {
		value, err := r.scalar(key, item)
		if err != nil {
			return nil, err
		}
		x.Values = append(x.Values, value)
	}
	if len(x.Values) == 0 {
		return nil, r.refuse(v, "%s has no value", key)
	}
	return append(s, x), nil
}

func (r reader) scalar(key string, n *yaml.Node) (string, error) {
	switch {
	case n.Kind != yaml.ScalarNode:
		return "", r.refuse(n, "%s is a single value, and this is %s", key, kindOf(n))
	case n.Tag == "!!null":
		return "", r.refuse(n, "%s has no value", key)
	}
	return n.Value, nil
}

// number reads a number.
func number[T any](r reader, key string, n *yaml.Node, parse func(string) (T, error)) (x T, err error) {
	value, err := r.scalar(key, n)
	if err != nil {
		return x, err
	}
	if x, err = parse(value); err != nil {
		return x, r.refuse(n, "%s %q: it must be a number", key, value)
	}
	return x, nil
}

func (r reader) seeds(n *yaml.Node) ([]uint64, error) {
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		return nil, r.refuse(n, "seeds is a list, as [42, 43], and this is %s", kindOf(n))
	}
	var seeds []uint64
	for _, item := range n.Content {
		seed, err := number(r, "seed", item, func(x string) (uint64, error) { return strconv.ParseUint(x, 10, 64) })
		if err != nil {
			return nil, err
		}
		seeds = append(seeds, seed)
	}
	return seeds, nil
}

func (r reader) search(n *yaml.Node) (*Search, error) {
	s := &Search{}
	err := r.pairs(n, "search", func(key string, k, v *yaml.Node) (err error) {
		switch key {
		case "steps":
			if s.Steps, err = number(r, key, v, strconv.Atoi); err == nil && s.Steps < 1 {
				err = r.refuse(v, "steps %d: it must be at least 1", s.Steps)
			}
		case "seeds":
			s.Seeds, err = r.seeds(v)
		default:
			err = r.refuse(k, "search has no %s: it has steps and seeds", key)
		}
		return err
	})
	return s, err
}
