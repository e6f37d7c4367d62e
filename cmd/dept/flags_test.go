package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
)

func TestFlagsOfOtherTools(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "r")
	for given, want := range map[string]string{
		"--learning-rate 1":               "here that is --lr or --lr-prompt or --lr-lowrank (by the method)",
		"--epochs 3":                      "here that is --steps (updates, of which",
		"--num_train_epochs 3":            "here that is --steps (updates, of which",
		"--per_device_train_batch_size 4": "here that is --batch-size",
		"--output_dir=x":                  "here that is --out",
		"--fp16":                          "here that is --precision (mixed)",
		"--report_to tensorboard":         "here that is --log (tensorboard, ",
		"-r 8":                            "here that is --rank",
		"-model x":                        "two dashes begin its name: --model",
		"--ou x":                          "the nearest is --out",
		"--promt_length 3":                "the nearest is --prompt-length",
		"--batchsize 3":                   "the nearest is --batch-size",
		"--Max-Source-Length 3":           "the nearest is --max-source-length",
		"--shuffle=maybe":                 `--shuffle "maybe": it must be true or false`,
		"--steps many":                    `--steps "many": it must be a whole number`,
		"--steps 99999999999999999999":    `--steps "99999999999999999999": it must be a whole number`,
		"--seed -1":                       `--seed "-1": it must be a whole number from 0`,
		"--lr high":                       `--lr "high": it must be a number`,
		"--precision half":                `--precision: there is no precision "half": give float32 or mixed`,
		"--log wandb":                     "--log wandb: there is tensorboard",
	} {
		line := fail(t, exitUsage, trainArgs(out, strings.Fields(given)...)...)
		require.Contains(t, line, want)
		require.NotContains(t, line, "strconv", "a name of Go's")
	}
	// A name that comes near nothing, and one of a flag that the command has not.
	require.Regexp(t, `^dept: unknown flag: --zzzzz \(dept train --help shows what there is\)$`, fail(t, exitUsage, trainArgs(out, "--zzzzz")...))
	require.Regexp(t, `^dept: unknown flag: --epochs \(`, fail(t, exitUsage, "predict", "--epochs", "3"))
	require.Contains(t, fail(t, exitUsage, "predict", "--model", "x", "--num-beams", "3"), "here that is --beams")
	// Underscores are as good as dashes.
	succeed(t, trainArgs(out, "--dry_run", "--max_source_length", "12", "--lr_prompt=0.1")...)
}

func TestDeviceByKindAndNumber(t *testing.T) {
	t.Parallel()
	listed := succeed(t, "devices").stdout
	require.Regexp(t, `^#1  `, listed)
	out := filepath.Join(t.TempDir(), "r")
	for _, name := range []string{"#1", regexp.MustCompile(`\((cpu|gpu|discrete|integrated)[-,]`).FindStringSubmatch(listed)[1]} {
		succeed(t, trainArgs(out, "--dry-run", "--device", name)...)
	}
	require.Contains(t, fail(t, exitError, trainArgs(out, "--device", "#99")...), "there is no adapter #99; this machine has: #1 ")
}

// The table of other tools' flags names flags that there are, and no name twice.
func TestElsewhere(t *testing.T) {
	root := rootCommand()
	seen := map[string]bool{}
	for _, e := range elsewhere {
		for name := range strings.FieldsSeq(e.names) {
			require.False(t, seen[name], name)
			seen[name] = true
		}
		for flag := range strings.FieldsSeq(e.flags) {
			found := false
			for _, cmd := range root.Commands() {
				found = found || cmd.Flags().Lookup(flag) != nil
			}
			require.True(t, found, flag)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"steps", "steps", 0}, {"setps", "steps", 2}} {
		require.Equal(t, c.want, distance(c.a, c.b), "%s %s", c.a, c.b)
	}
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	require.Contains(t, succeed(t, "--help").stdout, "completion")
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		require.Contains(t, succeed(t, "completion", shell).stdout, "dept")
	}
	for flag, want := range map[string]string{"--method": "ia3\n", "--task": "sst2\n", "--device": "integrated\n", "--precision": "mixed\n", "--log": "tensorboard\n"} {
		require.Contains(t, succeed(t, "__complete", "train", flag, "").stdout, want)
	}
}

// At the end of a short run the speed is still that of the run.
func TestSpeedOfAShortRun(t *testing.T) {
	out := filepath.Join(t.TempDir(), "r")
	r := succeed(t, trainArgs(out, "--steps", "12")...)
	said := regexp.MustCompile(`step 12/12 .* ([\d,]+) tokens/s`).FindStringSubmatch(r.stdout)
	require.NotNil(t, said, r.stdout)
	shown, err := strconv.ParseFloat(strings.ReplaceAll(said[1], ",", ""), 64)
	require.NoError(t, err)
	log, tokens := readLog(t, out), 0
	for _, l := range log {
		tokens += *l.Tokens
	}
	require.Less(t, shown, 2*float64(tokens) / *log[11].Seconds)
}

func TestLogTensorBoard(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "r")
	files := func() []string {
		found, err := filepath.Glob(filepath.Join(out, "events.out.tfevents.*"))
		require.NoError(t, err)
		return found
	}
	succeed(t, trainArgs(out, "--log", "tensorboard", "--dev", at("dev.tsv"), "--max-target-length", "3")...)
	require.Len(t, files(), 1)
	content := string(readFile(t, files()[0]))
	for _, tag := range []string{"train/loss", "train/grad_norm", "train/epoch", "train/learning_rate_prompt", "train/learning_rate_lowrank", "eval/accuracy"} {
		require.Contains(t, content, tag)
	}
	succeed(t, trainArgs(out, "--resume", "--extend", "3", "--log", "tensorboard", "--dev", at("dev.tsv"), "--max-target-length", "3")...)
	require.Len(t, files(), 2)
	succeed(t, methodArgs(&dept.LoRA, out, "--overwrite")...)
	require.Empty(t, files())
	succeed(t, methodArgs(&dept.LoRA, out, "--overwrite", "--log", "tensorboard")...)
	require.Contains(t, string(readFile(t, files()[0])), "train/learning_rate\x15", "the tag alone")
}

func TestProfileWithByteOrderMark(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "profile.json")
	require.NoError(t, os.WriteFile(path, []byte("\ufeff{\"variants\": {}}"), 0o666))
	_, err := readProfile(path)
	require.NoError(t, err)
}
