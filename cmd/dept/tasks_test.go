package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/metrics"
)

// publishedRows is a file of dept/data's tests.
func publishedRows(t *testing.T, name string) string {
	path := filepath.Join("..", "..", "dept", "data", "testdata", "published", name)
	require.FileExists(t, path)
	return path
}

// taskArgs trains for two steps on a file.
func taskArgs(out, rows string, more ...string) []string {
	return append([]string{"train", "--model", at("model"), "--train", rows, "--out", out, "--steps", "2", "--batch-size", "2", "--warmup-steps", "0",
		"--max-source-length", "16", "--prompt-length", "2", "--rank", "2", "--dropout", "0", "--seed", "42"}, more...)
}

// Tasks whose answers are no classes are trained and scored from end to end.
func TestTasksWithoutClasses(t *testing.T) {
	t.Parallel()
	for task, tc := range map[string]struct {
		file    string
		metrics []string
	}{
		"nq":      {"nq.mrqa.jsonl.gz", []string{"target_exact_match", "target_f1", "squad_exact_match", "squad_f1"}},
		"stsb":    {"stsb.glue.tsv", []string{"pearson", "spearmanr", "pearson_rounded", "spearmanr_rounded"}},
		"multirc": {"multirc.superglue.jsonl", []string{"f1", "question_exact_match", "accuracy"}},
	} {
		out, rows := filepath.Join(t.TempDir(), task), publishedRows(t, tc.file)
		trained := succeed(t, taskArgs(out, rows, "--task", task, "--dev", rows)...)
		scored := succeed(t, "eval", "--model", at("model"), "--adapter", out, "--task", task, "--data", rows)
		for _, metric := range tc.metrics {
			require.Contains(t, scored.stdout, metric+" 0.")
			log := readLog(t, out)
			require.Contains(t, log[len(log)-1].Metrics, metrics.Name(metric))
		}
		require.Contains(t, trained.stdout, "best by "+map[string]string{"nq": "target_exact_match", "stsb": "pearson_rounded", "multirc": "f1"}[task])
		succeed(t, "export", "--hub-card", "--adapter", out)
		card := string(readFile(t, out, "README.md"))
		require.Contains(t, card, "and the answer is "+map[string]string{"nq": "free text.", "stsb": "a number from `0.0` to `5.0`.", "multirc": "`0` (false), `1` (true)."}[task])
	}
	require.Contains(t, fail(t, exitUsage, taskArgs(t.TempDir(), publishedRows(t, "nq.mrqa.jsonl.gz"), "--task", "nq", "--answer", "rank")...), "task nq has no classes to rank")
}

// A task of one's own, and words for classes, which the adapter then knows.
func TestOwnTaskAndWords(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	own, out := filepath.Join(dir, "films.yaml"), filepath.Join(dir, "own")
	require.NoError(t, os.WriteFile(own, []byte("name: films\nsource: \"{sentence}\"\ntarget: label\nlabels: [\"0\", \"1\"]\nwords: [bad, good]\nmetrics: [f1, accuracy]\n"), 0o666))
	r := succeed(t, taskArgs(out, at("train.tsv"), "--task", own, "--dev", at("dev.tsv"))...)
	require.Contains(t, r.stdout, "task films")
	require.Contains(t, r.stdout, "best by f1")
	a, err := dept.ReadAdapter(out)
	require.NoError(t, err)
	require.Equal(t, &dept.Answers{Template: "{text}", Labels: []string{"bad", "good"}, Names: []string{"0", "1"}}, a.Answers)
	require.Contains(t, succeed(t, "eval", "--model", at("model"), "--adapter", out, "--task", own, "--data", at("dev.tsv")).stdout, "bad 0")
	succeed(t, "export", "--hub-card", "--adapter", out)

	words := filepath.Join(dir, "words")
	succeed(t, taskArgs(words, at("train.tsv"), "--task", "sst2", "--verbalizer", "bad,good")...)
	require.Contains(t, succeed(t, "eval", "--model", at("model"), "--adapter", words, "--task", "sst2", "--data", at("dev.tsv")).stdout, "bad negative", "eval takes the adapter's words")
	require.Contains(t, fail(t, exitError, taskArgs(words, at("train.tsv"), "--task", "sst2", "--verbalizer", "good,bad", "--resume")...), "the run began with other labels")
	succeed(t, taskArgs(words, at("train.tsv"), "--task", "sst2", "--verbalizer", "bad,good", "--resume")...)

	for want, more := range map[string][]string{
		"--verbalizer gives a task's classes words: give --task":                                              {"--verbalizer", "a,b"},
		"--verbalizer: task sst2 has the classes negative, positive: give 2 words in this order, there are 1": {"--task", "sst2", "--verbalizer", "good"},
		"--verbalizer: task nq has no classes":                                                                {"--task", "nq", "--verbalizer", "a,b"},
		"--task: unknown task \"sst3\"":                                                                       {"--task", "sst3"},
		"none.yaml":                                                                                           {"--task", filepath.Join(dir, "none.yaml")},
	} {
		require.Contains(t, fail(t, exitUsage, taskArgs(filepath.Join(dir, "refused"), at("train.tsv"), more...)...), want)
	}
}

// Few rows, and an adapter of a source task to start from.
func TestFewShotTransfer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	source, out := filepath.Join(dir, "source"), filepath.Join(dir, "target")
	succeed(t, taskArgs(source, at("train.tsv"), "--task", "sst2")...)
	r := succeed(t, taskArgs(out, at("train.tsv"), "--task", "sst2", "--shots", "4", "--init", source)...)
	require.Contains(t, r.stdout, "train.tsv: 4 rows")
	succeed(t, taskArgs(out, at("train.tsv"), "--task", "sst2", "--shots", "4", "--init", source, "--resume")...)
	require.Contains(t, fail(t, exitError, taskArgs(out, at("train.tsv"), "--task", "sst2", "--shots", "6", "--init", source, "--resume")...), "the rows of --train have changed")
	succeed(t, taskArgs(filepath.Join(dir, "theirs"), at("train.tsv"), "--task", "sst2", "--shots", "4", "--shots-draw", "dept", "--dry-run")...)
	require.Contains(t, fail(t, exitError, taskArgs(filepath.Join(dir, "many"), at("train.tsv"), "--task", "sst2", "--shots", "99")...), "--shots 99: 99 rows of 64 cannot be drawn")

	// What transfer needs: the same method, prompt, rank, longest text and width.
	wider := filepath.Join(dir, "wider")
	succeed(t, "init", "--config", at("wider.json"), "--tokenizer", at("tokenizer"), "--out", wider)
	refused := filepath.Join(dir, "refused")
	args := func(more ...string) []string {
		return append([]string{"train", "--model", at("model"), "--train", at("train.tsv"), "--task", "sst2", "--out", refused, "--init", source}, more...)
	}
	for want, more := range map[string][]string{
		"train it on with --method dept":                         {"--method", "pt"},
		"--prompt-length 3: the adapter in " + source + " has 2": {"--prompt-length", "3"},
		"--rank 5: the adapter in " + source + " has 2":          {"--rank", "5"},
		"max-source-length":                                      {"--max-source-length", "17"},
	} {
		require.Contains(t, fail(t, exitUsage, args(more...)...), want)
	}
	narrow := []string{"train", "--model", wider, "--train", at("train.tsv"), "--task", "sst2", "--out", refused, "--init", source}
	require.Contains(t, fail(t, exitError, narrow...), "64")

	for want, more := range map[string][]string{
		"--split own: give official or dept":             {"--split", "own", "--task", "sst2"},
		"--split dept is of a task":                      {"--split", "dept"},
		"task agnews is none of the DePT authors'":       {"--split", "dept", "--task", "agnews"},
		"for task sst2: leave out --dev":                 {"--split", "dept", "--task", "sst2", "--dev", at("dev.tsv")},
		"for task cola: give its file as --dev":          {"--split", "dept", "--task", "cola"},
		"--shots-draw any: give balanced or dept":        {"--shots", "4", "--shots-draw", "any", "--task", "sst2"},
		"--shots draws by a task's classes: give --task": {"--shots", "4"},
	} {
		require.Contains(t, fail(t, exitUsage, taskArgs(refused, at("train.tsv"), more...)...), want)
	}
	require.Contains(t, fail(t, exitError, taskArgs(refused, at("train.tsv"), "--split", "dept", "--task", "sst2")...), "--split dept: the DePT authors take 1000 rows of task sst2")
}

// The authors' halves of a validation set: one to choose by, the other to score.
func TestAuthorsHalves(t *testing.T) {
	t.Parallel()
	out := t.TempDir()
	rows := publishedRows(t, "cola.glue.tsv")
	r := succeed(t, taskArgs(out, rows, "--task", "cola", "--split", "dept", "--dev", rows)...)
	require.Contains(t, r.stdout, "cola.glue.tsv: 1 row, best by matthews_correlation")
	scored := succeed(t, "eval", "--model", at("model"), "--adapter", out, "--task", "cola", "--split", "dept", "--data", rows)
	require.Contains(t, scored.stdout, "rows       2\n")
}
