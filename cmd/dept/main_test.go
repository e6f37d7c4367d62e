package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/metrics"
	"github.com/go-dept/dept/text"
)

// The tests drive the program as its users do. TestMain builds it once, makes a
// small checkpoint with its init command, and writes rows to learn.
var (
	program string // the built binary
	folder  string // the folder with the files below
)

func TestMain(m *testing.M) {
	code, err := prepare(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func prepare(m *testing.M) (int, error) {
	var err error
	if folder, err = os.MkdirTemp("", "dept-test"); err != nil {
		return 0, err
	}
	defer os.RemoveAll(folder)
	if program = os.Getenv("DEPT_PROGRAM"); program == "" { // it is there where Go is not
		program = filepath.Join(folder, "dept.exe")
		if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
			return 0, fmt.Errorf("%w: %s", err, out)
		}
	}
	os.Setenv("XDG_CONFIG_HOME", at("settings")) // whatever was measured on this machine stays out
	os.Setenv("HF_HOME", at("huggingface"))      // and whatever was downloaded
	os.Setenv("HF_HUB_OFFLINE", "1")             // no test asks anybody by mistake
	tok, err := text.NewUnigram(testPieces())
	if err != nil {
		return 0, err
	}
	if err := tok.Save(at("tokenizer")); err != nil {
		return 0, err
	}
	for name, text := range map[string]string{
		"config.json": fmt.Sprintf(testConfig, 64, tok.VocabSize()+1),
		"wider.json":  fmt.Sprintf(testConfig, 80, tok.VocabSize()+1),
		"train.tsv":   reviews(64, 1),
		"dev.tsv":     reviews(20, 2),
		"echo.jsonl":  "{\"source\": \"good film\", \"target\": \"good\"}\n{\"source\": \"bad film\", \"target\": \"bad\"}\n",
		"empty.tsv":   "sentence\tlabel\n",
		"wrong.tsv":   "sentence\tlabel\na good film\t1\na bad film\tmaybe\n",
		"columns.tsv": "review\tlabel\na good film\t1\n",
		"texts.txt":   "a good film\na bad film\n",
	} {
		if err := os.WriteFile(at(name), []byte(text), 0o666); err != nil {
			return 0, err
		}
	}
	for name, args := range map[string][]string{
		"model": {"--config", at("config.json"), "--seed", "1"},
		"other": {"--config", at("config.json"), "--seed", "2"},
		"wider": {"--config", at("wider.json")},
	} {
		args = append([]string{"init", "--tokenizer", at("tokenizer"), "--out", at(name)}, args...)
		if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
			return 0, fmt.Errorf("dept %s: %w: %s", strings.Join(args, " "), err, out)
		}
	}
	return m.Run(), nil
}

const testConfig = `{"model_type": "t5", "d_model": %d, "d_kv": 16, "d_ff": 96, "num_heads": 4, "num_layers": 2, "vocab_size": %d, "feed_forward_proj": "gated-gelu"}`

func testPieces() []text.Piece {
	var pieces []text.Piece
	for _, word := range strings.Fields("▁sentence: ▁a ▁good ▁bad ▁film ▁very ▁0 ▁1") {
		pieces = append(pieces, text.Piece{Text: word, Score: -3})
	}
	for _, letter := range strings.Split("▁abcdefghijklmnopqrstuvwxyz0123456789.,:'", "") {
		pieces = append(pieces, text.Piece{Text: letter, Score: -8})
	}
	return pieces
}

// reviews are rows of SST-2's form.
func reviews(n int, seed uint64) string {
	random := rand.New(rand.NewPCG(seed, 0))
	var b strings.Builder
	b.WriteString("sentence\tlabel\n")
	for range n {
		label := random.IntN(2)
		fmt.Fprintf(&b, "a %s%s film\t%d\n", strings.Repeat("very ", random.IntN(12)), []string{"bad", "good"}[label], label)
	}
	return b.String()
}

// at is a path in the tests' folder.
func at(name string) string { return filepath.Join(folder, name) }

// result is what a command came to.
type result struct {
	stdout, stderr string
	code           int
}

// runDept runs the program.
func runDept(t *testing.T, args ...string) result {
	t.Helper()
	return runInput(t, "", args...)
}

func runInput(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		require.IsType(t, &exec.ExitError{}, err)
	}
	r := result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
	assert.NotContains(t, r.stderr, "goroutine ", "a panic reached the user")
	assert.NotContains(t, r.stdout+r.stderr, "\x1b", "escape codes in a pipe")
	return r
}

// succeed runs the program, which must succeed.
func succeed(t *testing.T, args ...string) result {
	t.Helper()
	r := runDept(t, args...)
	require.Zero(t, r.code, "dept %s: %s", strings.Join(args, " "), r.stderr)
	return r
}

// fail runs the program, which must end in an error of one line.
func fail(t *testing.T, code int, args ...string) string {
	t.Helper()
	r := runDept(t, args...)
	require.Equal(t, code, r.code, "dept %s: %s", strings.Join(args, " "), r.stderr)
	line := lastLine(r.stderr)
	assert.True(t, strings.HasPrefix(line, "dept: "), line)
	return line
}

// interrupt runs the program and presses Ctrl-C when a line begins so. It returns
// what was said on standard error.
func interrupt(t *testing.T, line string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), line) {
			require.NoError(t, cmd.Process.Signal(os.Interrupt))
		}
	}
	require.Error(t, cmd.Wait())
	require.Equal(t, exitInterrupted, cmd.ProcessState.ExitCode(), stderr.String())
	return stderr.String()
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// smallSettings are those of the methods that suit the tests' small model.
var smallSettings = map[string]string{"prompt-length": "5", "rank": "3", "bottleneck": "6", "prefix-length": "3"}

// trainArgs is the command line of a short training run with DePT; later flags win.
func trainArgs(out string, more ...string) []string { return methodArgs(&dept.DePT, out, more...) }

// methodArgs is trainArgs for any method.
func methodArgs(k *dept.Kind, out string, more ...string) []string {
	args := []string{
		"train", "--model", at("model"), "--train", at("train.tsv"), "--task", "sst2", "--out", out, "--method", k.Name,
		"--steps", "6", "--batch-size", "4", "--max-source-length", "16", "--warmup-steps", "2",
	}
	for _, s := range k.Settings {
		if value, ok := smallSettings[s.Name]; ok {
			args = append(args, "--"+s.Name, value)
		}
	}
	return append(args, more...)
}

// readArgs is a command that reads what training with a method left in a folder.
func readArgs(k *dept.Kind, command, out string, more ...string) []string {
	args := []string{command, "--model", at("model"), "--adapter", out, "--data", at("dev.tsv"), "--task", "sst2"}
	if k.Checkpoints() {
		args = drop(args, "--adapter")
		args[2] = out
	}
	return append(args, more...)
}

// logLine is any line of log.jsonl.
type logLine struct {
	Step      int
	Loss      *float64
	GradNorm  *float64 `json:"grad_norm"`
	LRPrompt  *float64 `json:"lr_prompt"`
	LRLowRank *float64 `json:"lr_lowrank"`
	LR        *float64
	Tokens    *int
	Seconds   *float64
	Metrics   map[metrics.Name]float64
	Best      bool
}

func readLog(t *testing.T, dir string) []logLine {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "log.jsonl"))
	require.NoError(t, err)
	var lines []logLine
	for line := range strings.Lines(string(text)) {
		var l logLine
		require.NoError(t, json.Unmarshal([]byte(line), &l), line)
		lines = append(lines, l)
	}
	return lines
}

func readFile(t *testing.T, path ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	require.NoError(t, err)
	return b
}
