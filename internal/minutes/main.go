//go:build !js

// Command minutes runs the go test command in its arguments and passes on what
// that prints; after it comes a table of how long each package's tests took,
// longest first. Its exit code is nonzero when the command's is.
//
//	go run ./internal/minutes go test -p 1 ./...
package main

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"time"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: minutes go test [flags] [packages]")
		os.Exit(2)
	}
	code, err := run(os.Stdout, os.Args[1:])
	if err != nil {
		fmt.Fprintf(os.Stderr, "minutes: run %s: %v\n", strings.Join(os.Args[1:], " "), err)
		code = 1
	}
	os.Exit(code)
}

// run returns the exit code of the command.
func run(w io.Writer, command []string) (code int, err error) {
	// Ctrl-C reaches the command too; the table then shows the packages so far.
	signal.Notify(make(chan os.Signal, 1), os.Interrupt)
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	took, copyErr := pass(w, out)
	err = cmd.Wait()
	fmt.Fprint(w, table(took, time.Since(start)))
	if _, ended := err.(*exec.ExitError); err != nil && !ended {
		return 0, err
	}
	return cmd.ProcessState.ExitCode(), copyErr
}

// packageTime is how long the tests of a package took.
type packageTime struct {
	name string
	took time.Duration
}

// closing is the line with which go test ends a package that it ran; one whose
// result is cached has no time.
var closing = regexp.MustCompile(`^(?:ok  |FAIL)\t(\S+)\t([0-9.]+s)\b`)

// pass copies the output line by line, as it comes, and returns the times in it.
func pass(w io.Writer, out io.Reader) ([]packageTime, error) {
	var all []packageTime
	in := bufio.NewReader(out)
	for {
		line, err := in.ReadString('\n')
		if _, err := io.WriteString(w, line); err != nil {
			return all, err
		}
		if m := closing.FindStringSubmatch(line); m != nil {
			if took, err := time.ParseDuration(m[2]); err == nil {
				all = append(all, packageTime{m[1], took})
			}
		}
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}

// table lists the packages, longest first, and their sum beside the clock's time
// for the whole command, which has the compiler's in it.
func table(all []packageTime, whole time.Duration) string {
	slices.SortStableFunc(all, func(a, b packageTime) int { return cmp.Compare(b.took, a.took) })
	var b strings.Builder
	var sum time.Duration
	b.WriteString("\nminutes by package\n")
	for _, p := range all {
		sum += p.took
		fmt.Fprintf(&b, "%7.2f  %s\n", p.took.Minutes(), p.name)
	}
	fmt.Fprintf(&b, "%7.2f  in all; %.2f by the clock\n", sum.Minutes(), whole.Minutes())
	return b.String()
}
