package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/tensor"
	"github.com/go-dept/dept/wgpu"
)

// The model of the benchmark has T5-small's sizes. A prompt of budget vectors
// trains as many parameters as DePT's shorter prompt and its shift.
const (
	benchConfig = `{"model_type": "t5", "d_model": 512, "d_kv": 64, "d_ff": 2048, "num_heads": 8, "num_layers": 6, "vocab_size": 32128}`
	benchBudget = 100
	benchPrompt = 40
	benchTarget = 4
)

// benchShapes are products [m,k]·[n,k]ᵀ: a square one, and those of the blocks
// of T5-small and T5-base on 1,024 positions.
var benchShapes = []struct {
	model   string
	m, n, k int
}{
	{"", 512, 512, 512},
	{"T5-small", 1024, 2048, 512}, {"T5-small", 1024, 512, 2048}, {"T5-small", 1024, 512, 512},
	{"T5-base", 1024, 3072, 768}, {"T5-base", 1024, 768, 3072}, {"T5-base", 1024, 768, 768},
}

// benchReport is what the benchmark found.
type benchReport struct {
	Device       wgpu.AdapterInfo `json:"device"`
	Batch        int              `json:"batch_size"`
	Source       int              `json:"source_length"`
	Target       int              `json:"target_length"`
	WeightsBytes int64            `json:"weights_bytes"`
	DePT         *benchMethod     `json:"dept"`
	PT           *benchMethod     `json:"pt"`
	StepRatio    float64          `json:"step_ratio"`  // DePT's time by PT's
	BytesRatio   float64          `json:"bytes_ratio"` // DePT's peak by PT's, without the weights
	MatMul       []benchProduct   `json:"matmul"`
}

type benchMethod struct {
	PromptLength int     `json:"prompt_length"`
	Rank         int     `json:"rank"`
	Parameters   int     `json:"parameters"`
	StepMS       float64 `json:"step_ms"`
	PeakBytes    int64   `json:"peak_bytes"`
	OwnBytes     int64   `json:"peak_bytes_without_weights"`
	// PartsMS are the parts of a step, each waited for.
	PartsMS map[string]float64 `json:"parts_ms"`
	// EncoderRatio is the time of the encoder's backward pass by its forward's.
	EncoderRatio float64 `json:"encoder_backward_ratio"`

	engine  *tensor.Engine
	prompt  *dept.Prompt
	trainer *train.Trainer
	steps   []time.Duration
	parts   map[string][]time.Duration
}

type benchProduct struct {
	Model       string  `json:"model,omitempty"`
	M           int     `json:"m"`
	N           int     `json:"n"`
	K           int     `json:"k"`
	GFLOPS      float64 `json:"gflops"`
	NaiveGFLOPS float64 `json:"naive_gflops"`
	Ratio       float64 `json:"ratio"`
}

func benchCommand() *cobra.Command {
	var device string
	var batch, source, steps int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Time DePT against prompt tuning, and matrix products against a naive kernel",
		Long: `Time training steps of a random model of T5-small's size: DePT with a prompt of 40
against prompt tuning with 100 vectors, at equally many parameters, in turns. Then
time matrix products next to a naive kernel.`,
		Args: cobra.NoArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) error {
			if batch < 1 || source < 2 || steps < 1 || source > maxPositions {
				return usagef("--batch-size and --steps must be at least 1, --source-length from 2 to %d", maxPositions)
			}
			r := &benchReport{Batch: batch, Source: source, Target: benchTarget}
			if err := r.run(cmd, device, steps); err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), r)
			}
			r.print(cmd.OutOrStdout())
			return nil
		}),
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.IntVar(&batch, "batch-size", 4, "rows at once")
	f.IntVar(&source, "source-length", 128, "tokens of a source")
	f.IntVar(&steps, "steps", 5, "steps of each method, of which the median counts")
	f.StringVar(&device, "device", "", "part of the adapter's name (see dept devices)")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (r *benchReport) run(cmd *cobra.Command, device string, steps int) error {
	ctx := cmd.Context()
	dev, err := wgpu.Open(ctx, device)
	if err != nil {
		return err
	}
	defer dev.Release()
	r.Device = dev.Info()
	if err := r.methods(ctx, dev, steps); err != nil {
		return err
	}
	return r.products(ctx, dev)
}

// methods times the two methods on one model.
func (r *benchReport) methods(ctx context.Context, dev *wgpu.Device, steps int) error {
	cfg, err := t5.ParseConfig([]byte(benchConfig))
	if err != nil {
		return err
	}
	ck, err := t5.NewCheckpoint(cfg, t5.RandomTensors(cfg, 1))
	if err != nil {
		return err
	}
	engine, err := tensor.NewEngine(dev)
	if err != nil {
		return err
	}
	defer engine.Release()
	model, err := t5.LoadModel(ctx, engine, ck, false)
	if err != nil {
		return err
	}
	defer model.Release()
	r.WeightsBytes = model.Bytes()

	rank := dept.RankForBudget(benchBudget, benchPrompt, r.Source, cfg.DModel)
	r.DePT = &benchMethod{PromptLength: benchPrompt, Rank: rank}
	r.PT = &benchMethod{PromptLength: benchBudget}
	both := []*benchMethod{r.DePT, r.PT}
	for _, b := range both {
		defer b.release()
		if err := b.prepare(ctx, dev, model, ck, r); err != nil {
			return err
		}
	}
	// In turns, so that a machine that gets slower does so for both.
	for i := range steps {
		for _, b := range both {
			if err := b.step(ctx); err != nil {
				return err
			}
			if i >= 3 {
				continue
			}
			if err := b.stepParts(ctx); err != nil {
				return err
			}
		}
	}
	for _, b := range both {
		b.conclude()
	}
	r.StepRatio = r.DePT.StepMS / r.PT.StepMS
	r.BytesRatio = float64(r.DePT.OwnBytes) / float64(r.PT.OwnBytes)
	return nil
}

// benchRows are random tokens.
type benchRows []data.Example

func (r benchRows) Len() int { return len(r) }

func (r benchRows) Example(i int) (data.Example, error) { return r[i], nil }

// prepare makes a trainer on an engine of its own, whose memory is then the
// method's, and warms it up with a step.
func (b *benchMethod) prepare(ctx context.Context, dev *wgpu.Device, model *t5.Model, ck *t5.Checkpoint, r *benchReport) error {
	before, _ := dev.Allocated()
	c := dept.AdapterConfig{
		PromptLength: b.PromptLength, Rank: b.Rank, MaxSourceLength: r.Source, Width: ck.Config.DModel, LoraAlpha: dept.DefaultLoraAlpha,
	}
	b.Parameters = c.Parameters()
	adapter, err := dept.NewAdapter(c, dept.InitRandom, ck, nil, 1)
	if err != nil {
		return err
	}
	if b.engine, err = tensor.NewEngine(dev); err != nil {
		return err
	}
	if b.prompt, err = dept.NewPrompt(b.engine, adapter, true); err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(1, 1))
	rows := make(benchRows, r.Batch)
	for i := range rows {
		for range r.Source {
			rows[i].Source = append(rows[i].Source, int32(random.IntN(ck.Config.VocabSize)))
		}
		for range r.Target {
			rows[i].Target = append(rows[i].Target, int32(random.IntN(ck.Config.VocabSize)))
		}
	}
	b.trainer, err = train.NewTrainer(ctx, b.engine, model, b.prompt, rows, train.Options{
		Steps: 1 << 20, Batch: r.Batch, Accumulate: 1, Rates: [2]float64{0.3, 5e-4}, Clip: 1,
		Dropout: ck.Config.DropoutRate, MaxSourceLength: r.Source, MaxTargetLength: r.Target, Seed: 1,
	})
	if err != nil {
		return err
	}
	if err := b.step(ctx); err != nil {
		return err
	}
	b.steps = nil
	after, _ := dev.Allocated()
	b.OwnBytes = after - before
	b.PeakBytes = b.OwnBytes + model.Bytes()
	return nil
}

func (b *benchMethod) release() {
	if b.trainer != nil {
		b.trainer.Release()
	}
	if b.prompt != nil {
		b.prompt.Release()
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
	return b.trainer.Flush(ctx)
}

// conclude takes the medians.
func (b *benchMethod) conclude() {
	b.StepMS = median(b.steps)
	b.PartsMS = map[string]float64{}
	for name, took := range b.parts {
		b.PartsMS[name] = median(took)
	}
	b.EncoderRatio = b.PartsMS["encoder.grad"] / b.PartsMS["encoder"]
}

// median is in milliseconds.
func median(times []time.Duration) float64 {
	times = slices.Sorted(slices.Values(times))
	middle := (times[(len(times)-1)/2] + times[len(times)/2]) / 2
	return float64(middle.Microseconds()) / 1000
}

// products times matrix products.
func (r *benchReport) products(ctx context.Context, dev *wgpu.Device) error {
	engine, err := tensor.NewEngine(dev)
	if err != nil {
		return err
	}
	defer engine.Release()
	for _, s := range benchShapes {
		p := benchProduct{Model: s.model, M: s.m, N: s.n, K: s.k}
		for _, kernel := range []struct {
			naive bool
			to    *float64
		}{{false, &p.GFLOPS}, {true, &p.NaiveGFLOPS}} {
			took, err := engine.TimeMatMul(ctx, s.m, s.n, s.k, kernel.naive, 500*time.Millisecond)
			if err != nil {
				return err
			}
			*kernel.to = 2 * float64(s.m) * float64(s.n) * float64(s.k) / float64(took.Nanoseconds())
		}
		p.Ratio = p.GFLOPS / p.NaiveGFLOPS
		r.MatMul = append(r.MatMul, p)
	}
	return nil
}

func (r *benchReport) print(out io.Writer) {
	field(out, "device", "%s", r.Device)
	field(out, "model", "T5-small's sizes, weights %s", size(r.WeightsBytes))
	field(out, "step", "%d rows, %d source and %d target tokens", r.Batch, r.Source, r.Target)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\n\tDePT m=%d r=%d\tPT m=%d\tratio\t\n", r.DePT.PromptLength, r.DePT.Rank, r.PT.PromptLength)
	row := func(name, format string, a, b float64) {
		fmt.Fprintf(w, "%s\t"+format+"\t"+format+"\t%.3f\t\n", name, a, b, a/b)
	}
	mib := func(bytes int64) float64 { return float64(bytes) / (1 << 20) }
	row("trained parameters", "%.0f", float64(r.DePT.Parameters), float64(r.PT.Parameters))
	row("step, ms", "%.1f", r.DePT.StepMS, r.PT.StepMS)
	for _, name := range []string{"encoder", "decoder", "loss", "loss.grad", "decoder.grad", "encoder.grad", "update"} {
		row(name+", ms", "%.1f", r.DePT.PartsMS[name], r.PT.PartsMS[name])
	}
	row("encoder.grad / encoder", "%.3f", r.DePT.EncoderRatio, r.PT.EncoderRatio)
	row("peak, MiB", "%.1f", mib(r.DePT.PeakBytes), mib(r.PT.PeakBytes))
	row("peak without weights, MiB", "%.1f", mib(r.DePT.OwnBytes), mib(r.PT.OwnBytes))
	fmt.Fprint(w, "\nproduct\tm\tn\tk\tGFLOP/s\tnaive\tratio\t\n")
	for _, p := range r.MatMul {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%.1f\t%.2f\t%.1f\t\n", p.Model, p.M, p.N, p.K, p.GFLOPS, p.NaiveGFLOPS, p.Ratio)
	}
	w.Flush()
}
