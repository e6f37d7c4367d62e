//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// notifyHangUp tells of SIGHUP, unless nohup has it ignored.
func notifyHangUp(asked chan<- os.Signal) {
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(asked, syscall.SIGHUP)
	}
}

// ignoreLostOutput ignores what ends a process whose output cannot be written: SIGPIPE, of
// a pipe that nobody reads, and SIGXFSZ, of a file as large as ulimit allows.
func ignoreLostOutput() { signal.Ignore(syscall.SIGPIPE, syscall.SIGXFSZ) }
