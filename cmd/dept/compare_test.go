package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/compare"
	"github.com/go-dept/dept/dept/train"
)

// comparedFiles are what a comparison makes of its trials.
var comparedFiles = []string{"table.txt", "table.md", "table.tex", "table.csv", "trials.csv", "sst2.svg"}

// suiteFile writes a suite of three methods, of which one has rates to try.
func suiteFile(t *testing.T, more string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "suite.yaml")
	text := fmt.Sprintf(`
model: %q
steps: 8
batch-size: 4
max-source-length: 16
max-target-length: 3
eval-every: 4
save-every: 3
seeds: [1, 2]
search: {steps: 4, seeds: [1]}
tasks:
- {task: sst2, train: %q, dev: %q, test: %q}
methods:
- full
- {method: dept, prompt-length: 5, rank: 3, lr-prompt: [0.3, 1]}
%[5]s`, at("model"), at("train.tsv"), at("dev.tsv"), at("test.tsv"), more)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o666))
	return path
}

// TestCompare kills a comparison with two workers, which goes on to the tables, tests and plots that
// one of a worker comes to without a stop.
func TestCompare(t *testing.T) {
	t.Parallel()
	require.NoError(t, os.WriteFile(at("test.tsv"), []byte(reviews(24, 3)), 0o666))
	suite := suiteFile(t, "")
	whole, parts := filepath.Join(t.TempDir(), "whole"), filepath.Join(t.TempDir(), "parts")
	r := succeed(t, "compare", suite, "--out", whole)
	for _, want := range []string{"plan       6 trials, about ", " on 1 worker, ", "(6 of 6, none left)", "Every method against full, paired by seed"} {
		require.Contains(t, r.stdout, want)
	}
	require.Empty(t, r.stderr)

	// Killed when the first trial has ended: the workers save and end by themselves.
	cmd := exec.Command(program, "compare", suite, "--out", parts, "--workers", "2")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	require.NoError(t, cmd.Start())
	results := func() []string {
		list, err := filepath.Glob(filepath.Join(parts, "*", "*", "*", "*", compare.ResultFile))
		require.NoError(t, err)
		return list
	}
	for len(results()) == 0 {
		require.Nil(t, cmd.ProcessState, said.String())
		time.Sleep(20 * time.Millisecond)
	}
	require.NoError(t, cmd.Process.Kill())
	cmd.Wait()
	require.NotContains(t, said.String(), "none left")
	before := map[string][]byte{}
	for _, path := range results() {
		before[path] = readFile(t, path)
	}
	r = succeed(t, "compare", suite, "--out", parts, "--workers", "2")
	require.Contains(t, r.stdout, "that have ended, ")
	for path, content := range before {
		require.Equal(t, string(content), string(readFile(t, path)), "a trial that had ended is not made again")
	}
	for _, name := range comparedFiles {
		require.Equal(t, string(readFile(t, whole, name)), string(readFile(t, parts, name)), name)
	}

	// Every trial is a run as dept train makes it, this one after others of full fine-tuning, whose
	// weights are not the checkpoint's any more.
	chosen := "lr-prompt=0.3"
	if !strings.Contains(string(readFile(t, whole, "table.csv")), chosen) {
		chosen = "lr-prompt=1"
	}
	full := filepath.Join(whole, "sst2", "full", "seed-1")
	trial := filepath.Join(whole, "sst2", "dept", chosen, "seed-1")
	var begun struct{ Args []string }
	require.NoError(t, json.Unmarshal(readFile(t, trial, compare.TrialFile), &begun))
	require.Contains(t, succeed(t, append([]string{"train", "--out", trial, "--resume"}, begun.Args...)...).stdout, "nothing is left to do")
	alone := filepath.Join(t.TempDir(), "alone")
	succeed(t, append([]string{"train", "--out", alone}, begun.Args...)...)
	require.Equal(t, readFile(t, trial, dept.AdapterWeightsFile), readFile(t, alone, dept.AdapterWeightsFile))
	require.Equal(t, timeless(readLog(t, trial)), timeless(readLog(t, alone)))
	// And its score is what dept eval says of it.
	for _, args := range [][]string{
		{trial, "--model", at("model"), "--adapter", trial},
		{full, "--model", full},
	} {
		var result compare.Result
		require.NoError(t, json.Unmarshal(readFile(t, args[0], compare.ResultFile), &result))
		args = append(args[1:], "--data", at("test.tsv"), "--task", "sst2", "--json", "--max-target-length", "3", "--max-source-length", "16")
		var v train.Evaluation
		require.NoError(t, json.Unmarshal([]byte(succeed(t, append([]string{"eval"}, args...)...).stdout), &v))
		require.Equal(t, v.Metrics[result.Metric], result.Score())
		require.Equal(t, 24, result.TestRows)
	}

	// With all trials there, nothing is begun.
	r = succeed(t, "compare", suite, "--out", whole)
	require.NotContains(t, r.stdout, "plan")
	require.Contains(t, r.stdout, string(readFile(t, whole, "table.txt")))
	require.Contains(t, succeed(t, "compare", suite, "--out", whole, "--plan").stdout, "nothing is left to do")
	require.Contains(t, fail(t, exitError, "compare", suite, "--out", whole, "--batch-size", "5"), "was begun with --batch-size=4, and this is one with --batch-size=5")
}

func TestComparePlan(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "out")
	args := []string{
		"compare", "--model", at("model"), "--out", out, "--steps", "1000", "--batch-size", "4", "--max-source-length", "16", "--max-target-length", "3", "--seeds", "1,2,3", "--plan",
		"--task", "sst2 train=" + at("train.tsv") + " dev=" + at("dev.tsv"), "--method", "dept prompt-length=5 rank=3 lr-prompt=0.3,1", "--method", "pt prompt-length=5",
	}
	r := succeed(t, args...)
	require.Contains(t, r.stdout, "measuring  what 2 trials of 9 take\nplan       9 trials, about ")
	entries, err := os.ReadDir(out)
	require.NoError(t, err)
	require.Empty(t, entries, "a plan trains nothing")
}

// TestCompareFewRows draws other rows for each seed, of which dev and test are the authors' halves.
func TestCompareFewRows(t *testing.T) {
	t.Parallel()
	out, rows := filepath.Join(t.TempDir(), "out"), filepath.Join(t.TempDir(), "cola.tsv")
	var text strings.Builder
	for i := range 24 {
		fmt.Fprintf(&text, "gj04\t%d\t\ta good film %d\n", i%2, i)
	}
	require.NoError(t, os.WriteFile(rows, []byte(text.String()), 0o666))
	succeed(t, "compare", "--model", at("model"), "--out", out, "--preset", "dept-paper", "--scale-steps", "0.0001", "--seeds", "1,2", "--batch-size", "4", "--shots", "8",
		"--max-source-length", "16", "--max-target-length", "3", "--task", "cola train="+rows+" dev="+rows+" test="+rows, "--method", "dept prompt-length=5 rank=3")
	var results [2]compare.Result
	for i := range results {
		require.NoError(t, json.Unmarshal(readFile(t, out, "cola", "dept", "lr-prompt=0.3,lr-lowrank=5e-4", fmt.Sprintf("seed-%d", i+1), compare.ResultFile), &results[i]))
		require.Equal(t, 4, results[i].Steps)
		require.Equal(t, 12, results[i].DevRows)
		require.Equal(t, 12, results[i].TestRows)
	}
	require.NotEqual(t, results[0].TrainData, results[1].TrainData)
	require.Contains(t, string(readFile(t, out, "table.txt")), "shots 8, max-source-length 16")
}

// TestSecondTrialStarts has a worker measure two trials of a shape: the device, the model and the kernels
// are there for the second.
func TestSecondTrialStarts(t *testing.T) {
	t.Parallel()
	const dir = "sst2/pt/seed-"
	cmd := exec.Command(program, "compare", "--model", at("model"), "--out", t.TempDir(), "--batch-size", "4", "--max-source-length", "16", "--max-target-length", "3", "--seeds", "1,2",
		"--task", "sst2 train="+at("train.tsv")+" dev="+at("dev.tsv"), "--method", "pt prompt-length=5", "--worker")
	orders, err := cmd.StdinPipe()
	require.NoError(t, err)
	said, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var starts []float64
	for events := json.NewDecoder(said); len(starts) < 2; {
		fmt.Fprintf(orders, "%s %s%d\n", orderMeasure, dir, len(starts)+1)
		var e event
		require.NoError(t, events.Decode(&e))
		require.NotNil(t, e.Measured, e)
		starts = append(starts, e.Measured.Start)
	}
	require.NoError(t, orders.Close())
	require.NoError(t, cmd.Wait())
	t.Logf("%.3f s and then %.3f s, 1/%.0f", starts[0], starts[1], starts[0]/starts[1])
	require.Less(t, starts[1], starts[0]/5) // it is a twentieth where nothing else runs
}

func TestCompareRefuses(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "out")
	task := "sst2 train=" + at("train.tsv") + " dev=" + at("dev.tsv")
	suite := suiteFile(t, "stepps: 4\n")
	for _, c := range []struct {
		want string
		code int
		args []string
	}{
		{suite + ": line 16: there is no setting stepps; the nearest is --steps", exitUsage, []string{suite, "--out", out}},
		{"--out is missing", exitUsage, []string{suiteFile(t, "")}},
		{"--method 'pt prompt-length=x': --prompt-length \"x\": it must be a whole number", exitUsage, []string{"--out", out, "--model", at("model"), "--task", task, "--method", "pt prompt-length=x"}},
		{"neither the first word", exitUsage, []string{"--out", out, "--model", at("model"), "--task", task, "--method", "pt long"}},
		{"trial sst2/pt/seed-42: --prompt-length 0: ", exitUsage, []string{"--out", out, "--model", at("model"), "--task", task, "--method", "pt prompt-length=0"}},
		{"--workers 0", exitUsage, []string{"--out", out, "--model", at("model"), "--task", task, "--method", "pt", "--workers", "0"}},
		{"there is no setting dev", exitUsage, []string{"--out", out, "--model", at("model"), "--task", "sst2 train=" + at("train.tsv"), "--method", "pt"}},
		{"for task sst2: leave out --dev", exitUsage, []string{"--out", out, "--model", at("model"), "--task", task, "--method", "pt", "--preset", "dept-paper"}},
		{"its test rows are its dev rows", exitUsage, []string{"--out", out, "--model", at("model"), "--task", task + " test=" + at("dev.tsv"), "--method", "pt"}},
		{"wrong.tsv", exitError, []string{"--out", out, "--model", at("model"), "--task", "sst2 train=" + at("wrong.tsv") + " dev=" + at("dev.tsv"), "--method", "pt", "--workers", "2"}},
	} {
		require.Contains(t, fail(t, c.code, append([]string{"compare"}, c.args...)...), c.want)
	}
}

// A worker whose driver keeps memory ends before that is much.
func TestFull(t *testing.T) {
	t.Parallel()
	w := &compareWorker{}
	require.False(t, w.full(3<<30), "its first trial")
	require.False(t, w.full(7<<30))
	require.True(t, w.full(7<<30+1))
	require.False(t, (&compareWorker{}).full(memoryUsed()))
	if runtime.GOOS == "linux" {
		require.Positive(t, memoryUsed())
	}
}
