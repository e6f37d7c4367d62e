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
	for i, row := range demo.Rows(demo.Tasks[0], split, 120, 1) {
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

// A random model learns from text, the same from the same seed, and a run that was
// stopped comes to the same weights as one that was not.
func TestPretrain(t *testing.T) {
	text, valid := story(t, "text.txt", demo.Train), story(t, "valid.txt", demo.Dev)
	args := func(out string, more ...string) []string {
		return append([]string{
			"pretrain", "--model", at("model"), "--text", text, "--valid", valid, "--out", out, "--batch-size", "2",
			"--max-source-length", "192", "--max-target-length", "64", "--steps", "40", "--lr", "5e-3", "--warmup-steps", "5", "--cooldown-steps", "10",
			"--eval-every", "20", "--save-every", "1",
		}, more...)
	}
	whole, again, parts := filepath.Join(t.TempDir(), "whole"), filepath.Join(t.TempDir(), "again"), filepath.Join(t.TempDir(), "parts")
	r := succeed(t, args(whole)...)
	for _, shown := range []string{"entropy of its tokens", "evaluation after step 0", "evaluation after step 40", "word_loss", "language", "holds the checkpoint"} {
		assert.Contains(t, r.stdout, shown)
	}
	var losses []float64
	var evaluations []logLine
	for _, line := range readLog(t, whole) {
		if line.Loss != nil {
			losses = append(losses, *line.Loss)
		} else {
			evaluations = append(evaluations, line)
		}
	}
	require.Len(t, losses, 40)
	require.Len(t, evaluations, 3)
	assert.Less(t, losses[39], losses[0]-1)
	assert.Less(t, evaluations[2].Metrics["loss"], evaluations[0].Metrics["loss"]-1)
	assert.Contains(t, succeed(t, "inspect", whole).stdout, "F16")

	succeed(t, args(again, "--overwrite")...)
	assert.Equal(t, readFile(t, whole, "model.safetensors"), readFile(t, again, "model.safetensors"), "the same seed")

	interrupt(t, "step 7/", args(parts)...)
	r = succeed(t, args(parts, "--resume")...)
	assert.Contains(t, r.stdout, "resumed")
	assert.Equal(t, readFile(t, whole, "model.safetensors"), readFile(t, parts, "model.safetensors"), "stopped and resumed")
	assert.Equal(t, timeless(readLog(t, whole)), timeless(readLog(t, parts)))
	assert.Contains(t, fail(t, exitError, args(parts, "--resume", "--questions", "10")...), "resume with the same settings and data")
}

func TestPretrainRefuses(t *testing.T) {
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
