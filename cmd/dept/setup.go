package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/dept/tasks"
	"github.com/go-dept/dept/dept/train"
)

// openSetup opens a model that locate found.
func openSetup(cmd *cobra.Command, model located, o train.Opening) (*train.Setup, error) {
	o.Name, o.Commit = model.Name, model.Commit
	stat, err := os.Stat(model.Dir)
	if err == nil && !stat.IsDir() {
		err = errors.New("it is no folder; give the folder that holds config.json")
	}
	if err != nil {
		return nil, fmt.Errorf("opening checkpoint %s: %w", o.Name, err)
	}
	o.Files = os.DirFS(model.Dir)
	s, err := train.OpenSetup(cmd.Context(), o)
	if err != nil {
		return nil, err
	}
	if eos := s.Model.End; int(s.Tokenizer.EOS()) != eos {
		warn(cmd, "the tokenizer of %s ends a text with id %d, but config.json says %d: generated texts will not end where they should", o.Name, s.Tokenizer.EOS(), eos)
	}
	return s, nil
}

// checkBase refuses the adapter in a folder where check does, and passes its advice on.
func checkBase(cmd *cobra.Command, dir string, a *dept.Adapter, check func(*dept.Adapter) (advice string, err error)) error {
	advice, err := check(a)
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	if advice != "" {
		warn(cmd, "%s: %s", dir, advice)
	}
	return nil
}

// lookupTask finds a task by its flag; nil without one.
func lookupTask(name string) (*tasks.Task, error) {
	if name == "" {
		return nil, nil
	}
	task, err := tasks.Lookup(name)
	if err != nil {
		return nil, usagef("--task: %v", err)
	}
	return task, nil
}

// labels are a task's answers; nil without a task.
func labels(task *tasks.Task) []string {
	if task == nil {
		return nil
	}
	return task.Targets()
}

// dataFlags say how rows are made of a file.
type dataFlags struct{ task, sourceColumn, targetColumn string }

func (d *dataFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&d.task, "task", "", "take columns, template, labels and metrics of a task: "+strings.Join(tasks.Names(), ", "))
	f.StringVar(&d.sourceColumn, "source-column", "", "the column of the source (default source, text or sentence)")
	f.StringVar(&d.targetColumn, "target-column", "", "the column of the target (default target or label)")
}

func (d *dataFlags) options(needTarget bool) (data.Options, error) {
	task, err := lookupTask(d.task)
	if err != nil {
		return data.Options{}, err
	}
	if task != nil && (d.sourceColumn != "" || d.targetColumn != "") {
		return data.Options{}, usagef("--task %s has columns of its own: leave out --source-column and --target-column", d.task)
	}
	return data.Options{Task: task, SourceColumn: d.sourceColumn, TargetColumn: d.targetColumn, NeedTarget: needTarget}, nil
}
