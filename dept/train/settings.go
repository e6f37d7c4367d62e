package train

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/tensor"
)

// runFormat is the version of run.json that is written. The first had none.
const runFormat = 2

// Settings decide every number of a run on one device. They are what run.json
// holds.
type Settings struct {
	Format    int         `json:"format"`
	Method    string      `json:"method"` // a name in dept.Kinds
	Task      string      `json:"task,omitempty"`
	Train     Options     `json:"train"`
	Adapter   dept.Config `json:"adapter"` // null where a checkpoint is trained
	Start     string      `json:"start"`   // how the numbers start: an init rule or an adapter's fingerprint
	EvalEvery int         `json:"eval_every"`
	Model     string      `json:"model"` // fingerprints
	Data      string      `json:"data"`
	Dev       string      `json:"dev,omitempty"`
	// Kernels is what the run's kernels are chosen by. It is not compared: a run that
	// goes on takes its own along.
	Kernels *tensor.Kernels `json:"kernels,omitempty"`
	// Base is where the model came from. It is not compared: Model says which it is.
	Base *Base `json:"base,omitempty"`
}

// Base names a run's model as its user did, and the commit that it was at on the hub, if it came
// from there.
type Base struct {
	Name   string `json:"name"`
	Commit string `json:"commit,omitempty"`
}

// RunBase is where the model of the run in a folder came from; nil for a run that does not say, and
// where there is none.
func RunBase(dir string) *Base {
	var s struct{ Base *Base }
	if data, err := os.ReadFile(filepath.Join(dir, RunFile)); err != nil || json.Unmarshal(data, &s) != nil {
		return nil
	}
	return s.Base
}

// runKernels is what the kernels of the run in a folder are chosen by; nil for a run
// that does not say.
func runKernels(dir string) (*tensor.Kernels, error) {
	path := filepath.Join(dir, RunFile)
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("resume: %s holds no run to go on with: %w", dir, err)
	}
	k, err := kernelsIn(data)
	if err != nil {
		return nil, fmt.Errorf("resume: %s: %w", path, err)
	}
	return k, nil
}

// kernelsIn is that of a run.json.
func kernelsIn(run []byte) (*tensor.Kernels, error) {
	var s struct{ Kernels *tensor.Kernels }
	err := json.Unmarshal(run, &s)
	return s.Kernels, err
}

// cannotGoOn says what to do where a device lacks a kernel of a run.
func cannotGoOn(dir string, err error) error {
	var missing *tensor.MissingKernel
	if !errors.As(err, &missing) {
		return err
	}
	return fmt.Errorf("the run in %s cannot go on here: %w; begin another one from what it made with --init, in another folder, or go on where it began", dir, err)
}

// sameSettings names the first setting in which a run differs from its run.json.
func sameSettings(old []byte, now Settings) error {
	var a, b map[string]any
	if err := json.Unmarshal(old, &a); err != nil {
		return fmt.Errorf("%s: %w", RunFile, err)
	}
	switch format, _ := a["format"].(float64); {
	case format > runFormat:
		return fmt.Errorf("%s has format %g, and this program knows those up to %d: go on with a newer one", RunFile, format, runFormat)
	case format < runFormat:
		if err := upgrade(a); err != nil {
			return err
		}
	}
	now.Format, now.Kernels, now.Base = runFormat, nil, nil
	delete(a, "kernels")
	delete(a, "base")
	fresh, err := json.Marshal(now)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(fresh, &b); err != nil {
		return err
	}
	return sameValues("", a, b)
}

// upgrade brings a run.json of format 1 into today's form. Its dropout was drawn by
// numbers that the places no longer have, so that a run with dropout cannot go on
// as it began.
func upgrade(run map[string]any) error {
	options, _ := run["train"].(map[string]any)
	rates, _ := options["learning_rates"].([]any)
	if len(rates) != 2 {
		return fmt.Errorf("%s has neither a format nor the learning rates of format 1", RunFile)
	}
	if dropout, _ := options["dropout"].(float64); dropout > 0 {
		return fmt.Errorf("%s has format 1, whose dropout drew other numbers than format %d does, so that this run (dropout %g) cannot go on exactly: "+
			"begin another one from what it made with --init, in another folder", RunFile, runFormat, dropout)
	}
	run["format"] = float64(runFormat)
	adapter, _ := run["adapter"].(map[string]any)
	switch run["method"] {
	case dept.Full.Name:
		options["learning_rates"] = map[string]any{"": rates[0]}
		run["adapter"] = nil
		return nil
	case dept.DePT.Name:
		options["learning_rates"] = map[string]any{dept.GroupPrompt: rates[0], dept.GroupLowRank: rates[1]}
	default:
		options["learning_rates"] = map[string]any{dept.GroupPrompt: rates[0]}
		delete(adapter, "max_length")
	}
	delete(adapter, "base_model_name_or_path")
	delete(adapter, "base_model_fingerprint")
	adapter["num_transformer_submodules"] = 1.
	return nil
}

func sameValues(prefix string, a, b map[string]any) error {
	keys := slices.Sorted(maps.Keys(a))
	for k := range b {
		if _, ok := a[k]; !ok {
			keys = append(keys, k)
		}
	}
	for _, k := range keys {
		x, isMap := a[k].(map[string]any)
		y, alsoMap := b[k].(map[string]any)
		if isMap && alsoMap {
			if err := sameValues(prefix+k+".", x, y); err != nil {
				return err
			}
			continue
		}
		was, _ := json.Marshal(a[k])
		is, _ := json.Marshal(b[k])
		if !bytes.Equal(was, is) {
			return fmt.Errorf("the run began with %s %s and this is %s: resume with the same settings and data, or begin anew with --overwrite", prefix+k, was, is)
		}
	}
	return nil
}
