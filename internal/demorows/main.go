//go:build !js

// Command demorows writes the rows of a task of the demonstration as files that dept train and dept
// compare read, train.jsonl, dev.jsonl and test.jsonl.
//
//	go run ./internal/demorows first-thing dist/siblings
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-dept/dept/dept/demo"
	"github.com/go-dept/dept/internal/atomicfile"
	"github.com/go-dept/dept/t5/backbone"
	"github.com/go-dept/dept/text"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintf(os.Stderr, "usage: demorows TASK DIR\ntasks: %s\n", strings.Join(demo.Names(), ", "))
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintf(os.Stderr, "demorows: %v\n", err)
		os.Exit(1)
	}
}

func run(name, dir string) error {
	task, err := demo.Find(name)
	if err != nil {
		return err
	}
	tokenizer, err := text.OpenFS(backbone.Files())
	if err != nil {
		return err
	}
	count := func(text string) int { return len(tokenizer.Encode(text)) }
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for _, part := range []struct {
		file  string
		split demo.Split
		rows  int
	}{{"train.jsonl", demo.Train, demo.TrainRows}, {"dev.jsonl", demo.Dev, demo.HeldRows}, {"test.jsonl", demo.Test, demo.HeldRows}} {
		err := atomicfile.WriteFile(filepath.Join(dir, part.file), func(w io.Writer) error {
			e := json.NewEncoder(w)
			for _, row := range task.Rows(part.split, part.rows, demo.Seed, count) {
				if err := e.Encode(map[string]string{"source": row.Source, "target": row.Target}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
