package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/demo"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/t5/safetensors"
	"github.com/go-dept/dept/tensor"
	"github.com/go-dept/dept/wgpu"
)

const (
	demoUntimed  = 20  // steps in which kernels are compiled
	demoExamples = 3   // rows to show of a data set
	demoAnswers  = 5   // predictions to show
	demoBatch    = 100 // rows to predict at once
)

const demoNext = `
done in %s; next, the same on rows of your own and a T5 as Hugging Face publishes it:
  dept train --model t5-small --train train.jsonl --dev dev.jsonl --out runs/mine
  dept predict --model t5-small --adapter runs/mine < sentences.txt
README.md tells more, and dept train --help has all the settings
`

// demoReport is what the demonstration found; accuracies are fractions.
type demoReport struct {
	Device     wgpu.AdapterInfo `json:"device"`
	Before     float64          `json:"before"` // of DePT's prompt before its first step
	DePT       float64          `json:"dept"`
	PT         float64          `json:"pt"`
	DePTStepMS float64          `json:"dept_ms_step"`
	PTStepMS   float64          `json:"pt_ms_step"`
	Seconds    float64          `json:"seconds"` // of the whole run
}

// demonstration is a demo command at work.
type demonstration struct {
	*setup
	out         io.Writer
	task        demo.Task
	rows, judge *dept.Dataset // to train on and to score by
}

// tuned is what came of training a prompt.
type tuned struct {
	config        dept.AdapterConfig
	before, after *dept.Evaluation
	stepMS        float64
	bytes         int64 // on the device, beside the weights
}

func demoCommand() *cobra.Command {
	var device string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See DePT steer a small frozen T5, with text that the program makes itself",
		Long: `Make sentences, a tokenizer and a small T5; train it in full on questions about
sentences; freeze it; then let DePT, and prompt tuning at equally many parameters,
find the question of a task that only shows sentences and answers. Nothing is
fetched, and nothing is kept.`,
		Args: cobra.NoArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) error {
			ctx, restore := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer restore()
			d := &demonstration{setup: &setup{}, out: cmd.OutOrStdout(), task: demo.Tasks[0]}
			defer d.close()
			if asJSON {
				d.out = cmd.ErrOrStderr() // the story goes on there
			}
			report, err := d.run(ctx, device)
			if errors.Is(err, context.Canceled) {
				return &failure{errors.New("stopped; the demonstration keeps nothing"), exitInterrupted}
			}
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), report)
			}
			return nil
		}),
	}
	cmd.Flags().StringVar(&device, "device", "", "part of the adapter's name (see dept devices)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON at the end, and the rest to standard error")
	return cmd
}

func (d *demonstration) run(ctx context.Context, device string) (*demoReport, error) {
	start := time.Now()
	var err error
	if d.tok, err = demo.Tokenizer(); err != nil {
		return nil, err
	}
	if d.dev, err = wgpu.Open(ctx, device); err != nil {
		return nil, err
	}
	field(d.out, "device", "%s", d.dev.Info())
	if d.engine, err = tensor.NewEngine(d.dev); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "dept-demo-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if d.ck, err = d.backbone(ctx, dir); err != nil {
		return nil, fmt.Errorf("train the backbone: %w", err)
	}
	if d.model, err = t5.LoadModel(ctx, d.engine, d.ck, false); err != nil {
		return nil, err
	}
	d.rows = dept.NewDataset(demo.Rows(d.task, demo.Train, demo.TrainRows, demo.Seed))
	d.judge = dept.NewDataset(demo.Rows(d.task, demo.Dev, demo.DevRows, demo.Seed))
	field(d.out, "task", "the %s of a sentence, which no word asks for; %s such as", d.task.Name, plural(d.rows.Len(), "row"))
	d.examples(d.rows)
	field(d.out, "dev", "%s, their words and sentence forms held back from those", plural(d.judge.Len(), "row"))
	forDePT, forPT := demo.Adapters(d.ck.Config)
	dePT, err := d.tune(ctx, methodDePT, forDePT)
	if err != nil {
		return nil, err
	}
	pt, err := d.tune(ctx, methodPT, forPT)
	if err != nil {
		return nil, err
	}
	d.compare(dePT, pt)
	report := &demoReport{
		Device: d.dev.Info(), Before: accuracy(dePT.before), DePT: accuracy(dePT.after), PT: accuracy(pt.after),
		DePTStepMS: dePT.stepMS, PTStepMS: pt.stepMS, Seconds: time.Since(start).Seconds(),
	}
	fmt.Fprintf(d.out, demoNext, short(time.Since(start)))
	return report, nil
}

// backbone is the checkpoint that the prompts steer. There is none to be had
// yet, so it is made in dir: a random model, trained in full on the mixture.
func (d *demonstration) backbone(ctx context.Context, dir string) (*t5.Checkpoint, error) {
	random, trained := filepath.Join(dir, "random"), filepath.Join(dir, "trained")
	config := demo.Config(d.tok)
	if err := t5.WriteCheckpoint(random, config, safetensors.F32, t5.RandomTensors(config, demo.Seed)); err != nil {
		return nil, err
	}
	ck, err := t5.OpenCheckpoint(random)
	if err != nil {
		return nil, err
	}
	defer ck.Close()
	model, err := t5.LoadModel(ctx, d.engine, ck, true)
	if err != nil {
		return nil, err
	}
	defer model.Release()
	options := demo.Pretraining(demo.Seed)
	questions := dept.NewDataset(demo.Mixture(demo.Train, options.Steps*options.Batch, demo.Seed))
	field(d.out, "backbone", "%s parameters, trained in full on %s such as", count(model.Parameters()), plural(questions.Len(), "question"))
	d.examples(questions)
	full := dept.NewFull(model)
	if _, _, err := d.learn(ctx, model, full, questions, options); err != nil {
		return nil, err
	}
	v, err := d.evaluate(ctx, model, full, dept.NewDataset(demo.Mixture(demo.Dev, demo.DevRows, demo.Seed)))
	if err != nil {
		return nil, err
	}
	field(d.out, "", "answers %.1f %% of such questions about sentences of forms that are new to it", 100*accuracy(v))
	weights := func(name string) ([]float32, error) { return model.Tensor(ctx, name) }
	if err := t5.WriteCheckpoint(trained, config, safetensors.F32, weights); err != nil {
		return nil, err
	}
	return t5.OpenCheckpoint(trained)
}

// tune trains a prompt for the task.
func (d *demonstration) tune(ctx context.Context, name string, c dept.AdapterConfig) (*tuned, error) {
	start, err := dept.NewAdapter(c, dept.InitRandom, d.ck, d.tok, demo.Seed)
	if err != nil {
		return nil, err
	}
	prompt, err := dept.NewPrompt(d.engine, start, true)
	if err != nil {
		return nil, err
	}
	defer prompt.Release()
	t := &tuned{config: c}
	if t.before, err = d.evaluate(ctx, d.model, prompt, d.judge); err != nil {
		return nil, err
	}
	field(d.out, name, "%s trained parameters; accuracy on dev before the first step %.1f %%", count(c.Parameters()), 100*accuracy(t.before))
	if t.stepMS, t.bytes, err = d.learn(ctx, d.model, prompt, d.rows, demo.Tuning(demo.Seed)); err != nil {
		return nil, err
	}
	t.after, err = d.evaluate(ctx, d.model, prompt, d.judge)
	return t, err
}

// learn trains a method on rows. It returns the milliseconds of a step and the
// device memory that training takes beside the weights.
func (d *demonstration) learn(ctx context.Context, model *t5.Model, method dept.Method, rows *dept.Dataset, o dept.TrainOptions) (stepMS float64, bytes int64, err error) {
	examples := dept.NewTextExamples(rows, d.tok, o.MaxSourceLength, o.MaxTargetLength)
	trainer, err := dept.NewTrainer(ctx, d.engine, model, method, examples, o)
	if err != nil {
		return 0, 0, err
	}
	defer trainer.Release()
	show := newProgress(d.out, o.Steps, 0)
	show.every = o.Steps / 4
	defer show.close()
	trainer.OnRecord = func(s dept.StepRecord) error {
		show.step(s)
		return nil
	}
	var start time.Time
	for step := range o.Steps {
		if step == demoUntimed {
			if err := trainer.Flush(ctx); err != nil {
				return 0, 0, err
			}
			start = time.Now()
		}
		if err := trainer.Step(ctx); err != nil {
			return 0, 0, err
		}
	}
	if err := trainer.Flush(ctx); err != nil {
		return 0, 0, err
	}
	stepMS = time.Since(start).Seconds() * 1000 / float64(o.Steps-demoUntimed)
	return stepMS, trainer.Plan().Bytes + trainer.StateBytes(), nil
}

// evaluate scores a method: an answer is right if it is the target, to the
// letter.
func (d *demonstration) evaluate(ctx context.Context, model *t5.Model, method dept.Method, rows *dept.Dataset) (*dept.Evaluation, error) {
	predictor := dept.NewPredictor(d.engine, model, d.tok, method, dept.PredictOptions{
		Batch: demoBatch, MaxSourceLength: demo.MaxSource, MaxNewTokens: demo.MaxTarget, Beams: 1,
	})
	defer predictor.Release()
	return predictor.Evaluate(ctx, rows, nil)
}

func accuracy(v *dept.Evaluation) float64 { return v.Metrics[dept.ExactMatch] }

// examples shows what rows look like.
func (d *demonstration) examples(rows *dept.Dataset) {
	for i := range demoExamples {
		field(d.out, "", "%s → %s", rows.Row(i).Source, rows.Row(i).Target)
	}
}

// compare shows DePT beside prompt tuning, and some of DePT's predictions.
func (d *demonstration) compare(dePT, pt *tuned) {
	w := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "\n\tparameters\taccuracy before\tafter\tms a step\tdevice memory\n")
	for _, row := range []struct {
		name string
		*tuned
	}{
		{fmt.Sprintf("DePT m=%d r=%d", dePT.config.PromptLength, dePT.config.Rank), dePT},
		{fmt.Sprintf("PT m=%d", pt.config.PromptLength), pt},
	} {
		fmt.Fprintf(w, "%s\t%s\t%.1f %%\t%.1f %%\t%.1f\t%s\n", row.name, count(row.config.Parameters()),
			100*accuracy(row.before), 100*accuracy(row.after), row.stepMS, size(row.bytes))
	}
	fmt.Fprint(w, "\ndev row\ttarget\tbefore\tafter DePT\n")
	for i := range demoAnswers {
		row := d.judge.Row(i)
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", row.Source, row.Target, dePT.before.Answers[i], dePT.after.Answers[i])
	}
	w.Flush()
}
