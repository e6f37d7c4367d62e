package main

import (
	"github.com/spf13/cobra"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/demo"
	"github.com/go-dept/dept/dept/pretrain"
	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/safetensors"
)

// pretraining is a pretrain command: every weight is trained, on rows made of plain
// text.
type pretraining struct {
	running
	texts, valids []string
	questions     int
	lr            float64

	mixture    *pretrain.Mixture
	validation *pretrain.Validation // nil without --valid
}

func pretrainCommand() *cobra.Command {
	p := &pretraining{running: running{request: train.Request{
		Kind: &dept.Full, RelativeRates: true, Storage: safetensors.F16,
		Options: train.Options{MaxSourceLength: 256, MaxTargetLength: 64, Steps: 10000, Batch: 4, Warmup: 400, Schedule: train.InverseSqrt},
	}}}
	cmd := &cobra.Command{
		Use:   "pretrain --model DIR --text FILE --out DIR",
		Short: "Pre-train a T5 on plain text: span corruption and questions about the text",
		Long: `Pre-train a T5 from the weights in --model, which dept init makes at random: on
T5's span corruption of plain text, a paragraph a line (.gz is unpacked), mixed with
questions about its sentences and about the demonstration's. Short passages are
packed into one row and do not see each other.

With --valid, losses and answers on text that is not trained on are shown as training
goes on. --out holds the last checkpoint, in half precision. Ctrl-C saves and says how
to go on; another ends at once.`,
		Args: cobra.NoArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) error { return p.run(cmd) }),
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&p.modelDir, "model", "", modelUsage+" (see dept init)")
	f.StringArrayVar(&p.texts, "text", nil, "plain text, a paragraph a line; may be given several times")
	f.StringArrayVar(&p.valids, "valid", nil, "text to validate on, which is not trained on")
	f.StringVar(&p.out, "out", "", "the run's folder: checkpoint, log.jsonl and the state to resume from")
	f.IntVar(&p.questions, "questions", 70, "how many out of a hundred passages are questions; the others are span corruption")
	f.Float64Var(&p.lr, "lr", 2e-2, "learning rate after the warm-up, relative to the size of each weight")
	p.addOptions(f)
	f.IntVar(&p.request.Options.Cooldown, "cooldown-steps", 0, "last updates, in which the rate falls to 0")
	p.addRun(f)
	for name, usage := range map[string]string{
		"max-source-length": "tokens of a row, all its passages together",
		"max-target-length": "the most target tokens of a row",
		"warmup-steps":      "updates in which the rate rises; then it falls with the inverse square root",
		"eval-every":        "updates between evaluations on --valid; 0 is at the end only",
		"seed":              "of the rows and dropout",
	} {
		f.Lookup(name).Usage = usage
	}
	obligatory(cmd, "model", "text")
	p.changed = f.Changed
	return cmd
}

func (p *pretraining) run(cmd *cobra.Command) error {
	if len(p.valids) == 0 && p.changed("eval-every") {
		return usagef("--eval-every needs text to evaluate on: give --valid")
	}
	if p.questions < 0 || p.questions > 100 {
		return usagef("--questions %d: it must be a number from 0 to 100", p.questions)
	}
	p.request.Values = dept.Values{"lr": p.lr}
	defer p.close()
	if err := p.check(cmd); err != nil {
		return err
	}
	if err := p.open(cmd); err != nil {
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
	o := p.session.Options
	sizes := pretrain.Options{
		MaxSourceLength: o.MaxSourceLength, MaxTargetLength: o.MaxTargetLength, Questions: p.questions,
		Seed: o.Seed, Rows: o.Steps * o.Batch * o.Accumulate, More: (o.Total() - o.Steps) * o.Batch * o.Accumulate,
	}
	text, err := pretrain.ReadCorpus(p.texts...)
	if err != nil {
		return err
	}
	if p.mixture, err = pretrain.NewMixture(text, p.setup.Tokenizer, demo.Train, sizes); err != nil {
		return err
	}
	if len(p.valids) == 0 {
		return nil
	}
	if text, err = pretrain.ReadCorpus(p.valids...); err != nil {
		return err
	}
	p.validation, err = pretrain.NewValidation(text, p.setup.Tokenizer, sizes)
	return err
}

// header says what is about to happen.
func (p *pretraining) header(cmd *cobra.Command) error {
	out, o := cmd.OutOrStdout(), p.session.Options
	p.modelFields(cmd)
	field(out, "text", "%s; of a hundred passages %d are questions", plural(p.mixture.Paragraphs(), "paragraph"), p.questions)
	if p.validation != nil {
		field(out, "valid", "%s; the entropy of its tokens is %.3f nats", plural(p.validation.Paragraphs(), "paragraph"), p.validation.Entropy())
	}
	p.batchField(cmd)
	p.precisionField(cmd)
	leg := o.LastLeg()
	field(out, "steps", "%s%s; rate %g after %s, then with the inverse square root, falling to 0 over the last %s", count(o.Total()), legNote(o), p.lr, count(leg.Warmup), count(leg.Cooldown))
	p.memoryFields(cmd)
	return nil
}

// learn runs the training.
func (p *pretraining) learn(cmd *cobra.Command) error {
	rows := train.Rows{Train: p.mixture, TrainFingerprint: p.mixture.Fingerprint(), TrainName: "--text and --questions", DevName: "--valid"}
	if v := p.validation; v != nil {
		rows.Evaluate, rows.DevFingerprint = v.Evaluate, v.Fingerprint()
		rows.Batch, rows.MaxNewTokens = 4*p.session.Options.Batch, pretrain.AnswerLength
	}
	return p.train(cmd, rows, nil)
}
