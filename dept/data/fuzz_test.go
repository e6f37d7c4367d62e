package data

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-dept/dept/dept/tasks"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func FuzzReadJSONL(f *testing.F) {
	f.Add(`{"source": "a", "target": "b"}`+"\n"+`{"text": 1.5e3, "label": true}`, "")
	f.Add(`{"sentence": "\ud800", "label": null, "label": [1]}`+"\n\n", "sst2")
	f.Add(`{"text": "Word: w. Sentence 1: a Sentence 2: b", "label": "TRUE"}`, "wic")
	f.Add("\ufeffnull\r\n", "rte")
	f.Add(`{"passage": {"text": "<b>a</b>", "questions": [{"question": "b", "idx": 0, "answers": [{"text": "c", "label": 1}, {"text": "d"}]}]}}`, "multirc")
	f.Add(`{"header": {"dataset": "nq"}}`+"\n"+`{"context": "c.", "qas": [{"question": "q?", "answers": ["a", "b"]}]}`, "nq")
	f.Add(`{"text": "a b ( c", "target": {"span1_text": "(", "span1_index": 2, "span2_text": "a", "span2_index": 0}, "label": false}`, "wsc")
	f.Add(`{"sentence1": "a", "sentence2": "b", "score": 3.25}`, "stsb")
	f.Fuzz(func(t *testing.T, text, task string) { fuzzRead(t, JSONL, text, task) })
}

func FuzzReadJSON(f *testing.F) {
	f.Add("[\n {\"source\": \"a\", \"target\": NaN},\n {\"text\": {\"en\": \"]\"}}]", "")
	f.Add(`{"sentence": "\\\"", "label": -Infinity}{"sentence": 1}`, "sst2")
	f.Add("\xff\xfe{\x00}\x00", "")
	f.Add(`{"features": [{}], "rows": [{"row_idx": 0, "row": {"sentence": "a", "label": 1}}]}`, "sst2")
	f.Add(`{"text": {"0": "a", "1": null}, "label": {"0": [1], "1": "b"}}`, "")
	f.Add(`{"columns": ["text"], "data": [["a"], [{}]]}`, "")
	f.Add(`{"train": {"text": ["a"]}, "test": [{"text": "b"}]}`, "")
	f.Add(`{"0": {"text": "a"}, "-1": {}}`, "")
	f.Fuzz(func(t *testing.T, text, task string) { fuzzRead(t, JSON, text, task) })
}

func FuzzReadText(f *testing.F) {
	f.Add("a\r\rb", "")
	f.Add("\x1f\x8b\x08", "sst2")
	f.Add("1 a film\n0 b\n", "sst2")
	f.Add("DESC:def What is it ?\n", "trec")
	f.Fuzz(func(t *testing.T, text, task string) { fuzzRead(t, Text, text, task) })
}

func FuzzReadTSV(f *testing.F) {
	f.Add("text\tlabel\r\n\"a\t1\r\n", "")
	f.Add("gj04\t1\t\ta\n", "cola")
	f.Add("text\tlabel\n\"a\tb\"\tx\n\"c\nd\"\ty\n", "")
	f.Add("a\tWorld\n\n", "agnews")
	f.Add("index\tsentence1\tsentence2\tlabel\n0\ta\tb\tentailment\n", "rte")
	f.Fuzz(func(t *testing.T, text, task string) { fuzzRead(t, TSV, text, task) })
}

func FuzzReadCSV(f *testing.F) {
	f.Add("text,label\r\n\"a\r\n\"\"b\",1\r\n\r\n", "")
	f.Add("Class Index,Title,Description\n4,\"T\",a\n", "agnews")
	f.Add("sentence,label\n\"a,1\n", "sst2")
	f.Add("sep=|\ntext|label\n \"a\"|b\n", "")
	f.Add("\"text\",  \"label\"\n\"a,\", \"b\"\n", "")
	f.Fuzz(func(t *testing.T, text, task string) { fuzzRead(t, CSV, text, task) })
}

// fuzzRead holds what is true of any text, read for predicting and for training.
func fuzzRead(t *testing.T, format Format, text, name string) {
	opts := Options{}
	if name != "" {
		task, err := tasks.Lookup(name)
		if err != nil {
			return
		}
		opts.Task = task
	}
	rows, err := readAll(format, text, opts)
	if err != nil {
		assert.True(t, strings.HasPrefix(err.Error(), "rows."+string(format)+":"), err.Error())
		assert.Empty(t, rows)
	} else {
		require.NotEmpty(t, rows)
	}
	line := 0
	for _, row := range rows {
		assert.True(t, row.Line > line || row.Line == line && (format == JSON || format == JSONL), "rows in their order")
		line = row.Line
		assert.True(t, utf8.ValidString(row.Source) && utf8.ValidString(row.Target))
		if opts.Task != nil && opts.Task.Answers() != nil && row.Target != "" {
			assert.Contains(t, opts.Task.Answers(), row.Target)
		}
	}
	if !strings.HasPrefix(text, "\x1f\x8b") {
		assert.LessOrEqual(t, line, strings.Count(text, "\n")+strings.Count(text, "\r")+1)
	}

	opts.NeedTarget = true
	labelled, err := readAll(format, text, opts)
	if err == nil {
		if format != Text { // whose lines are sources, or have their targets in them
			assert.Equal(t, rows, labelled, "training and predicting read the same rows")
		}
		for _, row := range labelled {
			assert.NotEmpty(t, row.Target)
		}
	}
}
