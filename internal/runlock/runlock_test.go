package runlock

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/stretchr/testify/require"
)

// holdIn is a variable of the environment that makes a test's process take the lock
// of a folder and hold it.
const holdIn = "RUNLOCK_HOLD_IN"

func TestMain(m *testing.M) {
	dir := os.Getenv(holdIn)
	if dir == "" {
		os.Exit(m.Run())
	}
	if _, err := Take(dir); err != nil {
		os.Stdout.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
	os.Stdout.WriteString("held\n")
	time.Sleep(time.Hour)
}

// holder starts a process that holds the lock of a folder.
func holder(t *testing.T, dir string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), holdIn+"="+dir)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "held\n", line)
	return cmd
}

func TestOneProcessAtATime(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "runs", "r")
	first := holder(t, dir)
	_, err := Take(dir)
	var held *HeldError
	require.ErrorAs(t, err, &held)
	require.Equal(t, first.Process.Pid, held.Holder.PID)
	require.Equal(t, hostname(), held.Holder.Host)
	require.WithinDuration(t, time.Now(), held.Holder.Since, time.Hour)
	require.Regexp(t, `^a training is running in .*r \(pid \d+, on .+, since \d{4}-`, err.Error())

	// SIGKILL takes the lock along; its file, which stays, is in nobody's way.
	require.NoError(t, first.Process.Kill())
	require.Error(t, first.Wait())
	require.FileExists(t, filepath.Join(dir, File))
	l, err := Take(dir)
	require.NoError(t, err)
	require.Empty(t, l.Warning)
	require.Equal(t, os.Getpid(), read(filepath.Join(dir, File)).PID)
	l.Release()
	require.NoFileExists(t, filepath.Join(dir, File))
	require.DirExists(t, dir, "it was there before")
}

// Whoever comes to nothing leaves nothing behind.
func TestReleaseRemovesWhatItMade(t *testing.T) {
	top := t.TempDir()
	l, err := Take(filepath.Join(top, "a", "b"))
	require.NoError(t, err)
	l.Release()
	require.NoDirExists(t, filepath.Join(top, "a"))

	l, err = Take(filepath.Join(top, "a", "b"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(top, "a", "kept"), nil, 0o666))
	l.Release()
	require.NoDirExists(t, filepath.Join(top, "a", "b"))
	require.FileExists(t, filepath.Join(top, "a", "kept"))
}

// Many take and release the lock of a folder that comes and goes with it; never do two
// hold it.
func TestNeverTwo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "r")
	var holding, taken atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 200 {
				l, err := take(dir, func(f *flock.Flock) (bool, error) {
					for { // no refusals, which take their time
						if ok, err := f.TryLock(); ok || err != nil {
							return ok, err
						}
					}
				})
				if err != nil {
					t.Error(err)
					return
				}
				if n := holding.Add(1); n != 1 {
					t.Errorf("%d hold it", n)
				}
				taken.Add(1)
				holding.Add(-1)
				l.Release()
			}
		})
	}
	all.Wait()
	require.Equal(t, int32(1600), taken.Load())
}

// Where the file system has no locks, the holder that the file names is looked for.
func TestFileSystemWithoutLocks(t *testing.T) {
	withoutLocks := func(dir string) (*Lock, error) {
		return take(dir, func(*flock.Flock) (bool, error) { return false, syscall.ENOLCK })
	}
	dir := t.TempDir()
	l, err := withoutLocks(dir)
	require.NoError(t, err)
	require.Contains(t, l.Warning, "no locks")

	note := func(h Holder) {
		b, err := json.Marshal(h)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, File), append([]byte{0}, b...), 0o666))
	}
	child := holder(t, t.TempDir())
	note(Holder{hostname(), child.Process.Pid, time.Now()})
	_, err = withoutLocks(dir)
	require.ErrorContains(t, err, "a training is running in "+dir)

	require.NoError(t, child.Process.Kill())
	require.Error(t, child.Wait())
	l, err = withoutLocks(dir)
	require.NoError(t, err)
	l.Release()

	note(Holder{"elsewhere", 1, time.Now()})
	_, err = withoutLocks(dir)
	require.ErrorContains(t, err, "on elsewhere")
	require.ErrorContains(t, err, "or was killed")
}

// What the file says is never in the way, whatever stands in it.
func TestFileThatSaysNothing(t *testing.T) {
	for _, text := range []string{"", "\x00", "\x00{", "\x00[1]", "no JSON"} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, File), []byte(text), 0o666))
		require.Nil(t, read(filepath.Join(dir, File)))
		l, err := Take(dir)
		require.NoError(t, err)
		l.Release()
	}
}
