package data

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

var (
	errNotUTF8 = errors.New("not UTF-8 text: convert the file, as iconv does")
	errBlank   = errors.New("a blank line where a row is expected")
	errTooLong = fmt.Errorf("a row of more than %d MiB, or a quote that never ends", maxRow>>20)
)

// lines gives the lines of a text without their ends, and refuses blank ones but at the end.
type lines struct {
	scanner *bufio.Scanner
	number  int
}

func newLines(text io.Reader) *lines {
	scanner := bufio.NewScanner(text)
	scanner.Buffer(nil, maxRow)
	return &lines{scanner: scanner}
}

// next gives a line and its number. After an error the number says where it was.
func (l *lines) next() (number int, line string, err error) {
	blank := 0 // the first of a run of blank lines
	for l.scanner.Scan() {
		l.number++
		line = l.scanner.Text()
		switch {
		case strings.Trim(line, " \r") == "":
			if blank == 0 {
				blank = l.number
			}
		case blank > 0:
			return blank, "", errBlank
		case !utf8.ValidString(line):
			return l.number, "", errNotUTF8
		default:
			return l.number, line, nil
		}
	}
	err = l.scanner.Err()
	switch {
	case err == nil:
		err = io.EOF
	case errors.Is(err, bufio.ErrTooLong):
		err = errTooLong
	}
	return l.number + 1, "", err
}

// jsonRecords has one object a line. A value that is null, an array or an object is no text
// and leaves its column out.
type jsonRecords struct{ lines *lines }

func (j *jsonRecords) next() (int, map[string]string, error) {
	number, line, err := j.lines.next()
	if err != nil {
		return number, nil, err
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal([]byte(line), &object); err != nil {
		var mismatch *json.UnmarshalTypeError
		if errors.As(err, &mismatch) {
			err = fmt.Errorf("it is a JSON %s", mismatch.Value)
		}
		return number, nil, fmt.Errorf(`expected one JSON object on the line, such as {"source": "…", "target": "…"}: %w`, err)
	}
	cells := make(map[string]string, len(object))
	for name, value := range object {
		switch value[0] {
		case '"':
			var text string
			if err := json.Unmarshal(value, &text); err != nil {
				return number, nil, fmt.Errorf("column %q: %w", name, err)
			}
			cells[name] = text
		case '{', '[', 'n':
		default: // a number, true or false, as it is written
			cells[name] = string(value)
		}
	}
	return number, cells, nil
}

// textRecords has one text a line, in the only column.
type textRecords struct {
	lines  *lines
	column string
}

func (t *textRecords) next() (int, map[string]string, error) {
	number, line, err := t.lines.next()
	return number, map[string]string{t.column: line}, err
}

// table has rows of cells under a header.
type table struct {
	rows interface {
		next() (line int, cells []string, err error)
	}
	// header decides what the columns are called, given the first row, and whether that row
	// holds the names or is a record already.
	header  func(first []string) (names []string, inFile bool, err error)
	columns []string
}

func (t *table) next() (int, map[string]string, error) {
	line, cells, err := t.rows.next()
	if err != nil {
		return line, nil, err
	}
	if t.columns == nil {
		names, inFile, err := t.header(cells)
		if err != nil {
			return line, nil, err
		}
		for i, name := range names {
			if name != "" && slices.Contains(names[:i], name) {
				return line, nil, fmt.Errorf("two columns are called %.40q: rename one of them", name)
			}
		}
		t.columns = names
		if inFile {
			return t.next()
		}
	}
	if len(cells) != len(t.columns) {
		return line, nil, fmt.Errorf("the row has %d cells, the table %d columns (%s)", len(cells), len(t.columns), columnList(t.columns))
	}
	named := make(map[string]string, len(cells))
	for i, name := range t.columns {
		named[name] = cells[i]
	}
	return line, named, nil
}

// tabRows splits lines at tabs; nothing is quoted.
type tabRows struct{ lines *lines }

func (t *tabRows) next() (int, []string, error) {
	number, line, err := t.lines.next()
	return number, strings.Split(line, "\t"), err
}

// commaRows reads RFC 4180's records, which may run over several lines.
type commaRows struct {
	csv   *csv.Reader
	input *budget
	line  int // on which the next record has to start
}

func newCommaRows(text io.Reader) *commaRows {
	input := &budget{text: text}
	rows := &commaRows{csv: csv.NewReader(input), input: input, line: 1}
	rows.csv.FieldsPerRecord = -1 // table compares with the header itself
	return rows
}

func (c *commaRows) next() (int, []string, error) {
	c.input.left = maxRow
	cells, err := c.csv.Read()
	if err != nil {
		var parse *csv.ParseError
		if errors.As(err, &parse) {
			// Where the record starts: an open quote is noticed far behind it.
			return parse.StartLine, nil, parse.Err
		}
		return c.line, nil, err
	}
	line, _ := c.csv.FieldPos(0)
	if line != c.line { // the csv reader skips blank lines
		return c.line, nil, errBlank
	}
	c.line++
	for _, cell := range cells {
		if !utf8.ValidString(cell) {
			return line, nil, errNotUTF8
		}
		c.line += strings.Count(cell, "\n")
	}
	return line, cells, nil
}

// budget is a text of which only so many bytes more may be read.
type budget struct {
	text io.Reader
	left int
}

func (b *budget) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLong
	}
	n, err := b.text.Read(p)
	b.left -= n
	return n, err
}
