package data

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/unicode"

	"github.com/go-dept/dept/dept/tasks"
)

// Format is the form of a file of rows, named as its extension is.
//
// A jsonl or json file has objects, one a line, over several lines, as the elements of a list, or all in one
// object that other tools write (documentRows);
// numbers and booleans count as text, and NaN and Infinity, which Python writes, as null. A tsv file has
// cells between tabs and a first line that names the columns (some tasks know files without
// one); a quote is a character like any other, unless the beginning reads only, or better, as csv between
// tabs. A csv file is the same with commas, semicolons, tabs or bars, whichever cut its beginning into rows
// of as many cells, and quotes as Python's csv has them. A txt file
// has one source a line, a blank line being an empty one, and no targets. These are UTF-8, with or
// without a byte-order mark, or UTF-16; lines end as on any system and have at most 16 MiB.
// Blank lines at the end of a table mean nothing; elsewhere they are errors, since a row has got lost
// there. A parquet file is read as columns.
type Format string

// The formats.
const (
	JSONL   Format = "jsonl"
	JSON    Format = "json"
	TSV     Format = "tsv"
	CSV     Format = "csv"
	Text    Format = "txt"
	Parquet Format = "parquet"
)

// Formats lists the formats.
var Formats = []Format{JSONL, JSON, TSV, CSV, Text, Parquet}

// FormatOf is the format of a file by its name, .gz behind it aside; empty where the name says
// nothing.
func FormatOf(path string) Format {
	base := strings.TrimSuffix(strings.ToLower(path), ".gz")
	format := Format(strings.TrimPrefix(filepath.Ext(base), "."))
	switch {
	case format == "ndjson":
		return JSONL
	case slices.Contains(Formats, format):
		return format
	}
	return ""
}

// maxRow bounds the bytes of a line, of a JSON object and of a csv record, which a stray quote may
// have opened.
const maxRow = 16 << 20

// maxDocument bounds the bytes of a JSON object that holds all rows of a file.
const maxDocument = 256 << 20

var (
	errNotUTF8 = errors.New("not UTF-8 text: save it as UTF-8, or convert it (iconv -f WINDOWS-1252 -t UTF-8)")
	errBlank   = errors.New("a blank line where a row is expected: take it out")
	errTooLong = fmt.Errorf("a row of more than %d MiB, or a quote or brace that never closes", maxRow>>20)
)

// open makes the records of the reader's format.
func (r *Reader) open(text io.Reader) (err error) {
	if r.format == Parquet {
		r.records, err = newParquet(text, &r.opts)
		return err
	}
	decoded, err := decode(text)
	if err != nil {
		return err
	}
	switch r.format {
	case JSONL, JSON:
		r.records = newJSONRecords(decoded, r.opts.Splits)
	case TSV, CSV:
		r.records = &table{rows: newTableRows(r.format, decoded), header: r.opts.header, ragged: r.opts.Task != nil && r.opts.Task.Ragged}
	case Text:
		if line := r.opts.line(); line != "" {
			r.records = &textRecords{lines: newLines(decoded), form: line}
			return nil
		}
		if r.opts.NeedTarget {
			return fmt.Errorf("a line of plain text has no target: a table is read where it is called .tsv or .csv")
		}
		column, err := r.opts.onlyColumn()
		if err != nil {
			return err
		}
		r.records = &textRecords{lines: newLines(decoded), column: column}
	default:
		return fmt.Errorf("its name does not say what it holds: data is read from .jsonl, .json, .tsv, .csv and .txt, also with .gz behind, and from .parquet")
	}
	return nil
}

// firstLine is how far the end of the first line is looked for.
const firstLine = 1 << 20

// decode unzips a text, takes off a byte-order mark, turns UTF-16 into UTF-8, and a text whose lines
// end in a carriage return alone into one whose lines end in a line feed. The first line is in the
// reader's buffer when it is there. It reads no further than it must: somebody may be typing.
func decode(text io.Reader) (*bufio.Reader, error) {
	in := bufio.NewReaderSize(text, firstLine)
	starts := func(mark string) bool {
		for n := range len(mark) {
			if got, _ := in.Peek(n + 1); string(got) != mark[:n+1] {
				return false
			}
		}
		return true
	}
	if starts("\x1f\x8b") {
		unzip, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("unzipping: %w", err)
		}
		in = bufio.NewReaderSize(unzip, firstLine)
	}
	if starts("\ufeff") {
		in.Discard(len("\ufeff"))
	} else if order, ok := utf16Order(in); ok {
		utf16 := unicode.UTF16(order, unicode.UseBOM).NewDecoder()
		in = bufio.NewReaderSize(utf16.Reader(in), firstLine)
	}
	for n := 1; ; n = in.Buffered() + 1 {
		_, err := in.Peek(n)
		first, _ := in.Peek(in.Buffered())
		switch {
		case bytes.IndexByte(first, '\n') >= 0:
			return in, nil
		case err == nil && len(first) < firstLine:
		case bytes.IndexByte(first, '\r') >= 0:
			return bufio.NewReaderSize(lineFeeds{in}, firstLine), nil
		default:
			return in, nil
		}
	}
}

// utf16Order is the byte order of a text in UTF-16, by its mark, or by the zero in its first character.
func utf16Order(in *bufio.Reader) (order unicode.Endianness, ok bool) {
	first, _ := in.Peek(1)
	if string(first) != "\n" { // of a blank line there is no more, perhaps
		first, _ = in.Peek(2)
	}
	switch {
	case len(first) < 2:
		return order, false
	case string(first) == "\xff\xfe", first[0] != 0 && first[1] == 0:
		return unicode.LittleEndian, true
	case string(first) == "\xfe\xff", first[0] == 0 && first[1] != 0:
		return unicode.BigEndian, true
	}
	return order, false
}

// lineFeeds is a text with a line feed for each carriage return.
type lineFeeds struct{ text io.Reader }

func (l lineFeeds) Read(p []byte) (int, error) {
	n, err := l.text.Read(p)
	for i, b := range p[:n] {
		if b == '\r' {
			p[i] = '\n'
		}
	}
	return n, err
}

// lines gives the lines of a text without their ends.
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
	if l.scanner.Scan() {
		l.number++
		line = l.scanner.Text()
		if !utf8.ValidString(line) {
			return l.number, "", errNotUTF8
		}
		return l.number, line, nil
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

// textRecords has one text a line: in the only column, or as the form has it.
type textRecords struct {
	lines  *lines
	column string
	form   tasks.Template
}

func (t *textRecords) next() (int, record, error) {
	number, line, err := t.lines.next()
	if err != nil || t.form == "" {
		return number, record{cells: map[string]string{t.column: line}}, err
	}
	cells, ok := t.form.Match(line)
	if !ok {
		return number, record{}, fmt.Errorf("the line does not read %q", t.form)
	}
	return number, record{cells: cells}, nil
}

// tableRows gives the rows of a table.
type tableRows interface {
	next() (line int, cells []string, err error)
}

// table has rows of cells under a header.
type table struct {
	rows tableRows
	// header decides what the columns are called, given the first row, and whether that row
	// holds the names or is a record already.
	header  func(first []string) (names []string, inFile bool, err error)
	columns []string
	ragged  bool // rows of too few cells are left out
	leftOut int
}

func (t *table) next() (int, record, error) {
	line, cells, err := t.rows.next()
	for t.ragged && err == nil && t.columns != nil && len(cells) < len(t.columns) {
		t.leftOut++
		line, cells, err = t.rows.next()
	}
	if err != nil {
		return line, record{}, err
	}
	if t.columns == nil {
		names, inFile, err := t.header(cells)
		if err != nil {
			return line, record{}, err
		}
		for i, name := range names {
			if name != "" && slices.Contains(names[:i], name) {
				return line, record{}, fmt.Errorf("two columns are called %.40q: rename one of them", name)
			}
		}
		t.columns = names
		if inFile {
			return t.next()
		}
	}
	if len(cells) != len(t.columns) {
		return line, record{}, fmt.Errorf("the row has %d cells, the table %d columns (%s)", len(cells), len(t.columns), columnList(t.columns))
	}
	named := make(map[string]string, len(cells))
	for i, name := range t.columns {
		named[name] = cells[i]
	}
	return line, record{cells: named}, nil
}

// tabRows splits lines at tabs; nothing is quoted.
type tabRows struct{ lines *lines }

func (t *tabRows) next() (int, []string, error) {
	blank := 0 // the first of a run of blank lines
	for {
		number, line, err := t.lines.next()
		switch {
		case err == nil && strings.Trim(line, " \r") == "":
			if blank == 0 {
				blank = number
			}
			continue
		case err == nil && blank > 0:
			return blank, nil, errBlank
		}
		return number, strings.Split(line, "\t"), err
	}
}
