package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/dept/tasks"
	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/tensor"
)

// training is a train command: a run on rows of files.
type training struct {
	running
	trainFile, devFile string
	data               dataFlags
	split              splitFlags
	labels             labelFlags
	methods            methodFlags

	task *tasks.Task
	rows *data.Dataset
	dev  *data.Dataset // of --dev, or nil
	// work is what is done when everything is open: learn, unless --dry-run.
	work func(cmd *cobra.Command) error
}

func trainCommand() *cobra.Command {
	_, cmd := newTraining()
	return cmd
}

// newTraining is a training and the command whose flags are read into it.
func newTraining() (*training, *cobra.Command) {
	t := &training{}
	t.work = func(cmd *cobra.Command) error {
		if t.dryRun {
			return nil
		}
		return t.learn(cmd)
	}
	t.request.Options = train.Options{MaxSourceLength: train.DefaultSourceLength, Steps: 30000, Batch: 32, Warmup: 500, Dropout: 0.1}
	cmd := &cobra.Command{
		Use:   "train --model MODEL --train FILE --out DIR",
		Short: "Fine-tune a model: with " + strings.Join(dept.Names(), ", "),
		Long: `Fine-tune a T5 checkpoint with one of the methods:

` + methodList() + `
A flag that only some of them use names them, with their defaults. Rows are JSONL,
JSON, TSV, CSV or parquet, by the file's extension or --format. Ctrl-C saves and says how
to go on; another ends at once.`,
		Args: cobra.NoArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) error { return t.run(cmd) }),
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&t.modelDir, "model", "", modelUsage)
	f.StringVar(&t.trainFile, "train", "", "rows to train on: "+rowsUsage)
	f.StringVar(&t.devFile, "dev", "", "rows to choose the best step by, as for --train")
	f.StringVar(&t.out, "out", "", "the run's folder: adapter or checkpoint, log.jsonl and the state to resume from")
	t.data.add(cmd)
	t.split.addTrain(cmd)
	t.labels.add(cmd)
	t.methods.add(f)
	f.StringVar(&t.initDir, "init", "", "start from the adapter in this folder, or of this name on the hub")
	t.addOptions(f)
	f.Lookup("dropout").Usage = "dropout rate; not given, the checkpoint's own"
	f.BoolVar(&t.request.Options.Shuffle, "shuffle", true, "draw a new order for each epoch")
	t.addRun(f)
	obligatory(cmd, "model", "train")
	t.changed = f.Changed
	return t, cmd
}

func (t *training) run(cmd *cobra.Command) error {
	defer t.close()
	rows, err := t.data.options(true)
	if err != nil {
		return err
	}
	if err := t.labels.check(rows.Task); err != nil {
		return err
	}
	if err := t.split.check(rows.Task, true, t.devFile); err != nil {
		return err
	}
	if err := t.ask(rows.Task); err != nil {
		return err
	}
	if err := t.check(cmd); err != nil {
		return err
	}
	t.methods.warnUnused(cmd, t.request.Kind)
	if err := t.openModel(cmd); err != nil {
		return err
	}
	ofRows := t.labels.ofRows(rows.Task)
	if !ofRows {
		if err := t.openSession(cmd); err != nil {
			return err
		}
	}
	// Only now, when the rest is known to be right, the rows, which may be many.
	if t.rows, err = t.kept.rows(cmd, "train", t.trainFile, rows, trainSplits); err != nil {
		return err
	}
	if t.devFile != "" {
		if t.dev, err = t.kept.rows(cmd, "dev", t.devFile, rows, devSplits); err != nil {
			return err
		}
	}
	if t.rows, t.dev, err = t.split.train(rows.Task, t.rows, t.dev, t.request.Options.Seed); err != nil {
		return err
	}
	if ofRows {
		if err := t.learnLabels(cmd); err != nil {
			return err
		}
		if err := t.openSession(cmd); err != nil {
			return err
		}
	}
	t.header(cmd)
	warnTargets(cmd, t.trainFile, t.rows, t.setup)
	if t.devFile != "" && t.devFile != t.trainFile {
		warnTargets(cmd, t.devFile, t.dev, t.setup)
	}
	return t.work(cmd)
}

// ask makes the request that the flags are.
func (t *training) ask(task *tasks.Task) (err error) {
	if t.trainFile == stdin && t.devFile == stdin {
		return usagef("--train and --dev are both standard input, which can be read only once")
	}
	if t.devFile == "" && !t.split.makesDev(task) && t.changed("eval-every") {
		return usagef("--eval-every needs rows to evaluate on: give --dev")
	}
	q := &t.request
	if q.Kind, err = t.methods.kind(); err != nil {
		return err
	}
	if q.Values, q.Given, err = t.methods.values(q.Kind); err != nil {
		return err
	}
	if t.changed("max-source-length") {
		q.Given = append(q.Given, "max-source-length")
	}
	q.OwnDropout = !t.changed("dropout")
	q.InitName = t.initDir
	t.task = task
	if task != nil {
		q.Labels, q.Answers = task.Answers(), t.labels.taskAnswers(task)
		if task.Answer == tasks.Text && !t.changed("max-target-length") {
			q.Options.MaxTargetLength = train.AnswerLength(task, nil)
		}
	}
	return nil
}

// header says what is about to happen.
func (t *training) header(cmd *cobra.Command) {
	out := cmd.OutOrStdout()
	s := t.session
	o, trained, all := s.Options, s.Method.Parameters(), s.AllParameters()
	t.modelFields(cmd)
	field(out, "method", "%s", t.describeMethod())
	field(out, "trainable", "%s of %s parameters (%s)", count(trained), count(all), share(trained, all))
	field(out, "data", "%s: %s%s", t.trainFile, plural(t.rows.Len(), "row"), t.taskNote())
	if t.dev != nil {
		file := t.devFile
		if file == "" {
			file = "of " + t.trainFile
		}
		field(out, "dev", "%s: %s, best by %s", file, plural(t.dev.Len(), "row"), tasks.MainMetric(t.task))
	}
	perEpoch := (t.rows.Len()-1)/(o.Batch*o.Accumulate) + 1
	t.batchField(cmd)
	t.precisionField(cmd)
	field(out, "steps", "%s%s; %s an epoch, %.3g epochs", count(o.Total()), legNote(o), count(perEpoch), float64(o.Total())/float64(perEpoch))
	t.memoryFields(cmd)
	if leg := o.LastLeg(); leg.Warmup >= leg.Steps {
		warn(cmd, "the rates rise over %s and the run has %d: they never reach what was asked for (--warmup-steps)", plural(leg.Warmup, "step"), leg.Steps)
	}
}

// describeMethod says what is trained, from where, and at which rates.
func (t *training) describeMethod() string {
	s := t.session
	about := s.Kind.About
	if c := s.Method.Config(); c != nil {
		about = c.Describe()
	}
	if s.Start != "" {
		about += ", from " + s.Start
	}
	var rates []string
	for _, group := range tensor.Groups(s.Method.Params()) {
		rates = append(rates, fmt.Sprintf("%g", s.Options.Rates[group]))
	}
	return fmt.Sprintf("%s: %s, lr %s", s.Kind.Name, about, strings.Join(rates, " and "))
}

func (t *training) taskNote() string {
	switch {
	case t.task != nil:
		return ", task " + t.task.Name
	case t.request.Answers != nil:
		return ", " + t.request.Answers.String()
	}
	return ", text to text"
}

// sessionRows are the rows as the session takes them.
func (t *training) sessionRows() (train.Rows, *data.Tokenized) {
	o := t.session.Options
	examples := data.Tokenize(t.rows, t.setup.Tokenizer, o.MaxSourceLength, o.MaxTargetLength)
	rows := train.Rows{Train: examples, TrainFingerprint: t.rows.Fingerprint(), TrainName: "--train", DevName: "--dev", Task: t.task}
	if t.dev != nil {
		rows.Dev, rows.DevFingerprint, rows.KeepBest = t.dev, t.dev.Fingerprint(), true
	}
	rows.Rank = t.request.Answers.Ranked()
	if t.changed("max-target-length") {
		rows.MaxNewTokens = o.MaxTargetLength
	}
	return rows, examples
}

// learn runs the training.
func (t *training) learn(cmd *cobra.Command) error {
	o := t.session.Options
	rows, examples := t.sessionRows()
	return t.train(cmd, rows, func() {
		if n := examples.Cut(); n > 0 {
			field(cmd.OutOrStdout(), "cut", "%s longer than %d source or %d target tokens", plural(n, "row"), o.MaxSourceLength, o.MaxTargetLength)
		}
	})
}
