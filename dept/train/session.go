package train

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/dept/tasks"
	"github.com/go-dept/dept/safetensors"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/tensor"
	"github.com/go-dept/dept/text"
	"github.com/go-dept/dept/wgpu"
)

// Lengths where nothing says otherwise.
const (
	DefaultSourceLength = 256
	textTargetLength    = 64 // answers in free text
	taskAnswerLength    = 20 // answers of a task, or labels, as the DePT authors generate
)

// Request is what somebody asks of a training run. Kind must be there, and of Options Steps, Batch,
// Accumulate and MaxSourceLength; the rest may be left out.
type Request struct {
	Kind   *dept.Kind
	Values dept.Values // of the method's settings by name; those left out have their defaults
	// Given are the names of the settings that were asked for; the others have their
	// defaults.
	Given []string
	// Options are those of the trainer. Rates are taken from Values; a
	// MaxTargetLength of 0 is that of the longest label, or 64 for free text.
	Options Options
	// OwnDropout takes the checkpoint's dropout rate instead of the options'.
	OwnDropout bool
	// RelativeRates makes full fine-tuning's rates relative to the weights' size;
	// see dept.NewRelativeFull.
	RelativeRates bool

	Labels []string // the targets that there are; nil for free text
	// Answers is what the adapter says of how it is asked and answers; nil is nothing.
	Answers   *dept.Answers
	EvalEvery int // updates between evaluations; 0 is at the end only
	SaveEvery int // updates between saves; 0 is at the end only

	Init     *dept.Adapter // to start from, or nil
	InitName string        // of Init, for people; empty without one
	// Storage is the type of a whole checkpoint's weights; empty is float32.
	Storage safetensors.DType
}

// Session is one training run, for the command line and the page alike: it checks
// what is asked for, makes the method and plans its memory; with Begin it gets its
// rows, and then, as a Run, goes on piece by piece.
type Session struct {
	*Run // nil before Begin

	Setup   *Setup
	Kind    *dept.Kind
	Method  *dept.Method
	Options Options // with everything filled in
	Plan    tensor.Plan
	Start   string               // where the numbers start, for people
	Advice  []*dept.SettingError // what works, but is asked for in vain

	request   Request
	start     string // what tells starts apart when a run is resumed
	trainer   *Trainer
	predictor *Predictor
	scoring   *Scoring
	sample    *Scoring // of fewer rows; or nil
}

// NewSession checks a request, as the *dept.SettingError of the first setting that
// makes no sense, makes the method as it starts, and plans the memory of the largest
// batch: what does not fit the device is a *TooLargeError.
func NewSession(ctx context.Context, s *Setup, r Request) (*Session, error) {
	r.Values = r.values()
	if err := r.Check(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	n := &Session{Setup: s, Kind: r.Kind, Options: r.Options, request: r}
	if err := n.open(ctx); err != nil {
		n.Release()
		return nil, err
	}
	return n, nil
}

func (n *Session) open(ctx context.Context) error {
	if err := n.settle(); err != nil {
		return err
	}
	var err error
	switch {
	case !n.Kind.Checkpoints():
		err = n.openAdapter()
	case n.request.RelativeRates:
		n.Method, err = dept.NewRelativeFull(ctx, n.Setup.Model)
		n.start = "model"
	default:
		n.Method = dept.NewFull(n.Setup.Model)
		n.start = "model"
	}
	if err != nil {
		return err
	}
	if n.Options.Precision == Mixed && !n.Setup.Engine.Kernels().Features.Has(wgpu.F16) {
		n.Advice = append(n.Advice, &dept.SettingError{Setting: "precision", Value: Mixed, Reason: "this device has no half-precision arithmetic, so that nothing is rounded"})
	}
	return n.fit()
}

// bound is a number that every run has.
type bound struct {
	setting string
	value   float64
	least   float64
	below   float64
	whole   bool
}

// Check reports the first setting that makes no sense whatever the model, as a
// *dept.SettingError.
func (r Request) Check() error {
	o := r.Options
	const most = math.MaxInt32 + 1
	for _, b := range []bound{
		{"steps", float64(o.Steps), 1, most, true},
		{"batch-size", float64(o.Batch), 1, most, true},
		{"accumulate", float64(o.Accumulate), 1, most, true},
		{"warmup-steps", float64(o.Warmup), 0, most, true},
		{"cooldown-steps", float64(o.Cooldown), 0, float64(o.Steps) + 1, true},
		{"max-source-length", float64(o.MaxSourceLength), 1, most, true},
		{"max-target-length", float64(o.MaxTargetLength), 0, most, true},
		{"eval-every", float64(r.EvalEvery), 0, most, true},
		{"save-every", float64(r.SaveEvery), 0, most, true},
		{"clip", o.Clip, 0, math.MaxFloat32, false},
		{"dropout", o.Dropout, 0, 1, false},
	} {
		switch in := b.value >= b.least && b.value < b.below; {
		case !in && b.whole:
			return &dept.SettingError{Setting: b.setting, Value: int(b.value), Reason: fmt.Sprintf("it must be a number from %.0f to %.0f", b.least, b.below-1)}
		case !in:
			return &dept.SettingError{Setting: b.setting, Value: b.value, Reason: fmt.Sprintf("it must be at least %g and less than %g", b.least, b.below)}
		}
	}
	if p := o.Precision; p != Float32 && p != Mixed {
		return &dept.SettingError{Setting: "precision", Value: p, Reason: "give float32 or mixed"}
	}
	if err := r.Kind.Check(r.values()); err != nil {
		return err
	}
	if r.Init != nil || r.InitName != "" {
		return r.checkInit()
	}
	return nil
}

// values are the method's settings, all of them.
func (r Request) values() dept.Values {
	v := r.Kind.Defaults()
	maps.Copy(v, r.Values)
	return v
}

// checkInit refuses an adapter of another method, and settings that ask for another
// adapter than it is. Before the adapter has been read it refuses what no adapter
// makes right.
func (r Request) checkInit() error {
	refuse := func(setting string, value any, format string, args ...any) error {
		return &dept.SettingError{Setting: setting, Value: value, Reason: fmt.Sprintf(format, args...)}
	}
	if r.Kind.Checkpoints() {
		return refuse("init", r.InitName, "it is for adapters: --method %s starts from the checkpoint of --model", r.Kind.Name)
	}
	given := func(s dept.Setting) bool { return slices.Contains(r.Given, s.Name) }
	for _, s := range r.Kind.Settings {
		// What neither the adapter nor the rates depend on says where training starts.
		if given(s) && s.Of == nil && !s.Rate {
			return refuse(s.Name, r.Values[s.Name], "training starts from the adapter in %s: leave the setting out", r.InitName)
		}
	}
	if r.Init == nil {
		return nil
	}
	c := r.Init.Config
	if k := c.Kind(); k != r.Kind {
		return refuse("init", r.InitName, "it holds an adapter of %s (%s): train it on with --method %s", k.Title, c.Describe(), k.Name)
	}
	for _, s := range r.Kind.Settings {
		if s.Of == nil || !given(s) {
			continue
		}
		asks, has := r.Values[s.Name], s.Of(c)
		if list, ok := asks.([]string); ok {
			asks = strings.Join(slices.Sorted(slices.Values(list)), ", ") // as an adapter's file has them
		}
		if asks != has {
			return refuse(s.Name, asks, "the adapter in %s has %v: leave the setting out", r.InitName, has)
		}
	}
	return nil
}

// settle fills in what a request leaves to the model, the labels or the method.
func (n *Session) settle() error {
	o := &n.Options
	if n.request.OwnDropout {
		o.Dropout = n.Setup.Checkpoint.Config.DropoutRate
	}
	o.Rates = n.Kind.Rates(n.request.Values)
	if err := CheckLabels(n.Setup.Tokenizer, n.request.Labels); err != nil {
		return err
	}
	if o.MaxTargetLength > 0 {
		return nil
	}
	o.MaxTargetLength = textTargetLength
	if n.request.Labels == nil {
		return nil
	}
	o.MaxTargetLength = 1
	for _, label := range n.request.Labels {
		o.MaxTargetLength = max(o.MaxTargetLength, len(n.Setup.Tokenizer.Encode(label))+1)
	}
	return nil
}

// CheckLabels refuses labels that are one and the same to a model's tokenizer.
func CheckLabels(tok *text.Tokenizer, labels []string) error {
	known := map[string]string{}
	for _, label := range labels {
		read := tok.Decode(tok.Encode(label))
		if other, ok := known[read]; ok && other != label {
			return fmt.Errorf("the model's tokenizer reads the labels %q and %q alike, as %q: give labels that it can write", other, label, read)
		}
		known[read] = label
	}
	return nil
}

// openAdapter makes the adapter that training starts from, and its method.
func (n *Session) openAdapter() error {
	r, s, d := n.request, n.Setup, n.Setup.Model.Description
	a := r.Init
	if a != nil {
		hash, err := a.Fingerprint()
		if err != nil {
			return err
		}
		n.start, n.Start = "adapter "+hash, r.InitName
		if err := n.fitInit(a.Config); err != nil {
			return err
		}
		a = &dept.Adapter{Config: a.Config, Tensors: a.Tensors}
	} else {
		c, advice, err := r.Kind.Configure(r.Values, n.Options.MaxSourceLength, d)
		if err != nil {
			return err
		}
		n.Advice = advice
		a, err = dept.NewAdapter(c, r.Values, dept.Origin{Model: d, Checkpoint: s.Checkpoint, Tokenizer: s.Tokenizer, Seed: n.Options.Seed})
		if err != nil {
			return err
		}
		for _, x := range r.Kind.Settings {
			if x.Start {
				n.start = r.Values.String(x.Name)
			}
		}
		if c.Positions() > 0 { // a shift alone starts in one way
			n.Start = n.start
		}
	}
	a.Base = dept.Base{Model: s.Name, Fingerprint: s.Fingerprint}
	var err error
	n.Method, err = dept.New(s.Model, a, true)
	return err
}

// fitInit makes the longest text that of the adapter to start from, or the other way
// round where nothing in the adapter depends on it.
func (n *Session) fitInit(c dept.Config) error {
	given := slices.Contains(n.request.Given, "max-source-length")
	if has := c.MaxSource(); has > 0 && !given {
		n.Options.MaxSourceLength = has
		return nil
	}
	return c.SetMaxSource(n.Options.MaxSourceLength)
}

// TooLargeError says that the largest batch does not fit the device, and what would.
type TooLargeError struct {
	Err error // a *wgpu.LimitError
	// Fits are flags with which it would fit; empty where the model is too large.
	Fits string
	// Batch, and with a batch of 1 MaxSourceLength or MaxTargetLength, is the largest
	// that would fit; one of them is set where Fits is.
	Batch, MaxSourceLength, MaxTargetLength int
}

func (e *TooLargeError) Error() string {
	if e.Fits == "" {
		return e.Err.Error() + "; even one row of short texts does not fit: the model is too large for this device"
	}
	return e.Err.Error() + "; " + e.Fits
}

func (e *TooLargeError) Unwrap() error { return e.Err }

// fit plans the largest batch, and where it does not fit says what would.
func (n *Session) fit() error {
	check := func(batch, source, target int) error {
		o := n.Options
		o.Batch, o.MaxSourceLength, o.MaxTargetLength = batch, source, target
		plan, err := Check(n.Setup.Engine, n.Setup.Model, n.Method, o)
		n.Plan = plan
		return err
	}
	o := n.Options
	err := check(o.Batch, o.MaxSourceLength, o.MaxTargetLength)
	var limit *wgpu.LimitError
	if !errors.As(err, &limit) {
		return cannotGoOn(n.Setup.Run, err)
	}
	fits := func(batch, source, target int) bool { return check(batch, source, target) == nil }
	if b := largest(o.Batch, func(b int) bool { return fits(b, o.MaxSourceLength, o.MaxTargetLength) }); b > 0 {
		return &TooLargeError{Err: err, Batch: b, Fits: fmt.Sprintf("--batch-size %d fits, and with --accumulate %d makes updates as large", b, (o.Batch*o.Accumulate-1)/b+1)}
	}
	if l := largest(o.MaxSourceLength, func(l int) bool { return fits(1, l, o.MaxTargetLength) }); l > 0 {
		return &TooLargeError{Err: err, MaxSourceLength: l, Fits: fmt.Sprintf("even one row does not fit, but --batch-size 1 --max-source-length %d does", l)}
	}
	if l := largest(o.MaxTargetLength, func(l int) bool { return fits(1, o.MaxSourceLength, l) }); l > 0 {
		return &TooLargeError{Err: err, MaxTargetLength: l, Fits: fmt.Sprintf("even one row does not fit, but --batch-size 1 --max-target-length %d does", l)}
	}
	return &TooLargeError{Err: err}
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

// Rows are what a session trains on and is measured on; only Train must be there. Fingerprints,
// which are those of data.Dataset, tell data apart when a run is resumed.
type Rows struct {
	Train            data.Examples
	TrainFingerprint string
	// TrainName and DevName are what people call the rows, such as --train.
	TrainName, DevName string

	// Dev are the rows to evaluate on, by Task's metrics or exact match without one;
	// or Evaluate does so. Both are nil for a run without evaluations.
	Dev            *data.Dataset
	DevFingerprint string
	Task           *tasks.Task
	Evaluate       func(context.Context, *Predictor) (*Evaluation, error)
	// KeepBest keeps in the run's folder what an evaluation found best, not the last.
	KeepBest bool
	// Between is how many of Dev's rows, the first ones, are evaluated between the first
	// step and the last; 0 is all.
	Between int
	// Batch and MaxNewTokens are the evaluations'; 0 is the trainer's batch, and 20
	// tokens for labels or 64 for free text.
	Batch, MaxNewTokens int
	Rank                []string // of the evaluations; see PredictOptions
}

// Begin gives the session its rows and takes the memory of training. The Run that it
// now is can be given a folder with its own Begin or Resume.
func (n *Session) Begin(ctx context.Context, rows Rows) error {
	s, o := n.Setup, n.Options
	var err error
	if n.trainer, err = NewTrainer(ctx, s.Engine, s.Model, n.Method, rows.Train, o); err != nil {
		return err
	}
	kernels := s.Engine.Kernels()
	settings := Settings{
		Method: n.Kind.Name, Train: o, Adapter: n.Method.Config(), Start: n.start, Model: s.Fingerprint, Data: rows.TrainFingerprint,
		Kernels: &kernels, Base: &Base{s.Name, s.Commit}, Legs: o.Legs,
	}
	if c, ok := settings.Adapter.(*dept.PromptConfig); ok && c.Constant {
		settings.Shift = dept.ShiftConstant
	}
	if rows.Task != nil {
		settings.Task = rows.Task.Name
	}
	if rows.Rank != nil || rows.Task == nil || rows.Task.Words != nil {
		settings.Answers = n.request.Answers
	}
	n.Run = &Run{Settings: settings, Trainer: n.trainer, SaveEvery: n.request.SaveEvery, progress: progress{Evaluated: -1},
		TrainName: rows.TrainName, DevName: rows.DevName}
	if rows.Dev == nil && rows.Evaluate == nil {
		return nil
	}
	n.Run.Settings.Dev, n.Run.Settings.EvalEvery = rows.DevFingerprint, n.request.EvalEvery
	n.predictor = NewPredictor(s.Engine, s.Model, s.Tokenizer, n.Method, PredictOptions{
		Batch: or(rows.Batch, o.Batch), MaxSourceLength: o.MaxSourceLength, MaxNewTokens: or(rows.MaxNewTokens, AnswerLength(rows.Task, n.request.Labels)), Beams: 1,
		Rank: rows.Rank,
	})
	n.predictor.OnRows = func(done, total int) {
		if n.OnRows != nil {
			n.OnRows(done, total)
		}
	}
	if rows.Evaluate != nil {
		n.Run.Evaluate = func(ctx context.Context) (*Evaluation, error) { return rows.Evaluate(ctx, n.predictor) }
	} else {
		n.scoring = n.predictor.NewScoring(rows.Dev, rows.Task)
		n.Run.Evaluate = n.scoring.Advance
		if rows.Between > 0 && rows.Between < rows.Dev.Len() {
			n.sample = n.predictor.NewScoring(rows.Dev.Head(rows.Between), rows.Task)
			n.Run.Sample = n.sample.Advance
		}
	}
	if rows.KeepBest {
		n.Run.Metric = tasks.MainMetric(rows.Task)
	}
	return nil
}

// Warm compiles what updates, evaluations of so many rows at once, and answers to single
// texts with an adapter will need, where ranks says so of answers that are ranked, too. It is
// called before Begin or instead of it, and of the memory that it takes only the kernels' stays.
// It stops between two kernels where ctx is done; the next call goes on.
func (n *Session) Warm(ctx context.Context, batch, newTokens int, ranks bool) error {
	s, o := n.Setup, n.Options
	total, err := s.Engine.NewArray("loss", tensor.F32, 1)
	if err != nil {
		return err
	}
	defer total.Release()
	g, in, err := recordTraining(s.Engine, s.Model, n.Method, shape{o.Batch, o.MaxSourceLength, o.MaxTargetLength}, o, total)
	if err != nil {
		return err
	}
	err = g.Warm(ctx)
	in.release()
	if err != nil {
		return err
	}
	adam, err := s.Engine.NewAdamW(ctx, n.Method.Params())
	if err != nil {
		return err
	}
	adam.Release()
	a, err := n.Method.Adapter(ctx)
	if err != nil {
		return err
	}
	trained, err := dept.New(s.Model, a, false)
	if err != nil {
		return err
	}
	defer trained.Release()
	for _, answering := range []struct {
		method *dept.Method
		rows   int
	}{{n.Method, batch}, {trained, batch}, {trained, 1}} {
		rows := answering.rows
		p := NewPredictor(s.Engine, s.Model, s.Tokenizer, answering.method, PredictOptions{Batch: rows, MaxSourceLength: o.MaxSourceLength, MaxNewTokens: newTokens, Beams: 1})
		if _, _, err = p.Programs(ctx); err == nil && (ranks || rows == 1) {
			_, err = p.scorer(ctx, shape{rows, o.MaxSourceLength, o.MaxTargetLength})
		}
		p.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

func or(n, other int) int {
	if n > 0 {
		return n
	}
	return other
}

// AnswerLength is the most tokens to generate for an answer of a task, or one that is one of
// the labels, or else free text.
func AnswerLength(task *tasks.Task, labels []string) int {
	if task != nil || labels != nil {
		return taskAnswerLength
	}
	return textTargetLength
}

// KeepIn makes the session keep its folder: with resume it goes on with the run
// there, else it begins one.
func (n *Session) KeepIn(ctx context.Context, dir string, resume bool) error {
	n.Run.Dir = dir
	n.Run.Save = func(ctx context.Context) error { return n.save(ctx, dir) }
	if resume {
		return n.Run.Resume()
	}
	return n.Run.Begin(ctx)
}

// save writes the adapter, or for full fine-tuning a checkpoint that opens as any
// other does.
func (n *Session) save(ctx context.Context, dir string) error {
	if !n.Kind.Checkpoints() {
		a, err := n.Method.Adapter(ctx)
		if err != nil {
			return err
		}
		a.Answers = n.request.Answers
		return a.Write(dir)
	}
	if err := n.Setup.Tokenizer.Save(dir); err != nil {
		return err
	}
	storage := n.request.Storage
	if storage == "" {
		storage = safetensors.F32
	}
	return t5.WriteCheckpoint(dir, n.Setup.Checkpoint.Config, storage, func(name string) ([]float32, error) {
		return n.Setup.Model.Tensor(ctx, name)
	})
}

// StateBytes is the device memory of gradients and moments, before Begin too.
func (n *Session) StateBytes() (bytes int64) {
	for _, p := range n.Method.Params() {
		bytes += 3 * p.Bytes() // the gradient and AdamW's two moments
	}
	return bytes
}

// AllParameters is how many numbers model and adapter hold together.
func (n *Session) AllParameters() int {
	if n.Kind.Checkpoints() {
		return n.Setup.Model.Parameters()
	}
	return n.Setup.Model.Parameters() + n.Method.Parameters()
}

// SkipEvaluation gives up the evaluation at hand, which counts as done.
func (n *Session) SkipEvaluation() {
	for _, s := range []*Scoring{n.scoring, n.sample} {
		if s != nil {
			s.Reset()
		}
	}
	n.Run.SkipEvaluation()
}

// Release gives the session's memory back; the setup stays.
func (n *Session) Release() {
	if n.predictor != nil {
		n.predictor.Release()
	}
	if n.trainer != nil {
		n.trainer.Release()
	}
	if n.Method != nil {
		n.Method.Release()
	}
}
