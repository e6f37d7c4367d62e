package data

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// jsonRecords reads JSON objects one after another, in lists or not. A value that is null, a list or
// an object is no text; the texts of an object are columns of their own, as "translation.en". An object that is
// all there is in the file may hold its rows.
type jsonRecords struct {
	text         *bufio.Reader
	splits       []string // of which the rows are, where an object has several
	line, column int      // of the byte read last
	list         int      // the line on which the list at hand begins; 0 outside
	begun        bool     // an object has been read
	held         []read   // the rows that are left of an object's
}

func newJSONRecords(text *bufio.Reader, splits []string) *jsonRecords {
	return &jsonRecords{text: text, splits: splits, line: 1}
}

func (j *jsonRecords) next() (int, record, error) {
	for {
		if len(j.held) > 0 {
			r := j.held[0]
			j.held = j.held[1:]
			return r.line, r.record, nil
		}
		b, err := j.read()
		switch {
		case err == io.EOF && j.list > 0:
			return j.list, record{}, errors.New("the list that begins here never ends: the file is cut off")
		case err != nil:
			return j.line, record{}, err
		case b == ' ' || b == '\t' || b == '\r' || b == '\n' || b == ',':
		case b == '[' && j.list == 0:
			j.list = j.line
		case b == ']' && j.list > 0:
			j.list = 0
		case b == '{':
			line, column, first := j.line, j.column, !j.begun && j.list == 0
			object, err := j.object(first)
			if err != nil {
				return line, record{}, err
			}
			j.begun = true
			if first && bytes.ContainsAny(object[1:], "[{") && j.ends() {
				j.held, err = documentRows(withoutNaN(object), line, j.splits)
				if err != nil {
					return line, record{}, err
				}
				if j.held != nil {
					continue
				}
			}
			r, err := parseObject(object, line, column)
			return line, r, err
		default:
			return j.line, record{}, j.failed(`expected a JSON object, such as {"source": "…", "target": "…"}, but there is %s`, found(b))
		}
	}
}

// found says what a byte is the beginning of.
func found(b byte) string {
	switch {
	case b == '[':
		return "a list"
	case b == '"':
		return "a text"
	case b == 'n' || b == 't' || b == 'f' || b == '-' || '0' <= b && b <= '9':
		return "a number, true, false or null"
	case b < utf8.RuneSelf:
		return fmt.Sprintf("%q", b)
	}
	return "something else"
}

// ends says whether nothing follows but white space.
func (j *jsonRecords) ends() bool {
	for {
		switch next, err := j.text.Peek(1); {
		case err != nil:
			return err == io.EOF
		case !bytes.ContainsAny(next, " \t\r\n"):
			return false
		}
		j.read()
	}
}

// object reads the rest of an object whose opening brace has been read, and gives all of it. The first of a file
// may hold all rows.
func (j *jsonRecords) object(first bool) ([]byte, error) {
	most := maxRow
	begin := j.failed("the object that begins here never ends")
	object := []byte{'{'}
	for depth := 1; depth > 0; {
		b, err := j.read()
		if err == io.EOF {
			return nil, begin
		}
		if err != nil {
			return nil, err
		}
		object = append(object, b)
		switch b {
		case '{', '[':
			if depth++; first {
				most = maxDocument
			}
		case '}', ']':
			depth--
		case '"':
			if object, err = j.string(object); err != nil {
				return nil, err
			}
		}
		if len(object) > most {
			return nil, errTooLong
		}
	}
	return object, nil
}

// string appends the rest of a string, whose opening quote has been read.
func (j *jsonRecords) string(object []byte) ([]byte, error) {
	open, begin := j.failed("the string that begins here is not closed on its line"), len(object)
	for escaped := false; ; {
		b, err := j.read()
		switch {
		case err == io.EOF || b == '\n':
			return nil, open
		case err != nil:
			return nil, err
		case len(object)-begin > maxRow:
			return nil, errTooLong
		}
		object = append(object, b)
		if b == '"' && !escaped {
			return object, nil
		}
		escaped = b == '\\' && !escaped
	}
}

// read gives a byte and counts it.
func (j *jsonRecords) read() (byte, error) {
	b, err := j.text.ReadByte()
	if err != nil {
		return 0, err
	}
	j.line, j.column = advance(j.line, j.column, b)
	return b, nil
}

// failed is an error at the byte read last.
func (j *jsonRecords) failed(format string, args ...any) error {
	return &placed{j.line, j.column, fmt.Errorf(format, args...)}
}

// parseObject makes a record of an object that begins at a line and column.
func parseObject(object []byte, line, column int) (record, error) {
	if !utf8.Valid(object) {
		return record{}, errNotUTF8
	}
	var values map[string]json.RawMessage
	err := json.Unmarshal(object, &values)
	if err != nil {
		if plain := withoutNaN(object); !bytes.Equal(plain, object) && json.Valid(plain) {
			err = json.Unmarshal(plain, &values)
		}
	}
	if err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			for _, b := range object[1:min(int(syntax.Offset), len(object))] {
				line, column = advance(line, column, b)
			}
		}
		hint := ""
		if bytes.Contains(object, []byte{'\''}) {
			hint = " (JSON has double quotes: Python's json.dumps writes them)"
		}
		return record{}, &placed{line, column, fmt.Errorf("the object is no JSON%s: %w", hint, err)}
	}
	r := newRecord()
	return r, r.add("", values, 0)
}

func newRecord() record {
	return record{cells: map[string]string{}, other: map[string]string{}, lists: map[string]json.RawMessage{}}
}

// mostDots is how deep in an object a text may be to be a column.
const mostDots = 3

// add puts an object's values under names that begin with the prefix.
func (r record) add(prefix string, values map[string]json.RawMessage, dots int) error {
	for name, value := range values {
		name = prefix + name
		switch value[0] {
		case '"':
			var text string
			if err := json.Unmarshal(value, &text); err != nil {
				return fmt.Errorf("column %q: %w", name, err)
			}
			r.cells[name] = text
		case '{':
			r.other[name] = anObject
			var inner map[string]json.RawMessage
			if dots < mostDots && json.Unmarshal(value, &inner) == nil {
				if err := r.add(name+".", inner, dots+1); err != nil {
					return err
				}
			}
		case '[':
			r.other[name], r.lists[name] = aList, value
		case 'n':
			r.other[name] = aNull
		default: // a number, true or false, as it is written
			r.cells[name] = string(value)
		}
	}
	return nil
}

// What stands in a column that is no text.
const (
	aNull    = "null"
	aList    = "a list"
	anObject = "an object"
)

// withoutNaN is an object with null for the numbers that JSON does not have.
func withoutNaN(object []byte) []byte {
	var plain []byte
	quoted, escaped := false, false
	for i := 0; i < len(object); i++ {
		if !quoted {
			if n := notANumber(object[i:]); n > 0 {
				plain = append(plain, "null"...)
				i += n - 1
				continue
			}
		}
		if object[i] == '"' && !escaped {
			quoted = !quoted
		}
		escaped = object[i] == '\\' && !escaped
		plain = append(plain, object[i])
	}
	return plain
}

// notANumber is the length of a NaN or an Infinity at the start of a text, 0 where there is none.
func notANumber(text []byte) int {
	for _, word := range []string{"NaN", "Infinity", "-Infinity"} {
		if bytes.HasPrefix(text, []byte(word)) {
			return len(word)
		}
	}
	return 0
}

// advance is the line and column, in characters, of a byte behind the one at line and column.
func advance(line, column int, b byte) (int, int) {
	switch {
	case b == '\n':
		return line + 1, 0
	case utf8.RuneStart(b):
		return line, column + 1
	}
	return line, column
}
