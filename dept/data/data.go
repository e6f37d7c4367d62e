// Package data makes rows of files, to train on or to predict: text to text, or as a task reads it,
// and then as token ids.
//
//	rows, err := data.Load(data.Options{NeedTarget: true}, "train.csv")
//	examples := data.Tokenize(rows, tokenizer, 128, 16)
//
// What a file is, JSON, TSV, CSV, text or parquet, gzipped or not, its name says; see Format and
// Options for the columns. A Reader goes through a file that is too large for memory.
package data

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/go-dept/dept/dept/tasks"
	"github.com/go-dept/dept/internal/foreign"
)

// Row is one example as text.
type Row struct {
	Source string // what the encoder reads, a task's template applied
	Target string // what the decoder is to write; empty where the row has none
	Line   int    // the line of the file on which the row starts, from 1; in a parquet file, the row
	// Answers are all that is right, where a task has several answers, the target's first; of a
	// number it is the file's own.
	Answers []string
	Group   string // of rows that are one question to a task's metrics
}

// Options say how rows are made of a file's columns.
type Options struct {
	// Format is the form of the file; empty is what its name says, by FormatOf.
	Format Format
	// Task gives the columns and the template. Without one, rows are text to text: the source
	// is the column SourceColumn, or else source, text or sentence; the target is
	// TargetColumn, or else target or label. A column of that name in other letters, "Text",
	// is taken where there is none in these; a text inside an object is the column
	// "translation.en".
	Task                       *tasks.Task
	SourceColumn, TargetColumn string
	// Header names the columns of a table whose first line does not, for a caller without a
	// task; otherwise such a table is an error.
	Header []string
	// Splits are the names of the part of a data set that is wanted, the first that is there first,
	// where one JSON object holds several parts; nil is the part to train on.
	Splits []string
	// NeedTarget makes a row without a target, or with one that is no label of the task, an
	// error. Otherwise such a row's Target is empty.
	NeedTarget bool
}

// Reader reads rows one after another. Its errors name file, line and the columns there are.
type Reader struct {
	name    string
	format  Format
	opts    Options
	records records
	rows    int
	held    []record                // of a record that is several rows, those that are left
	line    int                     // of the record
	file    io.Closer               // nil where the caller has it
	more    func() (*Reader, error) // of the next file; nil where there is none
}

// records is a format: it gives each row's columns.
type records interface {
	// next gives the line on which the next record starts and the record. At the end it gives
	// io.EOF. An error that knows more than the line is a *placed.
	next() (line int, r record, err error)
}

// record is a row's columns by name: those that are text, and what there is in the others:
// "null", "a list" or "an object".
type record struct {
	cells map[string]string
	other map[string]string
	lists map[string]json.RawMessage // those of the others that are lists, as JSON
	row   int                        // from 1, where the record has no line of its own
	at    string                     // where in a record it is that is several rows
}

// placed is an error at a column of a line, both counted from 1.
type placed struct {
	line, column int
	error
}

func (p *placed) Unwrap() error { return p.error }

// Open opens files of rows, which may be gzipped, to be read one after the other; each has at least
// one. The one path may be a folder of a task whose texts lie in folders. The caller must Close the
// reader.
func Open(opts Options, paths ...string) (*Reader, error) {
	path := paths[0]
	if stat, err := os.Stat(path); err == nil && stat.IsDir() && len(paths) == 1 && opts.Task != nil && opts.Task.FolderLayout() != nil {
		records, err := newFolderRecords(path, opts.Task)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return &Reader{name: path, opts: opts, records: records}, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	of := opts
	if of.Format == "" {
		of.Format = FormatOf(path)
	}
	wanted := []foreign.Format{foreign.Gzip, foreign.UTF16}
	if of.Format == Parquet {
		wanted = append(wanted, foreign.Parquet)
	}
	if err := foreign.CheckAt(file, wanted...); err != nil {
		file.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	r, err := NewReader(path, file, of)
	if err != nil {
		file.Close()
		return nil, err
	}
	r.file = file
	if len(paths) > 1 {
		r.more = func() (*Reader, error) { return Open(opts, paths[1:]...) }
	}
	return r, nil
}

// NewReader reads rows of the options' Format from a text, which may be gzipped. The name stands
// for the file in errors.
func NewReader(name string, text io.Reader, opts Options) (*Reader, error) {
	if opts.Task != nil && (opts.SourceColumn != "" || opts.TargetColumn != "") {
		return nil, fmt.Errorf("data: task %s has columns of its own: name a task or columns, not both", opts.Task.Name)
	}
	r := &Reader{name: name, format: opts.Format, opts: opts}
	if err := r.open(text); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return r, nil
}

// Next gives the next row, io.EOF after the last one. A file that has none is an error.
func (r *Reader) Next() (Row, error) {
	for {
		line, rec, err := r.next()
		if err == io.EOF {
			if r.rows == 0 {
				return Row{}, fmt.Errorf("%s: holds no rows", r.name)
			}
			if r.more == nil {
				return Row{}, io.EOF
			}
			next, err := r.more()
			if err != nil {
				return Row{}, err
			}
			r.Close()
			*r = *next
			continue
		}
		var row Row
		if err == nil {
			row, err = r.opts.row(rec)
			if err == errOther {
				continue
			}
			if err != nil && rec.at != "" {
				err = fmt.Errorf("%s: %w", rec.at, err)
			}
			if err != nil && rec.row > 0 {
				err = fmt.Errorf("row %d: %w", rec.row, err)
			}
		}
		if err != nil {
			return Row{}, fmt.Errorf("%s%s: %w", r.name, r.place(line, err), err)
		}
		row.Line = line
		r.rows++
		return row, nil
	}
}

// next gives a record, or a row of one that is several.
func (r *Reader) next() (line int, rec record, err error) {
	for len(r.held) == 0 {
		if r.line, rec, err = r.records.next(); err != nil {
			return r.line, record{}, err
		}
		if r.held, err = r.opts.unroll(rec); err != nil {
			return r.line, record{}, err
		}
	}
	rec, r.held = r.held[0], r.held[1:]
	return r.line, rec, nil
}

// place is where an error is, as compilers write it.
func (r *Reader) place(line int, err error) string {
	var at *placed
	switch {
	case r.format == Parquet:
		return fmt.Sprintf(": row %d", line)
	case errors.As(err, &at):
		return fmt.Sprintf(":%d:%d", at.line, at.column)
	}
	return fmt.Sprintf(":%d", line)
}

// Close closes the file, if Open opened one.
func (r *Reader) Close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

// Dataset is a file's rows as text, in memory. Turning text into tokens is what costs, so that
// waits until a batch needs it.
type Dataset struct {
	rows []Row
	// LeftOut are the rows of the files that are not there, since they are cut in two.
	LeftOut int
}

// NewDataset makes a data set of rows at hand.
func NewDataset(rows []Row) *Dataset { return &Dataset{rows: rows} }

// Load reads all the rows of files that Open opens.
func Load(opts Options, paths ...string) (*Dataset, error) {
	r, err := Open(opts, paths...)
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
			if t, ok := r.records.(*table); ok {
				d.LeftOut = t.leftOut
			}
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

// Head is the first n rows.
func (d *Dataset) Head(n int) *Dataset { return &Dataset{rows: d.rows[:n]} }

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
