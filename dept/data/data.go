// Package data makes rows of files: text to text, or as a task reads it, and then as token ids.
package data

import (
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"github.com/go-dept/dept/dept/tasks"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Row is one example as text.
type Row struct {
	Source string // what the encoder reads, a task's template applied
	Target string // what the decoder is to write; empty where the row has none
	Line   int    // the line of the file on which the row starts, from 1
}

// Options say how rows are made of a file's columns.
type Options struct {
	// Task gives the columns and the template. Without one, rows are text to text: the source
	// is the column SourceColumn, or else source, text or sentence; the target is
	// TargetColumn, or else target or label.
	Task                       *tasks.Task
	SourceColumn, TargetColumn string
	// Header names the columns of a table whose first line does not, for a caller without a
	// task; otherwise such a table is an error.
	Header []string
	// NeedTarget makes a row without a target, or with one that is no label of the task, an
	// error. Otherwise such a row's Target is empty.
	NeedTarget bool
}

// Format is the form of a file of rows, named as its extension is.
//
// A jsonl file has one object a line, whose numbers and booleans count as text. A tsv file has
// cells between tabs and a first line that names the columns (some tasks know files without
// one); a quote is a character like any other. A csv file is the same with commas and RFC
// 4180's quotes. A txt file has one source a line and no targets. All are UTF-8, with or
// without a byte-order mark, in lines of at most 16 MiB. Blank lines at the end of a file mean
// nothing; elsewhere they are errors, since a row has got lost there.
type Format string

// The formats.
const (
	JSONL Format = "jsonl"
	TSV   Format = "tsv"
	CSV   Format = "csv"
	Text  Format = "txt"
)

// maxRow bounds the bytes of a line, or of a csv record that a stray quote has opened.
const maxRow = 16 << 20

// Reader reads rows one after another. Its errors name file, line and the columns there are.
type Reader struct {
	name    string
	opts    Options
	records records
	close   []io.Closer
	rows    int
}

// records is a format: it gives each row's columns as text.
type records interface {
	// next gives the line on which the next record starts and its columns. It may use the map
	// again. At the end it gives io.EOF.
	next() (line int, cells map[string]string, err error)
}

// Open opens a file of rows, whose extension gives its format: .jsonl or .json, .tsv,
// .csv, .txt, each also with .gz behind it. The caller must Close the reader.
func Open(path string, opts Options) (*Reader, error) {
	base, zipped := strings.CutSuffix(strings.ToLower(path), ".gz")
	format := Format(strings.TrimPrefix(filepath.Ext(base), "."))
	if format == "json" {
		format = JSONL
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	closers := []io.Closer{file}
	var text io.Reader = file
	if zipped {
		unzip, err := gzip.NewReader(file)
		if err != nil {
			file.Close()
			return nil, fmt.Errorf("%s: unzipping: %w", path, err)
		}
		text, closers = unzip, []io.Closer{unzip, file}
	}
	r, err := NewReader(path, text, format, opts)
	if err != nil {
		file.Close()
		return nil, err
	}
	r.close = closers
	return r, nil
}

// NewReader reads rows of a format from text. The name stands for the file in errors.
func NewReader(name string, text io.Reader, format Format, opts Options) (*Reader, error) {
	if opts.Task != nil && (opts.SourceColumn != "" || opts.TargetColumn != "") {
		return nil, fmt.Errorf("data: task %s has columns of its own: name a task or columns, not both", opts.Task.Name)
	}
	buffered := bufio.NewReader(text)
	skipByteOrderMark(buffered)
	r := &Reader{name: name, opts: opts}
	switch format {
	case JSONL:
		r.records = &jsonRecords{lines: newLines(buffered)}
	case TSV:
		r.records = &table{rows: &tabRows{newLines(buffered)}, header: opts.header}
	case CSV:
		r.records = &table{rows: newCommaRows(buffered), header: opts.header}
	case Text:
		column, err := opts.onlyColumn()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		r.records = &textRecords{lines: newLines(buffered), column: column}
	default:
		return nil, fmt.Errorf("%s: unknown format %q: data is read from .jsonl, .tsv, .csv and .txt, also with .gz behind", name, format)
	}
	return r, nil
}

// skipByteOrderMark looks at no more than it must: somebody may be typing.
func skipByteOrderMark(text *bufio.Reader) {
	const mark = "\ufeff"
	if first, _ := text.Peek(1); string(first) != mark[:1] {
		return
	}
	if first, _ := text.Peek(len(mark)); string(first) == mark {
		text.Discard(len(mark))
	}
}

// Next gives the next row, io.EOF after the last one. A file that has none is an error.
func (r *Reader) Next() (Row, error) {
	line, cells, err := r.records.next()
	if err == io.EOF {
		if r.rows == 0 {
			return Row{}, fmt.Errorf("%s: holds no rows", r.name)
		}
		return Row{}, io.EOF
	}
	if err != nil {
		return Row{}, fmt.Errorf("%s:%d: %w", r.name, line, err)
	}
	row, err := r.opts.row(cells)
	if err != nil {
		return Row{}, fmt.Errorf("%s:%d: %w", r.name, line, err)
	}
	row.Line = line
	r.rows++
	return row, nil
}

// Close closes the file, if Open opened one.
func (r *Reader) Close() error {
	var errs []error
	for _, closer := range r.close {
		errs = append(errs, closer.Close())
	}
	return errors.Join(errs...)
}

// Dataset is a file's rows as text, in memory. Turning text into tokens is what costs, so that
// waits until a batch needs it.
type Dataset struct {
	rows []Row
}

// NewDataset makes a data set of rows at hand.
func NewDataset(rows []Row) *Dataset { return &Dataset{rows} }

// Load reads all the rows of a file. It has at least one.
func Load(path string, opts Options) (*Dataset, error) {
	r, err := Open(path, opts)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return ReadAll(r)
}

// ReadAll reads all the rows that a reader has left, at least one.
func ReadAll(r *Reader) (*Dataset, error) {
	var d Dataset
	for {
		row, err := r.Next()
		if err == io.EOF {
			return &d, nil
		}
		if err != nil {
			return nil, err
		}
		d.rows = append(d.rows, row)
	}
}

// Len is the number of rows.
func (d *Dataset) Len() int { return len(d.rows) }

// Row is row i, counted from 0 in file order.
func (d *Dataset) Row(i int) Row { return d.rows[i] }

// Fingerprint is the SHA-256, in hexadecimal, of all sources and targets in their order: two
// files with the same fingerprint train the same, whatever their format.
func (d *Dataset) Fingerprint() string {
	hash := sha256.New()
	var buf []byte
	for _, row := range d.rows {
		for _, text := range []string{row.Source, row.Target} {
			buf = binary.LittleEndian.AppendUint64(buf[:0], uint64(len(text)))
			hash.Write(append(buf, text...))
		}
	}
	return hex.EncodeToString(hash.Sum(nil))
}
