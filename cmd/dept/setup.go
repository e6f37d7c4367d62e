package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/internal/foreign"
	"github.com/go-dept/dept/t5"
)

// openSetup opens a model that locate found.
func openSetup(cmd *cobra.Command, model located, o train.Opening) (*train.Setup, error) {
	o.Name, o.Commit = model.Name, model.Commit
	if err := foreign.CheckFolder(model.Dir, "config.json"); err != nil {
		return nil, fmt.Errorf("opening checkpoint %s: %w", o.Name, err)
	}
	o.Files = os.DirFS(model.Dir)
	s, err := train.OpenSetup(cmd.Context(), o)
	if err != nil {
		return nil, err
	}
	warnOf(cmd, o.Name, s.Checkpoint)
	if eos := s.Model.End; int(s.Tokenizer.EOS()) != eos {
		warn(cmd, "the tokenizer of %s ends a text with id %d, but config.json says %d: generated texts will not end where they should", o.Name, s.Tokenizer.EOS(), eos)
	}
	return s, nil
}

// warnOf passes on what a checkpoint's files leave in doubt.
func warnOf(cmd *cobra.Command, name string, ck *t5.Checkpoint) {
	for _, warning := range ck.Warnings() {
		warn(cmd, "%s: %s", name, warning)
	}
}

// warnTargets says which targets of a file the model's tokenizer cannot write, if any.
func warnTargets(cmd *cobra.Command, file string, rows *data.Dataset, s *train.Setup) {
	if u := data.FindUnwritable(rows, s.Tokenizer); u.Rows > 0 {
		warn(cmd, "%s: %s", file, u)
	}
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
