package data

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Tables as pandas, spreadsheets, R and Kaggle's data sets have them: all hold the same four rows.
func TestForeignTables(t *testing.T) {
	want := []Row{{Source: "a, b", Target: "x"}, {Source: "say \"hi\"", Target: "y"}, {Source: "c\td", Target: "x"}, {Source: "e\nf", Target: "y"}}
	for _, tc := range []struct {
		name   string
		format Format
		text   string
	}{
		{"pandas, with its index", CSV, ",text,label\n0,\"a, b\",x\n1,\"say \"\"hi\"\"\",y\n2,c\td,x\n3,\"e\nf\",y\n"},
		{"pandas, tabs", TSV, "text\tlabel\na, b\tx\n\"say \"\"hi\"\"\"\ty\n\"c\td\"\tx\n\"e\nf\"\ty\n"},
		{"pandas, all quoted", TSV, "\"text\"\t\"label\"\n\"a, b\"\t\"x\"\n\"say \"\"hi\"\"\"\t\"y\"\n\"c\td\"\t\"x\"\n\"e\nf\"\t\"y\"\n"},
		{"tabs under another name", CSV, "text\tlabel\na, b\tx\n\"say \"\"hi\"\"\"\ty\n\"c\td\"\tx\n\"e\nf\"\ty\n"},
		{"bars", CSV, "text|label\na, b|x\n\"say \"\"hi\"\"\"|y\nc\td|x\n\"e\nf\"|y\n"},
		{"semicolons", CSV, "text;label\na, b;x\n\"say \"\"hi\"\"\";y\nc\td;x\n\"e\nf\";y\n"},
		{"Excel's first line", CSV, "sep=;\r\ntext;label\r\na, b;x\r\n\"say \"\"hi\"\"\";y\r\nc\td;x\r\n\"e\nf\";y\r\n"},
		{"blanks in front of quotes", CSV, "\"text\", \"label\"\n\"a, b\", \"x\"\n\"say \"\"hi\"\"\", \"y\"\n\"c\td\", \"x\"\n\"e\nf\", \"y\"\n"},
		{"a separator at each end", CSV, "text,label,\n\"a, b\",x,\n\"say \"\"hi\"\"\",y,\nc\td,x,\n\"e\nf\",y,\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rows, err := readAll(tc.format, tc.text, Options{NeedTarget: true})
			require.NoError(t, err)
			for i := range rows {
				rows[i].Line = 0
			}
			assert.Equal(t, want, rows)
		})
	}
	// Quotes that nobody but the writer of the text put there stay.
	for _, raw := range []string{"\"open\tx\n\"also\ty\n", "\"Good.\"\tx\nb\ty\n", "\"a, b\tx\nc\" d\ty\n", "say \"hi\"\tx\nb\ty\n"} {
		rows, err := readAll(TSV, "text\tlabel\n"+raw, Options{})
		require.NoError(t, err)
		source, _, _ := strings.Cut(raw, "\t")
		assert.Equal(t, source, rows[0].Source)
	}
	rows, err := readAll(TSV, "text\tlabel\n\"a, b\"\tx\n"+strings.Repeat("c\ty\n", sniffed), Options{})
	require.NoError(t, err)
	assert.Equal(t, "a, b", rows[0].Source, "a beginning that is cut off")
	for format, text := range map[Format]string{
		CSV:  "| text | label |\n|---|---|\n| a | x |\n",
		Text: "a\tx\n",
	} {
		_, err := readAll(format, text, Options{NeedTarget: true})
		assert.Error(t, err, format)
	}
}

// A table without a header says that one is needed.
func TestNoHeader(t *testing.T) {
	_, err := readAll(CSV, "a good one,x\nb,y\n", Options{})
	assert.ErrorContains(t, err, "the first line has to name the columns, as text and label")
	_, err = readAll(CSV, "review,stars\nb,y\n", Options{})
	assert.NotContains(t, err.Error(), "first line")
}

// One JSON object that holds all rows, as datasets-server and pandas write it.
func TestDocuments(t *testing.T) {
	for name, text := range map[string]string{
		"data":                  `{"version": "1.1", "data": [{"text": "a", "label": "x"}, {"text": "b", "label": 1}]}`,
		"splits":                `{"test": [{"text": "c", "label": "z"}], "train": [{"text": "a", "label": "x"}, {"text": "b", "label": 1}]}`,
		"splits of columns":     `{"train": {"text": ["a", "b"], "label": ["x", 1]}, "test": {"text": ["c"], "label": ["z"]}}`,
		"datasets-server":       `{"features": [{"name": "text"}], "rows": [{"row_idx": 0, "row": {"text": "a", "label": "x"}, "truncated_cells": []}, {"row_idx": 1, "row": {"text": "b", "label": 1}}], "partial": false}`,
		"columns":               ` {"text": ["a", "b"], "label": ["x", 1]} `,
		"pandas":                `{"text": {"0": "a", "1": "b"}, "label": {"0": "x", "1": 1}}`,
		"pandas, orient=split":  `{"columns": ["text", "label"], "index": [0, 1], "data": [["a", "x"], ["b", 1]]}`,
		"pandas, orient=index":  `{"0": {"text": "a", "label": "x"}, "1": {"text": "b", "label": 1}}`,
		"pandas, orient=table":  `{"schema": {"fields": [{"name": "text"}]}, "data": [{"index": 0, "text": "a", "label": "x"}, {"text": "b", "label": 1, "score": NaN}]}`,
		"rows by a name of own": `{"r1": {"text": "a", "label": "x"}, "r2": {"text": "b", "label": 1}}`,
	} {
		rows, err := readAll(JSON, text, Options{NeedTarget: true})
		require.NoError(t, err, name)
		require.Len(t, rows, 2, name)
		assert.Equal(t, [2]string{"a", "b"}, [2]string{rows[0].Source, rows[1].Source}, name)
		assert.Equal(t, [2]string{"x", "1"}, [2]string{rows[0].Target, rows[1].Target}, name)
	}
	splits := `{"train": [{"text": "a"}], "validation": [{"text": "b"}], "test": [{"text": "c"}]}`
	for split, source := range map[string]string{"train": "a", "validation": "b", "test": "c"} {
		rows, err := readAll(JSON, splits, Options{Splits: []string{"none", split}})
		require.NoError(t, err)
		assert.Equal(t, []Row{{Source: source, Target: "", Line: 1}}, rows)
	}
	var many []string
	for i := range 100 {
		many = append(many, fmt.Sprintf(`"%d": "t%d"`, i, i))
	}
	rows, err := readAll(JSON, `{"text": {`+strings.Join(many, ",")+`}, "id": {`+strings.Join(many, ",")+`}}`, Options{})
	require.NoError(t, err)
	assert.Equal(t, "t99", rows[99].Source, "the order is the file's")
	rows, err = readAll(JSON, "{\"data\": [\n{\"text\": \"a\"},\n{\"text\": \"b\"}]}", Options{})
	require.NoError(t, err)
	assert.Equal(t, 3, rows[1].Line)

	for text, want := range map[string]string{
		splits:                                 "rows.json:1: it has the splits train, validation, test, and dev is wanted",
		`{"text": ["a", "b"], "label": ["x"]}`: `rows.json:1: column "label" has 1 values, column "text" 2`,
		`{"text": ["a", "b"], "label": ["x", null]}`:               "rows.json:1: row 2: label is null",
		"{\"data\": [\n{\"text\": \"a\", \"label\": \"x\"},\n7]}":  "rows.json:3:1: element 2 of the list is a number",
		"{\"data\": [\n{\"text\": \"a\", \"label\": \"x\"},\n{}]}": "rows.json:3: no column",
		`{"columns": ["text", "label"], "data": [["a"]]}`:          "rows.json:1:1: row 1 of data is no list of 2 cells",
		`{"messages": [{"role": "user"}], "n": null}`:              "messages is a list, not text",
		`{"data": []}`: "data is a list, not text",
		`{"text": {"0": "a"}, "label": {"0": "x", "1": "y"}}`:       `column "label" has 2 values`,
		`{"data": [{"text": "a", "label": "x"}]} {"text": "b"}`:     "rows.json:1: no column",
		`{"a": {"b": {"c": "d"}}, "e": {"f": {"g": ["h"]}}, "i":1}`: "no column",
	} {
		_, err := readAll(JSON, text, Options{NeedTarget: true, Splits: []string{"dev"}})
		assert.ErrorContains(t, err, want)
	}
}
