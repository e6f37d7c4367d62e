package tasks

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept/metrics"
)

func TestTaskTable(t *testing.T) {
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			task, err := Lookup(name)
			require.NoError(t, err)
			assert.Equal(t, name, task.Name)
			assert.Equal(t, []string{"0", "1", "2", "3", "4", "5"}[:len(task.Labels)], append([]string{}, task.Targets()...))
			assert.Equal(t, task.Labels != nil, task.Answer == Class)
			for _, also := range append(task.Also, strings.ToUpper(name)) {
				same, err := Lookup(also)
				require.NoError(t, err)
				assert.Same(t, task, same)
			}
			answers := task.Answers()
			if task.Answer == Text {
				answers = []string{"one", "another"}
			}
			require.NotEmpty(t, task.Metrics)
			for _, metric := range task.Metrics {
				score, err := metrics.Score(metric, metrics.Answers{Outputs: answers, Targets: answers, Labels: task.Targets()})
				require.NoError(t, err)
				assert.Equal(t, 1.0, score, "%s of the right answers", metric)
			}
			for _, layout := range task.Layouts {
				columns := layout.Source.Columns()
				require.NotEmpty(t, columns)
				assert.NotContains(t, columns, layout.Target)
				if layout.Header != nil {
					assert.Subset(t, layout.Header, append([]string{layout.Target}, columns...))
				}
				if layout.Labels != nil {
					assert.Len(t, layout.Labels, len(task.Labels))
				}
				if layout.Packed != "" {
					assert.ElementsMatch(t, columns, layout.Packed.Columns())
				}
			}
		})
	}
}

func TestLookupTaskListsNames(t *testing.T) {
	_, err := Lookup("sst3")
	require.Error(t, err)
	for _, name := range Names() {
		assert.Contains(t, err.Error(), name)
	}
}

func TestTemplate(t *testing.T) {
	pair := Template("a: {one} b: {two}")
	assert.Equal(t, []string{"one", "two"}, pair.Columns())
	assert.Equal(t, "a: x b: ", pair.Fill(map[string]string{"one": "x", "two": ""}))

	for _, tc := range []struct {
		template Template
		text     string
		want     string // the columns' texts between bars, "none" where it does not match
	}{
		{pair, "a: x b: y", "x|y"},
		{pair, "a:  b: ", "|"},
		{pair, "a: x b: y b: z", "x|y b: z"}, // the first column is as short as can be
		{pair, "a: x", "none"},
		{pair, "A: x b: y", "none"},
		{pair, "", "none"},
		{"({one})", "(x)", "x"},
		{"({one})", "(x) ", "none"},
		{"{one}", "", ""},
	} {
		cells, ok := tc.template.Match(tc.text)
		if tc.want == "none" {
			assert.False(t, ok, "%q of %q: %v", tc.text, tc.template, cells)
			continue
		}
		require.True(t, ok, "%q of %q", tc.text, tc.template)
		var texts []string
		for _, column := range tc.template.Columns() {
			texts = append(texts, cells[column])
		}
		assert.Equal(t, tc.want, strings.Join(texts, "|"))
		assert.Equal(t, tc.text, tc.template.Fill(cells))
	}
}
