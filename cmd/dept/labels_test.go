package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
)

// Rows with labels of one's own are learnt, ranked and answered as on the page, and the adapter says so.
func TestOwnLabels(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rows := filepath.Join(dir, "rows.csv")
	require.NoError(t, os.WriteFile(rows, []byte("text,label\n"+strings.Repeat("a good film,{yes}\na bad film, {no} \n", 4)), 0o666))
	args := func(out string, more ...string) []string {
		return append([]string{"train", "--model", at("model"), "--train", rows, "--dev", rows, "--out", filepath.Join(dir, out), "--steps", "3",
			"--batch-size", "2", "--warmup-steps", "1", "--max-source-length", "10", "--prompt-length", "2", "--rank", "2", "--dropout", "0"}, more...)
	}
	r := succeed(t, args("ranked", "--answer", "rank")...)
	assert.Contains(t, r.stdout, "answered by ranking 0 for {yes}, 1 for {no}")
	assert.Contains(t, r.stderr, "cannot write the labels {yes} and {no}: the labels are learnt as digits")
	a, err := dept.ReadAdapter(filepath.Join(dir, "ranked"))
	require.NoError(t, err)
	assert.Equal(t, &dept.Answers{Labels: []string{"0", "1"}, Names: []string{"{yes}", "{no}"}, Rank: true}, a.Answers)

	answered := succeed(t, "predict", "--model", at("model"), "--adapter", filepath.Join(dir, "ranked"), "--data", at("texts.txt"), "--json")
	for _, line := range strings.Split(strings.TrimSpace(answered.stdout), "\n") {
		var p prediction
		require.NoError(t, json.Unmarshal([]byte(line), &p))
		best := "{yes}"
		if p.Scores["{no}"] > p.Scores["{yes}"] {
			best = "{no}"
		}
		assert.Equal(t, best, p.Prediction)
	}
	log := readLog(t, filepath.Join(dir, "ranked"))
	scored := succeed(t, "eval", "--model", at("model"), "--adapter", filepath.Join(dir, "ranked"), "--data", rows, "--json")
	var v struct{ Metrics map[string]float64 }
	require.NoError(t, json.Unmarshal([]byte(scored.stdout), &v))
	best := 0.0
	for _, l := range log {
		best = max(best, l.Metrics["exact_match"])
	}
	assert.Equal(t, best, v.Metrics["exact_match"], "the evaluations rank, too")
	succeed(t, args("ranked", "--answer", "rank", "--resume")...)
	assert.Contains(t, fail(t, exitError, args("ranked", "--labels", "digits", "--resume")...), "the run began with other labels, or another --answer")

	succeed(t, args("written", "--labels", "digits")...)
	a, err = dept.ReadAdapter(filepath.Join(dir, "written"))
	require.NoError(t, err)
	assert.False(t, a.Answers.Rank)
	succeed(t, args("text")...)
	a, err = dept.ReadAdapter(filepath.Join(dir, "text"))
	require.NoError(t, err)
	assert.Nil(t, a.Answers, "free text")

	task := trainArgs(filepath.Join(dir, "task"), "--max-source-length", "10", "--answer", "rank")
	succeed(t, task...)
	a, err = dept.ReadAdapter(filepath.Join(dir, "task"))
	require.NoError(t, err)
	assert.Equal(t, &dept.Answers{Template: "sentence: {text}", Labels: []string{"0", "1"}, Names: []string{"negative", "positive"}, Rank: true}, a.Answers)

	for want, more := range map[string][]string{
		"--answer guess: give write or rank":     {"--answer", "guess"},
		"--labels short: give words or digits":   {"--labels", "short"},
		"task sst2 has labels of its own":        {"--labels", "digits", "--task", "sst2"},
		"cannot write the labels {yes} and {no}": {"--labels", "words"},
	} {
		assert.Contains(t, fail(t, exitUsage, args("refused", more...)...), want)
	}
	alike := filepath.Join(dir, "alike.csv")
	require.NoError(t, os.WriteFile(alike, []byte("text,label\na good film,x\na bad film,x\n"), 0o666))
	assert.Contains(t, fail(t, exitUsage, "train", "--model", at("model"), "--train", alike, "--out", filepath.Join(dir, "refused"), "--answer", "rank"), "nothing to tell apart")
}
