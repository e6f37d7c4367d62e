package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// dryTrain is train's command line on a file of these rows, up to the first step.
func dryTrain(t *testing.T, name, rows string, more ...string) []string {
	file := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(file, []byte(rows), 0o666))
	return append([]string{"train", "--model", at("model"), "--max-source-length", "8", "--rank", "1", "--batch-size", "2", "--dry-run", "--train", file}, more...)
}

func TestBlankLineOnStdin(t *testing.T) {
	t.Parallel()
	r := runInput(t, "a good film\n\na bad film\n", "predict", "--model", at("model"), "--max-target-length", "3")
	require.Zero(t, r.code, r.stderr)
	assert.Equal(t, 3, strings.Count(r.stdout, "\n"))

	// A bad row of a file is told before the first is answered.
	file := at("late.tsv")
	require.NoError(t, os.WriteFile(file, []byte("text\none\n\ntwo\n"), 0o666))
	r = runDept(t, "predict", "--model", at("model"), "--data", file)
	assert.Empty(t, r.stdout)
	assert.Contains(t, r.stderr, "late.tsv:3: a blank line where a row is expected")
}

func TestColumnsThatAreThere(t *testing.T) {
	t.Parallel()
	assert.Contains(t, fail(t, exitError, dryTrain(t, "null.jsonl", `{"source":"a","target":"b"}`+"\n"+`{"source":"c","target":null}`)...), "null.jsonl:2: target is null")
	assert.Contains(t, succeed(t, dryTrain(t, "caps.csv", "Source,Target\na,b\n")...).stdout, "1 row")
	assert.Contains(t, fail(t, exitError, dryTrain(t, "prompt.jsonl", `{"prompt":"a","completion":"b"}`)...),
		"(columns: completion, prompt): --source-column prompt --target-column completion says which")
	assert.Contains(t, succeed(t, dryTrain(t, "prompt.jsonl", `{"prompt":"a","completion":"b"}`, "--source-column", "prompt", "--target-column", "completion")...).stdout, "1 row")
	nested := `{"source":"a","translation":{"en":"a house","fr":"une maison"}}`
	assert.Contains(t, fail(t, exitError, dryTrain(t, "nested.jsonl", nested, "--target-column", "translation")...),
		"translation is an object, not text: --target-column translation.en says which")
	assert.Contains(t, fail(t, exitError, dryTrain(t, "odd.csv", "source,what\na,b\n")...), `no column "target" or "label" for the target (columns: source, what): --target-column NAME says which`)
}

func TestCSVQuotesAndEnds(t *testing.T) {
	t.Parallel()
	succeed(t, dryTrain(t, "bare.csv", "source,target\nthe 5\" screen,good\n")...)
	succeed(t, dryTrain(t, "nan.jsonl", `{"source":"a","target":"b","score":NaN}`)...)
	succeed(t, dryTrain(t, "mac.csv", "source,target\ra,b\r")...)
	assert.Contains(t, fail(t, exitError, dryTrain(t, "open.csv", "source,target\na,\"b\n")...), "open.csv:2:3: the quote that opens the cell here never closes")
}

func TestJSONArray(t *testing.T) {
	t.Parallel()
	assert.Contains(t, succeed(t, dryTrain(t, "rows.json", "[\n {\"source\": \"a\", \"target\": \"b\"},\n {\"source\": \"c\", \"target\": \"d\"}\n]\n")...).stdout, "2 rows")
}

// Rows come from pipes too, whose names do not say what they are.
func TestRowsOfPipes(t *testing.T) {
	t.Parallel()
	rows := "source\ttarget\na\tb\n"
	train := []string{"train", "--model", at("model"), "--max-source-length", "8", "--rank", "1", "--batch-size", "2", "--dry-run", "--train", "-"}
	r := runInput(t, rows, append(train, "--format", "tsv")...)
	require.Zero(t, r.code, r.stderr)
	assert.Contains(t, r.stdout, "1 row")
	assert.Contains(t, fail(t, exitUsage, train...), "--train -: the name does not say what the rows are: give --format with one of jsonl")
	assert.Contains(t, fail(t, exitUsage, append(train, "--format", "xlsx")...), "--format xlsx: give one of jsonl")
	assert.Contains(t, fail(t, exitUsage, append(train, "--format", "tsv", "--dev", "-")...), "read only once")

	train = train[:len(train)-1]
	assert.Contains(t, fail(t, exitError, append(train, at("nosuch.jsonl"))...), "nosuch.jsonl: there is no such file")
	assert.Contains(t, fail(t, exitError, append(train, "stanfordnlp/sst2")...), "there is no such file; a data set of the hub is named hf:stanfordnlp/sst2")
	assert.Contains(t, fail(t, exitError, append(train, at("model"))...), "it is a folder: give the file in it")

	if _, err := exec.LookPath("bash"); err == nil {
		script := `"$0" predict --model "$1" --max-target-length 3 --format jsonl --data <(printf '{"source": "a"}\n{"source": "b"}\n')`
		out, err := exec.Command("bash", "-c", script, program, at("model")).Output()
		require.NoError(t, err)
		assert.Equal(t, 2, strings.Count(string(out), "\n"))
	}
}
