package main

import (
	"cmp"
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
	"github.com/go-dept/dept/dept/metrics"
	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/internal/plots"
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
	Task       string           `json:"task"`
	Before     float64          `json:"before"` // of neither part
	DePT       float64          `json:"dept"`   // of both
	PT         float64          `json:"pt"`
	DePTStepMS float64          `json:"dept_ms_step"`
	PTStepMS   float64          `json:"pt_ms_step"`
	Variants   []demoVariant    `json:"variants"`
	Seconds    float64          `json:"seconds"` // of the whole run
}

// demoVariant is a variant in the report. The one named pt is P at the whole budget once more:
// that is prompt tuning.
type demoVariant struct {
	Name       string  `json:"name"`
	Parameters int     `json:"parameters"`
	Accuracy   float64 `json:"accuracy"`
	Seconds    float64 `json:"seconds"` // of training
	Bytes      int64   `json:"bytes"`   // on the device, beside the weights
}

// demonstration is a demo command at work.
type demonstration struct {
	*train.Setup // nil until the backbone is open
	out          io.Writer
	task         demo.Task
	plot         string        // the file of the curves, or empty
	rows, held   *data.Dataset // to train on and to score by
}

// tuned is what came of training a variant.
type tuned struct {
	demo.Variant
	curve
	after           *train.Evaluation
	seconds, stepMS float64 // of training, evaluations apart
	bytes           int64   // on the device, beside the weights
}

func demoCommand() *cobra.Command {
	d := &demonstration{}
	var device, task string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See what each part of DePT does, on a small frozen T5 and text that the program makes itself",
		Long: `Take the small T5 that this program carries, which has learned to answer questions
about sentences; then train DePT, its prompt P alone, which is prompt tuning, and its
shift A·B alone, all at one budget, to find the question of a task that only shows texts
and answers. Nothing is fetched, and nothing is kept.

On the task first-thing both parts are needed, on tone P is enough, on four-things A·B.
The others are those of docs/when-the-shift-matters.md.`,
		Args: cobra.NoArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) error {
			ctx, restore := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer restore()
			var err error
			if d.task, err = demo.Find(task); err != nil {
				return &failure{fmt.Errorf("--task: %w", err), exitUsage}
			}
			if err := plots.Check(d.plot); d.plot != "" && err != nil {
				return &failure{fmt.Errorf("--plot: %w", err), exitUsage}
			}
			d.out = cmd.OutOrStdout()
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
	f := cmd.Flags()
	f.StringVar(&task, "task", demo.Tasks[0].Name, "what is to be learned")
	f.StringVar(&d.plot, "plot", "", "draw the curves into this `file`, .svg or .png")
	f.BoolVar(&asJSON, "json", false, "print JSON at the end, and the rest to standard error")
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
	tokens := func(text string) int { return len(d.Tokenizer.Encode(text)) }
	d.rows = data.NewDataset(d.task.Rows(demo.Train, demo.TrainRows, demo.Seed, tokens))
	d.held = data.NewDataset(d.task.Rows(demo.Test, demo.HeldRows, demo.Seed, tokens))
	field(d.out, "task", "%s, which no word asks for; %s such as", d.task.About, plural(d.rows.Len(), "row"))
	d.examples(d.rows)
	field(d.out, "held back", "%s, of words that are not in those", plural(d.held.Len(), "row"))
	neither, err := d.evaluate(ctx, dept.AsIs(), d.held, d.task.MaxSource)
	if err != nil {
		return nil, err
	}
	field(d.out, "neither", "the model as it is: %.1f %% of them", 100*accuracy(neither))
	all := map[string]*tuned{}
	for _, v := range demo.Variants(d.task.MaxSource) {
		if all[v.Name], err = d.tune(ctx, v, accuracy(neither)); err != nil {
			return nil, err
		}
	}
	d.compare(neither, all)
	if err := d.draw(all); err != nil {
		return nil, err
	}
	report := &demoReport{
		Device: d.Device.Info(), Task: d.task.Name, Before: accuracy(neither), DePT: accuracy(all[demo.Both].after), PT: accuracy(all[demo.OnlyP].after),
		DePTStepMS: all[demo.Both].stepMS, PTStepMS: all[demo.OnlyP].stepMS,
	}
	for _, name := range []string{demo.Both, demo.OnlyP, demo.OnlyAB, "neither", "pt"} {
		x := demoVariant{Name: name, Accuracy: accuracy(neither)}
		if name != "neither" {
			t := all[cmp.Or(map[string]string{"pt": demo.OnlyP}[name], name)]
			x = demoVariant{name, t.Config.Parameters(), accuracy(t.after), t.seconds, t.bytes}
		}
		report.Variants = append(report.Variants, x)
	}
	report.Seconds = time.Since(start).Seconds()
	fmt.Fprintf(d.out, demoNext, short(time.Since(start)))
	return report, nil
}

// ask shows what the backbone is and what it answers before anything is tuned.
func (d *demonstration) ask(ctx context.Context) error {
	questions := data.NewDataset(demo.Mixture(demo.Dev, demo.HeldRows, demo.Seed))
	field(d.out, "backbone", "%s; pre-trained on English text and on questions such as", describeModel(d.Checkpoint))
	d.examples(questions)
	v, err := d.evaluate(ctx, dept.AsIs(), questions, demo.MaxQuestion)
	if err != nil {
		return err
	}
	field(d.out, "", "answers %.1f %% of them, about sentences of forms that are new to it", 100*accuracy(v))
	return nil
}

// tune trains a variant for the task.
func (d *demonstration) tune(ctx context.Context, v demo.Variant, before float64) (*tuned, error) {
	start, err := dept.NewAdapter(v.Config, dept.Values{"prompt-init": string(dept.InitRandom)}, dept.Origin{
		Model: d.Model.Description, Checkpoint: d.Checkpoint, Tokenizer: d.Tokenizer, Seed: demo.Seed,
	})
	if err != nil {
		return nil, err
	}
	method, err := dept.New(d.Model, start, true)
	if err != nil {
		return nil, err
	}
	defer method.Release()
	t := &tuned{Variant: v}
	t.scored(0, before)
	field(d.out, v.Name, "%s: %s", plural(v.Config.Parameters(), "trained parameter"), title(v))
	return t, d.learn(ctx, method, t)
}

// title says what a variant is.
func title(v demo.Variant) string {
	m, r := fmt.Sprintf("m=%d", v.Config.PromptLength), fmt.Sprintf("r=%d", v.Config.Rank)
	switch v.Name {
	case demo.OnlyP:
		return "P alone, " + m + ", which is prompt tuning"
	case demo.OnlyAB:
		return "A·B alone, " + r
	}
	return "DePT, P and A·B, " + m + " " + r
}

// learn trains a method on the task's rows, and scores it at every quarter.
func (d *demonstration) learn(ctx context.Context, method *dept.Method, t *tuned) error {
	o := demo.Tuning(t.Variant, demo.Seed)
	examples := data.Tokenize(d.rows, d.Tokenizer, o.MaxSourceLength, o.MaxTargetLength)
	trainer, err := train.NewTrainer(ctx, d.Engine, d.Model, method, examples, o)
	if err != nil {
		return err
	}
	defer trainer.Release()
	t.bytes = trainer.Plan().Bytes + trainer.StateBytes()
	show := newProgress(d.out, o.Steps, 0, tensor.Groups(method.Params()))
	quarter := o.Steps / 4
	show.every = quarter
	defer show.close()
	trainer.OnRecord = func(s train.StepRecord) error {
		show.step(s)
		t.stepped(s)
		return nil
	}
	var total, warm time.Duration
	start := time.Now()
	part := func() { // the time since the last call goes to training
		took := time.Since(start)
		total += took
		if trainer.Done() > demoUntimed {
			warm += took
		}
		start = time.Now()
	}
	for step := 1; step <= o.Steps; step++ {
		if err := trainer.Step(ctx); err != nil {
			return err
		}
		if step != demoUntimed && step%quarter > 0 {
			continue
		}
		if err := trainer.Flush(ctx); err != nil {
			return err
		}
		part()
		if step%quarter > 0 {
			continue
		}
		if t.after, err = d.evaluate(ctx, method, d.held, d.task.MaxSource); err != nil {
			return err
		}
		t.scored(step, accuracy(t.after))
		show.eval(train.EvalRecord{Step: step, Evaluation: t.after})
		start = time.Now()
	}
	t.seconds, t.stepMS = total.Seconds(), 1000*warm.Seconds()/float64(o.Steps-demoUntimed)
	return nil
}

// evaluate scores a method: an answer is right if it is the target, to the
// letter.
func (d *demonstration) evaluate(ctx context.Context, method *dept.Method, rows *data.Dataset, maxSource int) (*train.Evaluation, error) {
	predictor := train.NewPredictor(d.Engine, d.Model, d.Tokenizer, method, train.PredictOptions{
		Batch: demoBatch, MaxSourceLength: maxSource, MaxNewTokens: demo.MaxAnswer, Beams: 1,
	})
	defer predictor.Release()
	return predictor.Evaluate(ctx, rows, nil)
}

func accuracy(v *train.Evaluation) float64 { return v.Metrics[metrics.ExactMatch] }

// examples shows what rows look like.
func (d *demonstration) examples(rows *data.Dataset) {
	for i := range demoExamples {
		field(d.out, "", "%s → %s", rows.Row(i).Source, rows.Row(i).Target)
	}
}

// compare shows the variants beside one another, what they say of the task, and some answers.
func (d *demonstration) compare(neither *train.Evaluation, all map[string]*tuned) {
	w := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "\n\tparameters\taccuracy\ttraining\tms a step\tdevice memory\n")
	fmt.Fprintf(w, "neither part\t0\t%.1f %%\t\t\t\n", 100*accuracy(neither))
	for _, name := range []string{demo.OnlyP, demo.OnlyAB, demo.Both} {
		t := all[name]
		fmt.Fprintf(w, "%s\t%s\t%.1f %%\t%s\t%.1f\t%s\n", title(t.Variant), count(t.Config.Parameters()),
			100*accuracy(t.after), short(time.Duration(t.seconds*float64(time.Second))), t.stepMS, size(t.bytes))
	}
	w.Flush()
	p, ab, both := accuracy(all[demo.OnlyP].after), accuracy(all[demo.OnlyAB].after), accuracy(all[demo.Both].after)
	fmt.Fprintf(d.out, "\n%s\n", verdict(p, ab, both))
	fmt.Fprint(w, "\nheld-back row\ttarget\tneither\tP\tA·B\tboth\n")
	for i := range demoAnswers {
		row := d.held.Row(i)
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", row.Source, row.Target, neither.Answers[i],
			all[demo.OnlyP].after.Answers[i], all[demo.OnlyAB].after.Answers[i], all[demo.Both].after.Answers[i])
	}
	w.Flush()
}

// What accuracies tell apart: parts that fall short by so much are not enough, and ones that come so
// close are.
const (
	demoShort = 0.15
	demoClose = 0.03
)

// verdict says what the accuracies of P alone, of A·B alone and of both tell of a task.
func verdict(p, ab, both float64) string {
	apart := fmt.Sprintf("each trained alone at the whole budget, P falls %.1f points short of both and A·B %.1f", 100*(both-p), 100*(both-ab))
	switch {
	case both-max(p, ab) >= demoShort:
		return "Both parts are needed here: " + apart + "."
	case p >= both-demoClose && ab >= both-demoClose:
		return "Either part is enough here: " + apart + "."
	case p >= both-demoClose:
		return "P is enough here: " + apart + "."
	case ab >= both-demoClose:
		return "A·B is enough here: " + apart + "."
	}
	return "Both parts help here: " + apart + "."
}
