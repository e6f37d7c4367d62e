//go:build unix

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/internal/runlock"
)

// started is a program that a test lets run.
type started struct {
	*exec.Cmd
	lines  *bufio.Scanner
	stderr bytes.Buffer
}

// start starts a command in a process group of its own, and reads its output up to a
// line that begins so.
func start(t *testing.T, line string, cmd *exec.Cmd) *started {
	t.Helper()
	s := &started{Cmd: cmd}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = &s.stderr
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	s.lines = bufio.NewScanner(stdout)
	for s.lines.Scan() {
		if strings.HasPrefix(s.lines.Text(), line) {
			return s
		}
	}
	require.Fail(t, "the program ended early", "%v: %s", cmd.Wait(), s.stderr.String())
	return nil
}

// wait reads the rest and returns the exit code.
func (s *started) wait() int {
	for s.lines.Scan() {
	}
	s.Wait()
	return s.ProcessState.ExitCode()
}

// dept train … in a shell's pipe.
func pipe(args []string, into string) *exec.Cmd {
	return exec.Command("bash", append([]string{"-c", `"$@" | ` + into + `; exit ${PIPESTATUS[0]}`, "bash", program}, args...)...)
}

// heedSignals lets the programs that a test starts get SIGHUP and SIGINT where the test
// itself runs under nohup or in the background: what is ignored is inherited, and what is
// caught is not.
func heedSignals(t *testing.T) {
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGINT} {
		if signal.Ignored(s) {
			signal.Notify(make(chan os.Signal, 1), s)
			t.Cleanup(func() { signal.Ignore(s) })
		}
	}
}

func TestTwoTrainingsOneOut(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "r")
	first := start(t, "step 1/", exec.Command(program, trainArgs(out, "--steps", "100000")...))
	for _, more := range [][]string{{"--overwrite", "--rank", "2"}, {"--resume", "--steps", "100000"}, nil} {
		line := fail(t, exitError, trainArgs(out, more...)...)
		require.Regexp(t, `dept: a training is running in .*r \(pid \d+, on .+, since .+\)$`, line)
	}
	require.NoError(t, first.Process.Signal(os.Interrupt))
	require.Equal(t, exitInterrupted, first.wait(), first.stderr.String())
	require.NoFileExists(t, filepath.Join(out, runlock.File))
	require.Contains(t, succeed(t, "inspect", out).stdout, "rank 3")

	// Of two that go on at once, one does; and of two that begin at once.
	begin := filepath.Join(t.TempDir(), "runs", "r")
	for _, args := range [][]string{trainArgs(out, "--resume", "--steps", "100000"), trainArgs(begin, "--steps", "100000")} {
		var both [2]*exec.Cmd
		var said [2]bytes.Buffer
		ended := make(chan int, 2)
		for i := range both {
			both[i] = exec.Command(program, args...)
			both[i].Stderr = &said[i]
			require.NoError(t, both[i].Start())
			go func() {
				both[i].Wait()
				ended <- i
			}()
		}
		refused := <-ended
		require.Contains(t, said[refused].String(), "a training is running in")
		require.NoError(t, both[1-refused].Process.Kill())
		require.Equal(t, 1-refused, <-ended)
	}
}

// Where nothing comes of a training, nothing is left of it.
func TestLockLeavesNothing(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "r")
	fail(t, exitError, trainArgs(out, "--train", at("missing.tsv"))...)
	require.NoDirExists(t, out)
	fail(t, exitUsage, trainArgs(out, "--resume")...)
	require.NoDirExists(t, out)
}

func TestCtrlCWithTee(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "r")
	args := trainArgs(out, "--steps", "100000", "--save-every", "0")
	s := start(t, "step 1/", pipe(args, "tee "+filepath.Join(t.TempDir(), "log")))
	require.NoError(t, syscall.Kill(-s.Process.Pid, syscall.SIGINT))
	s.wait()
	// The shell dies of the signal as well: what standard error says is when the
	// program is done with it.
	_, err := os.Stat(filepath.Join(out, train.StateFile))
	require.NoError(t, err)
	require.Contains(t, s.stderr.String(), ", and saved; go on with: ")
	require.Contains(t, succeed(t, append(drop(args, "--steps"), "--resume", "--steps", "100000", "--dry-run")...).stdout, "memory")
}

// A training goes on where nobody reads what it says.
func TestOutputThatNobodyReads(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	whole, cut := filepath.Join(dir, "whole"), filepath.Join(dir, "cut")
	succeed(t, trainArgs(whole)...)
	for _, reader := range []string{"head -1", "true"} {
		cmd := pipe(trainArgs(cut, "--overwrite"), reader)
		said, err := cmd.CombinedOutput()
		require.NoError(t, err, string(said))
		require.Equal(t, 1, strings.Count(string(said), "warning: nothing more can be written to standard output"), string(said))
		require.Equal(t, readFile(t, whole, dept.AdapterWeightsFile), readFile(t, cut, dept.AdapterWeightsFile))
	}
	cmd := exec.Command("bash", append([]string{"-c", `"$@" >&- 2>&-`, "bash", program}, trainArgs(cut, "--overwrite")...)...)
	require.NoError(t, cmd.Run())
	require.Equal(t, readFile(t, whole, dept.AdapterWeightsFile), readFile(t, cut, dept.AdapterWeightsFile))
}

// SIGHUP and SIGTERM save as Ctrl-C does, and may come several times, as they do where
// a terminal is closed.
func TestHangUp(t *testing.T) {
	t.Parallel()
	heedSignals(t)
	for _, sent := range []syscall.Signal{syscall.SIGHUP, syscall.SIGTERM} {
		out := filepath.Join(t.TempDir(), "r")
		s := start(t, "step 1/", exec.Command(program, trainArgs(out, "--steps", "100000")...))
		for _, x := range []syscall.Signal{sent, syscall.SIGHUP, syscall.SIGTERM, syscall.SIGINT} {
			s.Process.Signal(x)
		}
		require.Equal(t, exitInterrupted, s.wait(), s.stderr.String())
		require.Regexp(t, `^dept: stopped after step \d+ of 100000, and saved; go on with: `, s.stderr.String())
	}
	// nohup is for those who do not want that.
	out := filepath.Join(t.TempDir(), "r")
	args := append([]string{"-c", `trap "" HUP; exec "$@"`, "bash", program}, trainArgs(out, "--steps", "40")...)
	s := start(t, "step 1/", exec.Command("bash", args...))
	require.NoError(t, s.Process.Signal(syscall.SIGHUP))
	require.Zero(t, s.wait(), s.stderr.String())
}

// limited is dept train where no file may grow beyond some KiB.
func limited(kib string, args []string) *exec.Cmd {
	return exec.Command("bash", append([]string{"-c", `ulimit -f ` + kib + `; exec "$@"`, "bash", program}, args...)...)
}

// Where the log finds no room, the step at hand is saved; where the state finds none,
// the earlier one stays. Either way the run goes on from there when there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	whole, full := filepath.Join(dir, "whole"), filepath.Join(dir, "full")
	steps := []string{"--steps", "120", "--save-every", "10"}
	succeed(t, trainArgs(whole, steps...)...)

	args := trainArgs(full, steps...)
	said, err := limited("12", args).CombinedOutput()
	require.Error(t, err)
	line := lastLine(string(said))
	require.Regexp(t, `^dept: .*full cannot be written to: write the log: .*; stopped after step (\d+) of 120, of which step (\d+) is saved: make room there, and go on with: .* --resume$`, line)
	_, after, _ := strings.Cut(line, "stopped after step ")
	stopped, _, _ := strings.Cut(after, " ")
	require.Contains(t, line, "of which step "+stopped+" is saved", "only the log had no room")

	require.Contains(t, succeed(t, append(args, "--resume")...).stdout, "resumed    after step "+stopped)
	require.Equal(t, readFile(t, whole, dept.AdapterWeightsFile), readFile(t, full, dept.AdapterWeightsFile))
	require.Equal(t, timeless(readLog(t, whole)), timeless(readLog(t, full)))

	args = trainArgs(full, "--steps", "100000", "--save-every", "10")
	interrupt(t, "step 1/", append(args, "--overwrite")...)
	kept := readFile(t, full, train.StateFile)
	said, err = limited("6", append(args, "--resume")).CombinedOutput()
	require.Error(t, err)
	require.Regexp(t, `^dept: .*full cannot be written to: .*; stopped after step \d+ of 100000, of which step \d+ is saved: `, lastLine(string(said)))
	require.Equal(t, kept, readFile(t, full, train.StateFile))
}

// A run that has ended goes on for a leg more, stopped and resumed inside it or not: to
// the bit.
func TestExtend(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	whole, parts := filepath.Join(dir, "whole"), filepath.Join(dir, "parts")
	args := func(out string, more ...string) []string {
		return trainArgs(out, append([]string{"--dropout", "0.1", "--dev", at("dev.tsv"), "--eval-every", "25", "--max-target-length", "3"}, more...)...)
	}
	succeed(t, args(whole)...)
	succeed(t, args(parts)...)
	again := succeed(t, args(whole, "--resume")...)
	require.Contains(t, again.stdout, "nothing is left to do; --extend N goes on")

	more := []string{"--extend", "60", "--warmup-steps", "4"}
	longer := succeed(t, args(whole, more...)...)
	require.Contains(t, longer.stdout, "resumed    after step 6 of 66")
	require.Contains(t, longer.stdout, "66, the last 60 of them a leg of their own")
	said := interrupt(t, "step 9/", args(parts, more...)...)
	require.Contains(t, fail(t, exitError, args(parts, more...)...), "the run has not ended, it is at step")
	require.Contains(t, fail(t, exitUsage, args(parts, "--resume")...), "--warmup-steps 2: the leg of 60 updates by which the run was extended began with 4")
	_, command, found := strings.Cut(lastLine(said), "go on with: ")
	require.True(t, found, said)
	require.NotContains(t, command, "--extend")
	out, err := exec.Command("sh", "-c", command).CombinedOutput()
	require.NoError(t, err, string(out))
	for _, name := range []string{dept.AdapterConfigFile, dept.AdapterWeightsFile, train.RunFile} {
		require.Equal(t, string(readFile(t, whole, name)), string(readFile(t, parts, name)), name)
	}
	log := timeless(readLog(t, whole))
	require.Equal(t, log, timeless(readLog(t, parts)))

	// The rates rise and fall anew.
	rates := map[int]float64{}
	for _, l := range log {
		if l.Loss != nil {
			rates[l.Step] = *l.LRPrompt
		}
	}
	require.Len(t, rates, 66)
	for step, factor := range map[int]float64{1: 0, 2: 0.5, 3: 1, 6: 0.25, 7: 0, 8: 0.25, 11: 1, 39: 0.5, 66: 1. / 56} {
		require.InDelta(t, 0.3*factor, rates[step], 1e-12, "step %d", step)
	}
	var run struct{ Legs []train.Leg }
	require.NoError(t, json.Unmarshal(readFile(t, whole, train.RunFile), &run))
	require.Equal(t, []train.Leg{{Steps: 6, Warmup: 2}, {Steps: 60, Warmup: 4}}, run.Legs)

	// And again.
	require.Contains(t, succeed(t, args(whole, "--extend", "5", "--warmup-steps", "0")...).stdout, "done       71 steps")
	require.Contains(t, fail(t, exitUsage, args(whole, "--extend", "0")...), "--extend 0")
	require.Contains(t, fail(t, exitUsage, args(whole, "--extend", "5", "--overwrite")...), "give one of them")
	require.Contains(t, fail(t, exitUsage, args(filepath.Join(dir, "none"), "--extend", "5")...), "holds no run")
}

// What is said where a run does not go on as it began.
func TestResumeSaysTooLittle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out, dev, first := filepath.Join(dir, "r"), filepath.Join(dir, "dev"), filepath.Join(dir, "first")
	succeed(t, trainArgs(out)...)
	succeed(t, trainArgs(dev, "--dev", at("dev.tsv"))...)
	succeed(t, trainArgs(first)...)
	changed := filepath.Join(dir, "changed.tsv")
	require.NoError(t, os.WriteFile(changed, []byte(reviews(64, 3)), 0o666))
	untasked := drop(trainArgs(out, "--source-column", "sentence", "--target-column", "label", "--max-target-length", "2"), "--task")
	for _, c := range []struct {
		args []string
		want string
	}{
		{trainArgs(out, "--steps", "12"), "the run began with --steps 6, and this is 12 (a run that has ended goes on for N updates more with --extend N)"},
		{trainArgs(out, "--dev", at("dev.tsv")), "the run began without --dev"},
		{trainArgs(dev), "the run began with --dev:"},
		{trainArgs(dev, "--dev", changed), "the rows of --dev have changed"},
		{trainArgs(dev, "--dev", at("dev.tsv"), "--eval-every", "2"), "the run began with --eval-every 1000, and this is 2"},
		{trainArgs(out, "--train", changed), "the rows of --train have changed"},
		{trainArgs(out, "--model", at("other")), "the model of --model has changed"},
		{methodArgs(&dept.LoRA, out), "the run began with --method dept, and this is lora"},
		{untasked, "the run began with --task sst2"},
		{trainArgs(out, "--rank", "2"), "the run began with --rank 3, and this is 2"},
		{trainArgs(out, "--prompt-length", "4"), "the run began with --prompt-length 5, and this is 4"},
		{trainArgs(out, "--max-source-length", "15"), "the run began with --max-source-length 16, and this is 15"},
		{trainArgs(out, "--scale", "paper"), "the run began with another --scale"},
		{trainArgs(out, "--lr-prompt", "0.2"), "the run began with --lr-prompt 0.3, and this is 0.2"},
		{trainArgs(out, "--prompt-init", "vocab"), "the run began with --prompt-init text, and this is vocab"},
		{drop(drop(trainArgs(out, "--init", first), "--rank"), "--prompt-length"), "the run began without --init"},
		{trainArgs(out, "--precision", "mixed"), "the run began without --precision"},
		{trainArgs(out, "--shuffle=false"), "the run began with --shuffle true, and this is false"},
	} {
		require.Contains(t, fail(t, exitError, append(c.args, "--resume")...), c.want)
	}
}
