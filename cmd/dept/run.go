package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/tasks"
	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/hub"
	"github.com/go-dept/dept/internal/runlock"
	"github.com/go-dept/dept/tensor"
)

// running is what train and pretrain share: a training session that lives in a
// folder. The flags are read into its request, and open makes the session.
type running struct {
	modelDir, initDir, out, device, profile string
	resume, overwrite, dryRun               bool
	extend                                  int    // updates
	log                                     string // what is written beside log.jsonl
	request                                 train.Request
	changed                                 func(flag string) bool // given by the user
	kept                                    *kept                  // what this run shares with others of the process; nil for one of its own

	onStep  func(train.StepRecord) // hears of updates too; or nil
	lock    *runlock.Lock          // of the folder; nil where it is not written to
	setup   *train.Setup
	session *train.Session
}

// addOptions registers the flags of the trainer's options, whose defaults are what
// the request's options are now.
func (r *running) addOptions(f *pflag.FlagSet) {
	q := &r.request
	o := &q.Options
	f.IntVar(&o.MaxSourceLength, "max-source-length", o.MaxSourceLength, "s, the most tokens of a source; longer ones are cut")
	f.IntVar(&o.MaxTargetLength, "max-target-length", o.MaxTargetLength, "the most tokens of a target (default that of a task's longest label, 20 for its free text, else 64)")
	f.IntVar(&o.Steps, "steps", o.Steps, "updates")
	f.IntVar(&o.Batch, "batch-size", o.Batch, "rows at once")
	f.IntVar(&o.Accumulate, "accumulate", 1, "batches an update")
	f.IntVar(&o.Warmup, "warmup-steps", o.Warmup, "updates in which the rates rise; then they fall to the end")
	f.Float64Var(&o.Clip, "clip", 1, "the largest norm of an update's gradient; 0 does not clip")
	f.Float64Var(&o.Dropout, "dropout", o.Dropout, "dropout rate")
	f.TextVar(&o.Precision, "precision", o.Precision, "float32, or mixed, which lets products round what they multiply to half precision where the device is faster so")
	f.BoolVar(&o.Recompute, "recompute", false, "compute blocks again for their gradients instead of keeping all that they made: less memory, more time, the same numbers")
	f.IntVar(&q.EvalEvery, "eval-every", 1000, "updates between evaluations on --dev; 0 is at the end only")
	f.IntVar(&q.SaveEvery, "save-every", 1000, "updates between saves; 0 is at the end only")
	f.Uint64Var(&o.Seed, "seed", 42, "of the start, the order and dropout")
}

// addRun registers the flags of the run's folder and of the device.
func (r *running) addRun(f *pflag.FlagSet) {
	f.BoolVar(&r.resume, "resume", false, "go on with the run in --out")
	f.IntVar(&r.extend, "extend", 0, "go on with the run in --out, which has ended, for so many updates more, with rates that rise and fall anew")
	f.BoolVar(&r.overwrite, "overwrite", false, "replace the run in --out")
	f.StringVar(&r.log, "log", "", logTensorBoard+": event files beside log.jsonl, as TensorBoard opens them")
	f.BoolVar(&r.dryRun, "dry-run", false, "print memory, shapes, parameters and steps, and stop")
	addDevice(f, &r.device)
	addProfile(f, &r.profile)
}

// check refuses settings that make no sense and a folder whose contents would be
// lost, before any file is opened. From here on the folder belongs to this process.
func (r *running) check(cmd *cobra.Command) error {
	if r.kept == nil {
		outliveOutput(cmd)
	}
	if err := r.request.Check(); err != nil {
		return asUsage(err)
	}
	if r.log != "" && r.log != logTensorBoard {
		return usagef("--log %s: there is %s; log.jsonl is always written", r.log, logTensorBoard)
	}
	if r.changed("extend") {
		if r.extend < 1 {
			return usagef("--extend %d: it must be a number from 1", r.extend)
		}
		r.resume = true
	}
	if err := r.checkOut(cmd); err != nil || !r.resume {
		return err
	}
	return asUsage(r.request.Options.GoOn(r.out, r.extend))
}

// asUsage words the refusal of a setting as one of its flag.
func asUsage(err error) error {
	var refused *dept.SettingError
	if !errors.As(err, &refused) {
		return err
	}
	return usagef("--%s %v: %s", refused.Setting, refused.Value, refused.Reason)
}

// checkOut refuses a folder that another process trains in or whose contents would be
// lost, and resuming where there is nothing to resume.
func (r *running) checkOut(cmd *cobra.Command) (err error) {
	if r.resume && r.overwrite {
		return usagef("--resume and --extend go on with a run and --overwrite replaces it: give one of them")
	}
	if r.resume && r.profile != "" {
		return usagef("--resume goes on with the kernels that the run began with: leave --profile out")
	}
	if r.dryRun {
		return nil
	}
	if r.out == "" {
		return usagef("--out is missing: name the folder for the run")
	}
	for _, other := range []struct{ flag, dir string }{{"model", r.modelDir}, {"init", r.initDir}} {
		if sameFolder(r.out, other.dir) {
			return usagef("--out %s is the folder of --%s: training would write over it", r.out, other.flag)
		}
	}
	has := func(name string) bool {
		_, err := os.Stat(filepath.Join(r.out, name))
		return err == nil
	}
	if r.lock == nil && (!r.resume || has("")) {
		if r.lock, err = runlock.Take(r.out); err != nil {
			return err
		}
		if r.lock.Warning != "" {
			warn(cmd, "%s", r.lock.Warning)
		}
	}
	switch {
	case r.resume && !has(train.RunFile):
		return usagef("--resume: %s holds no run (no %s): leave --resume out to begin one", r.out, train.RunFile)
	case r.resume && !has(train.StateFile):
		return usagef("--resume: the run in %s saved nothing to go on from (no %s): begin anew with --overwrite", r.out, train.StateFile)
	case !r.resume && !r.overwrite && train.HoldsRun(r.out):
		return usagef("--out %s holds a run or a model: go on with --resume, replace it with --overwrite, or name another folder", r.out)
	case r.overwrite && has("config.json") && !has(train.RunFile):
		return usagef("--out %s holds a checkpoint that no run of dept train made: name another folder", r.out)
	}
	return nil
}

func sameFolder(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// open opens the model and makes the session.
func (r *running) open(cmd *cobra.Command) error {
	if err := r.openModel(cmd); err != nil {
		return err
	}
	return r.openSession(cmd)
}

// openModel opens the model, and the adapter to start from.
func (r *running) openModel(cmd *cobra.Command) (err error) {
	q := &r.request
	if r.initDir != "" {
		at, err := locate(cmd, "init", r.initDir, (*hub.Client).Adapter)
		if err != nil {
			return err
		}
		if q.Init, err = dept.ReadAdapter(at.Dir); err != nil {
			return err
		}
	}
	opening := train.Opening{DeviceName: r.device, Kernels: kernels(cmd, r.profile), Trainable: q.Kind.Checkpoints()}
	if r.resume {
		opening.Run = r.out
	}
	model, err := locateFor(cmd, opening.Run, "model", r.modelDir, (*hub.Client).Model)
	if err != nil {
		return err
	}
	if r.kept != nil {
		r.setup, err = r.kept.open(cmd, model, r.device, opening)
	} else {
		r.setup, err = openSetup(cmd, model, opening)
	}
	if err != nil {
		return err
	}
	if q.Init != nil {
		if err := checkBase(cmd, r.initDir, q.Init, r.setup.CheckAdapter); err != nil {
			return err
		}
	}
	return nil
}

// openSession makes the session of what is asked for.
func (r *running) openSession(cmd *cobra.Command) (err error) {
	if r.session, err = train.NewSession(cmd.Context(), r.setup, r.request); err != nil {
		return asUsage(err)
	}
	for _, a := range r.session.Advice {
		warn(cmd, "--%s %v: %s", a.Setting, a.Value, a.Reason)
	}
	return nil
}

// close gives back what open took.
func (r *running) close() {
	if r.session != nil {
		r.session.Release()
	}
	if r.setup != nil && r.kept == nil {
		r.setup.Release()
	}
	if r.lock != nil {
		r.lock.Release()
	}
}

// modelName is a model's name, with the commit of one of the hub's.
func modelName(s *train.Setup) string {
	if s.Commit == "" {
		return s.Name
	}
	return s.Name + "@" + s.Commit
}

// modelFields begin the header.
func (r *running) modelFields(cmd *cobra.Command) {
	out := cmd.OutOrStdout()
	field(out, "device", "%s", r.setup.Device.Info())
	field(out, "model", "%s: %s", modelName(r.setup), describeModel(r.setup.Checkpoint))
}

// batchField says how large an update is.
func (r *running) batchField(cmd *cobra.Command) {
	o := r.session.Options
	field(cmd.OutOrStdout(), "batch", "%s of up to %d source tokens and %d target tokens, %s an update",
		plural(o.Batch, "row"), o.MaxSourceLength, o.MaxTargetLength, plural(o.Batch*o.Accumulate, "row"))
}

// legNote says that a run was extended.
func legNote(o train.Options) string {
	if len(o.Legs) == 0 {
		return ""
	}
	return fmt.Sprintf(", the last %s of them a leg of their own", count(o.LastLeg().Steps))
}

// precisionField says what is rounded where something is.
func (r *running) precisionField(cmd *cobra.Command) {
	if r.session.Options.Precision == train.Mixed {
		field(cmd.OutOrStdout(), "precision", "mixed: products may round what they multiply to half precision; evaluations are float32")
	}
}

// memoryFields end the header.
func (r *running) memoryFields(cmd *cobra.Command) {
	out, s := cmd.OutOrStdout(), r.session
	planned := "planned"
	if o := s.Options; r.dryRun && !o.Recompute {
		o.Recompute = true
		if plan, err := train.Check(r.setup.Engine, r.setup.Model, s.Method, o); err == nil {
			planned += "; " + size(plan.Bytes) + " with --recompute"
		}
	}
	field(out, "memory", "%s weights, %s activations (%s), %s gradients and moments",
		size(r.setup.Model.Bytes()), size(s.Plan.Bytes), planned, size(s.StateBytes()))
	if !r.dryRun {
		field(out, "out", "%s", r.out)
	}
}

// train gives the session its rows, begins the run or goes on with it, shows how it
// goes, and says how it ended; ended, if not nil, adds to that.
func (r *running) train(cmd *cobra.Command, rows train.Rows, ended func()) error {
	out, s := cmd.OutOrStdout(), r.session
	stop, restore := stopOnSignals(cmd)
	defer restore()
	if err := s.Begin(cmd.Context(), rows); err != nil {
		return err
	}
	if err := s.KeepIn(cmd.Context(), r.out, r.resume); err != nil {
		return err
	}
	steps := s.Options.Total()
	if done := s.Trainer.Done(); r.resume && done < steps {
		field(out, "resumed", "after step %s of %s", count(done), count(steps))
	} else if r.resume {
		field(out, "resumed", "after the last of %s: nothing is left to do; --extend N goes on for N updates more", plural(steps, "step"))
	}
	show := newProgress(out, steps, s.Trainer.Done(), tensor.Groups(s.Method.Params()))
	s.OnRecord, s.OnEval, s.OnRows = show.step, show.eval, show.rows
	if r.onStep != nil {
		s.OnRecord = func(x train.StepRecord) {
			show.step(x)
			r.onStep(x)
		}
	}
	events, err := r.events(cmd, rows)
	if err != nil {
		return err
	}
	defer events.close()
	// Between a stop and the save whose turn it then is nothing is said: where the
	// output is stuck or gone, that must not keep the save from being made.
	defer context.AfterFunc(stop, show.silence)()
	err = s.Train(stop)
	show.close()
	if ended != nil {
		ended()
	}
	if err != nil {
		return r.failed(err)
	}
	best := ""
	if score, step, ok := s.Best(); ok {
		best = fmt.Sprintf(" of step %d, the best on dev (%s %.4f)", step, tasks.MainMetric(rows.Task), score)
	}
	field(out, "done", "%s in %s; %s holds the %s%s", plural(steps, "step"),
		short(time.Duration(s.Trainer.Seconds()*float64(time.Second))), r.out, r.product(), best)
	return nil
}

// failed says what to do about a run that did not come to its end.
func (r *running) failed(err error) error {
	var stopped *train.Stopped
	var unwritable *train.UnwritableError
	switch {
	case errors.As(err, &stopped):
		return &failure{fmt.Errorf("stopped after step %d of %d, and saved; go on with: %s", stopped.Step, r.session.Options.Total(), resumeCommand(os.Args)), exitInterrupted}
	case errors.As(err, &unwritable):
		return fmt.Errorf("%s cannot be written to: %w; stopped after step %d of %d, of which step %d is saved: make room there, and go on with: %s", r.out,
			unwritable.Err, unwritable.Step, r.session.Options.Total(), unwritable.Saved, resumeCommand(os.Args))
	case errors.Is(err, train.ErrNotFinite):
		return fmt.Errorf("%w; %s keeps the last good %s", err, r.out, r.product())
	}
	return err
}

// product is what the run's folder holds.
func (r *running) product() string {
	if r.request.Kind.Checkpoints() {
		return "checkpoint"
	}
	return "adapter"
}

// resumeCommand is the command line that goes on with the run that args began or
// extended.
func resumeCommand(args []string) string {
	var words []string
	for i := 0; i < len(args); i++ {
		name, _, joined := strings.Cut(args[i], "=")
		switch {
		case name == "--extend" && !joined:
			i++ // and its value
		case name != "--extend" && name != "--overwrite" && name != "--resume":
			words = append(words, quote(args[i]))
		}
	}
	return strings.Join(append(words, "--resume"), " ")
}
