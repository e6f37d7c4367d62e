package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/shaders"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/tensor"
	"github.com/go-dept/dept/wgpu"
)

// costReport is what DePT costs beside prompt tuning on one model, at several lengths
// of the source.
type costReport struct {
	Date         string           `json:"date"`
	Device       wgpu.AdapterInfo `json:"device"`
	Model        string           `json:"model"`
	Batch        int              `json:"batch_size"`
	Target       int              `json:"target_length"` // tokens of a target, and of an answer
	Precision    train.Precision  `json:"precision"`     // of training; answers are float32
	Parameters   int              `json:"model_parameters"`
	WeightsBytes int64            `json:"weights_bytes"`
	Lengths      []*costLength    `json:"lengths"`

	config  *t5.Config
	kernels tensor.Kernels
}

// costLength is one length of the source.
type costLength struct {
	Source  int         `json:"source_length"`
	Planned string      `json:"planned,omitempty"` // why it was counted and not timed
	DePT    *costPrompt `json:"dept"`
	PT      *costPrompt `json:"pt"`
	// The ratios are DePT's by prompt tuning's, by the names of costQuantities.
	StepRatios      map[string]float64 `json:"step_ratios"`
	InferenceRatios map[string]float64 `json:"inference_ratios"`
}

// costPrompt is one of the two prompts.
type costPrompt struct {
	PromptLength int      `json:"prompt_length"`
	Rank         int      `json:"rank"`
	Parameters   int      `json:"parameters"`
	Step         costWork `json:"step"`      // of training
	Inference    costWork `json:"inference"` // a batch of greedy answers, all of Target tokens

	method    *benchMethod
	predictor *train.Predictor
	answers   []time.Duration
}

// costWork is what a batch takes.
type costWork struct {
	MS            float64 `json:"ms,omitempty"`              // median; not if planned
	RowsPerSecond float64 `json:"rows_per_second,omitempty"` // not if planned
	FMA           int64   `json:"fma"`
	Dispatches    int     `json:"dispatches"`
	BoundBytes    int64   `json:"bound_bytes"` // of all buffers that the dispatches bind
	PeakBytes     int64   `json:"peak_bytes"`
	OwnBytes      int64   `json:"peak_bytes_without_weights"`
}

// costQuantities are what is compared, by the names in JSON and for people.
var costQuantities = []struct {
	name, title, format string
	of                  func(w *costWork) float64
}{
	{"ms", "ms", "%.1f", func(w *costWork) float64 { return w.MS }},
	{"rows_per_second", "rows a second", "%.3g", func(w *costWork) float64 { return w.RowsPerSecond }},
	{"fma", "multiply-adds", "%.2e", func(w *costWork) float64 { return float64(w.FMA) }},
	{"dispatches", "dispatches", "%.0f", func(w *costWork) float64 { return float64(w.Dispatches) }},
	{"bound_bytes", "bound, MiB", "%.1f", func(w *costWork) float64 { return mib(w.BoundBytes) }},
	{"peak_bytes", "peak, MiB", "%.1f", func(w *costWork) float64 { return mib(w.PeakBytes) }},
	{"peak_bytes_without_weights", "peak without weights, MiB", "%.1f", func(w *costWork) float64 { return mib(w.OwnBytes) }},
}

// costs counts what each length takes, and times those that fit the device; without a
// device, what a GPU would be asked for.
func (j *benchJob) costs(cmd *cobra.Command, dev *wgpu.Device, k tensor.Kernels) (*costReport, error) {
	ctx := cmd.Context()
	cfg, err := readConfig(cmd, "config", j.config)
	if err != nil {
		return nil, err
	}
	r := &costReport{
		Date: today(), Model: j.config, Parameters: cfg.Describe().Parameters(), Batch: j.batch, Target: benchTarget, Precision: j.precision,
		config: cfg, kernels: k,
	}
	limits := paperLimits
	if dev == nil {
		r.Device = wgpu.AdapterInfo{Name: "a GPU on paper", Type: wgpu.DiscreteGPU}
		r.kernels = shaders.TargetOf(wgpu.OpenPlan(r.Device, limits))
	} else {
		r.Device, limits = dev.Info(), dev.Limits()
		limits.BufferSize, limits.StorageBinding = paperLimits.BufferSize, paperLimits.StorageBinding
	}
	slices.Sort(j.sources)
	for _, source := range slices.Compact(j.sources) {
		l := &costLength{Source: source}
		l.DePT, l.PT = newCostPrompts(cfg, source)
		for _, p := range l.prompts() {
			if err := r.count(ctx, limits, source, p); err != nil {
				return nil, err
			}
		}
		r.Lengths = append(r.Lengths, l)
	}
	if dev == nil {
		r.leave(r.Lengths, "--plan")
	} else if err := r.time(ctx, dev, j.steps); err != nil {
		return nil, err
	}
	for _, l := range r.Lengths {
		l.conclude()
	}
	return r, nil
}

func (r *costReport) work(source int) benchWork {
	return benchWork{r.Batch, source, r.Target, r.Precision}
}

func newCostPrompts(cfg *t5.Config, source int) (short, long *costPrompt) {
	a, b := newBenchPrompts(cfg, source)
	return &costPrompt{PromptLength: a.PromptLength, Rank: a.Rank, method: a.benchMethod},
		&costPrompt{PromptLength: b.PromptLength, Rank: b.Rank, method: b.benchMethod}
}

func (l *costLength) prompts() []*costPrompt { return []*costPrompt{l.DePT, l.PT} }

// count records a prompt's step and its answers, each on a device on paper of its own,
// which says how much memory they take.
func (r *costReport) count(ctx context.Context, limits wgpu.Limits, source int, p *costPrompt) error {
	work := r.work(source)
	onPaper := func(to *costWork, record func(dev *wgpu.Device, m *benchModel) error) error {
		dev := wgpu.OpenPlan(r.Device, limits)
		m, err := r.load(ctx, dev)
		if err != nil {
			return err
		}
		r.WeightsBytes = m.Bytes()
		before, _ := dev.Allocated()
		if err := record(dev, m); err != nil {
			return err
		}
		_, peak := dev.Allocated()
		to.OwnBytes = peak - before
		to.PeakBytes = to.OwnBytes + m.Bytes()
		return nil
	}
	recorded := *p.method // what it is recorded with stays on paper
	err := onPaper(&p.Step, func(dev *wgpu.Device, m *benchModel) error {
		if err := recorded.build(ctx, dev, m, work); err != nil {
			return err
		}
		programs, err := recorded.trainer.Programs(ctx)
		p.Step.add(1, programs...)
		return err
	})
	if err != nil {
		return err
	}
	p.Parameters = recorded.Parameters
	return onPaper(&p.Inference, func(_ *wgpu.Device, m *benchModel) error {
		if err := recorded.adapt(m, source); err != nil {
			return err
		}
		encode, token, err := newBenchPredictor(m, &recorded, work).Programs(ctx)
		if err != nil {
			return err
		}
		p.Inference.add(1, encode)
		p.Inference.add(r.Target, token)
		return nil
	})
}

// load puts the model on a device, with an engine that stays.
func (r *costReport) load(ctx context.Context, dev *wgpu.Device) (*benchModel, error) {
	engine, err := newBenchEngine(dev, r.kernels)
	if err != nil {
		return nil, err
	}
	m, err := loadBenchModel(ctx, engine, r.config, newBenchWeights(r.config.Describe()))
	if err != nil {
		engine.Release()
		return nil, err
	}
	m.End = -1 // no token, so that all answers have their full length
	return m, nil
}

func newBenchPredictor(m *benchModel, b *benchMethod, w benchWork) *train.Predictor {
	return train.NewPredictor(m.Engine(), m.Model, nil, b.method, train.PredictOptions{
		Batch: w.Batch, MaxSourceLength: w.Source, MaxNewTokens: w.Target, Beams: 1,
	})
}

// add counts programs that run some times.
func (w *costWork) add(times int, programs ...*tensor.Program) {
	for _, p := range programs {
		for _, k := range p.Kernels() {
			w.Dispatches += times
			w.FMA += int64(times) * k.Call.FMA
			w.BoundBytes += int64(times) * k.Bytes
		}
	}
}

// leave marks lengths as not timed.
func (r *costReport) leave(lengths []*costLength, reason string) {
	for _, l := range lengths {
		l.Planned = reason
	}
}

// time times the lengths from the shortest on, until one does not fit.
func (r *costReport) time(ctx context.Context, dev *wgpu.Device, steps int) error {
	if reason := r.Lengths[0].lacks(r); reason != "" {
		r.leave(r.Lengths, reason)
		return nil
	}
	m, err := r.load(ctx, dev)
	if lacksMemory(err) {
		r.leave(r.Lengths, err.Error())
		return nil
	}
	if err != nil {
		return err
	}
	defer m.Engine().Release()
	defer m.Release()
	for i, l := range r.Lengths {
		reason := l.lacks(r)
		if reason == "" {
			err := l.time(ctx, dev, m, r.work(l.Source), steps)
			if lacksMemory(err) {
				reason = err.Error()
			} else if err != nil {
				return fmt.Errorf("sources of %d tokens: %w", l.Source, err)
			}
		}
		if reason != "" {
			r.leave(r.Lengths[i:], reason)
			return nil
		}
	}
	return nil
}

// time times both prompts in turns, after a first step and a first answer of each.
func (l *costLength) time(ctx context.Context, dev *wgpu.Device, m *benchModel, w benchWork, steps int) error {
	batch := w.rows(m.Vocabulary)
	for i := range batch {
		batch[i].Target = nil // to be answered
	}
	for _, p := range l.prompts() {
		defer p.method.release()
		if err := p.method.prepare(ctx, dev, m, w); err != nil {
			return err
		}
		p.predictor = newBenchPredictor(m, p.method, w)
		defer p.predictor.Release()
		if _, err := p.predictor.Generate(ctx, batch); err != nil {
			return err
		}
	}
	for range steps {
		for _, p := range l.prompts() {
			if err := p.method.step(ctx); err != nil {
				return err
			}
			start := time.Now()
			if _, err := p.predictor.Generate(ctx, batch); err != nil {
				return err
			}
			p.answers = append(p.answers, time.Since(start))
		}
	}
	for _, p := range l.prompts() {
		p.Step.took(w.Batch, p.method.steps)
		p.Inference.took(w.Batch, p.answers)
	}
	return nil
}

func (w *costWork) took(rows int, times []time.Duration) {
	w.MS = median(times)
	w.RowsPerSecond = 1000 * float64(rows) / w.MS
}

// conclude takes the ratios of what there is.
func (l *costLength) conclude() {
	ratios := func(a, b *costWork) map[string]float64 {
		all := map[string]float64{}
		for _, q := range costQuantities {
			if below := q.of(b); below > 0 {
				all[q.name] = q.of(a) / below
			}
		}
		return all
	}
	l.StepRatios = ratios(&l.DePT.Step, &l.PT.Step)
	l.InferenceRatios = ratios(&l.DePT.Inference, &l.PT.Inference)
}

// lacks says what is missing on a software adapter, whose memory is the machine's: a
// system that lends more than it has would end the program.
func (l *costLength) lacks(r *costReport) string {
	need := r.WeightsBytes
	for _, p := range l.prompts() {
		need += p.Step.OwnBytes + p.Inference.OwnBytes
	}
	if free, ok := freeMemory(); ok && r.Device.Type == wgpu.CPU && need > free {
		return fmt.Sprintf("both prompts need %s, and the machine has %s", size(need), size(free))
	}
	return ""
}

// freeMemory is the machine's, where it says so as Linux does.
func freeMemory() (free int64, ok bool) {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, false
	}
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		if n, _ := fmt.Sscanf(lines.Text(), "MemAvailable: %d kB", &free); n == 1 {
			return free << 10, true
		}
	}
	return 0, false
}

// lacksMemory says that a device refused for its limits, or for its memory: drivers
// have no error of one name for that.
func lacksMemory(err error) bool {
	var limit *wgpu.LimitError
	return errors.As(err, &limit) || err != nil && strings.Contains(strings.ToLower(err.Error()), "memory")
}

func (r *costReport) print(out io.Writer) {
	field(out, "device", "%s", r.Device)
	field(out, "model", "%s, %s parameters, random weights in half precision, %s", r.Model, count(r.Parameters), size(r.WeightsBytes))
	field(out, "work", "%s; steps in %s on %d target tokens, greedy answers of %d tokens", plural(r.Batch, "row"), precisionName(r.Precision), r.Target, r.Target)
	for _, l := range r.Lengths {
		if l.Planned != "" {
			field(out, "planned", "s=%d, counted and not timed: %s", l.Source, l.Planned)
		}
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, l := range r.Lengths {
		how := ""
		if l.Planned != "" {
			how = ", planned"
		}
		fmt.Fprintf(w, "\ns=%d%s\tDePT m=%d r=%d\tPT m=%d\tratio\t\n", l.Source, how, l.DePT.PromptLength, l.DePT.Rank, l.PT.PromptLength)
		fmt.Fprintf(w, "trained parameters\t%s\t%s\t%.3f\t\n", count(l.DePT.Parameters), count(l.PT.Parameters), float64(l.DePT.Parameters)/float64(l.PT.Parameters))
		printCosts(w, "step", &l.DePT.Step, &l.PT.Step, l.StepRatios)
		printCosts(w, "inference", &l.DePT.Inference, &l.PT.Inference, l.InferenceRatios)
	}
	w.Flush()
}

// printCosts prints a line for each quantity that there is.
func printCosts(w io.Writer, name string, a, b *costWork, ratios map[string]float64) {
	for _, q := range costQuantities {
		if ratio, ok := ratios[q.name]; ok {
			fmt.Fprintf(w, "%s, %s\t"+q.format+"\t"+q.format+"\t%.3f\t\n", name, q.title, q.of(a), q.of(b), ratio)
		}
	}
}
