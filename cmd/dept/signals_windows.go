package main

import (
	"os"
	"syscall"
)

// lostOutputSignals come where output cannot be written.
var lostOutputSignals = []os.Signal{syscall.SIGPIPE}
