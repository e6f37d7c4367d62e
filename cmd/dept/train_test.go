package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/metrics"
)

func TestTrainEvaluatePredict(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "run")
	r := succeed(t, trainArgs(out, "--dev", at("dev.tsv"), "--eval-every", "3", "--max-source-length", "10")...)
	for _, want := range []string{
		"device     ", "dept: P [5, 64], A [10, 3], B [3, 64], scale 4.619 (lora_alpha 8 / √3), from text, lr 0.3 and 0.0005", "542 of", "64 rows, task sst2", "20 rows, best by accuracy",
		"evaluation after step 0", "step 1/6  loss ", "evaluation after step 3", "evaluation after step 6",
		"rows longer than 10 source", "done       6 steps",
	} {
		assert.Contains(t, r.stdout, want)
	}
	assert.Empty(t, r.stderr)

	var steps, evaluations []int
	for _, l := range readLog(t, out) {
		if l.Metrics != nil {
			evaluations = append(evaluations, l.Step)
			assert.Contains(t, l.Metrics, metrics.Accuracy)
			continue
		}
		steps = append(steps, l.Step)
		require.NotNil(t, l.Loss)
		assert.Greater(t, *l.Loss, 0.0)
		assert.Greater(t, *l.GradNorm, 0.0)
		assert.Greater(t, *l.Tokens, 0)
		assert.GreaterOrEqual(t, *l.Seconds, 0.0)
		factor := []float64{0, 0.5, 1, 0.75, 0.5, 0.25}[l.Step-1]
		assert.InDelta(t, 0.3*factor, *l.LRPrompt, 1e-12)
		assert.InDelta(t, 5e-4*factor, *l.LRLowRank, 1e-12)
	}
	assert.Equal(t, []int{1, 2, 3, 4, 5, 6}, steps)
	assert.Equal(t, []int{0, 3, 6}, evaluations)

	r = succeed(t, "eval", "--model", at("model"), "--adapter", out, "--data", at("dev.tsv"), "--task", "sst2", "--json")
	var v struct {
		Metrics   map[string]float64
		Rows      int
		Cut       int
		Confusion struct {
			Labels []string
			Counts [][]int
		}
	}
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &v))
	assert.Equal(t, 20, v.Rows)
	assert.Greater(t, v.Cut, 0)
	assert.Contains(t, v.Metrics, "accuracy")
	assert.Equal(t, []string{"0", "1"}, v.Confusion.Labels)
	rows := 0
	for _, counts := range v.Confusion.Counts {
		assert.Len(t, counts, 3)
		for _, n := range counts {
			rows += n
		}
	}
	assert.Equal(t, 20, rows)
	assert.Contains(t, succeed(t, "eval", "--model", at("model"), "--adapter", out, "--data", at("dev.tsv"), "--task", "sst2").stdout, "1 positive")

	// The same rows from a file and from standard input.
	args := []string{"predict", "--model", at("model"), "--adapter", out, "--task", "sst2", "--json", "--max-target-length", "4"}
	fromFile := succeed(t, append(args, "--data", at("texts.txt"))...)
	fromInput := runInput(t, string(readFile(t, at("texts.txt"))), args...)
	assert.Equal(t, fromFile.stdout, fromInput.stdout)
	lines := strings.Split(strings.TrimSpace(fromFile.stdout), "\n")
	require.Len(t, lines, 2)
	for i, source := range []string{"sentence: a good film", "sentence: a bad film"} {
		var p prediction
		require.NoError(t, json.Unmarshal([]byte(lines[i]), &p))
		assert.Equal(t, source, p.Source)
		require.Len(t, p.Scores, 2)
		assert.Less(t, p.Scores["0"], 0.0)
		assert.Less(t, p.Scores["1"], 0.0)
	}
	beams := succeed(t, "predict", "--model", at("model"), "--adapter", out, "--data", at("texts.txt"), "--beams", "3", "--max-target-length", "4")
	assert.Len(t, strings.Split(strings.TrimSuffix(beams.stdout, "\n"), "\n"), 2)
}

func TestPredictAnswersWhileInputIsOpen(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(program, "predict", "--model", at("model"), "--max-target-length", "3")
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(stdout)
	for _, text := range []string{"a good film\n", "a bad film\n"} {
		_, err = stdin.Write([]byte(text))
		require.NoError(t, err)
		require.True(t, lines.Scan(), "an answer before the next line is typed")
	}
	require.NoError(t, stdin.Close())
	assert.False(t, lines.Scan())
	require.NoError(t, cmd.Wait())
}

// TestResume stops a run with Ctrl-C, goes on with the command that it prints,
// and compares with a run that was never stopped.
func TestResume(t *testing.T) {
	t.Parallel()
	// TestResumeIsExact has all methods.
	for _, k := range []*dept.Kind{&dept.DePT, &dept.LoRA, &dept.Bottleneck, &dept.Full} {
		t.Run(k.Name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			whole, parts := filepath.Join(dir, "whole"), filepath.Join(dir, "in parts")
			more := []string{"--steps", "40", "--dev", at("dev.tsv"), "--eval-every", "15", "--max-target-length", "3"}
			switch k {
			case &dept.DePT:
				more = append(more, "--accumulate", "2", "--save-every", "7")
			case &dept.LoRA:
				more = append(more, "--lora-dropout", "0.2", "--use-dora")
			}
			args := func(out string) []string { return append(methodArgs(k, out, more...), "--overwrite") }
			succeed(t, args(whole)...)

			said := interrupt(t, "step 4/", args(parts)...)
			_, command, found := strings.Cut(lastLine(said), "go on with: ")
			require.True(t, found, said)
			stopped := readLog(t, parts)
			require.Less(t, stopped[len(stopped)-1].Step, 40)

			again, err := exec.Command("sh", "-c", command).CombinedOutput()
			require.NoError(t, err, string(again))
			assert.Contains(t, string(again), "resumed    after step")
			files := []string{dept.AdapterConfigFile, k.WeightsFile()}
			if k.Checkpoints() {
				files = []string{"config.json", "model.safetensors"}
			}
			for _, name := range files {
				assert.Equal(t, readFile(t, whole, name), readFile(t, parts, name), "%s differs", name)
			}
			assert.Equal(t, timeless(readLog(t, whole)), timeless(readLog(t, parts)))

			// A finished run has nothing left to do.
			finished := succeed(t, append(dropSwitch(args(parts), "--overwrite"), "--resume")...)
			assert.Contains(t, finished.stdout, "done       40 steps")
			if k == &dept.Bottleneck {
				line := fail(t, exitError, append(dropSwitch(args(parts), "--overwrite"), "--resume", "--placement", "houlsby")...)
				assert.Contains(t, line, "the run began with another --placement")
				line = fail(t, exitError, append(dropSwitch(args(parts), "--overwrite"), "--resume", "--reduction", "5")...)
				assert.Contains(t, line, "the run began with --reduction 16, and this is 5")
			}
			// Another setting is another run.
			line := fail(t, exitError, append(dropSwitch(args(parts), "--overwrite"), "--resume", "--seed", "7")...)
			assert.Contains(t, line, "the run began with --seed 42, and this is 7: go on with the settings and data")
		})
	}
}

// drop takes a flag and its value out of a command line.
func drop(args []string, flag string) (rest []string) {
	for i := 0; i < len(args); i++ {
		if args[i] == flag {
			i++
			continue
		}
		rest = append(rest, args[i])
	}
	return rest
}

// dropSwitch takes a flag without a value out.
func dropSwitch(args []string, flag string) (rest []string) {
	for _, arg := range args {
		if arg != flag {
			rest = append(rest, arg)
		}
	}
	return rest
}

func timeless(lines []logLine) []logLine {
	for i := range lines {
		lines[i].Seconds = nil
	}
	return lines
}

// TestKilled kills a run that saves after every step, at any moment: its folder
// opens every time.
func TestKilled(t *testing.T) {
	t.Parallel()
	for _, k := range []*dept.Kind{&dept.DePT, &dept.Bottleneck, &dept.Full} { // each has files of its own
		t.Run(k.Name, func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(t.TempDir(), "run")
			args := methodArgs(k, out, "--steps", "100000", "--save-every", "1", "--overwrite")
			for range 2 {
				cmd := exec.Command(program, args...)
				stdout, err := cmd.StdoutPipe()
				require.NoError(t, err)
				require.NoError(t, cmd.Start())
				lines := bufio.NewScanner(stdout)
				for lines.Scan() && !strings.HasPrefix(lines.Text(), "step ") {
				}
				time.Sleep(time.Duration(rand.IntN(200_000)) * time.Microsecond)
				require.NoError(t, cmd.Process.Kill())
				require.Error(t, cmd.Wait())
				succeed(t, "inspect", out)
			}
			// What was half written goes when the run goes on.
			line := fail(t, exitUsage, trainArgs(out)...)
			assert.Contains(t, line, "--resume")
		})
	}
}

func TestStepZeroOfDePTEqualsPromptTuning(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var losses []float64
	for _, k := range []*dept.Kind{&dept.DePT, &dept.PromptTuning} {
		out := filepath.Join(dir, k.Name)
		succeed(t, methodArgs(k, out, "--steps", "1")...)
		losses = append(losses, *readLog(t, out)[0].Loss)
	}
	assert.Equal(t, losses[0], losses[1])
}

func TestFullWritesACheckpoint(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	full := filepath.Join(dir, "full")
	succeed(t, methodArgs(&dept.Full, full, "--lr", "3e-3")...)
	for _, name := range []string{"config.json", "model.safetensors", "tokenizer.json", "log.jsonl"} {
		assert.FileExists(t, filepath.Join(full, name))
	}
	assert.NotEqual(t, readFile(t, at("model"), "model.safetensors"), readFile(t, full, "model.safetensors"))
	succeed(t, "eval", "--model", full, "--data", at("dev.tsv"), "--task", "sst2")
	succeed(t, trainArgs(filepath.Join(dir, "on top"), "--model", full)...)

	// Its folder can become another run's, with nothing of it left to confuse.
	succeed(t, trainArgs(full, "--overwrite")...)
	assert.NoFileExists(t, filepath.Join(full, "model.safetensors"))
	assert.Contains(t, succeed(t, "inspect", full).stdout, "Decomposed prompt tuning")
}

func TestInit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, second := filepath.Join(dir, "first"), filepath.Join(dir, "second")
	succeed(t, trainArgs(first, "--scale", "paper")...)
	succeed(t, drop(drop(drop(trainArgs(second, "--init", first), "--prompt-length"), "--rank"), "--max-source-length")...)
	inspected := succeed(t, "inspect", second).stdout
	assert.Contains(t, inspected, "prompt-length 5, rank 3, shift position, scale paper, max-source-length 16")
	assert.Contains(t, inspected, "scale 1 ")

	third := filepath.Join(dir, "third")
	assert.Contains(t, fail(t, exitUsage, trainArgs(third, "--init", first, "--rank", "2")...), "--rank 2: the adapter in "+first+" has 3")
	assert.Contains(t, fail(t, exitUsage, trainArgs(third, "--init", first, "--scale", "code")...), "--scale code: the adapter in "+first+" has paper")
	assert.Contains(t, fail(t, exitUsage, trainArgs(third, "--init", first, "--max-source-length", "12")...), "--max-source-length 12: the adapter has 16")
	assert.Contains(t, fail(t, exitUsage, trainArgs(third, "--init", first, "--prompt-init", "vocab")...), "--prompt-init vocab: training starts from the adapter")
	assert.Contains(t, fail(t, exitUsage, methodArgs(&dept.PromptTuning, third, "--init", first)...), "--method dept")
	assert.Contains(t, fail(t, exitUsage, trainArgs(first, "--init", first, "--overwrite")...), "the folder of --init")
}

func TestTextToText(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	args := drop(trainArgs(dir, "--train", at("echo.jsonl"), "--dev", at("echo.jsonl")), "--task")
	assert.Contains(t, succeed(t, args...).stdout, "exact_match")
	succeed(t, "eval", "--model", at("model"), "--adapter", dir, "--data", at("echo.jsonl"))
	named := drop(trainArgs(filepath.Join(dir, "named"), "--source-column", "sentence", "--target-column", "label"), "--task")
	succeed(t, named...)
}

func TestDryRunWritesNothing(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "run")
	r := succeed(t, trainArgs(out, "--dry-run")...)
	for _, want := range []string{"560 of", "6; 16 an epoch", "weights", "activations", "gradients and moments", "A [16, 3]"} {
		assert.Contains(t, r.stdout, want)
	}
	// It says what recomputing would take, which is what that takes.
	recomputed := regexp.MustCompile(`\(planned; (.+) with --recompute\)`).FindStringSubmatch(r.stdout)
	require.NotNil(t, recomputed, r.stdout)
	assert.Contains(t, succeed(t, trainArgs(out, "--dry-run", "--recompute")...).stdout, recomputed[1]+" activations (planned),")
	assert.NoDirExists(t, out)
}

// TestLossThatIsNotFinite drives P, A and B, or all weights, so far out that the
// loss overflows. What the folder then holds still answers with finite scores. The
// factors of (IA)³ cannot overflow it: a norm brings a sublayer of any size to nothing.
func TestLossThatIsNotFinite(t *testing.T) {
	t.Parallel()
	tooFast := []string{"--clip", "0", "--warmup-steps", "0", "--steps", "50"}
	for name, run := range map[string]struct {
		kind *dept.Kind
		more []string
	}{
		"dept":     {&dept.DePT, []string{"--lr-prompt", "1e37", "--lr-lowrank", "1e37"}},
		"dept dev": {&dept.DePT, []string{"--lr-prompt", "1e37", "--lr-lowrank", "1e37", "--dev", at("dev.tsv")}},
		"lora":     {&dept.LoRA, []string{"--lr", "1e37"}},
		"full":     {&dept.Full, []string{"--lr", "1e37"}},
	} {
		t.Run(name, func(t *testing.T) {
			out, product := filepath.Join(t.TempDir(), "run"), "adapter"
			if run.kind.Checkpoints() {
				product = "checkpoint"
			}
			line := fail(t, exitError, methodArgs(run.kind, out, append(run.more, tooFast...)...)...)
			assert.Regexp(t, `step \d+: loss`, line)
			assert.Contains(t, line, "not a finite number")
			assert.Contains(t, line, "last good "+product)
			succeed(t, "inspect", out)
			succeed(t, readArgs(run.kind, "predict", out, "--json")...)
		})
	}
}

func TestOutIsNotOverwritten(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "run")
	assert.Contains(t, fail(t, exitUsage, trainArgs(out, "--resume")...), "holds no run")
	succeed(t, trainArgs(out)...)
	before := readFile(t, out, "adapter_model.safetensors")
	line := fail(t, exitUsage, trainArgs(out)...)
	assert.Contains(t, line, "--resume")
	assert.Contains(t, line, "--overwrite")
	assert.Equal(t, before, readFile(t, out, "adapter_model.safetensors"))
	assert.Contains(t, fail(t, exitUsage, trainArgs(at("model"), "--overwrite")...), "the folder of --model")
	assert.Contains(t, fail(t, exitUsage, trainArgs(at("other"), "--overwrite")...), "no run of dept train made")
	succeed(t, trainArgs(out, "--overwrite", "--seed", "3")...)
	assert.NotEqual(t, before, readFile(t, out, "adapter_model.safetensors"))
}

func TestAnotherBaseModel(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "run")
	succeed(t, trainArgs(out)...)
	eval := func(model string) []string {
		return []string{"eval", "--model", at(model), "--adapter", out, "--data", at("dev.tsv"), "--task", "sst2"}
	}
	assert.Empty(t, succeed(t, eval("model")...).stderr)
	assert.Contains(t, succeed(t, eval("other")...).stderr, "warning: "+out+": the adapter was trained on another model")
	line := fail(t, exitError, eval("wider")...)
	assert.Contains(t, line, "width 64")
	assert.Contains(t, line, "width is 80")
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "run")
	broken := t.TempDir()
	require.NoError(t, os.CopyFS(broken, os.DirFS(at("model"))))
	weights := readFile(t, broken, "model.safetensors")
	require.NoError(t, os.WriteFile(filepath.Join(broken, "model.safetensors"), weights[:len(weights)-100], 0o666))
	bare := t.TempDir()
	require.NoError(t, os.CopyFS(bare, os.DirFS(at("model"))))
	require.NoError(t, os.Remove(filepath.Join(bare, "tokenizer.json")))
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"--train", at("wrong.tsv")}, []string{"wrong.tsv:3", "maybe", "positive"}},
		{[]string{"--train", at("empty.tsv")}, []string{"empty.tsv", "no rows"}},
		{[]string{"--train", at("columns.tsv")}, []string{"columns.tsv:1", "sentence", "review"}},
		{[]string{"--train", at("missing.tsv")}, []string{"missing.tsv"}},
		{[]string{"--dev", at("wrong.tsv")}, []string{"wrong.tsv:3"}},
		{[]string{"--model", at("missing")}, []string{"missing"}},
		{[]string{"--model", broken}, []string{"model.safetensors"}},
		{[]string{"--model", bare}, []string{"tokenizer.json", "spiece.model"}},
		{[]string{"--device", "no such adapter"}, []string{"no such adapter", "this machine has"}},
		// Without reading the rows: the file is not there.
		{[]string{"--batch-size", "100000000", "--train", at("missing.tsv")}, []string{"max", "--batch-size", "fits"}},
		{[]string{"--batch-size", "100000000", "--max-source-length", "30000", "--train", at("missing.tsv")}, []string{"max", "fits"}},
		{[]string{"--batch-size", "1", "--max-target-length", "2000000000", "--train", at("missing.tsv")}, []string{"max", "even one row does not fit, but --batch-size 1 --max-target-length"}},
	} {
		line := fail(t, exitError, trainArgs(out, c.args...)...)
		for _, want := range c.want {
			assert.Contains(t, line, want)
		}
	}
	assert.NoDirExists(t, out)
}

// P alone and A·B alone are runs like any other, and what they make is used like any other.
func TestPartsAlone(t *testing.T) {
	for _, c := range []struct {
		zero, method, header, trained string
	}{
		{"--prompt-length", "dept", "dept: A [16, 3], B [3, 64], scale 4.619 (lora_alpha 8 / √3), lr 0.0005", "240 of"},
		{"--rank", "pt", "dept: P [5, 64], from text, lr 0.3", "320 of"},
	} {
		out := filepath.Join(t.TempDir(), "run")
		assert.Contains(t, succeed(t, trainArgs(out, c.zero, "0", "--dry-run")...).stdout, c.header)
		r := succeed(t, trainArgs(out, c.zero, "0", "--dev", at("dev.tsv"))...)
		assert.Contains(t, r.stdout, c.header)
		assert.Contains(t, r.stdout, c.trained)
		assert.Empty(t, r.stderr)
		again := filepath.Join(t.TempDir(), "again")
		succeed(t, "train", "--model", at("model"), "--train", at("train.tsv"), "--task", "sst2", "--method", c.method, "--init", out, "--out", again,
			"--steps", "2", "--batch-size", "4", "--warmup-steps", "1")
		for _, dir := range []string{out, again} {
			assert.Contains(t, succeed(t, "inspect", dir).stdout, c.trained)
			succeed(t, "eval", "--model", at("model"), "--adapter", dir, "--data", at("dev.tsv"), "--task", "sst2")
		}
	}
}

func TestContradictoryFlags(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "run")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--method", "lohra"}, "there are " + strings.Join(dept.Names(), ", ")},
		{[]string{"--task", "nonsense"}, "sst2"},
		{[]string{"--source-column", "x"}, "--task sst2 has columns of its own"},
		{[]string{"--method", "full", "--init", "x"}, "--init x: it is for adapters"},
		{[]string{"--resume", "--overwrite"}, "give one of them"},
		{[]string{"--eval-every", "5"}, "--dev"},
		{[]string{"--steps", "0"}, "--steps 0"},
		{[]string{"--batch-size", "-1"}, "--batch-size -1"},
		{[]string{"--accumulate", "0"}, "--accumulate 0"},
		{[]string{"--rank", "-1"}, "--rank -1"},
		{[]string{"--rank", "5000"}, "A·B is [16, 64]"},
		{[]string{"--prompt-length", "-3"}, "--prompt-length -3"},
		{[]string{"--prompt-length", "1000000"}, "do not fit"},
		{[]string{"--prompt-length", "0", "--rank", "0"}, "nothing to train"},
		{[]string{"--lr-prompt", "NaN"}, "--lr-prompt NaN"},
		{[]string{"--clip", "-1"}, "--clip -1"},
		{[]string{"--dropout", "1"}, "--dropout 1"},
		{[]string{"--scale", "none"}, "there are code, paper"},
		{[]string{"--prompt-init", "zero"}, "there are text, vocab, random"},
		{[]string{"--method", "lora", "--rank", "0"}, "--rank 0: it must be a number from 1"},
		{[]string{"--method", "lora", "--lora-dropout", "1"}, "--lora-dropout 1"},
		{[]string{"--method", "lora", "--lora-alpha", "0"}, "--lora-alpha 0: it must be a positive number"},
		{[]string{"--method", "lora", "--target-modules", ""}, "name the modules that are changed"},
		{[]string{"--method", "lora", "--target-modules", "q,query"}, "no module of the model is named query: there are q, k, v, o, wi_0, wi_1, wo"},
		{[]string{"--method", "ia3", "--feedforward-modules", "wx"}, "--feedforward-modules wx: no module of the model is named wx"},
		{[]string{"--method", "ia3", "--lr", "-1"}, "--lr -1"},
		{[]string{"--nonsense"}, "--nonsense"},
		{[]string{"--steps", "many"}, "many"},
		{[]string{"stray"}, "stray"},
	} {
		line := fail(t, exitUsage, trainArgs(out, c.args...)...)
		assert.Contains(t, line, c.want)
	}
	assert.Contains(t, fail(t, exitUsage, "train"), "required flag")
	assert.Contains(t, fail(t, exitUsage, "trian"), "unknown command")
	assert.Contains(t, fail(t, exitUsage, "predict", "--model", at("model"), "--beams", "0"), "--beams")
	assert.NoDirExists(t, out)
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	r := succeed(t, trainArgs(filepath.Join(t.TempDir(), "run"), "--rank", "17", "--warmup-steps", "500", "--dry-run")...)
	assert.Contains(t, r.stderr, "warning: --rank 17")
	assert.Contains(t, r.stderr, "warning: the rates rise over 500 steps")

	// Methods are compared by changing --method alone.
	for _, k := range dept.Kinds {
		r = succeed(t, trainArgs(filepath.Join(t.TempDir(), "run"), "--method", k.Name, "--lr", "1e-3", "--dry-run")...)
		for _, name := range []string{"lr", "rank", "prompt-length"} {
			warning := fmt.Sprintf("warning: --method %s does not use --%s\n", k.Name, name)
			assert.Equal(t, k.Setting(name) == nil, strings.Contains(r.stderr, warning), warning)
		}
		assert.NotContains(t, r.stderr, "--max-source-length")
	}
}

// Targets that the tokenizer cannot write are named before step 1, and scored as it reads them.
func TestTargetTheTokenizerCannotWrite(t *testing.T) {
	t.Parallel()
	rows, out := filepath.Join(t.TempDir(), "rows.jsonl"), filepath.Join(t.TempDir(), "run")
	require.NoError(t, os.WriteFile(rows, []byte("{\"source\": \"film\", \"target\": \"good\\nfilm\"}\n{\"source\": \"a\", \"target\": \"bad {film}\"}\n"), 0o666))
	warning := "warning: " + rows + `: 2 of 2 targets cannot be written by this tokenizer: \n, {, }; "good\nfilm" is learned and scored as "good film"` + "\n"
	train := []string{"train", "--model", at("model"), "--method", "full", "--lr", "0.01", "--dropout", "0", "--train", rows, "--dev", rows, "--eval-every", "60",
		"--batch-size", "2", "--max-source-length", "8", "--max-target-length", "12", "--warmup-steps", "1", "--steps", "60", "--out", out}
	assert.Equal(t, warning, succeed(t, append(train, "--dry-run")...).stderr)
	assert.Equal(t, warning, succeed(t, train...).stderr)
	r := succeed(t, "eval", "--model", out, "--data", rows)
	assert.Equal(t, warning, r.stderr)
	assert.Contains(t, r.stdout, "exact_match 1.0000")
}
