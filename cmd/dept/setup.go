package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/dept/tasks"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/tensor"
	"github.com/go-dept/dept/text"
	"github.com/go-dept/dept/wgpu"
)

// setup is what training, evaluation and prediction work with: a model on a
// device, and its tokenizer.
type setup struct {
	dev    *wgpu.Device
	engine *tensor.Engine
	ck     *t5.Checkpoint
	tok    *text.Tokenizer
	model  *t5.Model
}

// openSetup opens the files first, since a mistake in a path shows there at once.
func openSetup(cmd *cobra.Command, modelDir, device string, trainable bool) (*setup, error) {
	s := &setup{}
	err := s.open(cmd.Context(), modelDir, device, trainable)
	if err != nil {
		s.close()
		return nil, err
	}
	if eos := s.ck.Config.EOSTokenID; int(s.tok.EOS()) != eos {
		warn(cmd, "the tokenizer of %s ends a text with id %d, but config.json says %d: generated texts will not end where they should", modelDir, s.tok.EOS(), eos)
	}
	return s, nil
}

func (s *setup) open(ctx context.Context, modelDir, device string, trainable bool) (err error) {
	if s.ck, err = t5.OpenCheckpoint(modelDir); err != nil {
		return err
	}
	if s.tok, err = text.Open(modelDir); err != nil {
		return err
	}
	if s.dev, err = wgpu.Open(ctx, device); err != nil {
		return err
	}
	if s.engine, err = tensor.NewEngine(s.dev); err != nil {
		return err
	}
	s.model, err = t5.LoadModel(ctx, s.engine, s.ck, trainable)
	return err
}

func (s *setup) close() {
	if s.model != nil {
		s.model.Release()
	}
	if s.engine != nil {
		s.engine.Release()
	}
	if s.dev != nil {
		s.dev.Release()
	}
	if s.ck != nil {
		s.ck.Close()
	}
}

// checkBase refuses an adapter of another width than the model's, and warns of
// one that was trained on another model.
func (s *setup) checkBase(cmd *cobra.Command, dir string, a *dept.Adapter) error {
	if width := s.ck.Config.DModel; a.Config.Width != width {
		return fmt.Errorf("the adapter in %s is for a model of width %d (token_dim), and this model's width is %d (d_model): give the model it was trained on", dir, a.Config.Width, width)
	}
	if a.Config.BaseFingerprint == "" {
		return nil // made by others: nobody can tell
	}
	fingerprint, err := s.ck.Fingerprint()
	if err != nil {
		return err
	}
	if a.Config.BaseFingerprint != fingerprint {
		warn(cmd, "the adapter in %s was trained on another model (%s): it will hardly work on this one", dir, a.Config.BaseModel)
	}
	return nil
}

// Lengths where nothing says otherwise.
const (
	defaultSourceLength = 256
	textTargetLength    = 64 // answers in free text
	taskAnswerLength    = 20 // answers of a task with labels, as the DePT authors generate
)

// answerLength is the most tokens to generate for an answer.
func answerLength(flag int, task *tasks.Task) int {
	switch {
	case flag > 0:
		return flag
	case task != nil:
		return taskAnswerLength
	}
	return textTargetLength
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
