package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/dept/metrics"
	"github.com/go-dept/dept/dept/train"
)

// clip is the largest gradient norm, which the page does not show; the command line
// has the same.
const clip = 1

// samplePause is the least time between two pictures. Reading an adapter of many
// tensors takes time, of which pictures get a tenth.
const (
	samplePause = 250 * time.Millisecond
	sampleShare = 10
)

// examplesShown is how many rows an evaluation shows, wrongShown how many at most of those it
// gets wrong, rowsAtOnce how many it answers at a time, and rowsBetween how many of the rows
// held back are evaluated between the first step and the last, so that a curve of ten points
// costs no more than half of its run.
const (
	examplesShown = 5
	wrongShown    = 50
	rowsAtOnce    = 16
	rowsBetween   = 2 * rowsAtOnce
)

// normsKept is of how many tensors the gradients' norms are kept with a run.
const normsKept = 3

// run shows a training session: it has the session do a piece of its work at a time,
// so that messages are heard in between, and posts what comes of it.
type run struct {
	post     func(Message)
	m        *model
	settings Settings
	values   dept.Values
	data     *dataset
	session  *train.Session
	examples *data.Tokenized
	size     Size
	titles   []string // of the tensors that are trained

	twin     bool          // beside the last run, in a comparison
	part     string        // of the last run's method, which it trains alone; or empty
	paused   bool          // no update by itself
	once     bool          // but one
	pauseAt  int           // the update after which it is paused; 0 is none
	stopping bool          // after an evaluation
	skipped  bool          // what comes after the last one is
	over     bool          // the session has ended
	parts    *partsScoring // after it; or nil
	finished bool

	accuracy float64 // of the last evaluation

	last     *dept.Adapter // as it was read last
	lastStep int           // done then
	nextShow time.Time
	records  []train.StepRecord // that came in the part of the work at hand
	busy     time.Duration      // that went into updates without a record yet
	pace     pace

	steps       []Step // that were posted, and evaluations, for a page that is opened anew
	evaluations []Evaluation
	keptAt      int // the step at which the run was kept last

	wall    time.Duration // since the run began, but for what it was paused
	ticked  time.Time     // up to which wall counts
	ticking bool          // it has counted since
	updates time.Duration // of wall, in updates
	scoring time.Duration // in the evaluation at hand
	answers float64       // seconds that a row took in the last evaluation
}

// newRun makes a run of settings, which it checks, that ends after so many steps.
func newRun(ctx context.Context, post func(Message), m *model, s Settings, d *dataset, steps int, twin bool, part string) (*run, error) {
	r := &run{post: post, m: m, settings: s, data: d, twin: twin, part: part, ticked: time.Now(), ticking: true}
	if err := r.open(ctx); err != nil {
		r.release()
		return nil, err
	}
	if steps < s.Steps {
		r.session.EndAt(steps)
	}
	post(r.plan())
	return r, nil
}

func (r *run) open(ctx context.Context) error {
	var err error
	if r.session, err = r.newSession(ctx); err != nil {
		return err
	}
	o := r.session.Options
	r.examples = data.Tokenize(r.data.train, r.m.Tokenizer, o.MaxSourceLength, o.MaxTargetLength)
	if err := r.session.Begin(ctx, train.Rows{
		Train: r.examples, TrainFingerprint: r.data.train.Fingerprint(), Dev: r.data.held, DevFingerprint: r.data.held.Fingerprint(),
		Between: rowsBetween, Batch: rowsAtOnce, MaxNewTokens: answerTokens, Rank: r.data.ranked(),
	}); err != nil {
		return err
	}
	r.session.Trainer.Norms = true
	r.session.OnRecord = func(s train.StepRecord) { r.records = append(r.records, s) }
	r.session.OnRows = func(done, total int) {
		r.post(Progress{What: "evaluation", Unit: "rows", Done: int64(done), Total: int64(total)})
	}
	r.session.OnEval = r.postEvaluation
	if err := r.read(ctx); err != nil {
		return err
	}
	r.size = sizeOf(r.last)
	r.titles = tensorTitles(r.last.Tensors, r.m.Model.Description)
	return nil
}

// newSession makes a session of the settings, without rows yet.
func (r *run) newSession(ctx context.Context) (*train.Session, error) {
	request, err := r.request()
	if err != nil {
		return nil, err
	}
	session, err := train.NewSession(ctx, r.m.Setup, request)
	if err != nil {
		return nil, pageError(request.Kind, err)
	}
	return session, nil
}

// request is what the settings ask of a session.
func (r *run) request() (train.Request, error) {
	s := r.settings
	k, err := lookup(s.Method)
	if err != nil {
		return train.Request{}, err
	}
	if r.values, err = values(k, s.Values); err != nil {
		return train.Request{}, err
	}
	r.settings.Values = r.values
	if s.Seed > 1<<53 {
		return train.Request{}, failf(codeSettings, "Choose a number up to 2⁵³.", "the seed is %d", s.Seed)
	}
	request := train.Request{
		Kind: k, Values: r.values, OwnDropout: true, EvalEvery: s.EvalEvery,
		Options: train.Options{
			Steps: s.Steps, Batch: s.Batch, Accumulate: 1, Warmup: s.Warmup, Clip: clip, MaxSourceLength: s.MaxSourceLength, Shuffle: true, Seed: s.Seed,
		},
	}
	if len(r.data.labels) > 0 {
		request.Labels = r.data.targets()
	}
	return request, nil
}

func (r *run) plan() Plan {
	s := r.session
	return Plan{
		Size: r.size, Twin: r.twin, Part: r.part, Settings: r.settings, Share: float64(r.size.Parameters) / float64(s.AllParameters()),
		Sequence: r.sequence(), Train: r.data.train.Len(), HeldBack: r.data.held.Len(), Cut: r.data.cut, Labels: r.data.names(), Notice: r.notice(),
		WeightBytes: r.m.Model.Bytes(), StateBytes: s.StateBytes(), ActivationBytes: s.Plan.Bytes,
	}
}

// notice says which settings are in vain, which texts are cut and which targets the model cannot write.
func (r *run) notice() string {
	sentences := []string{r.data.notice, notices(r.session.Kind, r.session.Advice)}
	if r.data.cut > 0 {
		all := r.data.train.Len() + r.data.held.Len()
		sentences = append(sentences, sentence(fmt.Sprintf("%d of %d rows are longer than %d tokens: what follows those is cut off", r.data.cut, all, r.settings.MaxSourceLength)))
	}
	if u := data.FindUnwritable(r.data.train, r.m.Tokenizer); u.Rows > 0 {
		sentences = append(sentences, u.String()+".")
	}
	return strings.Join(slices.DeleteFunc(sentences, func(s string) bool { return s == "" }), " ")
}

// sequence is the longest the encoder reads.
func (r *run) sequence() int { return r.size.Positions + r.settings.MaxSourceLength }

// done is how many updates have been made.
func (r *run) done() int { return r.session.Trainer.Done() }

// going reports whether advance has something to do. After the last step there is
// nothing left to be paused.
func (r *run) going() bool {
	return !r.finished && (!r.paused || r.once || r.stopping || r.session.EvaluationNext() || r.done() == r.settings.Steps)
}

// advance does one piece of the work.
func (r *run) advance(ctx context.Context) (err error) {
	if r.session.EvaluationNext() {
		if !r.session.Evaluating() {
			if err := r.show(ctx); err != nil {
				return err
			}
		}
		start := time.Now()
		_, err := r.session.Advance(ctx)
		r.scoring += time.Since(start)
		return err
	}
	if r.over {
		return r.scoreParts(ctx)
	}
	before := r.done()
	if err := r.timed(func() error { r.over, err = r.session.Advance(ctx); return err }); err != nil || r.done() == before {
		return err
	}
	r.once = false
	if r.done() == r.pauseAt {
		if err := r.pause(ctx); err != nil {
			return err
		}
	}
	if r.paused || time.Now().After(r.nextShow) {
		return r.show(ctx)
	}
	return nil
}

// scoreParts does a piece of the last work of a run that is no twin, where there is any.
func (r *run) scoreParts(ctx context.Context) (err error) {
	if r.parts == nil && !r.twin && r.done() > 0 && !r.skipped {
		if err := r.read(ctx); err != nil {
			return err
		}
		if r.parts, err = newPartsScoring(r.m, r.last, r.data); err != nil {
			return err
		}
	}
	if r.parts == nil || r.skipped {
		r.finished = true
		return nil
	}
	if r.finished, err = r.parts.advance(ctx); r.finished && err == nil {
		r.post(Parts{r.size.Method, r.lastStep, r.data.held.Len(), r.parts.scores})
	}
	return err
}

// pause halts the run and shows all it has done.
func (r *run) pause(ctx context.Context) error {
	r.paused = true
	return r.flush(ctx)
}

// stop ends the run after an evaluation, or the second time without.
func (r *run) stop() {
	if r.stopping || r.over {
		r.skip()
	}
	r.stopping = true
	r.session.EndAt(r.done())
	if r.session.Sampling() { // all rows are evaluated instead
		r.session.SkipEvaluation()
	}
}

// skip gives up the evaluation at hand, and what comes after the last one.
func (r *run) skip() {
	r.session.SkipEvaluation()
	r.skipped = r.over || r.stopping
}

func (r *run) flush(ctx context.Context) error {
	return r.timed(func() error { return r.session.Trainer.Flush(ctx) })
}

// timed does a part of the updates' work and posts the records that came. Those
// that came together share the time since the ones before; what happens outside
// of timed does not count.
func (r *run) timed(do func() error) error {
	start := time.Now()
	err := do()
	took := time.Since(start)
	r.busy += took
	r.updates += took
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
	r.pace.add(ms)
	r.tick()
	ms = r.pace.median()
	step := Step{
		Method: r.size.Method, Step: s.Step, Steps: r.settings.Steps, Loss: s.Loss, GradNorm: s.GradNorm,
		MS: ms, Tokens: s.Tokens, Seconds: r.wall.Seconds(), Left: r.left(s.Step, ms),
	}
	if ms > 0 {
		step.TokensPerSecond = 1000 * float64(s.Tokens) / ms
	}
	for i, norm := range s.Norms {
		step.Norms = append(step.Norms, Named{r.titles[i], norm})
	}
	for _, setting := range r.session.Kind.Settings {
		if rate, ok := s.Rates[setting.Group]; setting.Rate && ok {
			step.Rates = append(step.Rates, Named{dept.RateKey(setting.Group), rate})
		}
	}
	r.post(step)
	if !r.twin {
		if len(step.Norms) > normsKept {
			step.Norms = nil
		}
		r.steps = append(r.steps, step)
	}
}

// tick brings the run's time up to now. While it waits for somebody it takes none.
func (r *run) tick() {
	now := time.Now()
	if r.ticking {
		r.wall += now.Sub(r.ticked)
	}
	r.ticked, r.ticking = now, r.going()
}

// left is how many seconds the run takes from a step on, where an update takes so many
// milliseconds and rows are evaluated as fast as last; 0 while that is unknown.
func (r *run) left(step int, ms float64) float64 {
	steps, held := r.settings.Steps-step, r.data.held.Len()
	if steps <= 0 || ms == 0 {
		return 0
	}
	rows := held
	if every := r.settings.EvalEvery; every > 0 {
		rows += min(held, rowsBetween) * ((r.settings.Steps-1)/every - step/every)
	}
	if !r.twin && len(parts(r.session.Kind)) > 1 {
		rows += 3 * held // without both, and without each
	}
	return float64(steps)*ms/1000 + float64(rows)*r.answers
}

// show reads the adapter and posts its pictures.
func (r *run) show(ctx context.Context) error {
	if err := r.flush(ctx); err != nil {
		return err
	}
	began := time.Now()
	if err := r.read(ctx); err != nil {
		return err
	}
	r.post(r.m.sample(r.last, r.lastStep))
	r.nextShow = time.Now().Add(max(samplePause, sampleShare*time.Since(began)))
	return nil
}

// read brings the adapter as it stands into last.
func (r *run) read(ctx context.Context) error {
	a, err := r.session.Method.Adapter(ctx)
	if err == nil {
		r.last, r.lastStep = a, r.done()
	}
	return err
}

func (r *run) postEvaluation(e train.EvalRecord) {
	held := r.data.held
	v := Evaluation{
		Method: r.size.Method, Step: e.Step, Accuracy: e.Metrics[metrics.ExactMatch], Chance: r.data.chance(), Rows: e.Rows, Cut: e.Cut,
		Examples: []Example{}, Wrong: []Example{},
	}
	targets := make([]string, e.Rows)
	for i := range targets {
		targets[i] = r.spelled(held.Row(i).Target)
		x := Example{
			Text: r.data.texts[i], Label: r.data.name(held.Row(i).Target), Answer: r.data.name(e.Answers[i]), Right: strings.TrimSpace(e.Answers[i]) == targets[i],
		}
		if i < examplesShown {
			v.Examples = append(v.Examples, x)
		}
		if !x.Right && len(v.Wrong) < wrongShown {
			v.Wrong = append(v.Wrong, x)
		}
	}
	if len(r.data.labels) > 0 {
		if c, err := metrics.Confuse(e.Answers, targets, mapped(r.data.targets(), r.spelled)); err == nil {
			v.Confusion = &Confusion{r.data.names(), c.Counts}
		}
	}
	r.accuracy = v.Accuracy
	r.answers, r.scoring = r.scoring.Seconds()/float64(max(1, e.Rows)), 0
	r.post(v)
	r.evaluations = append(r.evaluations, v)
}

// spelled is a target as the tokenizer reads it, which an answer has gone through too.
func (r *run) spelled(target string) string {
	return strings.TrimSpace(r.m.Tokenizer.Decode(r.m.Tokenizer.Encode(target)))
}

// ended describes how the run ended.
func (r *run) ended() Done {
	r.tick()
	return Done{
		Method: r.size.Method, Step: r.done(), Stopped: r.done() < r.settings.Steps,
		Accuracy: r.accuracy, Seconds: r.wall.Seconds(), Updates: r.updates.Seconds(), Cut: r.examples.Cut(),
	}
}

// compared is the run's line in a comparison.
func (r *run) compared() Compared {
	return Compared{Size: r.size, Sequence: r.sequence(), MS: r.pace.median(), Step: r.done(), Accuracy: r.accuracy}
}

func (r *run) release() {
	if r.parts != nil {
		r.parts.release()
	}
	if r.session != nil {
		r.session.Release()
	}
}
