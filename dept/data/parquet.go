//go:build !js

package data

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// parquetRecords reads the columns of a parquet file that the options take, a group of rows after the
// other.
type parquetRecords struct {
	in      io.ReaderAt
	groups  []parquet.RowGroup
	about   []format.RowGroup // the groups' descriptions
	leaves  []leaf
	other   map[string]string // of every row
	columns []*parquetColumn  // of the group at hand, as leaves
	left    int64             // rows of it
	row     int
}

// leaf is a column of single values, or of lists of them.
type leaf struct {
	name  string // "translation.en"
	index int
	list  bool
}

func newParquet(file io.Reader, opts *Options) (_ *parquetRecords, err error) {
	defer guard(&err)
	in, size, err := readerAt(file)
	if err != nil {
		return nil, err
	}
	if err := checkFooter(in, size); err != nil {
		return nil, err
	}
	f, err := parquet.OpenFile(in, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, err
	}
	p := &parquetRecords{in: in, groups: f.RowGroups(), about: f.Metadata().RowGroups, other: map[string]string{}}
	cells, lists := map[string]string{}, map[string]json.RawMessage{}
	for _, path := range f.Schema().Columns() {
		column, _ := f.Schema().Lookup(path...)
		for i := 1; i < len(path); i++ {
			p.other[strings.Join(path[:i], ".")] = anObject
		}
		name := strings.Join(path, ".")
		if column.MaxRepetitionLevel > 0 {
			p.other[name], p.other[path[0]] = aList, aList
			if list := listName(path); column.MaxRepetitionLevel == 1 && list != "" {
				p.other[list], lists[list] = aList, json.RawMessage{}
				p.leaves = append(p.leaves, leaf{list, int(column.ColumnIndex), true})
			}
			continue
		}
		cells[name] = ""
		p.leaves = append(p.leaves, leaf{name, int(column.ColumnIndex), false})
	}
	used, err := opts.uses(record{cells: cells, other: p.other, lists: lists})
	if err != nil {
		return nil, err
	}
	p.leaves = slices.DeleteFunc(p.leaves, func(l leaf) bool { return !slices.Contains(used, l.name) })
	return p, nil
}

// listName is the name of a list by the path of its elements, "answers.list.element" as it may be.
func listName(path []string) string {
	if n := len(path); n > 2 && slices.Contains([]string{"list", "bag"}, path[n-2]) {
		return strings.Join(path[:n-2], ".")
	}
	return ""
}

// guard turns a panic of the library, which a damaged file can bring about, into an error.
func guard(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("the parquet file is damaged: %v", r)
	}
}

// readerAt is a file as it lies on disk, or what a pipe gives in memory.
func readerAt(file io.Reader) (io.ReaderAt, int64, error) {
	if f, ok := file.(*os.File); ok {
		if stat, err := f.Stat(); err == nil && stat.Mode().IsRegular() {
			return f, stat.Size(), nil
		}
	}
	content, err := io.ReadAll(file)
	return bytes.NewReader(content), int64(len(content)), err
}

func (p *parquetRecords) next() (_ int, _ record, err error) {
	defer guard(&err)
	for p.left == 0 {
		for _, c := range p.columns {
			c.pages.Close()
		}
		p.columns = nil
		if len(p.groups) == 0 {
			return p.row + 1, record{}, io.EOF
		}
		if err := p.open(p.groups[0], &p.about[0]); err != nil {
			return p.row + 1, record{}, err
		}
		p.left, p.groups, p.about = p.groups[0].NumRows(), p.groups[1:], p.about[1:]
	}
	p.left--
	p.row++
	r := record{cells: make(map[string]string, len(p.columns)), other: p.other}
	for i, c := range p.columns {
		name := p.leaves[i].name
		if p.leaves[i].list {
			list, err := c.list()
			if err != nil {
				return p.row, record{}, fmt.Errorf("column %q: %w", name, err)
			}
			if r.lists == nil {
				r.lists = map[string]json.RawMessage{}
			}
			r.lists[name] = list
			continue
		}
		text, ok, err := c.next()
		switch {
		case err == io.EOF:
			return p.row, record{}, fmt.Errorf("column %q ends before its group of rows does", name)
		case err != nil:
			return p.row, record{}, fmt.Errorf("column %q: %w", name, err)
		case ok:
			r.cells[name] = text
		default:
			if len(r.other) == len(p.other) {
				r.other = maps.Clone(p.other)
			}
			r.other[name] = aNull
		}
	}
	return p.row, r, nil
}

// open begins a group of rows.
func (p *parquetRecords) open(group parquet.RowGroup, about *format.RowGroup) error {
	chunks := group.ColumnChunks()
	for _, l := range p.leaves {
		chunk, ok := chunks[l.index].(*parquet.FileColumnChunk)
		if !ok {
			return fmt.Errorf("column %q is stored in a way that is not read", l.name)
		}
		if err := checkPages(p.in, &about.Columns[l.index].MetaData); err != nil {
			return fmt.Errorf("column %q: %w", l.name, err)
		}
		p.columns = append(p.columns, &parquetColumn{pages: chunk.Pages()})
	}
	return nil
}

// parquetColumn reads a column's values.
type parquetColumn struct {
	pages  parquet.Pages
	page   parquet.Page
	values parquet.ValueReader // of the page
	buffer [64]parquet.Value
	read   []parquet.Value // of the buffer, not given yet
}

// next gives a value as text; ok is false for null.
func (c *parquetColumn) next() (text string, ok bool, err error) {
	v, err := c.peek()
	if err != nil {
		return "", false, err
	}
	c.read = c.read[1:]
	switch v.Kind() {
	case parquet.ByteArray, parquet.FixedLenByteArray:
		if !utf8.Valid(v.ByteArray()) {
			return "", false, errors.New("it holds bytes, not text")
		}
		return string(v.ByteArray()), true, nil
	case parquet.Boolean:
		return strconv.FormatBool(v.Boolean()), true, nil
	}
	return v.String(), !v.IsNull(), nil
}

// list gives a row's list of texts as JSON.
func (c *parquetColumn) list() (json.RawMessage, error) {
	texts, size := []string{}, 0
	for first := true; ; first = false {
		v, err := c.peek()
		switch {
		case err == io.EOF && !first:
		case err != nil:
			return nil, err
		case first || v.RepetitionLevel() > 0:
			text, ok, err := c.next()
			if err != nil {
				return nil, err
			}
			if size += len(text) + 16; size > maxRow { // of its header, too
				return nil, errTooLong
			}
			if ok {
				texts = append(texts, text)
			}
			continue
		}
		return json.Marshal(texts)
	}
}

// peek gives the value that is next, and leaves it there.
func (c *parquetColumn) peek() (v parquet.Value, err error) {
	for len(c.read) == 0 {
		if c.values == nil {
			if c.page, err = c.pages.ReadPage(); err != nil {
				return v, err
			}
			c.values = c.page.Values()
		}
		n, err := c.values.ReadValues(c.buffer[:])
		c.read = c.buffer[:n]
		if err == io.EOF || err == nil && n == 0 {
			c.values = nil
			err = nil
		}
		if err != nil {
			return v, err
		}
	}
	return c.read[0], nil
}
