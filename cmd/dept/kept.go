package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/dept/train"
)

// kept is what trainings of one process that follow each other share: the device with the kernels that
// were compiled, the model, and rows.
type kept struct {
	setup  *train.Setup
	opened string // what the setup was opened for
	sets   map[string]*data.Dataset
}

func newKept() *kept { return &kept{sets: map[string]*data.Dataset{}} }

// open opens a model, or makes the one that is open as good as new.
func (k *kept) open(cmd *cobra.Command, model located, device string, o train.Opening) (*train.Setup, error) {
	wanted := fmt.Sprintf("%q %q", model, device)
	if k.setup != nil && k.opened == wanted {
		return k.setup, k.setup.Renew(cmd.Context(), o)
	}
	k.release()
	var err error
	if k.setup, err = openSetup(cmd, model, o); err != nil {
		k.setup = nil
		return nil, err
	}
	k.opened = wanted
	return k.setup, nil
}

// rows is loadRows, once for each file: of a run of its own, k is nil and nothing is kept.
func (k *kept) rows(cmd *cobra.Command, flag, name string, opts data.Options, splits []string) (*data.Dataset, error) {
	if k == nil {
		return loadRows(cmd, flag, name, opts, splits)
	}
	task := ""
	if opts.Task != nil {
		task = fmt.Sprintf("%+v", *opts.Task)
	}
	key := fmt.Sprintf("%q", []string{name, string(opts.Format), task, opts.SourceColumn, opts.TargetColumn, strings.Join(splits, " ")})
	if k.sets[key] == nil {
		rows, err := loadRows(cmd, flag, name, opts, splits)
		if err != nil {
			return nil, err
		}
		k.sets[key] = rows
	}
	return k.sets[key], nil
}

// release gives the model and its device back.
func (k *kept) release() {
	if k.setup != nil {
		k.setup.Release()
		k.setup = nil
	}
}
