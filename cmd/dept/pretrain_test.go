package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept/demo"
)

// story is plain text with something to ask about: the demonstration's sentences.
func story(t *testing.T, name string, split demo.Split) string {
	var b strings.Builder
	tone, err := demo.Find("tone")
	require.NoError(t, err)
	for i, row := range tone.Rows(split, 120, 1, nil) {
		s := strings.TrimPrefix(row.Source, "sentence: ")
		end := " "
		if i%6 == 5 {
			end = "\n"
		}
		fmt.Fprintf(&b, "%s%s.%s", strings.ToUpper(s[:1]), s[1:], end)
	}
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(b.String()), 0o666))
	return path
}

func pretrainArgs(text, out string, more ...string) []string {
	return append([]string{
		"pretrain", "--model", at("model"), "--text", text, "--out", out, "--batch-size", "2", "--max-source-length", "128",
		"--max-target-length", "48", "--steps", "16", "--warmup-steps", "4", "--cooldown-steps", "6", "--save-every", "1",
	}, more...)
}

// The same seed comes to the same weights, in a run that was stopped on the way too.
func TestPretrainRepeats(t *testing.T) {
	t.Parallel()
	text := story(t, "text.txt", demo.Train)
	dir := t.TempDir()
	whole, parts := filepath.Join(dir, "whole"), filepath.Join(dir, "parts")
	r := succeed(t, pretrainArgs(text, whole)...)
	assert.Contains(t, r.stdout, "holds the checkpoint")
	lines := readLog(t, whole)
	require.Len(t, lines, 16)
	assert.Less(t, *lines[15].Loss, *lines[0].Loss-1)
	assert.Contains(t, succeed(t, "inspect", whole).stdout, "F16")

	interrupt(t, "step 5/", pretrainArgs(text, parts)...)
	r = succeed(t, pretrainArgs(text, parts, "--resume")...)
	assert.Contains(t, r.stdout, "resumed")
	assert.Equal(t, readFile(t, whole, "model.safetensors"), readFile(t, parts, "model.safetensors"), "stopped and resumed")
	assert.Equal(t, timeless(readLog(t, whole)), timeless(readLog(t, parts)))
	assert.Contains(t, fail(t, exitError, pretrainArgs(text, parts, "--resume", "--questions", "10")...), "the rows of --text and --questions have changed")

	// A further leg goes on with rows that were not there before.
	succeed(t, pretrainArgs(text, whole, "--extend", "8")...)
	interrupt(t, "step 18/", pretrainArgs(text, parts, "--extend", "8")...)
	succeed(t, pretrainArgs(text, parts, "--resume")...)
	assert.Equal(t, readFile(t, whole, "model.safetensors"), readFile(t, parts, "model.safetensors"), "stopped and resumed in a further leg")
	assert.Len(t, readLog(t, whole), 24)
}

// On text that is not trained on, losses and answers are shown beside the entropy
// of its tokens.
func TestPretrainValidates(t *testing.T) {
	t.Parallel()
	text, valid := story(t, "text.txt", demo.Train), story(t, "valid.txt", demo.Dev)
	out := filepath.Join(t.TempDir(), "out")
	r := succeed(t, pretrainArgs(text, out, "--valid", valid, "--steps", "4", "--cooldown-steps", "0", "--batch-size", "8", "--eval-every", "0")...)
	for _, shown := range []string{"entropy of its tokens", "evaluation after step 0", "evaluation after step 4", "word_loss", "language", "tone"} {
		assert.Contains(t, r.stdout, shown)
	}
	var evaluations []logLine
	for _, line := range readLog(t, out) {
		if line.Metrics != nil {
			evaluations = append(evaluations, line)
		}
	}
	require.Len(t, evaluations, 2)
	assert.Less(t, evaluations[1].Metrics["loss"], evaluations[0].Metrics["loss"])
}

func TestPretrainRefuses(t *testing.T) {
	t.Parallel()
	text := story(t, "text.txt", demo.Train)
	empty := filepath.Join(t.TempDir(), "empty.txt")
	require.NoError(t, os.WriteFile(empty, []byte("\n"), 0o666))
	args := func(more ...string) []string {
		return append([]string{"pretrain", "--model", at("model"), "--text", text, "--out", filepath.Join(t.TempDir(), "out"), "--steps", "2"}, more...)
	}
	assert.Contains(t, fail(t, exitError, args("--text", empty+".none")...), "empty.txt.none")
	assert.Contains(t, fail(t, exitError, args("--valid", empty)...), "there is no text")
	assert.Contains(t, fail(t, exitError, args("--max-source-length", "5")...), "hold hardly a passage")
	assert.Contains(t, fail(t, exitUsage, args("--questions", "101")...), "--questions 101")
	assert.Contains(t, fail(t, exitUsage, args("--cooldown-steps", "3")...), "--cooldown-steps 3")
	assert.Contains(t, fail(t, exitUsage, args("--eval-every", "3")...), "--valid")
	assert.Contains(t, fail(t, exitUsage, args("--out", at("model"))...), "--out")
}
