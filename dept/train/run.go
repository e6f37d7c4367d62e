package train

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/metrics"
	"github.com/go-dept/dept/internal/atomicfile"
	"github.com/go-dept/dept/tensor"
)

// The files of a run's folder, beside the adapter or checkpoint.
const (
	RunFile   = "run.json"          // the settings, which a resumed run must repeat
	LogFile   = "log.jsonl"         // one object a step and one an evaluation
	StateFile = "state.safetensors" // what --resume goes on from
)

// EvalRecord is the log's line for an evaluation.
type EvalRecord struct {
	Step int `json:"step"`
	*Evaluation
	Best    bool    `json:"best"` // the folder now holds this one
	Seconds float64 `json:"seconds"`
}

// Run is a training run, done in pieces. In a folder, after Begin or Resume, it
// logs, keeps the best adapter or checkpoint, and can be stopped and resumed at any
// step; without them it keeps nothing.
type Run struct {
	Dir       string
	Settings  Settings
	Trainer   *Trainer
	SaveEvery int
	// Save writes the adapter or checkpoint into Dir, whole or not at all.
	Save func(context.Context) error
	// TrainName and DevName are what people call the rows, for errors.
	TrainName, DevName string
	// Evaluate scores the method as it stands, piece by piece: it returns nil until
	// the last one. It is nil without dev data. Metric decides which is best; without
	// one the folder holds the last.
	Evaluate func(context.Context) (*Evaluation, error)
	Metric   metrics.Name
	// Sample, if set, stands in for Evaluate between the first step and the last: it is
	// of fewer rows, and decides nothing.
	Sample func(context.Context) (*Evaluation, error)
	// OnRecord and OnEval, if set, see what the log gets.
	OnRecord func(StepRecord)
	OnEval   func(EvalRecord)
	// OnRows, if set, hears how far an evaluation is.
	OnRows func(done, total int)

	log        *os.File // nil where nothing is kept
	unlogged   error    // why lines are in progress.Unlogged
	progress   progress
	evaluating func(context.Context) (*Evaluation, error) // nil between evaluations
	sampling   bool                                       // it is Sample
	endsAt     int
	endsEarly  bool
}

// HoldsRun reports whether a folder holds anything that a run would replace.
func HoldsRun(dir string) bool {
	for _, name := range append([]string{RunFile, LogFile, StateFile, "config.json", "model.safetensors"}, dept.AdapterFiles...) {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return true
		}
	}
	return false
}

// Begin starts the run in its folder, over whatever run was there.
func (r *Run) Begin(ctx context.Context) error {
	kind, err := dept.Lookup(r.Settings.Method)
	if err != nil {
		return fmt.Errorf("begin run: %w", err)
	}
	if err := os.MkdirAll(r.Dir, 0o777); err != nil {
		return fmt.Errorf("begin run: %w", err)
	}
	atomicfile.Clean(r.Dir)
	// The old state goes first: resuming must never meet the new settings with
	// the old numbers.
	if err := removeFiles(r.Dir, StateFile, LogFile); err != nil {
		return fmt.Errorf("begin run: %w", err)
	}
	if err := r.writeSettings(); err != nil {
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
	if kind.Checkpoints() {
		other = dept.AdapterFiles
	}
	if err := removeFiles(r.Dir, other...); err != nil {
		return fmt.Errorf("begin run: %w", err)
	}
	return r.saveState(ctx)
}

// writeSettings writes run.json.
func (r *Run) writeSettings() error {
	r.Settings.Format = runFormat
	settings, err := json.MarshalIndent(r.Settings, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.WriteFile(filepath.Join(r.Dir, RunFile), func(w io.Writer) error {
		_, err := w.Write(append(settings, '\n'))
		return err
	})
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
// run began with; the log is cut back to the state's step. With a leg more than the run
// in the folder has, which must have ended, it is extended.
func (r *Run) Resume() error {
	path := filepath.Join(r.Dir, RunFile)
	old, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("resume: %s holds no run to go on with: %w", r.Dir, err)
	}
	if err := r.sameSettings(old); err != nil {
		return fmt.Errorf("resume %s: %w", r.Dir, err)
	}
	extends, err := r.extends(old)
	if err != nil {
		return fmt.Errorf("resume %s: %w", r.Dir, err)
	}
	if err := r.sameKernels(old); err != nil {
		return fmt.Errorf("resume %s: %w", r.Dir, err)
	}
	atomicfile.Clean(r.Dir)
	if r.progress, err = r.Trainer.restore(filepath.Join(r.Dir, StateFile)); err != nil {
		return err
	}
	if ended := r.end() - r.Settings.Train.LastLeg().Steps; extends && r.progress.Step != ended {
		return fmt.Errorf("extend %s: the run has not ended, it is at step %d of %d: go on with --resume first", r.Dir, r.progress.Step, ended)
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
	if _, err := r.log.WriteAt([]byte(r.progress.Unlogged), r.progress.LogBytes); err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	r.progress.LogBytes += int64(len(r.progress.Unlogged))
	r.progress.Unlogged = ""
	if !extends {
		return nil
	}
	if err := r.writeSettings(); err != nil {
		return fmt.Errorf("extend %s: %w", r.Dir, err)
	}
	return nil
}

// sameKernels refuses to go on with kernels that are chosen by something else than
// when the run began: sums would be taken in another order.
func (r *Run) sameKernels(old []byte) error {
	had, err := kernelsIn(old)
	if err != nil || had == nil {
		return err
	}
	was, _ := json.Marshal(had)
	is, _ := json.Marshal(r.Settings.Kernels)
	if !bytes.Equal(was, is) {
		return fmt.Errorf("the run began with kernels chosen by %s, and the model was opened with those by %s: name the run in Opening.Run", was, is)
	}
	return nil
}

// Stopped says that a run was stopped before its last step and saved, if it has a folder.
type Stopped struct {
	Step int
	Dir  string
}

func (s *Stopped) Error() string {
	if s.Dir == "" {
		return fmt.Sprintf("stopped after step %d", s.Step)
	}
	return fmt.Sprintf("stopped after step %d; %s holds everything to go on", s.Step, s.Dir)
}

// UnwritableError says that a run ended early because its folder could not be written
// to.
type UnwritableError struct {
	Step  int // that the run had come to
	Saved int // that the folder holds everything to go on from
	Err   error
}

func (e *UnwritableError) Error() string {
	return fmt.Sprintf("stopped after step %d, since its folder cannot be written to; it holds everything to go on from step %d: %v", e.Step, e.Saved, e.Err)
}

func (e *UnwritableError) Unwrap() error { return e.Err }

// unwritable makes an *UnwritableError of an error of the folder's files, after it has
// tried to save what there is: where one file cannot be written, another may.
func (r *Run) unwritable(ctx context.Context, err error) error {
	var file *fs.PathError
	var link *os.LinkError
	if r.log == nil || !errors.As(err, &file) && !errors.As(err, &link) {
		return err
	}
	if r.progress.Step < r.Trainer.Done() {
		r.checkpoint(ctx)
	}
	return &UnwritableError{r.Trainer.Done(), r.progress.Step, err}
}

// Train runs the steps that are left. When ctx is done it finishes the step at
// hand, saves, and returns *Stopped: a run with a folder goes on after Resume, one
// without by another Train. A loss that is not finite ends it with
// ErrNotFinite, the folder holding the last good adapter; a folder that cannot be
// written to, with *UnwritableError.
func (r *Run) Train(ctx context.Context) error {
	work := context.WithoutCancel(ctx)
	for ctx.Err() == nil {
		done, err := r.Advance(ctx)
		switch {
		case err != nil && errors.Is(err, ctx.Err()): // a resumed run evaluates again
		case err != nil || done:
			return errors.Join(r.unwritable(work, err), r.Close())
		}
	}
	err := r.unwritable(work, r.failed(work, r.checkpoint(work)))
	if err = errors.Join(err, r.Close()); err != nil {
		return err
	}
	return &Stopped{r.Trainer.Done(), r.Dir}
}

// Advance does one piece of the run: some rows of an evaluation, a save, or an
// update; done reports that nothing is left. Only an evaluation stops in the middle
// where ctx is done: updates and saves run to their end.
func (r *Run) Advance(ctx context.Context) (done bool, err error) {
	r.Trainer.OnRecord = r.record
	work := context.WithoutCancel(ctx)
	switch at := r.Trainer.Done(); {
	case r.EvaluationNext():
		return false, r.evaluate(ctx)
	case r.saveDue(at):
		return false, r.failed(work, r.checkpoint(work))
	case at >= r.end():
		return true, r.failed(work, r.Trainer.Flush(work))
	}
	if err := r.Trainer.Step(work); err != nil {
		return false, r.failed(work, err)
	}
	return false, r.unlogged
}

// Close closes the run's log, as Train does at its end; a program that calls Advance does so itself.
func (r *Run) Close() error {
	if r.log == nil {
		return nil
	}
	if err := r.log.Close(); !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

// EndAt makes another step than the settings' the run's last one, which is evaluated
// and saved as a last one is. The rates stay those of the settings.
func (r *Run) EndAt(step int) { r.endsAt, r.endsEarly = step, true }

// Evaluating reports whether an evaluation is under way.
func (r *Run) Evaluating() bool { return r.evaluating != nil }

// Sampling reports whether an evaluation of a sample is under way.
func (r *Run) Sampling() bool { return r.evaluating != nil && r.sampling }

// EvaluationNext reports whether the next piece is one of an evaluation.
func (r *Run) EvaluationNext() bool { return r.evaluating != nil || r.evaluationDue(r.Trainer.Done()) }

// SkipEvaluation gives up the evaluation at hand, which counts as done.
func (r *Run) SkipEvaluation() {
	if r.evaluating != nil {
		r.evaluating = nil
		r.evaluated(r.Trainer.Done())
	}
}

// evaluated takes note that the evaluation at hand is over.
func (r *Run) evaluated(at int) {
	if r.progress.Sampled = at; !r.sampling {
		r.progress.Evaluated = at
	}
}

// end is the step after which the run ends.
func (r *Run) end() int {
	if r.endsEarly {
		return r.endsAt
	}
	return r.Settings.Train.Total()
}

// record logs an update.
func (r *Run) record(s StepRecord) error {
	if r.OnRecord != nil {
		r.OnRecord(s)
	}
	if r.log == nil {
		return nil
	}
	line, err := r.stepLine(s)
	if err != nil {
		return err
	}
	return r.write(line)
}

// evaluationDue says whether the method is to be scored as it stands: before
// step 1, every EvalEvery steps and at the end.
func (r *Run) evaluationDue(at int) bool {
	switch {
	case r.Evaluate == nil:
		return false
	case at == 0 || at == r.end():
		return r.progress.Evaluated < at
	}
	return r.Settings.EvalEvery > 0 && at%r.Settings.EvalEvery == 0 && max(r.progress.Evaluated, r.progress.Sampled) < at
}

// saveDue says whether the folder is to hold what has been trained so far.
func (r *Run) saveDue(at int) bool {
	due := at == r.end() || r.SaveEvery > 0 && at%r.SaveEvery == 0
	return due && r.log != nil && at > r.progress.Step
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
	if errors.As(err, &broken) && finite(broken.Loss) && !r.choosesBest() && r.Save != nil {
		return errors.Join(err, r.Save(ctx))
	}
	return err
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// checkpoint saves what the run goes on from, if anywhere, and, without dev data to
// choose by, the adapter as it stands.
func (r *Run) checkpoint(ctx context.Context) error {
	if err := r.Trainer.Flush(ctx); err != nil {
		return err
	}
	if r.log == nil {
		return nil
	}
	var err error
	if !r.choosesBest() {
		err = r.Save(ctx)
	}
	return errors.Join(err, r.saveState(ctx), r.unlogged)
}

func (r *Run) saveState(ctx context.Context) error {
	if err := r.log.Sync(); err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	if err := r.Trainer.save(ctx, filepath.Join(r.Dir, StateFile), r.progress); err != nil {
		return err
	}
	r.progress.Step = r.Trainer.Done()
	return nil
}

// evaluate goes on with an evaluation and, at its end, saves the method if no
// evaluation of a trained one was as good. The one before step 1 only says where
// training starts.
func (r *Run) evaluate(ctx context.Context) error {
	at := r.Trainer.Done()
	if r.evaluating == nil {
		if err := r.Trainer.Flush(context.WithoutCancel(ctx)); err != nil {
			return r.failed(context.WithoutCancel(ctx), err)
		}
		r.evaluating, r.sampling = r.Evaluate, false
		if r.Sample != nil && at > 0 && at < r.end() {
			r.evaluating, r.sampling = r.Sample, true
		}
	}
	v, err := r.evaluating(ctx)
	if err != nil {
		r.evaluating = nil
	}
	if err != nil || v == nil {
		return err
	}
	r.evaluating = nil
	rec := EvalRecord{Step: at, Evaluation: v, Seconds: r.Trainer.Seconds()}
	score := v.Metrics[r.Metric]
	if r.choosesBest() && !r.sampling && rec.Step > 0 && (r.progress.BestStep == 0 || score > r.progress.Best) {
		if err := r.Save(context.WithoutCancel(ctx)); err != nil {
			return err
		}
		r.progress.Best, r.progress.BestStep, rec.Best = score, rec.Step, true
	}
	if r.OnEval != nil {
		r.OnEval(rec)
	}
	r.evaluated(at)
	if r.log == nil {
		return nil
	}
	return r.write(rec)
}

// stepLine is the log's object for a step, with the rate of each group.
func (r *Run) stepLine(s StepRecord) (json.RawMessage, error) {
	line, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	line = bytes.TrimSuffix(line, []byte("}"))
	for _, group := range tensor.Groups(r.Trainer.method.Params()) {
		rate, err := json.Marshal(s.Rates[group])
		if err != nil {
			return nil, err
		}
		line = fmt.Appendf(line, ",%q:%s", dept.RateKey(group), rate)
	}
	return append(line, '}'), nil
}

// write adds a line to the log. One that there is no room for is kept for the state,
// and so are those after it.
func (r *Run) write(line any) error {
	b, err := json.Marshal(line)
	if err != nil {
		return err
	}
	b = append(b, '\n')
	if r.unlogged == nil {
		if _, err = r.log.WriteAt(b, r.progress.LogBytes); err == nil {
			r.progress.LogBytes += int64(len(b))
			return nil
		}
		r.unlogged = fmt.Errorf("write the log: %w", err)
	}
	r.progress.Unlogged += string(b)
	return nil
}
