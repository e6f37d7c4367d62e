package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/dept/tasks"
	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/safetensors"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/tensor"
	"github.com/go-dept/dept/wgpu"
)

// The methods of fine-tuning.
const (
	methodDePT = "dept"
	methodPT   = "pt"
	methodFull = "full"
)

// training is a train command: its flags and, once it runs, what they lead to.
type training struct {
	modelDir, trainFile, devFile, out, device string
	data                                      dataFlags
	method                                    string
	promptLength, rank                        int
	scale, promptInit, initDir                string
	lrPrompt, lrLowRank, lr                   float64
	options                                   train.Options
	evalEvery, saveEvery                      int
	resume, overwrite, dryRun                 bool

	changed func(flag string) bool // given by the user
	*setup
	tune    dept.Method
	config  dept.AdapterConfig // of dept and pt
	start   string             // where P, A and B start
	plan    tensor.Plan
	show    *progress
	storage safetensors.DType // of a checkpoint's weights
	rows    *data.Dataset
	judge   *data.Dataset // of --dev, or nil
	task    *tasks.Task
}

func trainCommand() *cobra.Command {
	t := &training{storage: safetensors.F32}
	cmd := &cobra.Command{
		Use:   "train --model DIR --train FILE --out DIR",
		Short: "Fine-tune a model with DePT, prompt tuning or in full",
		Long: `Fine-tune a T5 checkpoint: with DePT (a short prompt P and a low-rank shift A·B of
the word embeddings), with prompt tuning (P alone), or in full.

Rows are JSONL, TSV or CSV, by the file's extension. Ctrl-C saves and says how to go on.`,
		Args: cobra.NoArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) error { return t.run(cmd) }),
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&t.modelDir, "model", "", "the checkpoint's folder")
	f.StringVar(&t.trainFile, "train", "", "rows to train on")
	f.StringVar(&t.devFile, "dev", "", "rows to choose the best step by")
	f.StringVar(&t.out, "out", "", "the run's folder: adapter or checkpoint, log.jsonl and the state to resume from")
	t.data.add(cmd)
	f.StringVar(&t.method, "method", methodDePT, "dept, pt or full")
	f.IntVar(&t.promptLength, "prompt-length", 40, "m, the vectors of the prompt P")
	f.IntVar(&t.rank, "rank", 45, "r, the rank of the shift A·B")
	f.IntVar(&t.options.MaxSourceLength, "max-source-length", defaultSourceLength, "s, the most tokens of a source; longer ones are cut")
	f.IntVar(&t.options.MaxTargetLength, "max-target-length", 0, "the most tokens of a target (default a task's longest label, else 64)")
	f.Float64Var(&t.lrPrompt, "lr-prompt", 0.3, "learning rate of P")
	f.Float64Var(&t.lrLowRank, "lr-lowrank", 5e-4, "learning rate of A and B")
	f.Float64Var(&t.lr, "lr", 1e-3, "learning rate of --method full")
	f.IntVar(&t.options.Steps, "steps", 30000, "updates")
	f.IntVar(&t.options.Batch, "batch-size", 32, "rows at once")
	f.IntVar(&t.options.Accumulate, "accumulate", 1, "batches an update")
	f.IntVar(&t.options.Warmup, "warmup-steps", 500, "updates in which the rates rise; then they fall to the end")
	f.Float64Var(&t.options.Clip, "clip", 1, "the largest norm of an update's gradient; 0 does not clip")
	f.Float64Var(&t.options.Dropout, "dropout", 0.1, "dropout rate; not given, the checkpoint's own")
	f.StringVar(&t.scale, "scale", "code", "factor on A·B: code is 8/√r, paper is 1")
	f.StringVar(&t.promptInit, "prompt-init", string(dept.InitText), "where P starts: text, vocab or random")
	f.StringVar(&t.initDir, "init", "", "start from the adapter in this folder")
	f.BoolVar(&t.options.Shuffle, "shuffle", true, "draw a new order for each epoch")
	f.IntVar(&t.evalEvery, "eval-every", 1000, "updates between evaluations on --dev; 0 is at the end only")
	f.IntVar(&t.saveEvery, "save-every", 1000, "updates between saves; 0 is at the end only")
	f.BoolVar(&t.resume, "resume", false, "go on with the run in --out")
	f.BoolVar(&t.overwrite, "overwrite", false, "replace the run in --out")
	f.BoolVar(&t.dryRun, "dry-run", false, "print memory, shapes, parameters and steps, and stop")
	f.Uint64Var(&t.options.Seed, "seed", 42, "of the start, the order and dropout")
	f.StringVar(&t.device, "device", "", "part of the adapter's name (see dept devices)")
	obligatory(cmd, "model", "train")
	t.changed = f.Changed
	return cmd
}

func (t *training) run(cmd *cobra.Command) error {
	rows, err := t.data.options(true)
	if err != nil {
		return err
	}
	t.task = rows.Task
	if err := t.check(); err != nil {
		return err
	}
	if err := t.checkOut(); err != nil {
		return err
	}
	t.warnUnused(cmd)
	if t.setup, err = openSetup(cmd, t.modelDir, t.device, t.method == methodFull); err != nil {
		return err
	}
	defer t.close()
	if err := t.settle(); err != nil {
		return err
	}
	adapter, err := t.startAdapter(cmd)
	if err != nil {
		return err
	}
	if adapter == nil {
		t.tune = dept.NewFull(t.model)
	} else if t.tune, err = dept.NewPrompt(t.engine, adapter, true); err != nil {
		return fmt.Errorf("--prompt-length %d, --rank %d: %w", t.config.PromptLength, t.config.Rank, err)
	}
	defer t.tune.Release()
	if err := t.fit(); err != nil {
		return err
	}
	// Only now, when the rest is known to be right, the rows, which may be many.
	if t.rows, err = data.Load(t.trainFile, rows); err != nil {
		return err
	}
	if t.devFile != "" {
		if t.judge, err = data.Load(t.devFile, rows); err != nil {
			return err
		}
	}
	t.header(cmd)
	if t.dryRun {
		return nil
	}
	return t.learn(cmd)
}

// warnUnused tells which of the given flags the method does not use. They are
// no error: changing --method alone is how methods are compared.
func (t *training) warnUnused(cmd *cobra.Command) {
	for _, unused := range []struct {
		method string
		flags  []string
	}{
		{methodDePT, []string{"lr"}},
		{methodPT, []string{"lr", "lr-lowrank", "rank", "scale"}},
		{methodFull, []string{"lr-prompt", "lr-lowrank", "prompt-length", "rank", "scale", "prompt-init"}},
	} {
		for _, flag := range unused.flags {
			if t.method == unused.method && t.changed(flag) {
				warn(cmd, "--method %s does not use --%s", t.method, flag)
			}
		}
	}
}

// check refuses flags that contradict each other or make no sense, before any
// file is opened.
func (t *training) check() error {
	if !slices.Contains([]string{methodDePT, methodPT, methodFull}, t.method) {
		return usagef("--method %q: there are dept, pt and full", t.method)
	}
	switch {
	case t.initDir != "" && t.method == methodFull:
		return usagef("--init is for adapters: --method full starts from the checkpoint of --model")
	case t.initDir != "" && t.changed("prompt-init"):
		return usagef("--init starts P from an adapter and --prompt-init from elsewhere: give one of them")
	case t.devFile == "" && t.changed("eval-every"):
		return usagef("--eval-every needs rows to evaluate on: give --dev")
	case t.scale != "code" && t.scale != "paper":
		return usagef("--scale %q: there are code (8/√r) and paper (1)", t.scale)
	case !slices.Contains([]dept.PromptInit{dept.InitText, dept.InitVocab, dept.InitRandom}, dept.PromptInit(t.promptInit)):
		return usagef("--prompt-init %q: there are text, vocab and random", t.promptInit)
	}
	return t.checkNumbers()
}

// checkNumbers refuses numbers that make no sense.
func (t *training) checkNumbers() error {
	o := t.options
	for _, n := range []struct {
		flag         string
		value, least int
	}{
		{"steps", o.Steps, 1}, {"batch-size", o.Batch, 1}, {"accumulate", o.Accumulate, 1}, {"warmup-steps", o.Warmup, 0},
		{"prompt-length", t.promptLength, 0}, {"rank", t.rank, 0},
		{"max-source-length", o.MaxSourceLength, 1}, {"max-target-length", o.MaxTargetLength, 0},
		{"eval-every", t.evalEvery, 0}, {"save-every", t.saveEvery, 0},
	} {
		if n.value < n.least || n.value > math.MaxInt32 {
			return usagef("--%s %d: it must be a number from %d to %d", n.flag, n.value, n.least, math.MaxInt32)
		}
	}
	for _, x := range []struct {
		flag  string
		value float64
		below float64
	}{
		{"lr-prompt", t.lrPrompt, math.MaxFloat32}, {"lr-lowrank", t.lrLowRank, math.MaxFloat32}, {"lr", t.lr, math.MaxFloat32},
		{"clip", o.Clip, math.MaxFloat32}, {"dropout", o.Dropout, 1},
	} {
		if !(x.value >= 0 && x.value < x.below) {
			return usagef("--%s %g: it must be at least 0 and less than %g", x.flag, x.value, x.below)
		}
	}
	return nil
}

// checkOut refuses a folder whose contents would be lost, and resuming where
// there is nothing to resume.
func (t *training) checkOut() error {
	if t.resume && t.overwrite {
		return usagef("--resume goes on with a run and --overwrite replaces it: give one of them")
	}
	if t.dryRun {
		return nil
	}
	if t.out == "" {
		return usagef("--out is missing: name the folder for the run")
	}
	for _, other := range []struct{ flag, dir string }{{"model", t.modelDir}, {"init", t.initDir}} {
		if sameFolder(t.out, other.dir) {
			return usagef("--out %s is the folder of --%s: training would write over it", t.out, other.flag)
		}
	}
	has := func(name string) bool {
		_, err := os.Stat(filepath.Join(t.out, name))
		return err == nil
	}
	switch {
	case t.resume && !has(train.RunFile):
		return usagef("--resume: %s holds no run (no %s): leave --resume out to begin one", t.out, train.RunFile)
	case t.resume && !has(train.StateFile):
		return usagef("--resume: the run in %s saved nothing to go on from (no %s): begin anew with --overwrite", t.out, train.StateFile)
	case !t.resume && !t.overwrite && train.HoldsRun(t.out):
		return usagef("--out %s holds a run or a model: go on with --resume, replace it with --overwrite, or name another folder", t.out)
	case t.overwrite && has("config.json") && !has(train.RunFile):
		return usagef("--out %s holds a checkpoint that no run of dept train made: name another folder", t.out)
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

// settle fills in what flags leave to the model, the task or the method.
func (t *training) settle() error {
	o := &t.options
	if !t.changed("dropout") {
		o.Dropout = t.ck.Config.DropoutRate
	}
	o.Rates = [2]float64{dept.GroupPrompt: t.lrPrompt, dept.GroupLowRank: t.lrLowRank}
	switch t.method {
	case methodPT:
		o.Rates[dept.GroupLowRank] = 0
	case methodFull:
		o.Rates = [2]float64{t.lr}
	}
	if o.MaxTargetLength > 0 {
		return nil
	}
	o.MaxTargetLength = textTargetLength
	if t.task != nil {
		o.MaxTargetLength = 1
		for _, label := range t.task.Targets() {
			ids, err := t.tok.Encode(label)
			if err != nil {
				return fmt.Errorf("tokenize label %q: %w", label, err)
			}
			o.MaxTargetLength = max(o.MaxTargetLength, len(ids)+1)
		}
	}
	return nil
}

// maxPositions bounds m + s, since attention's time grows with its square.
const maxPositions = 1 << 15

// startAdapter is what training starts from, nil for full fine-tuning.
func (t *training) startAdapter(cmd *cobra.Command) (*dept.Adapter, error) {
	if t.method == methodFull {
		t.start = "model"
		return nil, nil
	}
	fingerprint, err := t.ck.Fingerprint()
	if err != nil {
		return nil, err
	}
	c := dept.AdapterConfig{
		PromptLength: t.promptLength, Rank: t.rank, MaxSourceLength: t.options.MaxSourceLength,
		Width: t.ck.Config.DModel, LoraAlpha: dept.DefaultLoraAlpha,
	}
	if t.scale == "paper" {
		c.LoraAlpha = math.Sqrt(float64(t.rank))
	}
	if t.method == methodPT {
		c.Rank = 0
	}
	var from *dept.Adapter
	if t.initDir != "" {
		if from, err = t.readInit(cmd, &c); err != nil {
			return nil, err
		}
	}
	if c.Rank == 0 {
		c.LoraAlpha = 0
	}
	c.BaseModel, c.BaseFingerprint = t.modelDir, fingerprint
	t.config = c
	t.options.MaxSourceLength = c.MaxSourceLength
	switch least, most := min(c.MaxSourceLength, c.Width), max(c.MaxSourceLength, c.Width); {
	case c.Parameters() == 0:
		return nil, usagef("--prompt-length 0 and --rank 0 leave nothing to train")
	case c.PromptLength+c.MaxSourceLength > maxPositions:
		return nil, usagef("--prompt-length %d and --max-source-length %d do not fit: they are %s positions for the encoder, which takes up to %s", c.PromptLength, c.MaxSourceLength, count(c.PromptLength+c.MaxSourceLength), count(maxPositions))
	case c.Rank > most:
		return nil, usagef("--rank %d does not fit: A·B is [%d, %d] (source length, model width), whose rank is at most %d", c.Rank, c.MaxSourceLength, c.Width, least)
	case c.Rank > least:
		warn(cmd, "--rank %d trains parameters for nothing: A·B is [%d, %d], whose rank is at most %d", c.Rank, c.MaxSourceLength, c.Width, least)
	}
	if from != nil {
		hash, err := adapterFingerprint(from)
		if err != nil {
			return nil, err
		}
		t.start = "adapter " + hash
		from.Config = c
		return from, nil
	}
	t.start = t.promptInit
	return dept.NewAdapter(c, dept.PromptInit(t.promptInit), t.ck, t.tok, t.options.Seed)
}

// readInit reads the adapter of --init, whose sizes go into c. Flags that ask
// for others are refused.
func (t *training) readInit(cmd *cobra.Command, c *dept.AdapterConfig) (*dept.Adapter, error) {
	from, err := dept.ReadAdapter(t.initDir)
	if err != nil {
		return nil, err
	}
	if err := t.checkBase(cmd, t.initDir, from); err != nil {
		return nil, err
	}
	has := from.Config
	switch {
	case t.method == methodPT && has.Rank > 0:
		return nil, usagef("--init %s holds a DePT adapter (r = %d): train it on with --method dept", t.initDir, has.Rank)
	case t.method == methodDePT && has.Rank == 0:
		return nil, usagef("--init %s holds prompt tuning (r = 0): train it on with --method pt", t.initDir)
	}
	if has.Rank == 0 && (has.MaxSourceLength == 0 || t.changed("max-source-length")) {
		has.MaxSourceLength = c.MaxSourceLength // nothing in the adapter depends on it
	}
	for _, size := range []struct {
		flag     string
		asks, is any
	}{
		{"prompt-length", c.PromptLength, has.PromptLength},
		{"rank", c.Rank, has.Rank},
		{"max-source-length", c.MaxSourceLength, has.MaxSourceLength},
		{"scale", float32(c.LoraAlpha), float32(has.LoraAlpha)},
	} {
		if t.changed(size.flag) && size.asks != size.is {
			return nil, usagef("--%s asks for %v, and the adapter in %s has %v: leave the flag out", size.flag, size.asks, t.initDir, size.is)
		}
	}
	*c = has
	return from, nil
}

// adapterFingerprint identifies an adapter by its files.
func adapterFingerprint(a *dept.Adapter) (string, error) {
	files, err := a.Files()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(files[dept.AdapterWeightsFile])
	return hex.EncodeToString(sum[:]), nil
}

// fit plans the largest batch, and where it does not fit says what would.
func (t *training) fit() error {
	check := func(batch, source, target int) error {
		o := t.options
		o.Batch, o.MaxSourceLength, o.MaxTargetLength = batch, source, target
		plan, err := train.Check(t.engine, t.model, t.tune, o)
		t.plan = plan
		return err
	}
	o := t.options
	err := check(o.Batch, o.MaxSourceLength, o.MaxTargetLength)
	var limit *wgpu.LimitError
	if !errors.As(err, &limit) {
		return err
	}
	fits := func(batch, source, target int) bool { return check(batch, source, target) == nil }
	if n := largest(o.Batch, func(n int) bool { return fits(n, o.MaxSourceLength, o.MaxTargetLength) }); n > 0 {
		return fmt.Errorf("%w; --batch-size %d fits, and with --accumulate %d makes updates as large", err, n, (o.Batch*o.Accumulate-1)/n+1)
	}
	if n := largest(o.MaxSourceLength, func(n int) bool { return fits(1, n, o.MaxTargetLength) }); n > 0 {
		return fmt.Errorf("%w; even one row does not fit, but --batch-size 1 --max-source-length %d does", err, n)
	}
	if n := largest(o.MaxTargetLength, func(n int) bool { return fits(1, o.MaxSourceLength, n) }); n > 0 {
		return fmt.Errorf("%w; even one row does not fit, but --batch-size 1 --max-target-length %d does", err, n)
	}
	return fmt.Errorf("%w; even one row of short texts does not fit: the model is too large for this device", err)
}

// largest is the largest n below most for which ok holds, 0 if there is none. It
// holds for all smaller ones then.
func largest(most int, ok func(n int) bool) int {
	low, high := 0, most
	for high-low > 1 {
		if n := (low + high) / 2; ok(n) {
			low = n
		} else {
			high = n
		}
	}
	return low
}

// header says what is about to happen.
func (t *training) header(cmd *cobra.Command) {
	out := cmd.OutOrStdout()
	o, c := t.options, t.config
	field(out, "device", "%s", t.dev.Info())
	field(out, "model", "%s: %s", t.modelDir, describeModel(t.ck))
	start := t.start
	if t.initDir != "" {
		start = t.initDir
	}
	var state int64
	parameters := 0
	for _, p := range t.tune.Params() {
		state += 3 * p.Bytes() // the gradient and AdamW's two moments
		parameters += p.Len()
	}
	switch t.method {
	case methodFull:
		field(out, "method", "full: every weight, lr %g", t.lr)
	case methodPT:
		field(out, "method", "pt: P [%d, %d] from %s, lr %g", c.PromptLength, c.Width, start, t.lrPrompt)
	default:
		field(out, "method", "dept: P [%d, %d] from %s, A [%d, %d], B [%d, %d], scale %.4g, lr %g and %g",
			c.PromptLength, c.Width, start, c.MaxSourceLength, c.Rank, c.Rank, c.Width, c.Scale(), t.lrPrompt, t.lrLowRank)
	}
	field(out, "trainable", "%s of %s parameters (%s)", count(parameters), count(t.parameters(parameters)), share(parameters, t.parameters(parameters)))
	field(out, "data", "%s: %s%s", t.trainFile, plural(t.rows.Len(), "row"), t.taskNote())
	if t.judge != nil {
		field(out, "dev", "%s: %s, best by %s", t.devFile, plural(t.judge.Len(), "row"), tasks.MainMetric(t.task))
	}
	updateRows := o.Batch * o.Accumulate
	perEpoch := (t.rows.Len()-1)/updateRows + 1
	field(out, "batch", "%s of up to %d source tokens and %d target tokens, %s an update", plural(o.Batch, "row"), o.MaxSourceLength, o.MaxTargetLength, plural(updateRows, "row"))
	field(out, "steps", "%s; %s an epoch, %.3g epochs", count(o.Steps), count(perEpoch), float64(o.Steps)/float64(perEpoch))
	field(out, "memory", "%s weights, %s activations (planned), %s gradients and moments", size(t.model.Bytes()), size(t.plan.Bytes), size(state))
	if !t.dryRun {
		field(out, "out", "%s", t.out)
	}
	if o.Warmup >= o.Steps {
		warn(cmd, "the rates rise over %s and the run has %d: they never reach what was asked for (--warmup-steps)", plural(o.Warmup, "step"), o.Steps)
	}
}

// parameters are all that the model and the adapter hold.
func (t *training) parameters(trainable int) int {
	if t.method == methodFull {
		return trainable
	}
	return t.model.Parameters() + trainable
}

func (t *training) taskNote() string {
	if t.task == nil {
		return ", text to text"
	}
	return ", task " + t.task.Name
}

// learn runs the training.
func (t *training) learn(cmd *cobra.Command) error {
	examples := data.Tokenize(t.rows, t.tok, t.options.MaxSourceLength, t.options.MaxTargetLength)
	trainer, err := train.NewTrainer(cmd.Context(), t.engine, t.model, t.tune, examples, t.options)
	if err != nil {
		return err
	}
	defer trainer.Release()
	run, err := t.newRun(trainer)
	if err != nil {
		return err
	}
	if t.judge != nil {
		predictor := train.NewPredictor(t.engine, t.model, t.tok, t.tune, train.PredictOptions{
			Batch: t.options.Batch, MaxSourceLength: t.options.MaxSourceLength,
			MaxNewTokens: answerLength(t.flagTargetLength(), t.task), Beams: 1,
		})
		defer predictor.Release()
		predictor.OnRows = func(done, total int) { t.show.rows(done, total) }
		run.Evaluate = func(ctx context.Context) (*train.Evaluation, error) { return predictor.Evaluate(ctx, t.judge, t.task) }
		run.Metric = tasks.MainMetric(t.task)
	}

	return t.train(cmd, run, func() {
		if n := examples.Cut(); n > 0 {
			field(cmd.OutOrStdout(), "cut", "%s longer than %d source or %d target tokens", plural(n, "row"), t.options.MaxSourceLength, t.options.MaxTargetLength)
		}
	})
}

// train begins a run or goes on with it, shows how it goes, and says how it ended;
// ended, if not nil, adds to that.
func (t *training) train(cmd *cobra.Command, run *train.Run, ended func()) error {
	out, trainer := cmd.OutOrStdout(), run.Trainer
	var err error
	if t.resume {
		err = run.Resume()
	} else {
		err = run.Begin(cmd.Context())
	}
	if err != nil {
		return err
	}
	if t.resume {
		field(out, "resumed", "after step %s of %s", count(trainer.Done()), count(t.options.Steps))
	}
	t.show = newProgress(out, t.options.Steps, trainer.Done())
	run.OnRecord, run.OnEval = t.show.step, t.show.eval

	// The first Ctrl-C asks the run to save and end, the second ends the process.
	ctx, restore := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer restore()
	noted := context.AfterFunc(ctx, func() {
		restore()
		fmt.Fprintln(cmd.ErrOrStderr(), "\nstopping after this step; Ctrl-C again quits at once")
	})
	err = run.Train(ctx)
	noted()
	t.show.close()
	if ended != nil {
		ended()
	}
	var stopped *train.Stopped
	switch {
	case errors.As(err, &stopped):
		return &failure{fmt.Errorf("stopped after step %d of %d, and saved; go on with: %s", stopped.Step, t.options.Steps, resumeCommand(os.Args)), exitInterrupted}
	case errors.Is(err, train.ErrNotFinite):
		return fmt.Errorf("%w; %s keeps the last good %s", err, t.out, t.product())
	case err != nil:
		return err
	}
	best := ""
	if score, step, ok := run.Best(); ok {
		best = fmt.Sprintf(" of step %d, the best on dev (%s %.4f)", step, run.Metric, score)
	}
	field(out, "done", "%s in %s; %s holds the %s%s", plural(t.options.Steps, "step"),
		short(time.Duration(trainer.Seconds()*float64(time.Second))), t.out, t.product(), best)
	return nil
}

func (t *training) flagTargetLength() int {
	if t.changed("max-target-length") {
		return t.options.MaxTargetLength
	}
	return 0
}

// product is what the run's folder holds.
func (t *training) product() string {
	if t.method == methodFull {
		return "checkpoint"
	}
	return "adapter"
}

// newRun puts together what the run's folder has to record.
func (t *training) newRun(trainer *train.Trainer) (*train.Run, error) {
	model, err := t.ck.Fingerprint()
	if err != nil {
		return nil, err
	}
	settings := train.Settings{
		Method: t.method, Task: t.data.task, Train: t.options, Adapter: t.config, Start: t.start,
		Model: model, Data: t.rows.Fingerprint(),
	}
	settings.Adapter.BaseModel = "" // the same model may lie elsewhere now
	if t.judge != nil {
		settings.Dev, settings.EvalEvery = t.judge.Fingerprint(), t.evalEvery
	}
	return &train.Run{Dir: t.out, Settings: settings, Trainer: trainer, SaveEvery: t.saveEvery, Save: t.save}, nil
}

// save writes the adapter, or for full fine-tuning a checkpoint that opens as
// any other does.
func (t *training) save(ctx context.Context) error {
	if prompt, ok := t.tune.(*dept.Prompt); ok {
		adapter, err := prompt.Adapter(ctx)
		if err != nil {
			return err
		}
		return adapter.Write(t.out)
	}
	if err := t.tok.Save(t.out); err != nil {
		return err
	}
	return t5.WriteCheckpoint(t.out, t.ck.Config, t.storage, func(name string) ([]float32, error) {
		return t.model.Tensor(ctx, name)
	})
}

// resumeCommand is the command line that goes on with the run that args began.
func resumeCommand(args []string) string {
	var words []string
	for _, arg := range args {
		if !strings.HasPrefix(arg, "--overwrite") && !strings.HasPrefix(arg, "--resume") {
			words = append(words, quote(arg))
		}
	}
	return strings.Join(append(words, "--resume"), " ")
}
