package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/demo"
	"github.com/go-dept/dept/dept/pretrain"
	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/safetensors"
)

// pretraining is a pretrain command: full fine-tuning on rows made of plain text.
type pretraining struct {
	training
	texts, valids []string
	questions     int

	mixture    *pretrain.Mixture
	validation *pretrain.Validation // nil without --valid
}

func pretrainCommand() *cobra.Command {
	p := &pretraining{training: training{method: methodFull, storage: safetensors.F16}}
	cmd := &cobra.Command{
		Use:   "pretrain --model DIR --text FILE --out DIR",
		Short: "Pre-train a T5 on plain text: span corruption and questions about the text",
		Long: `Pre-train a T5 from the weights in --model, which dept init makes at random: on
T5's span corruption of plain text, a paragraph a line (.gz is unpacked), mixed with
questions about its sentences and about the demonstration's. Short passages are
packed into one row and do not see each other.

With --valid, losses and answers on text that is not trained on are shown as training
goes on. --out holds the last checkpoint, in half precision. Ctrl-C saves and says how
to go on.`,
		Args: cobra.NoArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) error { return p.run(cmd) }),
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&p.modelDir, "model", "", "the checkpoint to start from (see dept init)")
	f.StringArrayVar(&p.texts, "text", nil, "plain text, a paragraph a line; may be given several times")
	f.StringArrayVar(&p.valids, "valid", nil, "text to validate on, which is not trained on")
	f.StringVar(&p.out, "out", "", "the run's folder: checkpoint, log.jsonl and the state to resume from")
	f.IntVar(&p.questions, "questions", 70, "how many out of a hundred passages are questions; the others are span corruption")
	f.IntVar(&p.options.MaxSourceLength, "max-source-length", 256, "tokens of a row, all its passages together")
	f.IntVar(&p.options.MaxTargetLength, "max-target-length", 64, "the most target tokens of a row")
	f.Float64Var(&p.lr, "lr", 2e-2, "learning rate after the warm-up, relative to the size of each weight")
	f.IntVar(&p.options.Steps, "steps", 10000, "updates")
	f.IntVar(&p.options.Batch, "batch-size", 4, "rows at once")
	f.IntVar(&p.options.Accumulate, "accumulate", 1, "batches an update")
	f.IntVar(&p.options.Warmup, "warmup-steps", 400, "updates in which the rate rises; then it falls with the inverse square root")
	f.IntVar(&p.options.Cooldown, "cooldown-steps", 0, "last updates, in which the rate falls to 0")
	f.Float64Var(&p.options.Clip, "clip", 1, "the largest norm of an update's gradient; 0 does not clip")
	f.Float64Var(&p.options.Dropout, "dropout", 0, "dropout rate")
	f.IntVar(&p.evalEvery, "eval-every", 1000, "updates between evaluations on --valid; 0 is at the end only")
	f.IntVar(&p.saveEvery, "save-every", 1000, "updates between saves; 0 is at the end only")
	f.BoolVar(&p.resume, "resume", false, "go on with the run in --out")
	f.BoolVar(&p.overwrite, "overwrite", false, "replace the run in --out")
	f.BoolVar(&p.dryRun, "dry-run", false, "print memory, shapes, parameters and steps, and stop")
	f.Uint64Var(&p.options.Seed, "seed", 42, "of the rows and dropout")
	f.StringVar(&p.device, "device", "", "part of the adapter's name (see dept devices)")
	obligatory(cmd, "model", "text")
	p.changed = f.Changed
	return cmd
}

func (p *pretraining) run(cmd *cobra.Command) error {
	p.options.Schedule = train.InverseSqrt
	if len(p.valids) == 0 && p.changed("eval-every") {
		return usagef("--eval-every needs text to evaluate on: give --valid")
	}
	if err := p.checkNumbers(); err != nil {
		return err
	}
	o := p.options
	if p.questions < 0 || p.questions > 100 {
		return usagef("--questions %d: it must be a number from 0 to 100", p.questions)
	}
	if o.Cooldown < 0 || o.Cooldown > o.Steps {
		return usagef("--cooldown-steps %d: it must be a number from 0 to --steps", o.Cooldown)
	}
	if err := p.checkOut(); err != nil {
		return err
	}
	var err error
	if p.setup, err = openSetup(cmd, p.modelDir, p.device, true); err != nil {
		return err
	}
	defer p.close()
	p.options.Rates, p.start = [2]float64{p.lr}, "model"
	if p.tune, err = dept.NewRelativeFull(cmd.Context(), p.model); err != nil {
		return err
	}
	if err := p.fit(); err != nil {
		return err
	}
	if err := p.read(); err != nil {
		return err
	}
	if err := p.header(cmd); err != nil {
		return err
	}
	if p.dryRun {
		return nil
	}
	return p.learn(cmd)
}

// read reads the texts.
func (p *pretraining) read() error {
	o := pretrain.Options{
		MaxSourceLength: p.options.MaxSourceLength, MaxTargetLength: p.options.MaxTargetLength, Questions: p.questions,
		Seed: p.options.Seed, Rows: p.options.Steps * p.options.Batch * p.options.Accumulate,
	}
	text, err := pretrain.ReadCorpus(p.texts...)
	if err != nil {
		return err
	}
	if p.mixture, err = pretrain.NewMixture(text, p.tok, demo.Train, o); err != nil {
		return err
	}
	if len(p.valids) == 0 {
		return nil
	}
	if text, err = pretrain.ReadCorpus(p.valids...); err != nil {
		return err
	}
	p.validation, err = pretrain.NewValidation(text, p.tok, o)
	return err
}

// header says what is about to happen.
func (p *pretraining) header(cmd *cobra.Command) error {
	out := cmd.OutOrStdout()
	o := p.options
	var state int64
	for _, w := range p.tune.Params() {
		state += 3 * w.Bytes() // the gradient and AdamW's two moments
	}
	field(out, "device", "%s", p.dev.Info())
	field(out, "model", "%s: %s", p.modelDir, describeModel(p.ck))
	field(out, "text", "%s; of a hundred passages %d are questions", plural(p.mixture.Paragraphs(), "paragraph"), p.questions)
	if p.validation != nil {
		entropy, err := p.validation.Entropy()
		if err != nil {
			return err
		}
		field(out, "valid", "%s; the entropy of its tokens is %.3f nats", plural(p.validation.Paragraphs(), "paragraph"), entropy)
	}
	field(out, "batch", "%s of up to %d source tokens and %d target tokens, %s an update", plural(o.Batch, "row"), o.MaxSourceLength, o.MaxTargetLength, plural(o.Batch*o.Accumulate, "row"))
	field(out, "steps", "%s; rate %g after %s, then with the inverse square root, falling to 0 over the last %s", count(o.Steps), p.lr, count(o.Warmup), count(o.Cooldown))
	field(out, "memory", "%s weights, %s activations (planned), %s gradients and moments", size(p.model.Bytes()), size(p.plan.Bytes), size(state))
	if !p.dryRun {
		field(out, "out", "%s", p.out)
	}
	return nil
}

// learn runs the training.
func (p *pretraining) learn(cmd *cobra.Command) error {
	trainer, err := train.NewTrainer(cmd.Context(), p.engine, p.model, p.tune, p.mixture, p.options)
	if err != nil {
		return err
	}
	defer trainer.Release()
	model, err := p.ck.Fingerprint()
	if err != nil {
		return err
	}
	run := &train.Run{
		Dir: p.out, Trainer: trainer, SaveEvery: p.saveEvery, Save: p.save,
		Settings: train.Settings{Method: p.method, Train: p.options, Start: p.start, Model: model, Data: p.mixture.Fingerprint()},
	}
	if p.validation != nil {
		run.Settings.Dev, run.Settings.EvalEvery = p.validation.Fingerprint(), p.evalEvery
		predictor := train.NewPredictor(p.engine, p.model, p.tok, p.tune, train.PredictOptions{
			Batch: 4 * p.options.Batch, MaxSourceLength: p.options.MaxSourceLength, MaxNewTokens: pretrain.AnswerLength, Beams: 1,
		})
		defer predictor.Release()
		predictor.OnRows = func(done, total int) { p.show.rows(done, total) }
		run.Evaluate = func(ctx context.Context) (*train.Evaluation, error) { return p.validation.Evaluate(ctx, predictor) }
	}
	return p.train(cmd, run, nil)
}
