package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/dept/demo"
	"github.com/go-dept/dept/dept/tasks"
	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/t5/backbone"
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
	*train.Setup // nil until the backbone is open
	out          io.Writer
	task         demo.Task
	rows, dev    *data.Dataset // to train on and to score by
}

// tuned is what came of training a prompt.
type tuned struct {
	config        *dept.PromptConfig
	before, after *train.Evaluation
	stepMS        float64
	bytes         int64 // on the device, beside the weights
}

func demoCommand() *cobra.Command {
	var device string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See DePT steer a small frozen T5, with text that the program makes itself",
		Long: `Take the small T5 that this program carries, which has learned to answer questions
about sentences; then let DePT, and prompt tuning at equally many parameters, find
the question of a task that only shows sentences and answers. Nothing is fetched, and
nothing is kept.`,
		Args: cobra.NoArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) error {
			ctx, restore := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer restore()
			d := &demonstration{out: cmd.OutOrStdout(), task: demo.Tasks[0]}
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
	addDevice(cmd.Flags(), &device)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON at the end, and the rest to standard error")
	return cmd
}

func (d *demonstration) run(ctx context.Context, device string) (*demoReport, error) {
	start := time.Now()
	var err error
	if d.Setup, err = train.OpenSetup(ctx, train.Opening{Name: "the backbone", Files: backbone.Files(), DeviceName: device, Unnamed: true}); err != nil {
		return nil, err
	}
	defer d.Release()
	field(d.out, "device", "%s", d.Device.Info())
	if err := d.ask(ctx); err != nil {
		return nil, err
	}
	d.rows = data.NewDataset(demo.Rows(d.task, demo.Train, demo.TrainRows, demo.Seed))
	d.dev = data.NewDataset(demo.Rows(d.task, demo.Dev, demo.DevRows, demo.Seed))
	field(d.out, "task", "the %s of a sentence, which no word asks for; %s such as", d.task.Name, plural(d.rows.Len(), "row"))
	d.examples(d.rows)
	field(d.out, "dev", "%s, their words and sentence forms held back from those", plural(d.dev.Len(), "row"))
	forDePT, forPT := demo.Adapters()
	dePT, err := d.tune(ctx, forDePT)
	if err != nil {
		return nil, err
	}
	pt, err := d.tune(ctx, forPT)
	if err != nil {
		return nil, err
	}
	d.compare(dePT, pt)
	report := &demoReport{
		Device: d.Device.Info(), Before: accuracy(dePT.before), DePT: accuracy(dePT.after), PT: accuracy(pt.after),
		DePTStepMS: dePT.stepMS, PTStepMS: pt.stepMS, Seconds: time.Since(start).Seconds(),
	}
	fmt.Fprintf(d.out, demoNext, short(time.Since(start)))
	return report, nil
}

// ask shows what the backbone is and what it answers before anything is tuned.
func (d *demonstration) ask(ctx context.Context) error {
	questions := data.NewDataset(demo.Mixture(demo.Dev, demo.DevRows, demo.Seed))
	field(d.out, "backbone", "%s; pre-trained on English text and on questions such as", describeModel(d.Checkpoint))
	d.examples(questions)
	v, err := d.evaluate(ctx, dept.AsIs(), questions, demo.MaxQuestion, demo.MaxAnswer)
	if err != nil {
		return err
	}
	field(d.out, "", "answers %.1f %% of them, about sentences of forms that are new to it", 100*accuracy(v))
	return nil
}

// tune trains a prompt for the task.
func (d *demonstration) tune(ctx context.Context, c *dept.PromptConfig) (*tuned, error) {
	start, err := dept.NewAdapter(c, dept.Values{"prompt-init": string(dept.InitRandom)}, dept.Origin{
		Model: d.Model.Description, Checkpoint: d.Checkpoint, Tokenizer: d.Tokenizer, Seed: demo.Seed,
	})
	if err != nil {
		return nil, err
	}
	prompt, err := dept.New(d.Model, start, true)
	if err != nil {
		return nil, err
	}
	defer prompt.Release()
	t := &tuned{config: c}
	if t.before, err = d.evaluate(ctx, prompt, d.dev, demo.MaxSource, demo.MaxTarget); err != nil {
		return nil, err
	}
	field(d.out, c.Kind().Name, "%s trained parameters; accuracy on dev before the first step %.1f %%", count(c.Parameters()), 100*accuracy(t.before))
	if t.stepMS, t.bytes, err = d.learn(ctx, prompt, demo.Tuning(demo.Seed)); err != nil {
		return nil, err
	}
	t.after, err = d.evaluate(ctx, prompt, d.dev, demo.MaxSource, demo.MaxTarget)
	return t, err
}

// learn trains a prompt on the task's rows. It returns the milliseconds of a step and the
// device memory that training takes beside the weights.
func (d *demonstration) learn(ctx context.Context, prompt *dept.Method, o train.Options) (stepMS float64, bytes int64, err error) {
	examples := data.Tokenize(d.rows, d.Tokenizer, o.MaxSourceLength, o.MaxTargetLength)
	trainer, err := train.NewTrainer(ctx, d.Engine, d.Model, prompt, examples, o)
	if err != nil {
		return 0, 0, err
	}
	defer trainer.Release()
	show := newProgress(d.out, o.Steps, 0, tensor.Groups(prompt.Params()))
	show.every = o.Steps / 4
	defer show.close()
	trainer.OnRecord = func(s train.StepRecord) error {
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
func (d *demonstration) evaluate(ctx context.Context, method *dept.Method, rows *data.Dataset, maxSource, maxTarget int) (*train.Evaluation, error) {
	predictor := train.NewPredictor(d.Engine, d.Model, d.Tokenizer, method, train.PredictOptions{
		Batch: demoBatch, MaxSourceLength: maxSource, MaxNewTokens: maxTarget, Beams: 1,
	})
	defer predictor.Release()
	return predictor.Evaluate(ctx, rows, nil)
}

func accuracy(v *train.Evaluation) float64 { return v.Metrics[tasks.ExactMatch] }

// examples shows what rows look like.
func (d *demonstration) examples(rows *data.Dataset) {
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
		row := d.dev.Row(i)
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", row.Source, row.Target, dePT.before.Answers[i], dePT.after.Answers[i])
	}
	w.Flush()
}
