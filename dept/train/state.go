package train

import (
	"context"
	"encoding/json"
	"fmt"
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

const progressKey = "progress"

// save writes parameters, moments and progress into one file, whole or not at
// all.
func (t *Trainer) save(ctx context.Context, path string, p progress) error {
	if err := t.Flush(ctx); err != nil {
		return err
	}
	p.Step, p.Seconds = t.step, t.Seconds()
	var tensors []safetensors.Tensor
	for _, a := range t.arrays() {
		x, err := a.ReadFloats(ctx)
		if err != nil {
			return fmt.Errorf("save state: %w", err)
		}
		tensors = append(tensors, safetensors.Float32(a.Name, safetensors.F32, a.Shape, x))
	}
	note, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if err := safetensors.WriteFile(path, tensors, map[string]string{progressKey: string(note)}); err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	return nil
}

// restore goes on from a state that save has written; it must be called before
// the first step.
func (t *Trainer) restore(path string) (progress, error) {
	var p progress
	f, err := safetensors.Open(path)
	if err != nil {
		return p, fmt.Errorf("resume: %w", err)
	}
	defer f.Close()
	if err := json.Unmarshal([]byte(f.Metadata()[progressKey]), &p); err != nil {
		return p, fmt.Errorf("resume: %s does not say how far the run was: %w", path, err)
	}
	for _, a := range t.arrays() {
		info, ok := f.Lookup(a.Name)
		if !ok || !slices.Equal(info.Shape, a.Shape) {
			return p, fmt.Errorf("resume: %s has no tensor %s of shape %v: it is the state of another run", path, a.Name, a.Shape)
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
