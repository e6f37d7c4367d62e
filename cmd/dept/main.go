// Command dept fine-tunes T5 models with Decomposed Prompt Tuning on any device
// that WebGPU reaches.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// Exit codes beside 0.
const (
	exitError       = 1
	exitUsage       = 2
	exitPanic       = 70
	exitInterrupted = 130
)

func main() { os.Exit(run(os.Args[1:], os.Stderr)) }

// run executes a command line and returns the exit code. An error is one line on
// stderr, whatever happens.
func run(args []string, stderr io.Writer) (code int) {
	defer func() {
		if r := recover(); r != nil {
			fmt.Fprintf(stderr, "dept: this is a bug in dept, please report it with the command line you gave: %v\n", r)
			code = exitPanic
		}
	}()
	root := rootCommand()
	root.SetArgs(args)
	cmd, err := root.ExecuteC()
	if err == nil {
		return 0
	}
	var failed *failure
	if errors.As(err, &failed) {
		fmt.Fprintf(stderr, "dept: %s\n", oneLine(failed.err))
		return failed.code
	}
	// What cobra itself refuses: unknown commands and flags, missing ones.
	fmt.Fprintf(stderr, "dept: %s (%s --help shows what there is)\n", oneLine(err), cmd.CommandPath())
	return exitUsage
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "dept",
		Short:         "Decomposed Prompt Tuning of T5 models on any WebGPU device",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(
		trainCommand(), pretrainCommand(), evalCommand(), predictCommand(),
		initCommand(), inspectCommand(), mergeCommand(), devicesCommand(), benchCommand(), tuneCommand(), shadersCommand(), serveCommand(), demoCommand(),
		downloadCommand(), cacheCommand(), exportCommand(), compareCommand(),
	)
	politeFlags(root)
	return root
}

// failure is an error of a command's work, with the exit code it ends in.
type failure struct {
	err  error
	code int
}

func (f *failure) Error() string { return f.err.Error() }

func (f *failure) Unwrap() error { return f.err }

// usagef is a mistake in the flags that cobra does not see.
func usagef(format string, args ...any) error {
	return &failure{fmt.Errorf(format, args...), exitUsage}
}

// work makes a command's function: what it returns is an error of its work,
// not of its command line.
func work(do func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		err := do(cmd, args)
		var failed *failure
		if err == nil || errors.As(err, &failed) {
			return err
		}
		return &failure{err, exitError}
	}
}

// obligatory makes flags obligatory.
func obligatory(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err) // no flag of that name
		}
	}
}

// warn tells of something that the user may want to change.
func warn(cmd *cobra.Command, format string, args ...any) {
	fmt.Fprintf(cmd.ErrOrStderr(), "warning: "+format+"\n", args...)
}

func oneLine(err error) string {
	lines := strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' || r == '\t' })
	return strings.Join(lines, " ")
}
