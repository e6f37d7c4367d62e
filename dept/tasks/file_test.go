//go:build !js

package tasks

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept/metrics"
)

func TestReadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jokes.yaml")
	require.NoError(t, os.WriteFile(path, []byte(`
name: jokes
source: "joke: {joke} by: {who}"
target: funny
labels: [dull, funny]
words: ["no", "yes"]
metrics: [f1, accuracy]
header: [funny, who, joke]
`), 0o644))
	task, err := ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, &Task{
		Name: "jokes", Labels: []string{"dull", "funny"}, Words: []string{"no", "yes"}, Metrics: []metrics.Name{metrics.F1, metrics.Accuracy},
		Layouts: []Layout{{Source: "joke: {joke} by: {who}", Target: "funny", Header: []string{"funny", "who", "joke"}}},
	}, task)
	target, ok := task.TargetOf(&task.Layouts[0], "Funny")
	require.True(t, ok)
	require.Equal(t, "yes", target)
	target, ok = task.TargetOf(&task.Layouts[0], "0")
	require.True(t, ok)
	require.Equal(t, "no", target)

	task, err = parseFile([]byte("name: stars\nsource: \"{text}\"\ntarget: stars\nlabels: [1, 2, 3]"))
	require.NoError(t, err)
	target, ok = task.TargetOf(&task.Layouts[0], "3.0")
	require.True(t, ok)
	require.Equal(t, "2", target, "labels that are numbers are names, not indices")
	_, ok = task.TargetOf(&task.Layouts[0], "0")
	require.False(t, ok)

	_, err = ReadFile(filepath.Join(t.TempDir(), "none.yaml"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestFileErrors(t *testing.T) {
	const begin = "name: x\nsource: \"{a}\"\ntarget: b\n"
	for text, want := range map[string]string{
		"":                                         "it is empty",
		"name: [":                                  "line 1: ",
		"nam: x":                                   "line 1: field nam not found",
		begin + "labels: 3":                        "line 4: !!int `3` where a list is expected",
		begin + "numbers: maybe":                   "line 4: !!str `maybe` where true or false is expected",
		"name: a b\nsource: \"{a}\"":               `name "a b": give the task one of letters`,
		"name: x":                                  "there is no source",
		"name: x\nsource: a":                       `source "a": name a column`,
		"name: x\nsource: \"{a\"":                  "name a column",
		"name: x\nsource: \"{a}\"":                 "there is no target",
		"name: SST2\nsource: \"{a}\"\ntarget: b":   "name SST2 is that of a task that dept knows",
		begin + "labels: [a]":                      "two or more",
		begin + "labels: [a, A]":                   `label 2, "A", is empty or there twice`,
		begin + "labels: [a, b]\nnumbers: true":    "exclude each other",
		begin + "labels: [a, b]\nwords: [c]":       "words: task x has the classes a, b: give 2 words",
		begin + "words: [c]":                       "words: task x has no classes",
		begin + "metrics: [bleu]":                  "metrics: bleu is none: the metrics are [accuracy",
		begin + "metrics: [accuracy]":              "metrics: accuracy is for labels",
		begin + "metrics: [pearson]":               "metrics: pearson does not fit",
		begin + "labels: [a, b, c]\nmetrics: [f1]": "metrics: f1 is for two labels",
		begin + "header: [a]":                      `header: it has no column "b"`,
		begin + "line: \"{a}\"":                    "it has no {b}",
		begin + "group: \"{a\"":                    "between braces",
	} {
		_, err := parseFile([]byte(text))
		require.ErrorContains(t, err, want, text)
		require.NotContains(t, err.Error(), "tasks.", "no Go names")
	}
}

func FuzzReadFile(f *testing.F) {
	f.Add([]byte("name: x\nsource: \"{a}\"\ntarget: b\nlabels: [c, d]\nwords: [e, f]\nmetrics: [f1]\n"))
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("name: y\nsource: \"a {b} {c}\"\ntarget: d\nnumbers: true\nline: \"{b} {c} {d}\"\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		task, err := parseFile(text)
		if err != nil {
			return
		}
		require.NotEmpty(t, task.Metrics)
		l := &task.Layouts[0]
		require.NotEmpty(t, l.Columns())
		source, err := task.Source(l, map[string]string{})
		require.NoError(t, err)
		_, _ = l.Source.Match(source)
	})
}
