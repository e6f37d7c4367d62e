package browsertest

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What a test starts ends with it when it is killed.
func TestEndWithTest(t *testing.T) {
	const inner = "DEPT_STARTS_ONE"
	if os.Getenv(inner) != "" {
		started := exec.Command("sleep", "600")
		EndWithTest(started)
		require.NoError(t, started.Start())
		fmt.Println(started.Process.Pid)
		started.Wait()
		return
	}
	killed := exec.Command(os.Args[0], "-test.run=^TestEndWithTest$")
	killed.Env = append(os.Environ(), inner+"=1")
	EndWithTest(killed)
	out, err := killed.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, killed.Start())
	var pid int
	_, err = fmt.Fscan(out, &pid)
	require.NoError(t, err)
	require.True(t, runs(pid))
	require.NoError(t, killed.Process.Kill())
	require.Error(t, killed.Wait())
	require.Eventually(t, func() bool { return !runs(pid) }, time.Minute, 10*time.Millisecond)
}

// runs says whether a process is there and has not ended: one that nobody has waited for yet has
// state Z.
func runs(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	_, state, found := strings.Cut(string(stat), ") ")
	return err == nil && found && !strings.HasPrefix(state, "Z")
}
