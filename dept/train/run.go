package train

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/tasks"
	"github.com/go-dept/dept/internal/atomicfile"
)

// The files of a run's folder, beside the adapter or checkpoint.
const (
	RunFile   = "run.json"          // the settings, which a resumed run must repeat
	LogFile   = "log.jsonl"         // one object a step and one an evaluation
	StateFile = "state.safetensors" // what --resume goes on from
)

// Settings decide every number of a run on one device.
type Settings struct {
	Method    string             `json:"method"` // dept, pt or full
	Task      string             `json:"task,omitempty"`
	Train     Options            `json:"train"`
	Adapter   dept.AdapterConfig `json:"adapter"`
	Start     string             `json:"start"` // where P, A and B start: an init rule or an adapter's fingerprint
	EvalEvery int                `json:"eval_every"`
	Model     string             `json:"model"` // fingerprints
	Data      string             `json:"data"`
	Dev       string             `json:"dev,omitempty"`
}

// EvalRecord is the log's line for an evaluation.
type EvalRecord struct {
	Step int `json:"step"`
	*Evaluation
	Best    bool    `json:"best"` // the folder now holds this one
	Seconds float64 `json:"seconds"`
}

// Run is a training run in a folder: it logs, evaluates, keeps the best
// adapter or checkpoint, and can be stopped and resumed at any step.
type Run struct {
	Dir       string
	Settings  Settings
	Trainer   *Trainer
	SaveEvery int
	// Save writes the adapter or checkpoint into Dir, whole or not at all.
	Save func(context.Context) error
	// Evaluate scores the method as it stands; nil without dev data. Metric
	// decides which is best; without one the folder holds the last.
	Evaluate func(context.Context) (*Evaluation, error)
	Metric   tasks.Metric
	// OnRecord and OnEval, if set, see what the log gets.
	OnRecord func(StepRecord)
	OnEval   func(EvalRecord)

	log      *os.File
	progress progress
}

// HoldsRun reports whether a folder holds anything that a run would replace.
func HoldsRun(dir string) bool {
	for _, name := range []string{RunFile, LogFile, StateFile, dept.AdapterConfigFile, dept.AdapterWeightsFile, "config.json", "model.safetensors"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return true
		}
	}
	return false
}

// Begin starts the run in its folder, over whatever run was there.
func (r *Run) Begin(ctx context.Context) error {
	if err := os.MkdirAll(r.Dir, 0o777); err != nil {
		return fmt.Errorf("begin run: %w", err)
	}
	atomicfile.Clean(r.Dir)
	// The old state goes first: resuming must never meet the new settings with
	// the old numbers.
	if err := removeFiles(r.Dir, StateFile, LogFile); err != nil {
		return fmt.Errorf("begin run: %w", err)
	}
	settings, err := json.MarshalIndent(r.Settings, "", "  ")
	if err != nil {
		return err
	}
	err = atomicfile.WriteFile(filepath.Join(r.Dir, RunFile), func(w io.Writer) error {
		_, err := w.Write(append(settings, '\n'))
		return err
	})
	if err != nil {
		return fmt.Errorf("begin run: %w", err)
	}
	if r.log, err = os.Create(filepath.Join(r.Dir, LogFile)); err != nil {
		return fmt.Errorf("begin run: %w", err)
	}
	r.progress.Evaluated = -1
	// From here on the folder opens, whenever the run is cut off.
	if err := r.Save(ctx); err != nil {
		return err
	}
	// What a run of another kind made would be taken for this one's.
	other := []string{"config.json", "model.safetensors"}
	if r.Settings.Method == "full" {
		other = []string{dept.AdapterConfigFile, dept.AdapterWeightsFile, dept.AdapterTorchFile}
	}
	if err := removeFiles(r.Dir, other...); err != nil {
		return fmt.Errorf("begin run: %w", err)
	}
	return r.saveState(ctx)
}

// removeFiles removes those that are there.
func removeFiles(dir string, names ...string) error {
	for _, name := range names {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Resume goes on from the folder's state. Settings and data must be those the
// run began with; the log is cut back to the state's step.
func (r *Run) Resume() error {
	path := filepath.Join(r.Dir, RunFile)
	old, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("resume: %s holds no run to go on with: %w", r.Dir, err)
	}
	if err := sameSettings(old, r.Settings); err != nil {
		return fmt.Errorf("resume %s: %w", r.Dir, err)
	}
	atomicfile.Clean(r.Dir)
	if r.progress, err = r.Trainer.restore(filepath.Join(r.Dir, StateFile)); err != nil {
		return err
	}
	logPath := filepath.Join(r.Dir, LogFile)
	if r.log, err = os.OpenFile(logPath, os.O_RDWR, 0o666); err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	if info, err := r.log.Stat(); err != nil || info.Size() < r.progress.LogBytes {
		return fmt.Errorf("resume: %s is shorter than when the state was saved: it was changed since", logPath)
	}
	if err := r.log.Truncate(r.progress.LogBytes); err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	_, err = r.log.Seek(0, io.SeekEnd)
	return err
}

// sameSettings names the first setting in which a run differs from run.json.
func sameSettings(old []byte, now Settings) error {
	var a, b map[string]any
	if err := json.Unmarshal(old, &a); err != nil {
		return fmt.Errorf("%s: %w", RunFile, err)
	}
	fresh, err := json.Marshal(now)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(fresh, &b); err != nil {
		return err
	}
	return sameValues("", a, b)
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

// Stopped says that a run was stopped before its last step and saved.
type Stopped struct {
	Step int
	Dir  string
}

func (s *Stopped) Error() string {
	return fmt.Sprintf("stopped after step %d; %s holds everything to go on", s.Step, s.Dir)
}

// Train runs the steps that are left. When ctx is done it finishes the step at
// hand, saves, and returns *Stopped. A loss that is not finite ends it with
// ErrNotFinite, the folder holding the last good adapter.
func (r *Run) Train(ctx context.Context) error {
	defer r.log.Close()
	// Steps and saves run to their end; stopping happens between them.
	work := context.WithoutCancel(ctx)
	r.Trainer.OnRecord = func(s StepRecord) error {
		if r.OnRecord != nil {
			r.OnRecord(s)
		}
		return r.write(r.stepLine(s))
	}
	total := r.Settings.Train.Steps
	for ctx.Err() == nil {
		done := r.Trainer.Done()
		if r.evaluationDue(done) {
			if err := r.Trainer.Flush(work); err != nil {
				return r.failed(work, err)
			}
			if err := r.evaluate(ctx); err != nil {
				if ctx.Err() != nil {
					break // a resumed run comes by here again
				}
				return err
			}
		}
		if due := done == total || r.SaveEvery > 0 && done%r.SaveEvery == 0; due && done > r.progress.Step {
			if err := r.checkpoint(work); err != nil {
				return r.failed(work, err)
			}
		}
		if done == total {
			return nil
		}
		if err := r.Trainer.Step(work); err != nil {
			return r.failed(work, err)
		}
	}
	if err := r.checkpoint(work); err != nil {
		return r.failed(work, err)
	}
	return &Stopped{r.Trainer.Done(), r.Dir}
}

// evaluationDue says whether the method is to be scored as it stands: before
// step 1, every EvalEvery steps and at the end.
func (r *Run) evaluationDue(done int) bool {
	due := done == 0 || done == r.Settings.Train.Steps || r.Settings.EvalEvery > 0 && done%r.Settings.EvalEvery == 0
	return due && r.Evaluate != nil && r.progress.Evaluated < done
}

// choosesBest says whether evaluations decide what the folder holds.
func (r *Run) choosesBest() bool { return r.Evaluate != nil && r.Metric != "" }

// Best is the score of the evaluation that the folder holds, and its step; ok
// is false while no trained method has been evaluated.
func (r *Run) Best() (score float64, step int, ok bool) {
	return r.progress.Best, r.progress.BestStep, r.progress.BestStep > 0
}

// failed keeps the last good adapter when a number stopped being finite. Such an
// update is never applied, so where the gradient alone was not finite the device
// holds what the step before made, and a finite loss with it. Where the loss was
// not, that adapter is what broke it, and the folder's own is the last good one.
func (r *Run) failed(ctx context.Context, err error) error {
	var broken *notFinite
	if errors.As(err, &broken) && finite(broken.Loss) && !r.choosesBest() {
		return errors.Join(err, r.Save(ctx))
	}
	return err
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// checkpoint saves what the run goes on from and, without dev data to choose
// by, the adapter as it stands.
func (r *Run) checkpoint(ctx context.Context) error {
	if err := r.Trainer.Flush(ctx); err != nil {
		return err
	}
	if !r.choosesBest() {
		if err := r.Save(ctx); err != nil {
			return err
		}
	}
	return r.saveState(ctx)
}

func (r *Run) saveState(ctx context.Context) error {
	size, err := r.log.Seek(0, io.SeekCurrent)
	if err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	if err := r.log.Sync(); err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	r.progress.LogBytes = size
	r.progress.Step = r.Trainer.Done()
	return r.Trainer.save(ctx, filepath.Join(r.Dir, StateFile), r.progress)
}

// evaluate scores the method, and saves it if no evaluation of a trained one
// was as good. The one before step 1 only says where training starts.
func (r *Run) evaluate(ctx context.Context) error {
	v, err := r.Evaluate(ctx)
	if err != nil {
		return err
	}
	rec := EvalRecord{Step: r.Trainer.Done(), Evaluation: v, Seconds: r.Trainer.Seconds()}
	score := v.Metrics[r.Metric]
	if r.choosesBest() && rec.Step > 0 && (r.progress.BestStep == 0 || score > r.progress.Best) {
		if err := r.Save(context.WithoutCancel(ctx)); err != nil {
			return err
		}
		r.progress.Best, r.progress.BestStep, rec.Best = score, rec.Step, true
	}
	if r.OnEval != nil {
		r.OnEval(rec)
	}
	r.progress.Evaluated = rec.Step
	return r.write(rec)
}

// stepLine is the log's object for a step.
func (r *Run) stepLine(s StepRecord) any {
	line := struct {
		StepRecord
		LRPrompt  float64  `json:"lr_prompt"`
		LRLowRank float64  `json:"lr_lowrank"`
		LR        *float64 `json:"lr,omitempty"` // full fine-tuning has one rate
	}{StepRecord: s, LRPrompt: s.Rates[dept.GroupPrompt], LRLowRank: s.Rates[dept.GroupLowRank]}
	if r.Settings.Method == "full" {
		line.LR, line.LRPrompt = &s.Rates[0], 0
	}
	return line
}

func (r *Run) write(line any) error {
	b, err := json.Marshal(line)
	if err != nil {
		return err
	}
	if _, err := r.log.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("write the log: %w", err)
	}
	return nil
}
