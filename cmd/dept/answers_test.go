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

// An adapter that says how it is asked and what its labels are called is asked so, and answers with one
// of them; --task says otherwise.
func TestAnswersOfTheAdapter(t *testing.T) {
	t.Parallel()
	a := &dept.Adapter{
		Config:  &dept.PromptConfig{PromptLength: 1, Width: 64, Submodules: 1},
		Answers: &dept.Answers{Template: "sentence: {text}", Labels: []string{"0", "1"}, Names: []string{"awful!", "fine!"}, Rank: true},
		Tensors: []dept.Tensor{{Name: dept.TensorP, Shape: []int{1, 64}, Values: make([]float32, 64)}},
	}
	dir := t.TempDir()
	require.NoError(t, a.Write(dir))
	again, err := dept.ReadAdapter(dir)
	require.NoError(t, err)
	assert.Equal(t, a.Answers, again.Answers)

	assert.Contains(t, succeed(t, "inspect", dir).stdout, `as "sentence: {text}", answered by ranking 0 for awful!, 1 for fine!`)

	args := []string{"predict", "--model", at("model"), "--adapter", dir, "--data", at("texts.txt"), "--json"}
	asked := strings.Split(strings.TrimSpace(succeed(t, args...).stdout), "\n")
	task := strings.Split(strings.TrimSpace(succeed(t, append(args, "--task", "sst2", "--max-target-length", "2")...).stdout), "\n")
	require.Len(t, asked, 2)
	for i, line := range asked {
		var p, q prediction
		require.NoError(t, json.Unmarshal([]byte(line), &p))
		require.NoError(t, json.Unmarshal([]byte(task[i]), &q))
		assert.Equal(t, map[string]float64{"awful!": q.Scores["0"], "fine!": q.Scores["1"]}, p.Scores, "of the text in the template")
		likeliest := "awful!"
		if p.Scores["fine!"] > p.Scores["awful!"] {
			likeliest = "fine!"
		}
		assert.Equal(t, likeliest, p.Prediction)
		assert.NotContains(t, p.Source, "sentence:", "as it was asked")
	}

	// Rows are scored by the labels' names.
	rows := filepath.Join(dir, "rows.csv")
	require.NoError(t, os.WriteFile(rows, []byte("text,label\na good film,"+likeliestOf(t, asked[0])+"\na bad film,"+likeliestOf(t, asked[1])+"\n"), 0o666))
	assert.Contains(t, succeed(t, "eval", "--model", at("model"), "--adapter", dir, "--data", rows).stdout, "exact_match 1.0000")

	for what, bad := range map[string]*dept.Answers{
		"has no {text}":        {Template: "sentence"},
		"no labels to rank":    {Rank: true},
		"1 names for 2 labels": {Labels: []string{"a", "b"}, Names: []string{"x"}},
		"there twice":          {Labels: []string{"a", "a"}},
	} {
		a.Answers = bad
		assert.ErrorContains(t, a.Write(t.TempDir()), what)
	}
}

func likeliestOf(t *testing.T, line string) string {
	var p prediction
	require.NoError(t, json.Unmarshal([]byte(line), &p))
	return p.Prediction
}
