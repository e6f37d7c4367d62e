package data

import (
	"bytes"
	"compress/gzip"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept/tasks"
	"github.com/go-dept/dept/internal/reference"
)

// The published files, as they are.
func TestReferenceData(t *testing.T) {
	data, ok := reference.Path(t, "data")
	if !ok {
		return
	}
	sources := map[string]tasks.Template{
		"sst2":   "sentence: {one}",
		"cola":   "sentence: {one}",
		"rte":    "sentence1: {one} sentence2: {two}",
		"wic":    "sentence1: {one} sentence2: {two} word: {three}",
		"agnews": "sentence: {one}",
		"mrpc":   "sentence1: {one} sentence2: {two}",
		"stsb":   "sentence1: {one} sentence2: {two}",
		"wnli":   "sentence1: {one} sentence2: {two}",
		"boolq":  "question: {one} passage: {two}",
		"cb":     "premise: {one} hypothesis: {two}",
		"copa":   "premise: {one} choice1: {two} choice2: {three}",
		"imdb":   "sentence: {one}",
	}
	for _, tc := range []struct {
		path  string
		task  string
		test  bool   // there are no labels
		head  int    // lines of header
		first string // target
	}{
		{"glue/SST-2/train.tsv", "sst2", false, 1, "0"},
		{"glue/SST-2/dev.tsv", "sst2", false, 1, "1"},
		{"glue/SST-2/test-labeled.tsv", "sst2", false, 1, "0"},
		{"glue/SST-2/test.tsv", "sst2", true, 1, ""},
		{"glue/CoLA/train.tsv", "cola", false, 0, "1"},
		{"glue/CoLA/dev.tsv", "cola", false, 0, "1"},
		{"glue/CoLA/test.tsv", "cola", true, 1, ""},
		{"glue/RTE/train.tsv", "rte", false, 1, "1"},
		{"glue/RTE/dev.tsv", "rte", false, 1, "1"},
		{"glue/RTE/test.tsv", "rte", true, 1, ""},
		{"superglue/WiC/train.jsonl", "wic", false, 0, "1"},
		{"superglue/WiC/train_rest200.jsonl", "wic", false, 0, "0"},
		{"superglue/WiC/val.jsonl", "wic", false, 0, "0"},
		{"glue/MRPC/train.tsv", "mrpc", false, 1, "1"},
		{"glue/MRPC/dev.tsv", "mrpc", false, 1, "1"},
		{"glue/MRPC/test.tsv", "mrpc", true, 1, ""},
		{"glue/STS-B/train.tsv", "stsb", false, 1, "5.0"},
		{"glue/STS-B/dev.tsv", "stsb", false, 1, "5.0"},
		{"glue/STS-B/test.tsv", "stsb", true, 1, ""},
		{"glue/WNLI/train.tsv", "wnli", false, 1, "1"},
		{"glue/WNLI/dev.tsv", "wnli", false, 1, "0"},
		{"glue/WNLI/test.tsv", "wnli", true, 1, ""},
		{"superglue/BoolQ/train_fewglue32.jsonl", "boolq", false, 0, "0"},
		{"superglue/BoolQ/val.jsonl", "boolq", false, 0, "0"},
		{"superglue/CB/train.jsonl", "cb", false, 0, "0"},
		{"superglue/CB/val.jsonl", "cb", false, 0, "1"},
		{"superglue/CB/test.jsonl", "cb", true, 0, ""},
		{"superglue/COPA/train.jsonl", "copa", false, 0, "0"},
		{"superglue/COPA/val.jsonl", "copa", false, 0, "1"},
		{"superglue/COPA/test.jsonl", "copa", true, 0, ""},
		{"superglue/COPA/train_rest32_unlabeled_file.jsonl", "copa", false, 0, "1"},
		{"sentiment/imdb.train.tsv.gz", "imdb", false, 1, "0"},
		{"sentiment/sst2_sentences/stsa.binary.train", "sst2", false, 0, "1"},
		{"sentiment/sst2_sentences/stsa.binary.dev", "sst2", false, 0, "0"},
		{"sentiment/sst2_sentences/stsa.binary.test", "sst2", false, 0, "0"},
		{"agnews/test.csv", "agnews", false, 1, "2"},
		{"agnews/alps_dev.tsv", "agnews", false, 0, "3"},
	} {
		t.Run(tc.path, func(t *testing.T) {
			path := filepath.Join(data, tc.path)
			opts := task(tc.task)
			opts.NeedTarget = !tc.test
			if FormatOf(path) == "" {
				opts.Format = Text
			}
			d, err := Load(opts, path)
			require.NoError(t, err)

			content, err := os.ReadFile(path)
			require.NoError(t, err)
			if filepath.Ext(path) == ".gz" {
				unzip, err := gzip.NewReader(bytes.NewReader(content))
				require.NoError(t, err)
				content, err = io.ReadAll(unzip)
				require.NoError(t, err)
			}
			lines := strings.Split(strings.TrimRight(string(content), "\r\n"), "\n")
			require.Equal(t, len(lines)-tc.head, d.Len(), "a row a line")

			// The first row is made of pieces of the first line.
			first := d.Row(0)
			assert.Equal(t, tc.head+1, first.Line)
			assert.Equal(t, tc.first, first.Target)
			pieces, ok := sources[tc.task].Match(first.Source)
			require.True(t, ok, first.Source)
			for _, column := range sources[tc.task].Columns() {
				require.NotEmpty(t, pieces[column])
				for _, word := range strings.Fields(pieces[column]) {
					assert.Contains(t, lines[tc.head], word)
				}
			}

			counts := map[string]int{}
			for i := range d.Len() {
				counts[d.Row(i).Target]++
			}
			if tc.test {
				assert.Equal(t, map[string]int{"": d.Len()}, counts)
				return
			}
			if opts.Task.Answer == tasks.Number {
				assert.Subset(t, opts.Task.Answers(), slices.Collect(maps.Keys(counts)))
				return
			}
			assert.Len(t, counts, len(opts.Task.Labels), "each class is there: %v", counts)
			for _, target := range opts.Task.Targets() {
				assert.Positive(t, counts[target])
			}
		})
	}
}

// How the scores of STS-B are rounded: 303 of them are not on T5's grid of 0.2. One is 0.850, which float64 would
// round to 0.8; the hub's data set, which the authors load, has float32, and that is above.
func TestReferenceScores(t *testing.T) {
	path, ok := reference.Path(t, "data", "glue", "STS-B", "train.tsv")
	if !ok {
		return
	}
	d, err := Load(task("stsb"), path)
	require.NoError(t, err)
	counts, off := map[string]int{}, 0
	for i := range d.Len() {
		target := d.Row(i).Target
		counts[target]++
		if strings.Contains("13579", target[2:]) {
			off++
		}
	}
	require.Equal(t, []int{5749, 303, 60, 42}, []int{d.Len(), off, counts["3.5"], counts["2.5"]})
}

// A file that pandas has read and written: its cells are quoted, and of the 3,551 lines some belong together.
func TestReferenceQuoted(t *testing.T) {
	path, ok := reference.Path(t, "data", "glue", "MRPC", "train_cleaned.tsv")
	if !ok {
		return
	}
	d, err := Load(task("mrpc"), path)
	require.NoError(t, err)
	require.Equal(t, 3530, d.Len())
	require.Contains(t, d.Row(0).Source, `sentence1: Amrozi accused his brother , whom he called " the witness " , of`)
}
