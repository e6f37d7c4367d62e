//go:build !unix

package main

import "os"

// notifyHangUp: a closed terminal sends SIGTERM here, if anything.
func notifyHangUp(chan<- os.Signal) {}

// ignoreLostOutput: output that cannot be written is an error here, and no signal.
func ignoreLostOutput() {}
