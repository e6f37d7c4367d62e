package main

import (
	"context"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/tensor"
	"github.com/go-dept/dept/wgpu"
)

// A prompt of benchBudget vectors trains as many parameters as DePT's shorter prompt
// and its shift.
const (
	benchBudget = 100
	benchPrompt = 40
	benchTarget = 4
	benchSource = 1 << 15 // the most tokens of a source
)

// benchWork is the batch that is worked on.
type benchWork struct {
	Batch  int `json:"batch_size"`
	Source int `json:"source_length"`
	Target int `json:"target_length"`
	// Precision is that of training; answers are float32.
	Precision train.Precision `json:"precision"`
}

// benchModel is a model under the benchmark, and where its weights come from.
type benchModel struct {
	*nn.Model
	config  *t5.Config
	weights nn.Checkpoint
}

func loadBenchModel(ctx context.Context, e *tensor.Engine, cfg *t5.Config, weights nn.Checkpoint) (*benchModel, error) {
	m, err := nn.Load(ctx, e, cfg.Describe(), weights, false)
	if err != nil {
		return nil, err
	}
	return &benchModel{m, cfg, weights}, nil
}

// newEngine makes an engine that chooses kernels as the model's does.
func (m *benchModel) newEngine(dev *wgpu.Device) (*tensor.Engine, error) {
	return newBenchEngine(dev, m.Engine().Kernels())
}

func newBenchEngine(dev *wgpu.Device, k tensor.Kernels) (*tensor.Engine, error) {
	e, err := tensor.NewEngine(dev)
	if err != nil {
		return nil, err
	}
	if err := e.Choose(k); err != nil {
		e.Release()
		return nil, err
	}
	return e, nil
}

// benchReport is what the benchmark found.
type benchReport struct {
	Date   string           `json:"date"`
	Device wgpu.AdapterInfo `json:"device"`
	benchWork
	WeightsBytes int64          `json:"weights_bytes"`
	DePT         *benchPair     `json:"dept"`
	PT           *benchPair     `json:"pt"`
	StepRatio    float64        `json:"step_ratio"`  // DePT's time by PT's
	BytesRatio   float64        `json:"bytes_ratio"` // DePT's peak by PT's, without the weights
	Methods      []*benchMethod `json:"methods"`     // all of the table
	MatMul       []benchProduct `json:"matmul"`

	kernels tensor.Kernels
}

// benchJob is what the flags of dept bench ask for.
type benchJob struct {
	device, profile, config string
	batch, steps            int
	sources                 []int
	precision               train.Precision
	plan, asJSON            bool
}

func benchCommand() *cobra.Command {
	j := &benchJob{}
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Time the methods, DePT against prompt tuning, and matrix products",
		Long: `Time training steps of a random model of T5-small's size: DePT with a prompt of 40
against prompt tuning with 100 vectors, at equally many parameters, in turns, whole,
in parts, and a kernel at a time, by kind of work; then the other methods at their
defaults, in turns. Then time matrix products next to a naive kernel.

With --config, what DePT costs beside prompt tuning on a model of that size, with
random weights in half precision: the time of a training step and of short greedy
answers, in turns; multiply-adds, dispatches and bytes, counted. Where the model does
not fit, and with --plan, for which no device is needed, it is counted and not timed.`,
		Args: cobra.NoArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) error { return j.run(cmd) }),
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&j.config, "config", "", configUsage)
	f.BoolVar(&j.plan, "plan", false, "of a --config: count and do not time")
	f.IntVar(&j.batch, "batch-size", 4, "rows at once")
	f.IntSliceVar(&j.sources, "source-length", nil, "tokens of a source (128; with --config any number of them, 128,256,512)")
	f.IntVar(&j.steps, "steps", 5, "steps of each method, of which the median counts")
	f.TextVar(&j.precision, "precision", j.precision, "of training steps: float32 or mixed (see dept train)")
	addDevice(f, &j.device)
	addProfile(f, &j.profile)
	f.BoolVar(&j.asJSON, "json", false, "print JSON")
	return cmd
}

func (j *benchJob) run(cmd *cobra.Command) error {
	switch {
	case j.plan && j.config == "":
		return usagef("--plan is for a --config")
	case j.config == "" && len(j.sources) > 1:
		return usagef("several of --source-length are for a --config")
	case len(j.sources) == 0 && j.config == "":
		j.sources = []int{128}
	case len(j.sources) == 0:
		j.sources = []int{128, 256, 512}
	}
	if j.batch < 1 || j.steps < 1 || slices.Min(j.sources) < 2 || slices.Max(j.sources) > benchSource-benchBudget {
		return usagef("--batch-size and --steps must be at least 1, --source-length from 2 to %d", benchSource-benchBudget)
	}
	report, err := j.measure(cmd)
	switch {
	case err != nil:
		return err
	case j.asJSON:
		return printJSON(cmd.OutOrStdout(), report)
	}
	report.print(cmd.OutOrStdout())
	return nil
}

// measure makes the report that is asked for.
func (j *benchJob) measure(cmd *cobra.Command) (interface{ print(io.Writer) }, error) {
	if j.plan {
		return j.costs(cmd, nil, tensor.Kernels{})
	}
	dev, err := wgpu.Open(cmd.Context(), j.device)
	if err != nil {
		return nil, err
	}
	defer dev.Release()
	k, err := kernels(cmd, j.profile)(dev)
	if err != nil {
		return nil, err
	}
	if j.config == "" {
		return j.methods(cmd.Context(), dev, k)
	}
	return j.costs(cmd, dev, k)
}

// methods times the methods and matrix products.
func (j *benchJob) methods(ctx context.Context, dev *wgpu.Device, k tensor.Kernels) (*benchReport, error) {
	r := &benchReport{Date: today(), Device: dev.Info(), benchWork: benchWork{j.batch, j.sources[0], benchTarget, j.precision}, kernels: k}
	if err := r.methods(ctx, dev, j.steps); err != nil {
		return nil, err
	}
	return r, r.products(ctx, dev)
}

func (r *benchReport) print(out io.Writer) {
	field(out, "device", "%s", r.Device)
	field(out, "model", "T5-small's sizes, weights %s", size(r.WeightsBytes))
	field(out, "step", "%d rows, %d source and %d target tokens, %s", r.Batch, r.Source, r.Target, precisionName(r.Precision))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	r.printPair(w)
	r.printKinds(w)
	r.printMethods(w)
	r.printProducts(w)
	w.Flush()
}

// today is the date that a report has.
func today() string { return time.Now().Format(time.DateOnly) }

func precisionName(p train.Precision) string {
	name, err := p.MarshalText()
	if err != nil {
		panic(err) // it was read from its name
	}
	return string(name)
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }
