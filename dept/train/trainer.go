// Package train trains a method of fine-tuning on a T5, evaluates it and predicts with it:
//
//	setup, err := train.OpenSetup(ctx, train.Opening{Name: "t5-small", Files: os.DirFS("t5-small")})
//	session, err := train.NewSession(ctx, setup, train.Request{
//		Kind: &dept.DePT, Values: dept.Values{"prompt-length": 60, "rank": 30},
//		Options: train.Options{Steps: 1000, Batch: 16, Accumulate: 1, MaxSourceLength: 128},
//	})
//	err = session.Begin(ctx, train.Rows{Train: data.Tokenize(rows, setup.Tokenizer, 128, session.Options.MaxTargetLength)})
//	err = session.KeepIn(ctx, "runs/mine", false) // or nothing is written
//	err = session.Train(ctx)
//
//	p := train.NewPredictor(setup.Engine, setup.Model, setup.Tokenizer, session.Method, train.PredictOptions{Batch: 16})
//	answers, err := p.Predict(ctx, []string{"a fine film"})
//
// An adapter of a folder may say how it is asked and how its answers are read:
//
//	a, err := dept.ReadAdapter("runs/mine")
//	method, err := dept.New(setup.Model, a, false)
//	p := train.NewPredictor(setup.Engine, setup.Model, setup.Tokenizer, method, train.PredictOptions{Rank: a.Answers.Ranked()})
//	answers, err := p.Predict(ctx, []string{a.Answers.Source("a fine film")})
//	fmt.Println(a.Answers.Name(answers[0]))
//
// A Setup is a model on a device. A Session is a whole run on it: it checks what is asked for, and
// logs, evaluates, keeps the best adapter and can be stopped and resumed. The Trainer beneath it does
// steps alone. A Predictor answers with the session's Method as it stands, with an adapter of
// dept.ReadAdapter that dept.New has put on the setup's Model, or with the model alone, dept.AsIs.
//
// What is made here holds device memory until its Release: predictors and sessions first, the setup
// last. Everything on one device belongs to one goroutine at a time. Where a context is done, what
// waits returns its error; Session.Train then saves and returns *Stopped.
package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/tensor"
)

// Options are the settings of a training run; they and the data decide
// every number that comes out of it on one device.
type Options struct {
	Steps      int `json:"steps"`
	Batch      int `json:"batch_size"` // rows of a micro-batch
	Accumulate int `json:"accumulate"` // micro-batches of an update
	// Rates are the highest learning rate of each group of parameters.
	Rates           map[string]float64 `json:"learning_rates"`
	Warmup          int                `json:"warmup_steps"`
	Clip            float64            `json:"clip"` // largest gradient norm; 0 does not clip
	Dropout         float64            `json:"dropout"`
	MaxSourceLength int                `json:"max_source_length"` // tokens, the end token included
	MaxTargetLength int                `json:"max_target_length"`
	Shuffle         bool               `json:"shuffle"`
	Seed            uint64             `json:"seed"`
	Schedule        Schedule           `json:"schedule,omitempty"`       // linear, if empty
	Cooldown        int                `json:"cooldown_steps,omitempty"` // of InverseSqrt
	// Recompute computes the blocks again in the backward pass instead of keeping all
	// that they made: less memory, more time, and the same numbers.
	Recompute bool `json:"recompute,omitempty"`
	// Precision of training; evaluations and predictions are float32.
	Precision Precision `json:"precision,omitempty"`
	// Legs are those of a run that was extended, all of them; Steps, Warmup and Cooldown
	// are the first's.
	Legs []Leg `json:"-"`
}

// Precision names what a training step may round.
type Precision string

// The precisions. With Mixed products may round what they multiply to half precision
// (see nn.Pass.Mixed); gradients are scaled up meanwhile, so that they stay in its
// range, and an update in which one leaves it is ErrNotFinite.
const (
	Float32 Precision = ""
	Mixed   Precision = "mixed"
)

// float32Name is Float32 in words; files leave it out.
const float32Name = "float32"

// MarshalText is the precision's name.
func (p Precision) MarshalText() ([]byte, error) {
	if p == Float32 {
		return []byte(float32Name), nil
	}
	return []byte(p), nil
}

// UnmarshalText reads a name.
func (p *Precision) UnmarshalText(name []byte) error {
	switch string(name) {
	case float32Name:
		*p = Float32
	case string(Mixed):
		*p = Mixed
	default:
		return fmt.Errorf("there is no precision %q: give %s or %s", name, float32Name, Mixed)
	}
	return nil
}

// mixedGrad is the gradient's scale with Mixed, with respect to the loss of one target
// token: those of hidden states are mostly between 1e-5 and 1 then, and half precision
// goes from 6e-8 to 65,504.
const mixedGrad = 1024

// gradScale is the least power of two by which the mean loss of some target tokens is
// that of mixedGrad for one.
func (p Precision) gradScale(tokens int) float32 {
	if p != Mixed {
		return 1
	}
	return float32(math.Exp2(math.Ceil(math.Log2(mixedGrad * float64(tokens)))))
}

// Schedule says how the learning rates change over a run.
type Schedule string

// The schedules: that of the DePT authors, and that of T5's pre-training.
const (
	Linear      Schedule = ""
	InverseSqrt Schedule = "inverse_sqrt"
)

// StepRecord is what is known of one update once the device has done it.
type StepRecord struct {
	Step     int                `json:"step"` // from 1
	Loss     float64            `json:"loss"` // mean over the update's target tokens
	GradNorm float64            `json:"grad_norm"`
	Rates    map[string]float64 `json:"-"`       // of each group of parameters
	Tokens   int                `json:"tokens"`  // source and target tokens of the update
	Seconds  float64            `json:"seconds"` // since training began, earlier runs of it included
	// Norms are the norms of the gradients of each of the method's Params, where
	// the trainer is asked for them.
	Norms []float64 `json:"-"`
}

// ErrNotFinite says that a loss or gradient was not a finite number. The update
// was not applied: parameters and moments are as the step before left them.
var ErrNotFinite = errors.New("the loss or its gradient is not a finite number: lower the learning rates, raise the warm-up, or check the checkpoint's numbers")

// notFinite is ErrNotFinite at a step.
type notFinite struct{ StepRecord }

func (e *notFinite) Error() string {
	return fmt.Sprintf("step %d: loss %v, gradient norm %v: %v", e.Step, e.Loss, e.GradNorm, ErrNotFinite)
}

func (e *notFinite) Unwrap() error { return ErrNotFinite }

// recordLag is how many updates run before a record is waited for, so that
// reading it never stops the queue.
const recordLag = 2

// Trainer trains a method on a model.
type Trainer struct {
	// OnRecord, if set, is called once for every update, in order, at most two
	// steps late.
	OnRecord func(StepRecord) error
	// Norms asks for the norm of each parameter's gradient in every record.
	Norms bool

	e        *tensor.Engine
	m        *nn.Model
	method   *dept.Method
	examples data.Examples
	o        Options
	sampler  *sampler
	adam     *tensor.AdamW
	programs map[shape]*trainProgram
	plan     tensor.Plan
	step     int // updates submitted so far
	pending  []pendingRecord
	ahead    *ahead
	began    time.Time
	before   float64 // seconds of earlier runs
}

type trainProgram struct {
	in   *inputs
	grad *tensor.Program
}

type pendingRecord struct {
	StepRecord
	wait  func(context.Context) (tensor.Record, error)
	norms func(context.Context) ([]float64, error) // nil unless asked for
}

// NewTrainer plans a run. It checks that the largest batch that the options
// allow fits the device, and takes its memory, so that none is taken later.
func NewTrainer(ctx context.Context, e *tensor.Engine, m *nn.Model, method *dept.Method, examples data.Examples, o Options) (*Trainer, error) {
	t := &Trainer{e: e, m: m, method: method, examples: examples, o: o, programs: map[shape]*trainProgram{}}
	plan, err := Check(e, m, method, o)
	if err != nil {
		return nil, err
	}
	t.plan = plan
	t.sampler = newSampler(examples.Len(), o.Batch*o.Accumulate, o.Seed, o.Shuffle)
	if err := e.Reserve(plan); err != nil {
		return nil, err
	}
	if t.adam, err = e.NewAdamW(ctx, method.Params()); err != nil {
		return nil, err
	}
	return t, nil
}

// Check plans the largest batch that the options allow, without taking
// memory, and reports a limit of the device that it does not fit.
func Check(e *tensor.Engine, m *nn.Model, method *dept.Method, o Options) (tensor.Plan, error) {
	largest := shape{o.Batch, o.MaxSourceLength, o.MaxTargetLength}
	total, err := e.NewArray("loss", tensor.F32, 1)
	if err != nil {
		return tensor.Plan{}, err
	}
	defer total.Release()
	g, in, err := recordTraining(e, m, method, largest, o, total)
	if err != nil {
		return tensor.Plan{}, err
	}
	defer in.release()
	plan, err := g.Check()
	if err != nil {
		return plan, fmt.Errorf("a batch of %d rows of %d source and %d target tokens does not fit: %w", o.Batch, largest.source, largest.target, err)
	}
	return plan, nil
}

// recordTraining records forward and backward of a batch; of the options it takes
// dropout, recomputing and precision.
func recordTraining(e *tensor.Engine, m *nn.Model, method *dept.Method, s shape, o Options, total *tensor.Array) (*tensor.Graph, *inputs, error) {
	in, err := newInputs(e, m.Description, s, method.PromptLength(), method.Hooks.Ahead, len(m.Trainable()) > 0)
	if err != nil {
		return nil, nil, err
	}
	g := e.NewGraph()
	p := m.NewTrainingPass(g, method.Hooks, float32(o.Dropout))
	if o.Recompute {
		p.Recompute()
	}
	if o.Precision == Mixed {
		p.Mixed()
	}
	in.forward(p, total)
	g.Backward()
	if p.Err() != nil {
		in.release()
		return nil, nil, p.Err()
	}
	return g, in, nil
}

func (t *Trainer) program(ctx context.Context, s shape) (*trainProgram, error) {
	if p, ok := t.programs[s]; ok {
		return p, nil
	}
	g, in, err := recordTraining(t.e, t.m, t.method, s, t.o, t.adam.Total)
	if err != nil {
		return nil, err
	}
	grad, err := g.Compile(ctx)
	if err != nil {
		in.release()
		return nil, err
	}
	t.programs[s] = &trainProgram{in, grad}
	return t.programs[s], nil
}

// Programs records the programs of an update of one of the largest batches: that of
// the gradients, and the optimiser's.
func (t *Trainer) Programs(ctx context.Context) ([]*tensor.Program, error) {
	p, err := t.program(ctx, shape{t.o.Batch, t.o.MaxSourceLength, t.o.MaxTargetLength})
	if err != nil {
		return nil, err
	}
	return []*tensor.Program{p.grad, t.adam.Program()}, nil
}

// Plan is the activation memory of the largest batch.
func (t *Trainer) Plan() tensor.Plan { return t.plan }

// StateBytes is the device memory of gradients and moments.
func (t *Trainer) StateBytes() int64 { return t.adam.Bytes() }

// Done is the number of updates submitted.
func (t *Trainer) Done() int { return t.step }

// Release gives the trainer's memory back; model and method stay.
func (t *Trainer) Release() {
	t.ahead.stop()
	for _, p := range t.programs {
		p.grad.Release()
		p.in.release()
	}
	t.adam.Release()
}

// update is an update's rows, tokenized.
type update struct {
	micro  [][]data.Example
	source int // tokens
	target int
	err    error
}

// prepare reads and tokenizes the rows of update i.
func (t *Trainer) prepare(i int) (u update) {
	rows := t.sampler.Batch(i)
	for start := 0; start < len(rows); start += t.o.Batch {
		var micro []data.Example
		for _, row := range rows[start:min(start+t.o.Batch, len(rows))] {
			x, err := t.examples.Example(row)
			if err == nil {
				err = checkIDs(t.m.Vocabulary, x)
			}
			if err != nil {
				u.err = err
				return u
			}
			u.source += len(x.Source)
			u.target += targetTokens([]data.Example{x})
			micro = append(micro, x)
		}
		u.micro = append(u.micro, micro)
	}
	if u.target == 0 {
		u.err = fmt.Errorf("update %d has no target token to learn from", i+1)
	}
	return u
}

// rates are the learning rates of update i, counted from 0.
func (t *Trainer) rates(i int) map[string]float64 {
	f := t.o.factor(i)
	rates := map[string]float64{}
	for group, rate := range t.o.Rates {
		rates[group] = rate * f
	}
	return rates
}

// Step submits one update. Its record arrives through OnRecord up to two steps
// later, or with Flush. After the last step of the options it does nothing.
func (t *Trainer) Step(ctx context.Context) error { return t.update(ctx, t.e.Run) }

// StepParts is Step for benchmarks: the device is waited for after each part,
// which an ordinary step never does. It returns the time of "encoder",
// "decoder" and "loss", of their gradients "loss.grad", "decoder.grad" and
// "encoder.grad", and of the "update".
func (t *Trainer) StepParts(ctx context.Context) (map[string]time.Duration, error) {
	parts := map[string]time.Duration{}
	return parts, t.update(ctx, t.inParts(func(name string, p *tensor.Program) error {
		took, err := t.timed(ctx, p)
		parts[name] += took
		return err
	}))
}

// StepKernels is StepParts by kernel: the device is waited for after each, and took is
// told its part, what it is and its time.
func (t *Trainer) StepKernels(ctx context.Context, took func(part string, k tensor.Kernel, time time.Duration)) error {
	return t.update(ctx, t.inParts(func(name string, p *tensor.Program) error {
		for _, one := range p.Dispatches() {
			time, err := t.timed(ctx, one)
			if err != nil {
				return err
			}
			took(name, one.Kernels()[0], time)
		}
		return nil
	}))
}

// inParts runs programs by way of run, a part that has a name at a time.
func (t *Trainer) inParts(run func(name string, p *tensor.Program) error) func(...*tensor.Program) error {
	return func(programs ...*tensor.Program) error {
		for _, p := range programs {
			if p == t.adam.Program() {
				if err := run("update", p); err != nil {
					return err
				}
			}
			for _, name := range p.Sections() {
				part := p.Section(name)
				if len(part.Calls()) == 0 {
					continue
				}
				if err := run(name, part); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

// timed runs a program and waits for the device.
func (t *Trainer) timed(ctx context.Context, p *tensor.Program) (time.Duration, error) {
	start := time.Now()
	if err := t.e.Run(p); err != nil {
		return 0, err
	}
	err := t.e.Device().Wait(ctx)
	return time.Since(start), err
}

// update submits one update by way of run.
func (t *Trainer) update(ctx context.Context, run func(...*tensor.Program) error) error {
	if t.step >= t.o.Total() {
		return nil
	}
	if t.began.IsZero() {
		t.began = time.Now()
	}
	if t.ahead == nil {
		t.ahead = startAhead(t.step, t.o.Total(), t.prepare)
	}
	u, err := t.ahead.next(ctx)
	if err != nil {
		return err
	}
	if u.err != nil {
		return fmt.Errorf("step %d: %w", t.step+1, u.err)
	}
	rates := t.rates(t.step)
	if err := t.submit(ctx, u, rates, run); err != nil {
		return fmt.Errorf("step %d: %w", t.step+1, err)
	}
	wait, err := t.adam.ReadLater(t.step % tensor.RingSlots)
	if err != nil {
		return err
	}
	var norms func(context.Context) ([]float64, error)
	if t.Norms {
		if norms, err = t.adam.NormsLater(t.o.Precision.gradScale(u.target)); err != nil {
			return err
		}
	}
	t.step++
	t.pending = append(t.pending, pendingRecord{StepRecord{Step: t.step, Rates: rates, Tokens: u.source + u.target}, wait, norms})
	return t.drain(ctx, recordLag)
}

// submit runs the gradients of an update's micro-batches and, with the last of them,
// the optimiser.
func (t *Trainer) submit(ctx context.Context, u update, rates map[string]float64, run func(...*tensor.Program) error) error {
	i := t.step
	correction := math.Sqrt(1-math.Pow(tensor.Beta2, float64(i+1))) / (1 - math.Pow(tensor.Beta1, float64(i+1)))
	if err := t.adam.SetRates(rates, correction); err != nil {
		return err
	}
	step := tensor.Step{
		Slot:      uint32(i % tensor.RingSlots),
		LossScale: float32(1 / float64(u.target)),
		Clip:      float32(t.o.Clip),
		GradScale: t.o.Precision.gradScale(u.target),
	}
	for k, micro := range u.micro {
		p, err := t.program(ctx, bucketOf(micro, t.o.Batch, t.o.MaxSourceLength, t.o.MaxTargetLength))
		if err != nil {
			return err
		}
		if err := p.in.write(micro); err != nil {
			return err
		}
		step.Key = tensor.Key(t.o.Seed, i, k)
		if err := t.e.SetStep(step); err != nil {
			return err
		}
		programs := []*tensor.Program{p.grad}
		if k == len(u.micro)-1 {
			programs = append(programs, t.adam.Program())
		}
		if err := run(programs...); err != nil {
			return err
		}
	}
	return nil
}

// Flush waits for the records of everything submitted.
func (t *Trainer) Flush(ctx context.Context) error { return t.drain(ctx, 0) }

func (t *Trainer) drain(ctx context.Context, leave int) error {
	for len(t.pending) > leave {
		r := t.pending[0]
		got, err := r.wait(ctx)
		if err != nil {
			return err
		}
		if r.norms != nil {
			if r.Norms, err = r.norms(ctx); err != nil {
				return err
			}
		}
		t.pending = t.pending[1:]
		r.Loss, r.GradNorm, r.Seconds = float64(got.Loss), float64(got.Norm), t.Seconds()
		if !got.Applied {
			return &notFinite{r.StepRecord}
		}
		if t.OnRecord != nil {
			if err := t.OnRecord(r.StepRecord); err != nil {
				return err
			}
		}
	}
	return nil
}

// Seconds is how long training has taken, earlier runs of it included.
func (t *Trainer) Seconds() float64 {
	if t.began.IsZero() {
		return t.before
	}
	return t.before + time.Since(t.began).Seconds()
}

// arrays are everything that decides how training goes on: parameters and their
// moments.
func (t *Trainer) arrays() []*tensor.Array {
	var all []*tensor.Array
	for _, p := range t.method.Params() {
		all = append(all, p.Array)
	}
	return append(all, t.adam.Moments()...)
}

// ahead prepares updates on another goroutine while the device works.
type ahead struct {
	updates chan update
	cancel  context.CancelFunc
}

func startAhead(from, to int, prepare func(int) update) *ahead {
	ctx, cancel := context.WithCancel(context.Background())
	a := &ahead{updates: make(chan update, 2), cancel: cancel}
	go func() {
		defer close(a.updates)
		for i := from; i < to; i++ {
			select {
			case a.updates <- prepare(i):
			case <-ctx.Done():
				return
			}
		}
	}()
	return a
}

func (a *ahead) next(ctx context.Context) (update, error) {
	select {
	case u := <-a.updates:
		return u, nil
	case <-ctx.Done():
		return update{}, ctx.Err()
	}
}

// stop ends the goroutine and waits for it, since it uses the examples.
func (a *ahead) stop() {
	if a == nil {
		return
	}
	a.cancel()
	for range a.updates {
	}
}
