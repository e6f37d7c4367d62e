//go:build !js

// Command shift measures what the parts of DePT are good for: P alone, A·B alone, both and
// neither, each at its own best rates, over tasks that differ in few things (demo.Designs).
//
//	go run ./internal/shift -figure place -seeds 1-5 -out dist/shift
//
// Every trained prompt is a line of results.jsonl in the folder, written when it is done; what is
// there is not measured again, so that the same command goes on after it was stopped. At the end
// the figure lies beside it as an SVG and its numbers as a table in Markdown.
//
// With -check, a file of such results says what should come out: one seed is trained anew.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	ctx, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer restore()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "shift: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("shift", flag.ExitOnError)
	name := flags.String("figure", "place", "what to measure: "+strings.Join(figureNames(), ", "))
	seeds := flags.String("seeds", "1-5", "the seeds to measure, as 1-5")
	only := flags.String("tasks", "", "measure these tasks of the figure alone, with commas between")
	out := flags.String("out", filepath.Join("dist", "shift"), "`folder` of the results")
	device := flags.String("device", "", "a part of the adapter's name")
	report := flags.Bool("report", false, "measure nothing; show what is there")
	record := flags.String("check", "", "hold the first of the seeds, trained anew, to the results in this `file`")
	flags.Parse(args)
	f, err := figureNamed(*name)
	if err != nil {
		return err
	}
	if err := f.keep(*only); err != nil {
		return err
	}
	var first, last uint64
	if n, err := fmt.Sscanf(*seeds, "%d-%d", &first, &last); n != 2 || first < 1 || last < first {
		return fmt.Errorf("-seeds %s: give the first and the last, as 1-5 (%w)", *seeds, err)
	}
	if err := os.MkdirAll(*out, 0o777); err != nil {
		return err
	}
	book, err := openBook(filepath.Join(*out, "results.jsonl"))
	if err != nil {
		return err
	}
	defer book.Close()
	if *record != "" {
		return check(ctx, f, first, *record, book, *device)
	}
	if !*report {
		if err := measure(ctx, f, first, last, book, *device); err != nil {
			return err
		}
	}
	return f.write(*out, book, first, last)
}
