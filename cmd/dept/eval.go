package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/dept/metrics"
	"github.com/go-dept/dept/dept/tasks"
	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/hub"
)

// reading is what eval and predict share: a model, perhaps an adapter, and how
// texts go in and come out.
type reading struct {
	modelDir, adapterDir, dataFile, device, profile string
	data                                            dataFlags
	split                                           splitFlags
	maxSource, maxTarget, batch, beam               int
	json                                            bool

	task      *tasks.Task
	written   []string      // the targets of rows of the task, which the adapter may have other words for
	answers   *dept.Answers // of the adapter, where no task says how it is asked
	setup     *train.Setup
	method    *dept.Method
	predictor *train.Predictor
}

func (r *reading) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&r.modelDir, "model", "", modelUsage)
	f.StringVar(&r.adapterDir, "adapter", "", "the adapter's folder, or its name on the hub (default: the model as it is)")
	f.StringVar(&r.dataFile, "data", "", "rows: "+rowsUsage)
	r.data.add(cmd)
	f.IntVar(&r.maxSource, "max-source-length", 0, "the most tokens of a source (default the adapter's, else 256)")
	f.IntVar(&r.maxTarget, "max-target-length", 0, "the most tokens to generate (default 20 for a task, else 64)")
	f.IntVar(&r.batch, "batch-size", 32, "rows at once")
	addDevice(f, &r.device)
	addProfile(f, &r.profile)
	f.BoolVar(&r.json, "json", false, "print JSON")
	obligatory(cmd, "model")
}

// open loads everything and makes the predictor.
func (r *reading) open(cmd *cobra.Command) error {
	if r.batch < 1 || r.maxSource < 0 || r.maxTarget < 0 || r.beam < 1 {
		return usagef("--batch-size and --beams must be at least 1, --max-source-length and --max-target-length at least 0")
	}
	task, err := r.data.lookup()
	if err != nil {
		return err
	}
	r.task = task
	r.written = labels(task)
	var adapter *dept.Adapter
	if r.adapterDir != "" {
		at, err := locate(cmd, "adapter", r.adapterDir, (*hub.Client).Adapter)
		if err != nil {
			return err
		}
		if adapter, err = dept.ReadAdapter(at.Dir); err != nil {
			return err
		}
	}
	if adapter != nil {
		if task == nil {
			r.answers = adapter.Answers
		} else {
			r.task = inWordsOf(task, adapter.Answers)
		}
	}
	model, err := locate(cmd, "model", r.modelDir, (*hub.Client).Model)
	if err != nil {
		return err
	}
	// An adapter without a base's fingerprint, or none, fits any model of its sizes.
	unnamed := adapter == nil || adapter.Base.Fingerprint == ""
	if r.setup, err = openSetup(cmd, model, train.Opening{DeviceName: r.device, Kernels: kernels(cmd, r.profile), Unnamed: unnamed}); err != nil {
		return err
	}
	if err := train.CheckLabels(r.setup.Tokenizer, labels(r.task)); err != nil {
		return err
	}
	if err := r.putOn(cmd, adapter); err != nil {
		return err
	}
	if r.maxTarget == 0 {
		r.maxTarget = train.AnswerLength(r.task, r.labels())
	}
	r.predictor = train.NewPredictor(r.setup.Engine, r.setup.Model, r.setup.Tokenizer, r.method, train.PredictOptions{
		Batch: r.batch, MaxSourceLength: r.maxSource, MaxNewTokens: r.maxTarget, Beams: r.beam, Rank: r.answers.Ranked(),
	})
	return nil
}

// labels are the answers that there are; nil for free text.
func (r *reading) labels() []string {
	if r.answers != nil {
		return r.answers.Labels
	}
	return labels(r.task)
}

// asTrained is rows as the adapter was trained on them, where it says how.
func (r *reading) asTrained(rows *data.Dataset) *data.Dataset {
	if words := labels(r.task); words != nil {
		return asAsked(rows, &dept.Answers{Names: r.written, Labels: words})
	}
	if r.answers == nil {
		return rows
	}
	return asAsked(rows, r.answers)
}

// putOn puts the adapter, if there is one, on the model, and finds the most tokens
// of a source.
func (r *reading) putOn(cmd *cobra.Command, a *dept.Adapter) (err error) {
	if a == nil {
		r.method = dept.AsIs()
		if r.maxSource == 0 {
			r.maxSource = train.DefaultSourceLength
		}
		return nil
	}
	if err := checkBase(cmd, r.adapterDir, a, r.setup.CheckAdapter); err != nil {
		return err
	}
	switch has := a.Config.MaxSource(); {
	case r.maxSource == 0 && has > 0:
		r.maxSource = has
	case r.maxSource == 0:
		r.maxSource = train.DefaultSourceLength
	case r.maxSource > has: // shorter texts than its own every adapter takes
		if err := a.Config.SetMaxSource(r.maxSource); err != nil {
			return asUsage(err)
		}
	}
	r.method, err = dept.New(r.setup.Model, a, false)
	return err
}

func (r *reading) close() {
	if r.predictor != nil {
		r.predictor.Release()
	}
	if r.method != nil {
		r.method.Release()
	}
	if r.setup != nil {
		r.setup.Release()
	}
}

func evalCommand() *cobra.Command {
	r := &reading{beam: 1}
	cmd := &cobra.Command{
		Use:   "eval --model DIR --data FILE",
		Short: "Score a model or an adapter on rows with known targets",
		Args:  cobra.NoArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) error {
			options, err := r.data.options(true)
			if err != nil {
				return err
			}
			if err := r.split.check(options.Task, false, ""); err != nil {
				return err
			}
			rows, err := loadRows(cmd, "data", r.dataFile, options, testSplits)
			if err != nil {
				return err
			}
			if rows, err = r.split.test(options.Task, rows); err != nil {
				return err
			}
			defer r.close()
			if err := r.open(cmd); err != nil {
				return err
			}
			return r.evaluate(cmd, rows)
		}),
	}
	r.add(cmd)
	r.split.addTest(cmd)
	obligatory(cmd, "data")
	return cmd
}

func (r *reading) evaluate(cmd *cobra.Command, rows *data.Dataset) error {
	rows = r.asTrained(rows)
	warnTargets(cmd, r.dataFile, rows, r.setup)
	if onTerminal(cmd.ErrOrStderr()) {
		bar := newBar(cmd.ErrOrStderr(), rows.Len())
		defer bar.Clear()
		r.predictor.OnRows = func(done, _ int) { bar.Set(done) }
	}
	v, err := r.predictor.Evaluate(cmd.Context(), rows, r.task)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if r.json {
		return printJSON(out, v)
	}
	field(out, "rows", "%s", count(v.Rows))
	if v.Cut > 0 {
		field(out, "cut", "%s longer than %d tokens", plural(v.Cut, "source"), r.maxSource)
	}
	fmt.Fprintln(out, scoreLine(v.Metrics))
	if v.Confusion != nil {
		printConfusion(out, v.Confusion, r.task)
	}
	return nil
}

// printConfusion prints the rows of each class by what was predicted.
func printConfusion(out io.Writer, c *metrics.Confusion, task *tasks.Task) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "\nclass \\ predicted\t")
	for _, label := range c.Labels {
		fmt.Fprintf(w, "%s\t", label)
	}
	fmt.Fprint(w, "no label\t\n")
	for i, counts := range c.Counts {
		fmt.Fprintf(w, "%s %s\t", c.Labels[i], task.Labels[i])
		for _, n := range counts {
			fmt.Fprintf(w, "%d\t", n)
		}
		fmt.Fprintln(w)
	}
	w.Flush()
}
