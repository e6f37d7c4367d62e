package main

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/tensor"
	"github.com/go-dept/dept/wgpu"
)

// benchMethod is a method under the benchmark: what was found, and what it trains
// with.
type benchMethod struct {
	Name       string  `json:"name"`
	About      string  `json:"about"` // what it trains
	Parameters int     `json:"parameters"`
	StepMS     float64 `json:"step_ms"`
	PeakBytes  int64   `json:"peak_bytes"`
	OwnBytes   int64   `json:"peak_bytes_without_weights"`
	// PartsMS are the parts of a step, each waited for; the two prompts' alone.
	PartsMS map[string]float64 `json:"parts_ms,omitempty"`
	// Work is what a step does by kind, each kernel waited for; the two prompts' alone.
	Work []benchKind `json:"work,omitempty"`
	// EncoderRatio is the time of the encoder's backward pass by its forward's.
	EncoderRatio float64 `json:"encoder_backward_ratio,omitempty"`

	kind    *dept.Kind
	values  dept.Values
	engine  *tensor.Engine
	model   *nn.Model
	own     *nn.Model // the same, where the method trains a model of its own
	method  *dept.Method
	trainer *train.Trainer
	steps   []time.Duration
	parts   map[string][]time.Duration
	kernels []benchKernel
}

// newBenchMethod is a method at its defaults.
func newBenchMethod(k *dept.Kind) *benchMethod {
	b := &benchMethod{Name: k.Name, About: k.About, kind: k, values: k.Defaults()}
	if k.Setting("prompt-init") != nil {
		b.values["prompt-init"] = string(dept.InitRandom) // there are no words to start from
	}
	return b
}

// build makes a trainer on an engine of its own, whose memory is then the method's.
func (b *benchMethod) build(ctx context.Context, dev *wgpu.Device, m *benchModel, w benchWork) (err error) {
	if b.engine, err = m.newEngine(dev); err != nil {
		return err
	}
	b.model = m.Model
	if b.kind.Checkpoints() {
		if b.own, err = nn.Load(ctx, b.engine, m.Description, m.weights, true); err != nil {
			return err
		}
		b.model, b.method = b.own, dept.NewFull(b.own)
	} else if err := b.adapt(m, w.Source); err != nil {
		return err
	}
	b.Parameters = b.method.Parameters()
	b.trainer, err = train.NewTrainer(ctx, b.engine, b.model, b.method, w.rows(m.Vocabulary), train.Options{
		Steps: 1 << 20, Batch: w.Batch, Accumulate: 1, Rates: b.kind.Rates(b.values), Clip: 1,
		Dropout: m.config.DropoutRate, MaxSourceLength: w.Source, MaxTargetLength: w.Target, Seed: 1,
		Precision: w.Precision,
	})
	return err
}

// prepare builds the method, warms it up with a step, and counts its memory.
func (b *benchMethod) prepare(ctx context.Context, dev *wgpu.Device, m *benchModel, w benchWork) error {
	before, _ := dev.Allocated()
	if err := b.build(ctx, dev, m, w); err != nil {
		return err
	}
	if err := b.step(ctx); err != nil {
		return err
	}
	b.steps = nil
	after, _ := dev.Allocated()
	b.OwnBytes = after - before
	if b.own != nil {
		b.OwnBytes -= b.own.Bytes()
	}
	b.PeakBytes = b.OwnBytes + b.model.Bytes()
	return nil
}

// adapt puts an adapter as training starts from on the model.
func (b *benchMethod) adapt(m *benchModel, source int) error {
	c, _, err := b.kind.Configure(b.values, source, m.Description)
	if err != nil {
		return err
	}
	b.About = c.Describe()
	a, err := dept.NewAdapter(c, b.values, dept.Origin{Model: m.Description, Checkpoint: m.weights, Seed: 1})
	if err != nil {
		return err
	}
	b.method, err = dept.New(m.Model, a, true)
	return err
}

// benchRows are random tokens.
type benchRows []data.Example

func (r benchRows) Len() int { return len(r) }

func (r benchRows) Example(i int) (data.Example, error) { return r[i], nil }

// rows are those of the batch.
func (w benchWork) rows(vocabulary int) benchRows {
	random := rand.New(rand.NewPCG(1, 1))
	rows := make(benchRows, w.Batch)
	for i := range rows {
		for range w.Source {
			rows[i].Source = append(rows[i].Source, int32(random.IntN(vocabulary)))
		}
		for range w.Target {
			rows[i].Target = append(rows[i].Target, int32(random.IntN(vocabulary)))
		}
	}
	return rows
}

func (b *benchMethod) release() {
	if b.trainer != nil {
		b.trainer.Release()
	}
	if b.method != nil {
		b.method.Release()
	}
	if b.own != nil {
		b.own.Release()
	}
	if b.engine != nil {
		b.engine.Release()
	}
}

func (b *benchMethod) step(ctx context.Context) error {
	start := time.Now()
	if err := b.trainer.Step(ctx); err != nil {
		return err
	}
	if err := b.trainer.Flush(ctx); err != nil {
		return err
	}
	b.steps = append(b.steps, time.Since(start))
	return nil
}

// stepParts steps twice: part by part, and kernel by kernel.
func (b *benchMethod) stepParts(ctx context.Context) error {
	parts, err := b.trainer.StepParts(ctx)
	if err != nil {
		return err
	}
	if b.parts == nil {
		b.parts = map[string][]time.Duration{}
	}
	for name, took := range parts {
		b.parts[name] = append(b.parts[name], took)
	}
	if err := b.stepKinds(ctx); err != nil {
		return err
	}
	return b.trainer.Flush(ctx)
}

// conclude takes the medians.
func (b *benchMethod) conclude() {
	b.StepMS = median(b.steps)
	if b.parts == nil {
		return
	}
	b.PartsMS = map[string]float64{}
	for name, took := range b.parts {
		b.PartsMS[name] = median(took)
	}
	b.Work = sumKinds(b.kernels)
	b.EncoderRatio = b.PartsMS["encoder.grad"] / b.PartsMS["encoder"]
}

// median is in milliseconds.
func median(times []time.Duration) float64 {
	times = slices.Sorted(slices.Values(times))
	middle := (times[(len(times)-1)/2] + times[len(times)/2]) / 2
	return float64(middle.Microseconds()) / 1000
}
