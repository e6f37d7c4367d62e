package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// again is how much later a second Ctrl-C counts as one: a single one can arrive twice,
// from the terminal and from a program in between that passes it on.
const again = time.Second

// stopOnSignals is a context that is done once the run is asked to stop: by Ctrl-C, by
// SIGTERM, or by SIGHUP, which comes when the terminal is closed, unless nohup has it
// ignored. Only another Ctrl-C ends the process at once. restore ends all that.
func stopOnSignals(cmd *cobra.Command) (stop context.Context, restore func()) {
	stop, cancel := context.WithCancel(cmd.Context())
	asked := make(chan os.Signal, 4)
	signal.Notify(asked, os.Interrupt, syscall.SIGTERM)
	notifyHangUp(asked)
	ended := make(chan struct{})
	go func() {
		var first time.Time
		for {
			select {
			case s := <-asked:
				if first.IsZero() {
					first = time.Now()
					cancel()
				} else if s == os.Interrupt && time.Since(first) > again {
					fmt.Fprintln(cmd.ErrOrStderr(), "dept: ended at once; --resume goes on from the last save")
					os.Exit(exitInterrupted)
				}
			case <-ended:
				return
			}
		}
	}()
	return stop, func() {
		signal.Stop(asked)
		close(ended)
		cancel()
	}
}

// outliveOutput lets a command go on where nobody reads its output any more, which it
// says once.
func outliveOutput(cmd *cobra.Command) {
	ignoreLostOutput()
	cmd.SetOut(&output{File: os.Stdout, lost: sync.OnceFunc(func() {
		warn(cmd, "nothing more can be written to standard output: training goes on, and the run's log.jsonl has every step")
	})})
}

// output is a file that tells when it cannot be written to.
type output struct {
	*os.File
	lost func()
}

func (o *output) Write(b []byte) (int, error) {
	n, err := o.File.Write(b)
	if err != nil {
		o.lost()
	}
	return n, err
}
