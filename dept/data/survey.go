package data

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Survey is what the columns of a text look like before anybody has said which of them are the source
// and the target.
type Survey struct {
	Columns []string // in a table's order, of objects in the alphabet's
	Header  bool     // a table's first line names them; else they are "column 1" and so on
	// Source and Target are columns that their names and contents leave no doubt about; each is
	// empty where there is some.
	Source, Target string
}

// TakeSurvey looks at the columns of a text of a format other than Parquet. A row that cannot be read
// ends it, and is left for a Reader to refuse.
//
// The columns that a Reader takes by itself are taken, or else the only one of a usual name, as "review"
// and "stars" are. Of two columns, those that number the rows aside, each is what the other is not; where
// no name says what either is, the target is the one with at most half as many different values, or else
// the second of a table and the shorter of objects. A first line names the columns where it has a usual
// name, or one above values that come again and again, or names for three columns and more.
func TakeSurvey(text io.Reader, format Format) (*Survey, error) {
	r := &Reader{format: format}
	if err := r.open(text); err != nil {
		return nil, err
	}
	var first []string // of a table
	if t, ok := r.records.(*table); ok {
		t.header = func(cells []string) ([]string, bool, error) {
			first = cells
			return numbered(len(cells)), true, nil
		}
	}
	columns := map[string]*contents{}
	rows := 0
	for {
		_, row, err := r.records.next()
		if err != nil {
			break
		}
		rows++
		for name, cell := range row.cells {
			if columns[name] == nil && len(columns) < mostSurveyed {
				columns[name] = &contents{values: map[string]bool{}}
			}
			if c := columns[name]; c != nil {
				c.add(cell)
			}
		}
	}
	if first != nil {
		return surveyTable(first, columns, rows), nil
	}
	s := &Survey{Columns: slices.Sorted(maps.Keys(columns))}
	s.choose(columns, false)
	return s, nil
}

// mostSurveyed bounds the columns, and the different values of each, that a survey remembers.
const mostSurveyed = 1000

// contents is what a survey remembers of a column.
type contents struct {
	values  map[string]bool // so far as there is room
	bytes   int             // of all cells
	numbers int             // cells that are whole numbers
	cells   int
}

func (c *contents) add(cell string) {
	cell = strings.TrimSpace(cell)
	c.cells++
	c.bytes += len(cell)
	if _, err := strconv.ParseInt(cell, 10, 64); err == nil {
		c.numbers++
	}
	if len(c.values) < mostSurveyed {
		c.values[cell] = true
	}
}

// counts says whether the column does nothing but number the rows.
func (c *contents) counts() bool {
	return c != nil && c.cells > 2 && c.numbers == c.cells && len(c.values) == min(c.cells, mostSurveyed)
}

// empty says whether the column has nothing in it, as one behind a separator too many.
func (c *contents) empty() bool { return c != nil && c.cells > 0 && c.bytes == 0 }

func numbered(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("column %d", i+1)
	}
	return names
}

// surveyTable finds out whether the first line names the columns.
func surveyTable(first []string, columns map[string]*contents, rows int) *Survey {
	names := numbered(len(first))
	s := &Survey{Columns: names, Header: len(first) > 2 && areNames(first)}
	for i, name := range first {
		c := columns[names[i]]
		if name = strings.TrimSpace(name); name != "" && c != nil && c.values[name] { // it is one of them
			s.Header = false
			break
		}
		s.Header = s.Header || isUsual(name) || c != nil && rows > 2 && len(c.values) <= rows/2 && name != ""
	}
	if s.Header {
		named := make(map[string]*contents, len(first))
		for i, name := range first {
			named[name] = columns[names[i]]
		}
		s.Columns, columns = first, named
	} else {
		for i, name := range names { // the first line is a row
			if columns[name] == nil {
				columns[name] = &contents{values: map[string]bool{}}
			}
			columns[name].add(first[i])
		}
	}
	s.choose(columns, true)
	return s
}

// areNames says whether the cells of a first line could be names: different texts, none of them a number.
func areNames(cells []string) bool {
	for i, cell := range cells {
		if _, err := strconv.ParseFloat(strings.TrimSpace(cell), 64); err == nil || cell == "" || slices.Contains(cells[:i], cell) {
			return false
		}
	}
	return true
}

// choose finds source and target among the columns.
func (s *Survey) choose(columns map[string]*contents, ordered bool) {
	s.Source, s.Target = only(s.Columns, sourceColumns, usualSources), only(s.Columns, targetColumns, usualTargets)
	rest := slices.DeleteFunc(slices.Clone(s.Columns), func(name string) bool {
		return isCount(name) || columns[name].empty() || len(s.Columns) > 2 && !s.Header && ordered && columns[name].counts()
	})
	if len(rest) != 2 {
		return
	}
	a, b := rest[0], rest[1]
	switch {
	case s.Source != "" && s.Target != "":
	case s.Source == a, s.Target == b:
		s.Source, s.Target = a, b
	case s.Source == b, s.Target == a:
		s.Source, s.Target = b, a
	default:
		s.Source, s.Target = a, b
		x, y := columns[a], columns[b]
		if x == nil || y == nil {
			return
		}
		turned := !ordered && x.bytes < y.bytes
		switch {
		case 2*len(x.values) <= len(y.values):
			turned = true
		case 2*len(y.values) <= len(x.values):
			turned = false
		}
		if turned {
			s.Source, s.Target = b, a
		}
	}
}

// only is the column that a Reader takes by itself, or else the only one of a usual name.
func only(columns, own, usual []string) string {
	for _, name := range own {
		if list := columnsIn(columns, []string{name}); list != nil {
			return list[0]
		}
	}
	if list := columnsIn(columns, usual); len(list) == 1 {
		return list[0]
	}
	return ""
}

// countColumns are names of columns that number rows.
var countColumns = []string{"", "id", "idx", "index", "no", "nr", "number", "row", "key", "guid", "uuid", "unnamed: 0"}

func isCount(name string) bool { return columnsIn([]string{name}, countColumns) != nil }

func isUsual(name string) bool {
	name = strings.TrimSpace(name)
	return name != "" && columnsIn([]string{name}, slices.Concat(sourceColumns, targetColumns, usualSources, usualTargets, countColumns)) != nil
}
