package train

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/go-dept/dept/safetensors"
)

// progress is what a saved state says beside its numbers.
type progress struct {
	Step      int     `json:"step"`
	Seconds   float64 `json:"seconds"`
	LogBytes  int64   `json:"log_bytes"`
	Evaluated int     `json:"evaluated"`          // the last step that was, -1 before any
	Sampled   int     `json:"sampled,omitempty"`  // the last step that was, be it by Sample
	Best      float64 `json:"best"`               // score
	BestStep  int     `json:"best_step"`          // 0 where none was evaluated yet
	Unlogged  string  `json:"unlogged,omitempty"` // lines that the log had no room for
}

// The keys of a state's metadata. That of a run in a folder has no settings: they are in
// run.json.
const (
	progressKey = "progress"
	settingsKey = "run"
)

// state is what training goes on from: parameters, moments and progress.
func (t *Trainer) state(ctx context.Context, p progress) ([]safetensors.Tensor, map[string]string, error) {
	if err := t.Flush(ctx); err != nil {
		return nil, nil, err
	}
	p.Step, p.Seconds = t.step, t.Seconds()
	var tensors []safetensors.Tensor
	for _, a := range t.arrays() {
		x, err := a.ReadFloats(ctx)
		if err != nil {
			return nil, nil, fmt.Errorf("save state: %w", err)
		}
		tensors = append(tensors, safetensors.Float32(a.Name, safetensors.F32, a.Shape, x))
	}
	note, err := json.Marshal(p)
	if err != nil {
		return nil, nil, err
	}
	return tensors, map[string]string{progressKey: string(note)}, nil
}

// save writes the state into one file, whole or not at all.
func (t *Trainer) save(ctx context.Context, path string, p progress) error {
	tensors, metadata, err := t.state(ctx, p)
	if err != nil {
		return err
	}
	if err := safetensors.WriteFile(path, tensors, metadata); err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	return nil
}

// restore goes on from a state that save has written; it must be called before
// the first step.
func (t *Trainer) restore(path string) (progress, error) {
	f, err := safetensors.Open(path)
	if err != nil {
		return progress{}, fmt.Errorf("resume: %w", err)
	}
	defer f.Close()
	return t.restoreFrom(f, path)
}

func (t *Trainer) restoreFrom(f *safetensors.File, name string) (progress, error) {
	var p progress
	if err := json.Unmarshal([]byte(f.Metadata()[progressKey]), &p); err != nil {
		return p, fmt.Errorf("resume: %s does not say how far the run was: %w", name, err)
	}
	for _, a := range t.arrays() {
		info, ok := f.Lookup(a.Name)
		if !ok || !slices.Equal(info.Shape, a.Shape) {
			return p, fmt.Errorf("resume: %s has no tensor %s of shape %v: it is the state of another run", name, a.Name, a.Shape)
		}
		x, err := f.Float32(a.Name)
		if err != nil {
			return p, fmt.Errorf("resume: %w", err)
		}
		if err := a.WriteFloats(x); err != nil {
			return p, err
		}
	}
	t.step, t.before = p.Step, p.Seconds
	return p, nil
}

// WriteState writes what a run without a folder goes on from: a state as in a folder, whose
// metadata has the settings of run.json, and notes of the caller's under other names. It
// waits for the device.
func (r *Run) WriteState(ctx context.Context, w io.Writer, notes map[string]string) error {
	tensors, metadata, err := r.Trainer.state(ctx, r.progress)
	if err != nil {
		return err
	}
	r.Settings.Format = runFormat
	settings, err := json.Marshal(r.Settings)
	if err != nil {
		return err
	}
	maps.Copy(metadata, notes)
	metadata[settingsKey] = string(settings)
	return safetensors.Write(w, tensors, metadata)
}

// ReadState goes on from what WriteState has written of a run of the same settings and rows
// on the same model; it must be called before the first step.
func (r *Run) ReadState(f *safetensors.File) error {
	old := []byte(f.Metadata()[settingsKey])
	if err := r.sameSettings(old); err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	if err := r.sameKernels(old); err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	p, err := r.Trainer.restoreFrom(f, StateFile)
	if err == nil {
		r.progress = p
	}
	return err
}
