package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
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

func TestTwoTrainingsOneOut(t *testing.T) {
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
	out := filepath.Join(t.TempDir(), "r")
	fail(t, exitError, trainArgs(out, "--train", at("missing.tsv"))...)
	require.NoDirExists(t, out)
	fail(t, exitUsage, trainArgs(out, "--resume")...)
	require.NoDirExists(t, out)
}

func TestCtrlCWithTee(t *testing.T) {
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
