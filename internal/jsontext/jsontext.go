// Package jsontext reads the JSON files that people bring, and says in their words what is wrong
// with one.
package jsontext

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strconv"
	"strings"
)

// mark is the byte-order mark with which some editors begin a UTF-8 file.
var mark = []byte("\xef\xbb\xbf")

// maxSeparators bounds what a file may hold, since a member of a few bytes takes many times as much
// memory: an index of the shards of a model has two for each tensor.
const maxSeparators = 1 << 17

// Separators counts the colons and commas outside of texts: how many members and elements there are.
func Separators(data []byte) (n int) {
	inText := false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inText && c == '\\':
			i++
		case c == '"':
			inText = !inText
		case !inText && (c == ':' || c == ','):
			n++
		}
	}
	return n
}

// Unmarshal is encoding/json's for a file that someone wrote by hand or with another program: a
// byte-order mark is skipped, and 64.0 is read as 64 where a whole number is asked for. Its errors
// name the field, what stands there and what should, or the line and column where the text is no
// JSON.
func Unmarshal(data []byte, v any) error {
	if n := Separators(data); n > maxSeparators {
		return fmt.Errorf("it has %d members and elements, where %d are far more than such a file has", n, maxSeparators)
	}
	return UnmarshalParts(data, v)
}

// UnmarshalParts is Unmarshal for a file of any size, such as a vocabulary's: lists and tables of v are to be
// json.RawMessage, which the caller measures before it reads them.
func UnmarshalParts(data []byte, v any) error {
	data = bytes.TrimPrefix(data, mark)
	err := json.Unmarshal(data, v)
	if mismatch, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && strings.HasPrefix(mismatch.Value, "number") {
		if whole := wholeNumbers(data); !bytes.Equal(whole, data) {
			err = json.Unmarshal(whole, v)
		}
	}
	return explain(data, err)
}

// explain puts an error of encoding/json into words.
func explain(data []byte, err error) error {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		if len(bytes.TrimSpace(data)) == 0 {
			return errors.New("the file is empty")
		}
		if syntax.Offset >= int64(len(data)) && strings.HasPrefix(syntax.Error(), "unexpected end") {
			return fmt.Errorf("%s: the JSON ends too early: is the file cut off?", place(data, syntax.Offset))
		}
		return fmt.Errorf("%s: this is no JSON: %w", place(data, syntax.Offset), syntax)
	}
	if mismatch, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		field := mismatch.Field
		if field == "" {
			field = "the whole"
		}
		return fmt.Errorf("%s is %s, expected %s", field, found(mismatch.Value), expected(mismatch.Type))
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the JSON ends too early: is the file cut off?")
	}
	return err
}

// place is where the byte before offset stands; encoding/json has read that one last.
func place(data []byte, offset int64) string {
	before := data[:min(max(offset-1, 0), int64(len(data)))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len([]rune(string(before[bytes.LastIndexByte(before, '\n')+1:]))) + 1
	return fmt.Sprintf("line %d, column %d", line, column)
}

// found says what encoding/json came upon.
func found(value string) string {
	switch value {
	case "array":
		return "a list"
	case "object":
		return "an object"
	case "string":
		return "a text"
	case "bool":
		return "true or false"
	case "number":
		return "a number"
	}
	if number, ok := strings.CutPrefix(value, "number "); ok {
		return number
	}
	return value
}

// expected says what a Go type is called in JSON.
func expected(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return expected(t.Elem())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	}
	return "an object"
}

// wholeNumbers writes each number outside of texts that has a point or an exponent and is whole
// without them.
func wholeNumbers(data []byte) []byte {
	out := make([]byte, 0, len(data))
	for i := 0; i < len(data); {
		end := i + 1
		switch c := data[i]; {
		case c == '"':
			for end < len(data) && data[end] != '"' {
				if data[end] == '\\' {
					end++
				}
				end++
			}
			end = min(end+1, len(data))
		case c == '-' || '0' <= c && c <= '9':
			for end < len(data) && strings.IndexByte("+-.eE0123456789", data[end]) >= 0 {
				end++
			}
			// Beyond 2^53 not every whole number is one that a float64 holds.
			n, err := strconv.ParseFloat(string(data[i:end]), 64)
			if err == nil && n == math.Trunc(n) && math.Abs(n) < 1<<53 && bytes.ContainsAny(data[i:end], ".eE") {
				out = strconv.AppendInt(out, int64(n), 10)
				i = end
				continue
			}
		}
		out = append(out, data[i:end]...)
		i = end
	}
	return out
}
