package data

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// listNames are what other tools call the list of rows in an object that holds all of them.
var listNames = []string{"rows", "data", "records", "examples", "instances", "items"}

// splitNames are what data sets call their parts.
var splitNames = []string{"train", "training", "validation", "valid", "val", "dev", "test"}

// member is a name and value of an object, in its order.
type member struct {
	name  string
	value json.RawMessage
	at    int // the value's first byte within the object
}

func members(object []byte) (list []member, err error) {
	d := json.NewDecoder(bytes.NewReader(object))
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		m := member{}
		m.name, _ = name.(string)
		if err := d.Decode(&m.value); err != nil {
			return nil, err
		}
		m.at = int(d.InputOffset()) - len(m.value)
		list = append(list, m)
	}
	return list, nil
}

// elements are the values of a list.
func elements(list []byte) (values []member) {
	d := json.NewDecoder(bytes.NewReader(list))
	d.Token()
	for d.More() {
		m := member{}
		if d.Decode(&m.value) != nil {
			return nil
		}
		m.at = int(d.InputOffset()) - len(m.value)
		values = append(values, m)
	}
	return values
}

// read is a record and the line it begins on.
type read struct {
	line int
	record
}

// documentRows are the rows of an object that is all there is in a file, nil where it is a row itself:
//
//	{"data": [{…}, …]}, {"train": [{…}, …], "test": [{…}, …]}      a list; of several, that of one of the splits
//	{"rows": [{"row_idx": 0, "row": {…}}, …]}                      as the hub's datasets-server answers
//	{"text": ["…", …], "label": [0, …]}                            columns
//	{"text": {"0": "…", …}, "label": {"0": 0, …}}                  pandas' to_json, as it is or with an orient
//	{"columns": ["text", …], "data": [["…", …], …]}                of split, index
//	{"0": {"text": "…", "label": 0}, …}
func documentRows(object []byte, line int, splits []string) ([]read, error) {
	all, err := members(object)
	if err != nil || len(all) == 0 {
		return nil, nil // as a row it is refused
	}
	d := document{object: object, line: line, splits: splits}
	byName := func(name string) *member {
		if i := slices.IndexFunc(all, func(m member) bool { return m.name == name }); i >= 0 {
			return &all[i]
		}
		return nil
	}
	if columns, rows := byName("columns"), byName("data"); columns != nil && rows != nil && holds(rows.value, '[', '[') {
		return d.cells(columns.value, rows)
	}
	for _, name := range listNames {
		if m := byName(name); m != nil && holds(m.value, '[', '{') {
			return d.list(m)
		}
	}
	switch part, err := d.split(all); {
	case err != nil:
		return nil, err
	case part != nil && part.value[0] == '[':
		return d.list(part)
	case part != nil:
		return documentRows(part.value, d.lineOf(part.at), splits)
	}
	switch {
	case every(all, func(m member) bool { return holdsScalars(m.value, '[') }):
		return d.columns(all, func(m member) []member { return elements(m.value) })
	case !every(all, func(m member) bool { return m.value[0] == '{' }):
		return nil, nil
	case every(all, func(m member) bool { return isIndex(m.name) }):
		return d.objects(all)
	}
	if len(all) > 1 && every(all, func(m member) bool { return holdsScalars(m.value, '{') }) {
		first, err := members(all[0].value)
		if err != nil {
			return nil, err
		}
		if every(first, func(m member) bool { return isIndex(m.name) }) {
			return d.columns(all, func(m member) []member { list, _ := members(m.value); return list })
		}
		if slices.ContainsFunc(first, func(m member) bool { return isUsual(m.name) }) {
			return d.objects(all)
		}
	}
	return nil, nil
}

// document is an object that may hold all rows of a file.
type document struct {
	object []byte
	line   int // on which it begins
	splits []string
}

// lineOf is the line of a byte.
func (d *document) lineOf(at int) int { return d.line + bytes.Count(d.object[:at], []byte{'\n'}) }

// split is the member that holds the rows of the split that is wanted; nil where the members are no splits.
func (d *document) split(all []member) (*member, error) {
	var names []string
	for _, m := range all {
		if slices.Contains(splitNames, m.name) && (holds(m.value, '[', '{') || m.value[0] == '{') {
			names = append(names, m.name)
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	wanted := d.splits
	if wanted == nil {
		wanted = splitNames
	}
	for _, name := range wanted {
		if slices.Contains(names, name) {
			return &all[slices.IndexFunc(all, func(m member) bool { return m.name == name })], nil
		}
	}
	return nil, fmt.Errorf("it has the splits %s, and %s is wanted: put the rows into a file of their own", strings.Join(names, ", "), strings.Join(wanted, " or "))
}

// list reads a list of objects; datasets-server has each row in one that numbers it.
func (d *document) list(m *member) ([]read, error) {
	values := elements(m.value)
	for i := range values {
		values[i].at += m.at
		var numbered struct {
			Index *int            `json:"row_idx"`
			Row   json.RawMessage `json:"row"`
		}
		if json.Unmarshal(values[i].value, &numbered) == nil && numbered.Index != nil && holds(numbered.Row, '{', '"') {
			values[i].value = numbered.Row
		}
	}
	return d.objects(values)
}

// objects reads values as rows.
func (d *document) objects(values []member) ([]read, error) {
	rows := make([]read, len(values))
	for i, m := range values {
		line := d.lineOf(m.at)
		if m.value[0] != '{' {
			return nil, &placed{line, 1, fmt.Errorf("element %d of the list is %s, not an object", i+1, found(m.value[0]))}
		}
		r, err := parseObject(m.value, line, 0)
		if err != nil {
			return nil, err
		}
		rows[i] = read{line, r}
	}
	return rows, nil
}

// columns reads members as columns, whose values are lists or objects of one index.
func (d *document) columns(all []member, valuesOf func(member) []member) ([]read, error) {
	var rows []map[string]json.RawMessage
	for i, column := range all {
		values := valuesOf(column)
		if i == 0 {
			rows = make([]map[string]json.RawMessage, len(values))
		}
		if len(values) != len(rows) {
			return nil, fmt.Errorf("column %.40q has %d values, column %.40q %d: give each row both", column.name, len(values), all[0].name, len(rows))
		}
		for k, v := range values {
			if rows[k] == nil {
				rows[k] = make(map[string]json.RawMessage, len(all))
			}
			rows[k][column.name] = v.value
		}
	}
	return d.records(rows)
}

// cells reads lists of cells under a list of names.
func (d *document) cells(columns []byte, m *member) ([]read, error) {
	var names []string
	if err := json.Unmarshal(columns, &names); err != nil {
		return nil, errors.New("columns is not a list of names")
	}
	lists := elements(m.value)
	rows := make([]map[string]json.RawMessage, len(lists))
	for i, list := range lists {
		var cells []json.RawMessage
		if json.Unmarshal(list.value, &cells) != nil || len(cells) != len(names) {
			return nil, &placed{d.lineOf(m.at + list.at), 1, fmt.Errorf("row %d of data is no list of %d cells, one for each of the columns", i+1, len(names))}
		}
		rows[i] = make(map[string]json.RawMessage, len(names))
		for k, name := range names {
			rows[i][name] = cells[k]
		}
	}
	return d.records(rows)
}

func (d *document) records(rows []map[string]json.RawMessage) ([]read, error) {
	list := make([]read, len(rows))
	for i, values := range rows {
		r := newRecord()
		r.row = i + 1
		if err := r.add("", values, 0); err != nil {
			return nil, err
		}
		list[i] = read{d.line, r}
	}
	return list, nil
}

func every[T any](list []T, is func(T) bool) bool {
	return len(list) > 0 && !slices.ContainsFunc(list, func(x T) bool { return !is(x) })
}

// holds says whether a value begins with one byte, and what is in it with another.
func holds(value []byte, outer, inner byte) bool {
	if len(value) == 0 || value[0] != outer {
		return false
	}
	rest := bytes.TrimLeft(value[1:], " \t\r\n")
	return len(rest) > 0 && rest[0] == inner
}

// holdsScalars says whether a value is a list or an object, by its first byte, of texts, numbers and the like.
func holdsScalars(value []byte, outer byte) bool {
	if value[0] != outer {
		return false
	}
	values := elements
	if outer == '{' {
		values = func(object []byte) []member { list, _ := members(object); return list }
	}
	return every(values(value), func(m member) bool { return m.value[0] != '[' && m.value[0] != '{' })
}

// isIndex says whether a name is a whole number, as pandas names rows.
func isIndex(name string) bool {
	_, err := strconv.Atoi(name)
	return err == nil
}
