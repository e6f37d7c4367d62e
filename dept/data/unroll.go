package data

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
)

// unroll makes rows of a record in which a task's rows lie in a list, or in lists within lists: each gets the
// columns of all objects that it lies in. A record of a task without such a layout is a row itself, and one that
// is MRQA's header is none.
func (o *Options) unroll(r record) ([]record, error) {
	if o.Task == nil {
		return []record{r}, nil
	}
	for i := range o.Task.Layouts {
		each := o.Task.Layouts[i].Each
		if each == "" {
			continue
		}
		if name := listIn(r, each, 0); name != "" {
			return unrollAt(nil, r, each, name)
		}
		if r.other["header"] == anObject && len(r.other) == 1 && strings.Contains(each, "qas") {
			return nil, nil
		}
	}
	return []record{r}, nil
}

// listIn is the first of the lists on a path that a record has, behind the first bytes of the path; empty where it
// has none.
func listIn(r record, path string, behind int) string {
	for end := behind; end <= len(path); end++ {
		if end == len(path) || end > behind && path[end] == '.' {
			if r.lists[path[:end]] != nil {
				return path[:end]
			}
		}
	}
	return ""
}

func unrollAt(rows []record, r record, each, name string) ([]record, error) {
	var list []map[string]json.RawMessage
	if err := json.Unmarshal(r.lists[name], &list); err != nil {
		return nil, fmt.Errorf("%s is no list of objects", name)
	}
	for i, values := range list {
		inner := record{
			cells: maps.Clone(r.cells), other: maps.Clone(r.other), lists: map[string]json.RawMessage{}, row: r.row,
			at: fmt.Sprintf("%s %d", strings.TrimPrefix(strings.TrimSpace(r.at+", "+name), ", "), i+1),
		}
		if err := inner.add(name+".", values, 0); err != nil {
			return nil, fmt.Errorf("%s: %w", inner.at, err)
		}
		if name == each {
			rows = append(rows, inner)
			continue
		}
		next := listIn(inner, each, len(name)+1)
		if next == "" {
			return nil, fmt.Errorf("%s: there is no list %s", inner.at, each)
		}
		var err error
		if rows, err = unrollAt(rows, inner, each, next); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// texts are the texts of a list, or those that its objects have as text.
func texts(list json.RawMessage) (all []string) {
	if json.Unmarshal(list, &all) == nil {
		return all
	}
	var objects []struct {
		Text string `json:"text"`
	}
	if json.Unmarshal(list, &objects) != nil {
		return nil
	}
	all = nil
	for _, object := range objects {
		all = append(all, object.Text)
	}
	return all
}
