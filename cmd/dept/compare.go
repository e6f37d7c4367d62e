package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/compare"
)

// comparison is a compare command.
type comparison struct {
	cmd             *cobra.Command
	file            string // of the suite; or empty
	suite           *compare.Suite
	flags           compare.Suite // what flags say
	tasks, methods  []string
	seeds           []uint
	searchSteps     int
	searchSeeds     []uint
	settings        []string // names of the flags of dept train that are this command's too
	workers         int
	planOnly, asked bool // asked: to be a worker
}

func compareCommand() *cobra.Command {
	c := &comparison{}
	cmd := &cobra.Command{
		Use:   "compare [SUITE.yaml] --out DIR",
		Short: "Compare methods on tasks, over seeds and learning rates",
		Long: `Train every method on every task under every seed, each as dept train does and in a
folder of its own, and write tables, tests and plots of the scores. Several values of a
learning rate are tried, and the best on the dev rows is the one that counts. What is
compared stands in a YAML file, or in flags, which come before it:

  dept compare --model MODEL --out DIR --steps 600 --seeds 42,43,44 \
    --task 'sst2 train=train.tsv dev=dev.tsv test=test.tsv' \
    --method 'dept lr-prompt=0.3,1' --method pt --method lora

Words with = are flags of dept train. Stopped at any time, the same command goes on.`,
		Args: cobra.MaximumNArgs(1),
		RunE: work(func(cmd *cobra.Command, args []string) error {
			if c.cmd = cmd; len(args) > 0 {
				c.file = args[0]
			}
			return c.run()
		}),
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&c.flags.Out, "out", "", "the folder of the trials, tables and plots")
	f.StringArrayVar(&c.tasks, "task", nil, "a task and its rows, 'NAME train=FILE dev=FILE test=FILE'; once for each")
	f.StringArrayVar(&c.methods, "method", nil, "a method and its settings, 'NAME lr-prompt=0.3,1'; once for each")
	f.UintSliceVar(&c.seeds, "seeds", nil, "the seeds, as 42,43,44 (default 42)")
	f.IntVar(&c.searchSteps, "search-steps", 0, "updates of the trials that choose learning rates (default as many as of the others)")
	f.UintSliceVar(&c.searchSeeds, "search-seeds", nil, "the seeds of those (default all, or with --search-steps the first)")
	f.StringVar(&c.flags.Preset, "preset", "", "settings of each task: "+strings.Join(compare.Presets, ", ")+", those of the DePT authors on T5-base")
	f.Float64Var(&c.flags.Scale, "scale-steps", 1, "a factor on the numbers of steps")
	f.IntVar(&c.workers, "workers", 1, "processes that train at once")
	f.BoolVar(&c.planOnly, "plan", false, "measure and say what it would take, and stop")
	f.BoolVar(&c.asked, "worker", false, "")
	if err := f.MarkHidden("worker"); err != nil {
		panic(err) // no flag of that name
	}
	for _, name := range []string{"seeds", "search-seeds"} {
		f.Lookup(name).DefValue = "" // which its usage says
	}
	c.addSettings(f)
	return cmd
}

// addSettings takes over the flags of dept train that may hold for all trials: neither those that
// tell tasks or methods apart, nor those that the comparison sets.
func (c *comparison) addSettings(f *pflag.FlagSet) {
	_, of := newTraining()
	leftOut := slices.Concat(compare.Owned, settingNames(), []string{"train", "dev", "task", "method", "verbalizer", "source-column", "target-column", "format", "answer", "labels"})
	of.Flags().VisitAll(func(flag *pflag.Flag) {
		if slices.Contains(leftOut, flag.Name) {
			return
		}
		switch flag.Name {
		case "eval-every":
			flag.Usage, flag.DefValue = "updates between evaluations on the dev rows (default a tenth of the steps)", "0"
		case "save-every":
			flag.Usage, flag.DefValue = "updates between saves (default a tenth of the steps)", "0"
		case "warmup-steps":
			flag.Usage, flag.DefValue = "updates in which the rates rise (default a tenth of the steps, at most 500)", "0"
		}
		flag.Annotations = nil // what is obligatory may stand in the file
		f.AddFlag(flag)
		c.settings = append(c.settings, flag.Name)
	})
}

// read makes the suite of the file and the flags.
func (c *comparison) read() error {
	s := &compare.Suite{}
	if c.file != "" {
		f, err := os.Open(c.file)
		if err != nil {
			return fmt.Errorf("opening the suite: %w", err)
		}
		defer f.Close()
		if s, err = compare.Read(c.file, f); err != nil {
			return &failure{err, exitUsage}
		}
	}
	c.suite = s
	var err error
	changed := c.cmd.Flags().Changed
	if changed("task") {
		if s.Tasks, err = entries("task", c.tasks); err != nil {
			return err
		}
	}
	if changed("method") {
		if s.Methods, err = entries("method", c.methods); err != nil {
			return err
		}
	}
	if changed("seeds") {
		s.Seeds = asSeeds(c.seeds)
	} else if s.Seeds == nil {
		s.Seeds = []uint64{42}
	}
	if changed("search-steps") && c.searchSteps < 1 {
		return usagef("--search-steps %d: it must be at least 1", c.searchSteps)
	}
	if changed("search-steps") || changed("search-seeds") {
		if s.Search == nil {
			s.Search = &compare.Search{}
		}
		if changed("search-steps") {
			s.Search.Steps = c.searchSteps
		}
		if changed("search-seeds") {
			s.Search.Seeds = asSeeds(c.searchSeeds)
		}
	}
	if changed("out") {
		s.Out = c.flags.Out
	}
	if changed("preset") {
		s.Preset = c.flags.Preset
	}
	if changed("scale-steps") {
		if s.Scale = c.flags.Scale; s.Scale <= 0 {
			return usagef("--scale-steps %g: it must be more than 0", s.Scale)
		}
	}
	for _, name := range c.settings {
		if flag := c.cmd.Flags().Lookup(name); flag.Changed {
			s.Overrides = append(s.Overrides, compare.Setting{Name: name, Values: []string{flag.Value.String()}, At: "--" + name})
		}
	}
	if s.Out == "" {
		return usagef("--out is missing: name the folder for the trials")
	}
	return c.check()
}

func asSeeds(list []uint) []uint64 {
	var seeds []uint64
	for _, x := range list {
		seeds = append(seeds, uint64(x))
	}
	return seeds
}

// entries are tasks or methods as flags give them: a name, and settings.
func entries(kind string, list []string) ([]compare.Entry, error) {
	var all []compare.Entry
	for _, text := range list {
		at := fmt.Sprintf("--%s %s", kind, quote(text))
		e := compare.Entry{}
		for i, word := range strings.Fields(text) {
			name, value, ok := strings.Cut(word, "=")
			switch {
			case !ok && i == 0:
				name, value = kind, word
			case !ok:
				return nil, usagef("%s: %q is neither the first word, which is a %s's name, nor has it a =", at, word, kind)
			}
			switch {
			case name == "name":
				e.Name = value
				continue
			case name == "test" && kind == "task":
				e.Test = value
				continue
			}
			values := []string{value}
			if isRate(name) {
				values = strings.Split(value, ",")
			}
			e.Settings = append(e.Settings, compare.Setting{Name: name, Values: values, At: at})
		}
		if e.Name == "" {
			e.Name, _ = e.Settings.Get(kind)
		}
		if e.Name == "" {
			return nil, usagef("%s: it has no name", at)
		}
		all = append(all, e)
	}
	return all, nil
}

func isRate(name string) bool {
	return slices.ContainsFunc(dept.Kinds, func(k *dept.Kind) bool {
		s := k.Setting(name)
		return s != nil && s.Rate
	})
}

// check refuses what makes no sense before any file is opened.
func (c *comparison) check() error {
	s := c.suite
	if c.workers < 1 || c.workers > 64 {
		return usagef("--workers %d: it must be a number from 1 to 64", c.workers)
	}
	_, scratch := newTraining()
	lists := []compare.Settings{s.Settings}
	for _, e := range slices.Concat(s.Tasks, s.Methods) {
		lists = append(lists, e.Settings)
	}
	for _, list := range lists {
		for _, x := range list {
			for _, value := range x.Values {
				err := scratch.ParseFlags([]string{"--" + x.Name + "=" + value})
				var unknown *pflag.NotExistError
				switch {
				case errors.As(err, &unknown):
					return usagef("%s: there is no setting %s; %s", x.At, x.Name, cmp.Or(meant(scratch, unknown), "they are the flags of dept train"))
				case err != nil:
					return usagef("%s: %v", x.At, flagError(scratch, err))
				}
			}
		}
	}
	if err := s.Check(); err != nil {
		return &failure{err, exitUsage}
	}
	known, _, err := s.Trials(nil)
	if err != nil {
		return err
	}
	for _, trial := range known {
		t, cmd := newTraining()
		if err := cmd.ParseFlags(trial.Args()); err != nil {
			return usagef("trial %s: %v", trial.Dir, flagError(cmd, err))
		}
		if err := t.checkSettings(); err != nil {
			return usagef("trial %s: %v", trial.Dir, err)
		}
	}
	return nil
}

// checkSettings refuses what dept train refuses before it opens a file.
func (t *training) checkSettings() error {
	rows, err := t.data.options(true)
	if err != nil {
		return err
	}
	if err := t.labels.check(rows.Task); err != nil {
		return err
	}
	switch {
	case t.trainFile == stdin || t.devFile == stdin:
		return errors.New("standard input can be read only once: give a file")
	case t.devFile == "" && !t.split.makesDev(rows.Task):
		return errors.New("there is no setting dev, the rows by which rates and steps are chosen")
	}
	if err := t.split.check(rows.Task, true, t.devFile); err != nil {
		return err
	}
	if err := t.ask(rows.Task); err != nil {
		return err
	}
	return asUsage(t.request.Check())
}

func (c *comparison) run() error {
	if err := c.read(); err != nil {
		return err
	}
	results, err := c.suite.ReadResults()
	if err != nil {
		return err
	}
	if c.asked {
		return c.beWorker(results)
	}
	known, soon, err := c.suite.Trials(results)
	if err != nil {
		return err
	}
	left := len(soon)
	for _, t := range known {
		if results[t.Dir] == nil {
			left++
		}
	}
	if left > 0 {
		if err := os.MkdirAll(c.suite.Out, 0o777); err != nil {
			return err
		}
		m := newMonitor(c, results)
		if err := m.run(); err != nil || c.planOnly {
			return err
		}
		if results, err = c.suite.ReadResults(); err != nil {
			return err
		}
	} else if c.planOnly {
		field(c.cmd.OutOrStdout(), "trials", "all %d have ended: nothing is left to do", len(known))
		return nil
	}
	report, err := c.suite.Report(results)
	if err != nil {
		return fmt.Errorf("%s: %w: call this again", c.suite.Out, err)
	}
	files, err := report.Write()
	if err != nil {
		return err
	}
	out := c.cmd.OutOrStdout()
	fmt.Fprint(out, "\n", report.Text(), "\n")
	for i, name := range files {
		files[i] = filepath.Join(c.suite.Out, name)
	}
	field(out, "files", "%s", strings.Join(files, ", "))
	return nil
}

// about writes a time as what is not known to the second.
func about(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d >= 10*time.Hour:
		return fmt.Sprintf("about %.0f h", d.Hours())
	case d >= time.Hour:
		return fmt.Sprintf("about %.1f h", d.Hours())
	case d >= time.Minute:
		return fmt.Sprintf("about %.0f min", d.Minutes())
	}
	return fmt.Sprintf("about %.0f s", max(1, d.Seconds()))
}
