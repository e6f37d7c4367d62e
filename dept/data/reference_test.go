package data

import (
	"os"
	"path/filepath"
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
		{"agnews/test.csv", "agnews", false, 1, "2"},
		{"agnews/alps_dev.tsv", "agnews", false, 0, "3"},
	} {
		t.Run(tc.path, func(t *testing.T) {
			path := filepath.Join(data, tc.path)
			opts := task(tc.task)
			opts.NeedTarget = !tc.test
			d, err := Load(opts, path)
			require.NoError(t, err)

			content, err := os.ReadFile(path)
			require.NoError(t, err)
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
			assert.Len(t, counts, len(opts.Task.Labels), "each class is there: %v", counts)
			for _, target := range opts.Task.Targets() {
				assert.Positive(t, counts[target])
			}
		})
	}
}
