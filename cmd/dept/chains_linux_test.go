package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/safetensors"
)

var (
	chains     = flag.Int("chains", 2, "of TestChains: runs")
	chainKills = flag.Int("kills", 2, "of TestChains: how often each run is killed")
	chainSeed  = flag.Uint64("seed", 0, "of TestChains: of the moments, signals and ways; 0 draws one")
)

// chainSteps are a run's steps.
func chainSteps() int { return 12 * (*chainKills + 1) }

// TestChains kills runs at random moments with all signals, through pipes and a
// terminal, and resumes them after each. In the end each is as if nothing had happened.
// What asks a training to stop, and does not end it at once, costs no step.
func TestChains(t *testing.T) {
	t.Parallel()
	heedSignals(t)
	seed := *chainSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d", seed)
	whole := map[int]string{}
	for i := range *chains {
		c := &chain{t: t, random: rand.New(rand.NewPCG(seed, uint64(i))), out: filepath.Join(t.TempDir(), "r")}
		kind := i % 3
		if whole[kind] == "" {
			whole[kind] = filepath.Join(t.TempDir(), "whole")
			succeed(t, c.args(kind, whole[kind])...)
		}
		var told []string
		for left := *chainKills; left > 0; left-- {
			told = append(told, c.kill(kind, left))
		}
		succeed(t, append(c.args(kind, c.out), c.goOn())...)
		for _, name := range []string{dept.AdapterConfigFile, dept.AdapterWeightsFile} {
			require.Equal(t, readFile(t, whole[kind], name), readFile(t, c.out, name), "%s of chain %d of seed %d: %v", name, i, seed, told)
		}
		require.Equal(t, timeless(readLog(t, whole[kind])), timeless(readLog(t, c.out)), "the log of chain %d of seed %d", i, seed)
		t.Logf("chain %d: %s", i+1, strings.Join(told, ", "))
	}
}

// chain is a run that is killed again and again.
type chain struct {
	t      *testing.T
	random *rand.Rand
	out    string
}

// args are the command line of a chain's run, of one of three kinds.
func (c *chain) args(kind int, out string) []string {
	more := []string{"--steps", fmt.Sprint(chainSteps()), "--save-every", "5", "--eval-every", "17", "--dev", at("dev.tsv"), "--max-target-length", "3"}
	if kind == 0 {
		return methodArgs(&dept.DePT, out, append(more, "--accumulate", "2", "--dropout", "0.1", "--log", "tensorboard")...)
	}
	if kind == 1 {
		return methodArgs(&dept.LoRA, out, append(more, "--lora-dropout", "0.2")...)
	}
	return methodArgs(&dept.DePT, out, append(more, "--prompt-length", "0")...) // A·B alone
}

// goOn is the flag that begins the run or goes on with it.
func (c *chain) goOn() string {
	if _, err := os.Stat(filepath.Join(c.out, train.StateFile)); err != nil {
		return "--overwrite"
	}
	return "--resume"
}

// saved is the step that the run's folder holds everything to go on from.
func (c *chain) saved() (step int) {
	f, err := safetensors.Open(filepath.Join(c.out, train.StateFile))
	if os.IsNotExist(err) {
		return 0
	}
	require.NoError(c.t, err)
	defer f.Close()
	var progress struct{ Step int }
	require.NoError(c.t, json.Unmarshal([]byte(f.Metadata()["progress"]), &progress))
	return progress.Step
}

// logged is the last step in the log, whose last line may be being written.
func (c *chain) logged() (step int) {
	text, err := os.ReadFile(filepath.Join(c.out, train.LogFile))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		var l logLine
		if json.Unmarshal([]byte(line), &l) == nil && l.Loss != nil {
			step = l.Step
		}
	}
	return step
}

// kill starts the run, or goes on with it, and kills it at some moment, the first of
// those that are left. It says how.
func (c *chain) kill(kind, left int) string {
	way := []string{"alone", "tee", "head", "pty"}[c.random.IntN(4)]
	sent := []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE, syscall.SIGKILL}[c.random.IntN(5)]
	from := c.logged() // beyond it, this process trains
	v := c.start(way, append(c.args(kind, c.out), c.goOn()))
	ended := make(chan struct{})
	go func() {
		v.Wait()
		close(ended)
	}()
	// Some moments are early, when a run begins or goes on; most are between steps.
	if c.random.IntN(4) > 0 {
		until := from + 1 + c.random.IntN(max(1, 2*(chainSteps()-from)/(left+1)))
		for c.logged() < until && !done(ended) {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Duration(c.random.IntN(20_000)) * time.Microsecond)
	} else {
		time.Sleep(time.Duration(c.random.IntN(1_500_000)) * time.Microsecond)
	}
	told := fmt.Sprintf("%s by %s", way, unix.SignalName(sent))
	if sent == syscall.SIGPIPE { // which ends no training: another must
		v.send(sent)
		time.Sleep(time.Duration(c.random.IntN(200_000)) * time.Microsecond)
		sent = []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGKILL}[c.random.IntN(4)]
		told += " and " + unix.SignalName(sent)
	}
	before := c.logged()
	v.send(sent)
	<-ended
	saved := c.saved()
	if sent != syscall.SIGKILL && before > from {
		require.GreaterOrEqual(c.t, saved, before, "%s cost a step", told)
		require.Contains(c.t, []int{exitInterrupted, 0}, v.ProcessState.ExitCode(), "%s: %s", told, v.said.String())
	}
	return fmt.Sprintf("%s at step %d, %d saved", told, max(from, before), saved)
}

func done(ended chan struct{}) bool {
	select {
	case <-ended:
		return true
	default:
		return false
	}
}

// victim is a program that is going to be killed.
type victim struct {
	*exec.Cmd
	reader *exec.Cmd // of its output, or nil
	master *os.File  // of its terminal, or nil
	said   bytes.Buffer
}

// start starts dept alone, with its output in a pipe, or on a terminal.
func (c *chain) start(way string, args []string) *victim {
	v := &victim{Cmd: exec.Command(program, args...)}
	switch way {
	case "pty":
		v.onTerminal(c.t)
		return v
	case "tee":
		v.reader = exec.Command("tee", c.out+".tee")
	case "head":
		v.reader = exec.Command("head", "-n", fmt.Sprint(c.random.IntN(20)))
	}
	v.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	v.Stderr = &v.said
	if v.reader == nil {
		require.NoError(c.t, v.Start())
		return v
	}
	read, write, err := os.Pipe()
	require.NoError(c.t, err)
	v.Stdout, v.reader.Stdin = write, read
	require.NoError(c.t, v.Start())
	v.reader.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: v.Process.Pid}
	require.NoError(c.t, v.reader.Start())
	read.Close()
	write.Close()
	go v.reader.Wait()
	return v
}

// onTerminal starts the program in a session of its own on a new terminal.
func (v *victim) onTerminal(t *testing.T) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { master.Close() })
	number := 0
	raw, err := master.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) { // unlike Fd, it lets Close end a Read
		require.NoError(t, unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0))
		number, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
	}))
	require.NoError(t, err)
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	defer terminal.Close()
	v.master, v.Stdin, v.Stdout, v.Stderr = master, terminal, terminal, terminal
	v.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, v.Start())
	go io.Copy(io.Discard, master)
}

// send sends a signal as people do: by Ctrl-C to all programs of a pipe, by closing the
// terminal; a pipe breaks since its reader ends.
func (v *victim) send(s syscall.Signal) {
	switch {
	case v.master != nil && s == syscall.SIGINT:
		v.master.Write([]byte{3})
	case v.master != nil && s == syscall.SIGHUP:
		v.master.Close()
	case v.reader != nil && s == syscall.SIGPIPE:
		v.reader.Process.Kill()
		v.Process.Signal(s)
	default:
		syscall.Kill(-v.Process.Pid, s)
	}
}
