//go:build unix

package main

import (
	"os"
	"syscall"
)

// lostOutputSignals come where output cannot be written, and end a process that does
// not ignore them: a pipe that nobody reads, and a file as large as ulimit allows.
var lostOutputSignals = []os.Signal{syscall.SIGPIPE, syscall.SIGXFSZ}
