package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/dept/tasks"
	"github.com/go-dept/dept/dept/train"
)

// The methods of a run.
const (
	methodDePT         = "dept"
	methodPromptTuning = "pt"
)

// The settings that the page does not show, as the command line has them.
const clip = 1

// samplePause is the time between two pictures.
const samplePause = 250 * time.Millisecond

// examplesShown is how many rows an evaluation shows.
const examplesShown = 5

// run trains an adapter. advance does one piece of its work at a time, so that
// messages are heard in between: an update, or some rows of an evaluation.
type run struct {
	post     func(Message)
	m        *model
	settings Settings
	data     *dataset
	config   dept.AdapterConfig
	prompt   *dept.Prompt
	examples *data.Tokenized
	trainer  *train.Trainer
	reader   *reader

	twin     bool // beside the last run, in a comparison
	steps    int  // after which it ends: the settings', or fewer
	paused   bool // no update by itself
	once     bool // but one
	stopping bool // after the evaluation at hand
	finished bool

	eval      *evaluating // nil between evaluations
	evaluated int         // the step of the last evaluation, -1 before the first
	accuracy  float64     // then

	last      *dept.Adapter // as it was read last
	lastShown time.Time
	records   []train.StepRecord // that came in the part of the work at hand
	busy      time.Duration      // that went into updates without a record yet
	took      []float64          // milliseconds of each update
}

// evaluating is an evaluation under way.
type evaluating struct {
	order   []int // the rows held back, those of like length together
	answers []string
	done    int // of order
	cut     int // before it
}

// newRun plans a run. The settings must make sense; check says whether they do.
func newRun(ctx context.Context, post func(Message), m *model, s Settings, d *dataset) (*run, error) {
	r := &run{post: post, m: m, settings: s, data: d, steps: s.Steps, evaluated: -1}
	r.config = dept.AdapterConfig{
		BaseModel: m.name, BaseFingerprint: m.fingerprint,
		PromptLength: s.PromptLength, Rank: s.Rank, MaxSourceLength: s.MaxSourceLength,
		Width: m.ck.Config.DModel, LoraAlpha: dept.DefaultLoraAlpha,
	}
	if s.Rank == 0 {
		r.config.LoraAlpha = 0
	}
	if err := r.open(ctx); err != nil {
		r.release()
		return nil, err
	}
	post(r.plan())
	r.evaluate()
	return r, nil
}

func (r *run) open(ctx context.Context) error {
	var err error
	s := r.settings
	if r.last, err = dept.NewAdapter(r.config, dept.PromptInit(s.PromptInit), r.m.ck, r.m.tok, s.Seed); err != nil {
		return err
	}
	if r.prompt, err = dept.NewPrompt(r.m.engine, r.last, true); err != nil {
		return err
	}
	target, err := r.targetLength()
	if err != nil {
		return err
	}
	r.examples = data.Tokenize(r.data.train, r.m.tok, s.MaxSourceLength, target)
	r.trainer, err = train.NewTrainer(ctx, r.m.engine, r.m.t5, r.prompt, r.examples, train.Options{
		Steps: s.Steps, Batch: s.Batch, Accumulate: 1,
		Rates:  [2]float64{dept.GroupPrompt: s.LRPrompt, dept.GroupLowRank: s.LRLowRank},
		Warmup: s.Warmup, Clip: clip, Dropout: r.m.ck.Config.DropoutRate,
		MaxSourceLength: s.MaxSourceLength, MaxTargetLength: target, Shuffle: true, Seed: s.Seed,
	})
	if err != nil {
		return err
	}
	r.trainer.Norms = true
	r.trainer.OnRecord = func(s train.StepRecord) error {
		r.records = append(r.records, s)
		return nil
	}
	r.reader, err = r.m.newReader(r.config)
	return err
}

// freeTextTarget is the most tokens of a target where there are no labels.
const freeTextTarget = 64

// targetLength is the most tokens of a target, the end token included.
func (r *run) targetLength() (int, error) {
	if len(r.data.labels) == 0 {
		return freeTextTarget, nil
	}
	longest := 1
	for _, l := range r.data.labels {
		ids, err := r.m.tok.Encode(l.target)
		if err != nil {
			return 0, err
		}
		longest = max(longest, len(ids)+1)
	}
	return longest, nil
}

func (r *run) plan() Plan {
	n := r.config.Parameters()
	return Plan{
		Method: r.settings.Method, Settings: r.settings, Parameters: n,
		Share:    float64(n) / float64(n+r.m.t5.Parameters()),
		Sequence: r.sequence(), Train: r.data.train.Len(), HeldBack: r.data.held.Len(), Labels: r.data.names(),
		WeightBytes: r.m.t5.Bytes(), StateBytes: r.trainer.StateBytes(), ActivationBytes: r.trainer.Plan().Bytes,
	}
}

// sequence is the longest the encoder reads.
func (r *run) sequence() int { return r.config.PromptLength + r.config.MaxSourceLength }

// going reports whether advance has something to do. After the last step there is
// nothing left to be paused.
func (r *run) going() bool {
	return !r.finished && (r.eval != nil || r.stopping || !r.paused || r.once || r.trainer.Done() == r.steps)
}

// advance does one piece of the work.
func (r *run) advance(ctx context.Context) error {
	switch done := r.trainer.Done(); {
	case r.eval != nil:
		return r.evaluateSome(ctx)
	case (r.stopping || done == r.steps) && r.evaluated == done:
		r.finished = true
		return nil
	case r.stopping:
		if err := r.flush(ctx); err != nil {
			return err
		}
		r.evaluate()
		return nil
	}
	if err := r.timed(func() error { return r.trainer.Step(ctx) }); err != nil {
		return err
	}
	done := r.trainer.Done()
	r.once = false
	switch due := r.settings.EvalEvery > 0 && done%r.settings.EvalEvery == 0; {
	case due || done == r.steps:
		r.evaluate() // shows the adapter first
	case r.paused || time.Since(r.lastShown) > samplePause:
		return r.show(ctx)
	}
	return nil
}

// pause halts the run and shows all it has done.
func (r *run) pause(ctx context.Context) error {
	r.paused = true
	return r.flush(ctx)
}

func (r *run) flush(ctx context.Context) error {
	return r.timed(func() error { return r.trainer.Flush(ctx) })
}

// timed does a part of the updates' work and posts the records that came. Those
// that came together share the time since the ones before; what happens outside
// of timed does not count.
func (r *run) timed(do func() error) error {
	start := time.Now()
	err := do()
	r.busy += time.Since(start)
	records := r.records
	r.records = nil
	for _, s := range records {
		r.postStep(s, 1000*r.busy.Seconds()/float64(len(records)))
	}
	if len(records) > 0 {
		r.busy = 0
	}
	return err
}

func (r *run) postStep(s train.StepRecord, ms float64) {
	r.took = append(r.took, ms)
	step := Step{
		Method: r.settings.Method, Step: s.Step, Steps: r.settings.Steps, Loss: s.Loss,
		LRPrompt: s.Rates[dept.GroupPrompt], LRLowRank: s.Rates[dept.GroupLowRank], GradNorm: s.GradNorm,
		MS: ms, Tokens: s.Tokens, TokensPerSecond: 1000 * float64(s.Tokens) / max(ms, 1e-3),
	}
	for i, p := range r.prompt.Params() {
		switch p.Array {
		case r.prompt.P:
			step.GradPrompt = s.Norms[i]
		case r.prompt.A:
			step.GradA = s.Norms[i]
		case r.prompt.B:
			step.GradB = s.Norms[i]
		}
	}
	r.post(step)
}

// ms is the median time of an update; the first ones compile and are left out
// where there are others.
func (r *run) ms() float64 {
	took := r.took[min(len(r.took)/2, 5):]
	if len(took) == 0 {
		return 0
	}
	took = slices.Sorted(slices.Values(took))
	return took[len(took)/2]
}

// show reads the adapter and posts its pictures.
func (r *run) show(ctx context.Context) error {
	if err := r.flush(ctx); err != nil {
		return err
	}
	if err := r.read(ctx); err != nil {
		return err
	}
	s := pictures(r.last)
	s.Method, s.Step, s.EmbeddingSize = r.settings.Method, r.trainer.Done(), r.m.embeddingSize
	r.post(s)
	r.lastShown = time.Now()
	return nil
}

// read brings the adapter as it stands into last.
func (r *run) read(ctx context.Context) error {
	a, err := r.prompt.Adapter(ctx)
	if err == nil {
		r.last = a
	}
	return err
}

// evaluate begins an evaluation of the adapter as it stands.
func (r *run) evaluate() {
	n := r.data.held.Len()
	e := &evaluating{order: make([]int, n), answers: make([]string, n), cut: r.reader.many.Cut()}
	for i := range e.order {
		e.order[i] = i
	}
	slices.SortStableFunc(e.order, func(a, b int) int {
		return len(r.data.held.Row(a).Source) - len(r.data.held.Row(b).Source)
	})
	r.eval = e
}

// evaluateSome answers some more rows, and at the end posts the score.
func (r *run) evaluateSome(ctx context.Context) error {
	e := r.eval
	if e.done == 0 {
		if err := r.show(ctx); err != nil {
			return err
		}
	}
	// Others may have asked the reader in between.
	if err := r.reader.take(r.last, false, false); err != nil {
		return err
	}
	rows := e.order[e.done:min(e.done+rowsAtOnce, len(e.order))]
	answers, err := r.reader.many.Predict(ctx, mapped(rows, func(i int) string { return r.data.held.Row(i).Source }))
	if err != nil {
		return err
	}
	for i, row := range rows {
		e.answers[row] = answers[i]
	}
	e.done += len(rows)
	r.post(Progress{What: "evaluation", Unit: "rows", Done: int64(e.done), Total: int64(len(e.order))})
	if e.done < len(e.order) {
		return nil
	}
	r.eval = nil
	return r.score(e)
}

func (r *run) score(e *evaluating) error {
	n := r.data.held.Len()
	v := Evaluation{
		Method: r.settings.Method, Step: r.trainer.Done(), Chance: r.data.chance(), Rows: n,
		Cut: r.reader.many.Cut() - e.cut, Examples: []Example{},
	}
	targets := make([]string, n)
	for i := range n {
		target := r.data.held.Row(i).Target
		targets[i] = target
		if i < examplesShown {
			v.Examples = append(v.Examples, Example{
				Text: r.data.texts[i], Label: r.data.name(target), Answer: r.data.name(e.answers[i]),
				Right: strings.TrimSpace(e.answers[i]) == strings.TrimSpace(target),
			})
		}
	}
	var err error
	if v.Accuracy, err = tasks.Score(tasks.ExactMatch, e.answers, targets, nil); err != nil {
		return err
	}
	r.evaluated, r.accuracy = v.Step, v.Accuracy
	r.post(v)
	return nil
}

// skip gives up the evaluation at hand; one at the end counts as done.
func (r *run) skip() {
	if r.eval != nil {
		r.eval = nil
		r.evaluated = r.trainer.Done()
	}
}

// done describes how the run ended.
func (r *run) done() Done {
	return Done{
		Method: r.settings.Method, Step: r.trainer.Done(), Stopped: r.trainer.Done() < r.settings.Steps,
		Accuracy: r.accuracy, Seconds: r.trainer.Seconds(), Cut: r.examples.Cut(),
	}
}

// compared is the run's line in a comparison.
func (r *run) compared() Compared {
	return Compared{
		Method: r.settings.Method, PromptLength: r.config.PromptLength, Rank: r.config.Rank, Parameters: r.config.Parameters(),
		Sequence: r.sequence(), MS: r.ms(), Step: r.trainer.Done(), Accuracy: r.accuracy,
	}
}

func (r *run) release() {
	if r.reader != nil {
		r.reader.release()
	}
	if r.trainer != nil {
		r.trainer.Release()
	}
	if r.prompt != nil {
		r.prompt.Release()
	}
}
