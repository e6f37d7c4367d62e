package browsertest

import (
	"os/exec"
	"syscall"
)

// EndWithTest has a command that is yet to be started end when this process does, however that
// ends: a test that is killed cleans nothing up.
func EndWithTest(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
