package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/nn"
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
	benchSource = 1 << 15 // the most tokens of a source
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
	DePT         *benchPair       `json:"dept"`
	PT           *benchPair       `json:"pt"`
	StepRatio    float64          `json:"step_ratio"`  // DePT's time by PT's
	BytesRatio   float64          `json:"bytes_ratio"` // DePT's peak by PT's, without the weights
	Methods      []*benchMethod   `json:"methods"`     // all of the table
	MatMul       []benchProduct   `json:"matmul"`
}

// benchPair is one of the two prompts that are compared.
type benchPair struct {
	PromptLength int `json:"prompt_length"`
	Rank         int `json:"rank"`
	*benchMethod
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
		Short: "Time the methods, DePT against prompt tuning, and matrix products",
		Long: `Time training steps of a random model of T5-small's size: DePT with a prompt of 40
against prompt tuning with 100 vectors, at equally many parameters, in turns; then
the other methods at their defaults, in turns. Then time matrix products next to a
naive kernel.`,
		Args: cobra.NoArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) error {
			if batch < 1 || source < 2 || steps < 1 || source > benchSource-benchBudget {
				return usagef("--batch-size and --steps must be at least 1, --source-length from 2 to %d", benchSource-benchBudget)
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

// methods times the methods of the table on one model, the two prompts before the
// others.
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
	model, err := t5.Load(ctx, engine, ck, false)
	if err != nil {
		return err
	}
	defer model.Release()
	r.WeightsBytes = model.Bytes()

	rank := dept.RankForBudget(benchBudget, benchPrompt, r.Source, cfg.DModel)
	r.DePT = &benchPair{benchPrompt, rank, newBenchMethod(&dept.DePT)}
	r.PT = &benchPair{benchBudget, 0, newBenchMethod(&dept.PromptTuning)}
	prompts := []*benchMethod{r.DePT.benchMethod, r.PT.benchMethod}
	maps.Copy(r.DePT.values, dept.Values{"prompt-length": benchPrompt, "rank": rank, "prompt-init": string(dept.InitRandom)})
	maps.Copy(r.PT.values, dept.Values{"prompt-length": benchBudget, "prompt-init": string(dept.InitRandom)})
	r.Methods = slices.Clone(prompts)
	for _, k := range dept.Kinds {
		if k != prompts[0].kind && k != prompts[1].kind {
			r.Methods = append(r.Methods, newBenchMethod(k))
		}
	}
	if err := r.inTurns(ctx, dev, model, ck, prompts, steps, min(steps, 3)); err != nil {
		return err
	}
	if err := r.inTurns(ctx, dev, model, ck, r.Methods[len(prompts):], steps, 0); err != nil {
		return err
	}
	r.StepRatio = r.DePT.StepMS / r.PT.StepMS
	r.BytesRatio = float64(r.DePT.OwnBytes) / float64(r.PT.OwnBytes)
	return nil
}

// inTurns times methods in turns, so that a machine that gets slower does so for all
// of them: some steps, and some more of which each part is waited for.
func (r *benchReport) inTurns(ctx context.Context, dev *wgpu.Device, model *nn.Model, ck *t5.Checkpoint, methods []*benchMethod, steps, inParts int) error {
	for _, b := range methods {
		defer b.release()
		if err := b.prepare(ctx, dev, model, ck, r); err != nil {
			return fmt.Errorf("%s: %w", b.Name, err)
		}
	}
	for i := range steps {
		for _, b := range methods {
			if err := b.step(ctx); err != nil {
				return fmt.Errorf("%s: %w", b.Name, err)
			}
			if i >= inParts {
				continue
			}
			if err := b.stepParts(ctx); err != nil {
				return fmt.Errorf("%s: %w", b.Name, err)
			}
		}
	}
	for _, b := range methods {
		b.conclude()
	}
	return nil
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
	r.printPair(w)
	r.printMethods(w)
	fmt.Fprint(w, "\nproduct\tm\tn\tk\tGFLOP/s\tnaive\tratio\t\n")
	for _, p := range r.MatMul {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%.1f\t%.2f\t%.1f\t\n", p.Model, p.M, p.N, p.K, p.GFLOPS, p.NaiveGFLOPS, p.Ratio)
	}
	w.Flush()
}

// printPair prints the two prompts side by side.
func (r *benchReport) printPair(w io.Writer) {
	fmt.Fprintf(w, "\n\tDePT m=%d r=%d\tPT m=%d\tratio\t\n", r.DePT.PromptLength, r.DePT.Rank, r.PT.PromptLength)
	row := func(name, format string, a, b float64) {
		fmt.Fprintf(w, "%s\t"+format+"\t"+format+"\t%.3f\t\n", name, a, b, a/b)
	}
	row("trained parameters", "%.0f", float64(r.DePT.Parameters), float64(r.PT.Parameters))
	row("step, ms", "%.1f", r.DePT.StepMS, r.PT.StepMS)
	for _, name := range []string{"encoder", "decoder", "loss", "loss.grad", "decoder.grad", "encoder.grad", "update"} {
		row(name+", ms", "%.1f", r.DePT.PartsMS[name], r.PT.PartsMS[name])
	}
	row("encoder.grad / encoder", "%.3f", r.DePT.EncoderRatio, r.PT.EncoderRatio)
	row("peak, MiB", "%.1f", mib(r.DePT.PeakBytes), mib(r.PT.PeakBytes))
	row("peak without weights, MiB", "%.1f", mib(r.DePT.OwnBytes), mib(r.PT.OwnBytes))
}

// printMethods prints a line for each method, its time as a ratio to prompt tuning's.
func (r *benchReport) printMethods(w io.Writer) {
	fmt.Fprintf(w, "\nmethod\tparameters\tstep, ms\tby %s's\tpeak without weights, MiB\t\n", r.PT.Name)
	for _, b := range r.Methods {
		fmt.Fprintf(w, "%s\t%s\t%.1f\t%.3f\t%.1f\t\n", b.Name, count(b.Parameters), b.StepMS, b.StepMS/r.PT.StepMS, mib(b.OwnBytes))
	}
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }
