// Package compare is a comparison of methods: tasks × methods × seeds, and the learning rates that
// are tried of each; what came of the trials; and the tables, tests and plots that are made of it.
// It trains nothing itself.
package compare

import (
	"cmp"
	"fmt"
	"math"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/go-dept/dept/dept"
)

// Suite is what is compared: every task with every method under every seed.
type Suite struct {
	Out     string  // the folder of the trials
	Tasks   []Entry // their settings are task, train, dev and whatever else holds for the task
	Methods []Entry // theirs are method, its sizes and its learning rates
	Seeds   []uint64
	// Settings are those of all trials. A task's come before them, and a method's before both.
	Settings Settings
	// Overrides come before all others.
	Overrides Settings
	// Search, if set, says how rates are tried; otherwise each is under every seed, for as
	// many steps as are reported.
	Search *Search
	Preset string // the name of one, or empty
	// Scale is a factor on all numbers of steps; 0 is 1.
	Scale float64
}

// Entry is a task or a method of a suite.
type Entry struct {
	Name     string // the folder's and the table's
	Test     string // of a task: the rows that scores are reported of; empty is none
	Settings Settings
}

// Search is how learning rates are tried before the seeds' trials.
type Search struct {
	Steps int      // 0 is as many as are reported
	Seeds []uint64 // nil is the first of the suite's
}

// Setting is a flag of dept train with its value: of a learning rate, the values to try.
type Setting struct {
	Name   string
	Values []string
	At     string // where it was written, for people
}

// Settings are settings in the order in which they were written.
type Settings []Setting

// Get is a setting's value, the first of several; ok is false where there is none.
func (s Settings) Get(name string) (value string, ok bool) {
	for _, x := range s {
		if x.Name == name {
			return x.Values[0], true
		}
	}
	return "", false
}

// with is s with others in place of those of the same names.
func (s Settings) with(others Settings) Settings {
	s = slices.Clone(s)
	for _, x := range others {
		if i := slices.IndexFunc(s, func(y Setting) bool { return y.Name == x.Name }); i >= 0 {
			s[i] = x
		} else {
			s = append(s, x)
		}
	}
	return s
}

// ofKind is s without what other methods alone have.
func (s Settings) ofKind(kind *dept.Kind) Settings {
	return slices.DeleteFunc(slices.Clone(s), func(x Setting) bool {
		other := slices.ContainsFunc(dept.Kinds, func(k *dept.Kind) bool { return k.Setting(x.Name) != nil })
		return other && kind.Setting(x.Name) == nil
	})
}

// String is the settings as a folder is named: "lr-prompt=0.3,lr-lowrank=0.005".
func (s Settings) String() string {
	var parts []string
	for _, x := range s {
		parts = append(parts, x.Name+"="+x.Values[0])
	}
	return strings.Join(parts, ",")
}

// Cell is a task with a method, and the rates to try.
type Cell struct {
	Task, Method *Entry
	Kind         *dept.Kind
	Grid         []Settings // the rates, one value each; one that is empty where none are given
	settings     Settings   // all others
}

// Trial is one run of dept train.
type Trial struct {
	Task, Method string   // names of entries
	Rates        Settings // of the cell's grid
	Seed         uint64
	Search       bool // it only helps to choose the rates
	// Dir is the run's folder below the suite's, with slashes.
	Dir string
	// Shape is the same for trials that take the same time a step.
	Shape    string
	Test     string // Entry.Test
	settings Settings
}

// Args are the flags of dept train that make the trial, but for the folder.
func (t Trial) Args() []string {
	var args []string
	for _, s := range t.settings {
		args = append(args, "--"+s.Name+"="+s.Values[0])
	}
	return args
}

// Steps is how many updates the trial has.
func (t Trial) Steps() int { return t.number("steps") }

// EvalEvery is how many updates are between its evaluations; 0 is at the end only.
func (t Trial) EvalEvery() int { return t.number("eval-every") }

func (t Trial) number(name string) int {
	value, _ := t.settings.Get(name)
	n, _ := strconv.Atoi(value)
	return n
}

// The most of what is compared: more is a mistake.
const (
	mostEntries = 100
	mostSeeds   = 20 // which the exact test takes a second for
	mostRates   = 100
)

// Owned are the flags of dept train that a suite sets itself.
var Owned = []string{"out", "seed", "resume", "extend", "overwrite", "dry-run"}

// name is what an entry may be called: it names a folder.
var name = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]*( [A-Za-z0-9._+-]+)*$`)

// Check reports what makes no sense, whatever the files hold.
func (s *Suite) Check() error {
	switch {
	case len(s.Tasks) == 0:
		return fmt.Errorf("there is nothing to compare on: name a task")
	case len(s.Methods) == 0:
		return fmt.Errorf("there is nothing to compare: name a method")
	case len(s.Tasks) > mostEntries || len(s.Methods) > mostEntries:
		return fmt.Errorf("%d tasks and %d methods: at most %d of each are compared", len(s.Tasks), len(s.Methods), mostEntries)
	case len(s.Seeds) == 0:
		return fmt.Errorf("there are no seeds")
	case s.Scale < 0 || math.IsNaN(s.Scale) || math.IsInf(s.Scale, 0):
		return fmt.Errorf("scale-steps %g: it must be more than 0", s.Scale)
	}
	if err := checkSeeds(s.Seeds); err != nil {
		return err
	}
	if s.Search != nil {
		if err := checkSeeds(s.Search.Seeds); err != nil {
			return fmt.Errorf("search: %w", err)
		}
	}
	for _, list := range [][]Entry{s.Tasks, s.Methods} {
		var names []string
		for _, e := range list {
			if !name.MatchString(e.Name) {
				return fmt.Errorf("the name %q is a folder's too: give one of letters, digits and . _ + - with name", e.Name)
			}
			if slices.Contains(names, strings.ToLower(e.Name)) {
				return fmt.Errorf("there are two of the name %s: tell them apart with name", e.Name)
			}
			names = append(names, strings.ToLower(e.Name))
		}
	}
	_, err := s.Cells()
	return err
}

func checkSeeds(seeds []uint64) error {
	for i, seed := range seeds {
		if slices.Contains(seeds[:i], seed) {
			return fmt.Errorf("the seed %d is there twice", seed)
		}
	}
	if len(seeds) > mostSeeds {
		return fmt.Errorf("%d seeds: at most %d are compared", len(seeds), mostSeeds)
	}
	return nil
}

// Cells are the pairs of a task and a method, tasks first.
func (s *Suite) Cells() ([]*Cell, error) {
	var cells []*Cell
	for i := range s.Tasks {
		for j := range s.Methods {
			c, err := s.cell(&s.Tasks[i], &s.Methods[j])
			if err != nil {
				return nil, err
			}
			cells = append(cells, c)
		}
	}
	return cells, nil
}

func (s *Suite) cell(task, method *Entry) (*Cell, error) {
	all := Settings{}.with(s.Settings).with(task.Settings).with(method.Settings).with(s.Overrides)
	kindName, ok := all.Get("method")
	if !ok {
		return nil, fmt.Errorf("%s: it does not say which method it is", method.Name)
	}
	kind, err := dept.Lookup(kindName)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", method.Name, err)
	}
	for _, x := range method.Settings {
		if !slices.ContainsFunc((Settings{x}).ofKind(kind), func(Setting) bool { return true }) {
			return nil, fmt.Errorf("%s: method %s has no setting %s", x.At, kind.Name, x.Name)
		}
	}
	if s.Preset != "" {
		taskName, _ := all.Get("task")
		preset, err := presetFor(s.Preset, cmp.Or(taskName, task.Name), kind)
		if err != nil {
			return nil, err
		}
		all = preset.with(all)
	}
	all = all.ofKind(kind)
	for _, needed := range []string{"model", "train"} {
		if _, ok := all.Get(needed); !ok {
			return nil, fmt.Errorf("%s with %s: there is no setting %s", task.Name, method.Name, needed)
		}
	}
	c := &Cell{Task: task, Method: method, Kind: kind, Grid: []Settings{nil}}
	for _, x := range all {
		if slices.Contains(Owned, x.Name) {
			return nil, fmt.Errorf("%s: %s is the comparison's own: leave it out", x.At, x.Name)
		}
		setting := kind.Setting(x.Name)
		if setting == nil || !setting.Rate {
			if len(x.Values) > 1 {
				return nil, fmt.Errorf("%s: %s has %d values, and only learning rates are tried: name the method twice for others", x.At, x.Name, len(x.Values))
			}
			c.settings = append(c.settings, x)
			continue
		}
		var grid []Settings
		for _, rates := range c.Grid {
			for _, value := range x.Values {
				grid = append(grid, append(slices.Clone(rates), Setting{x.Name, []string{value}, x.At}))
			}
		}
		if c.Grid = grid; len(grid) > mostRates {
			return nil, fmt.Errorf("%s: %s with %s has more than %d rates to try", x.At, task.Name, method.Name, mostRates)
		}
	}
	return c, nil
}

// stepsScaled are the settings that Suite.Scale multiplies.
var stepsScaled = []string{"steps", "warmup-steps", "eval-every", "save-every"}

// Numbers of steps where nothing says otherwise: evaluations and saves are tenths of the run
// apart, and the rates rise over a tenth of it but no longer than dept train's own.
const (
	defaultSteps  = 30000
	defaultWarmup = 500
	tenth         = 10
)

// trial is a cell's trial at some rates under a seed.
func (s *Suite) trial(c *Cell, rates Settings, seed uint64, search bool) Trial {
	t := Trial{Task: c.Task.Name, Method: c.Method.Name, Rates: rates, Seed: seed, Search: search, Test: c.Task.Test}
	all := slices.Clone(c.settings)
	folder := fmt.Sprintf("seed-%d", seed)
	for i, x := range all {
		if n, err := strconv.Atoi(x.Values[0]); err == nil && s.Scale > 0 && slices.Contains(stepsScaled, x.Name) {
			all[i].Values = []string{fmt.Sprint(int(math.Ceil(float64(n) * s.Scale)))}
		}
	}
	if search && s.Search.Steps > 0 {
		all = all.with(Settings{{"steps", []string{fmt.Sprint(s.Search.Steps)}, ""}})
		folder = fmt.Sprintf("%d-steps-seed-%d", s.Search.Steps, seed)
	}
	steps := defaultSteps
	if given, ok := all.Get("steps"); ok {
		steps, _ = strconv.Atoi(given)
	}
	often := fmt.Sprint(max(1, steps/tenth))
	all = Settings{
		{"steps", []string{fmt.Sprint(steps)}, ""}, {"warmup-steps", []string{fmt.Sprint(min(defaultWarmup, steps/tenth))}, ""},
		{"eval-every", []string{often}, ""}, {"save-every", []string{often}, ""},
	}.with(all)
	t.Shape = strings.Join(Trial{settings: slices.DeleteFunc(slices.Clone(all), func(x Setting) bool {
		return slices.Contains(stepsScaled, x.Name) || x.Name == "init"
	})}.Args(), " ")
	t.settings = append(append(all, rates...), Setting{"seed", []string{fmt.Sprint(seed)}, ""})
	t.Dir = path.Join(c.Task.Name, c.Method.Name, rates.String(), folder)
	return t
}

// tries are the trials that the rates of a cell are chosen by; none where there is one choice.
func (s *Suite) tries(c *Cell) []Trial {
	if len(c.Grid) == 1 {
		return nil
	}
	seeds, search := s.Seeds, s.Search != nil
	if search {
		seeds = s.Search.Seeds
		if seeds == nil {
			seeds = s.Seeds[:1]
		}
	}
	var list []Trial
	for _, rates := range c.Grid {
		for _, seed := range seeds {
			list = append(list, s.trial(c, rates, seed, search))
		}
	}
	return list
}

// reported are the trials of a cell at some rates that scores are reported of.
func (s *Suite) reported(c *Cell, rates Settings) []Trial {
	var list []Trial
	for _, seed := range s.Seeds {
		list = append(list, s.trial(c, rates, seed, false))
	}
	return list
}

// Results are what came of trials, by their folders.
type Results map[string]*Result

// Trials are those of a suite that are known, each once, in the order in which they are made: the
// seeds' trials of a cell are known when its rates are chosen. Unknown is how many are not yet;
// Soon has one trial for each of those, of the same cost.
func (s *Suite) Trials(results Results) (known, soon []Trial, err error) {
	cells, err := s.Cells()
	if err != nil {
		return nil, nil, err
	}
	seen := map[string]bool{}
	add := func(list []Trial) {
		for _, t := range list {
			if !seen[t.Dir] {
				seen[t.Dir] = true
				known = append(known, t)
			}
		}
	}
	for _, c := range cells { // all rates first, so that workers have the most to choose from
		add(s.tries(c))
	}
	for _, c := range cells {
		switch choice := s.choose(c, results); {
		case choice != nil:
			add(s.reported(c, choice.Rates))
		case s.Search != nil:
			for _, t := range s.reported(c, c.Grid[0]) {
				if !seen[t.Dir] { // else it is a try
					soon = append(soon, t)
				}
			}
		}
	}
	return known, soon, nil
}

// choice is what the rates of a cell were chosen by.
type choice struct {
	Rates Settings
	Dev   float64 // the mean score of the rates' tries
	Tied  int     // how many others were as good
}

// choose takes the rates whose tries are best on the dev rows, the first of those that tie; nil
// while a try is missing.
func (s *Suite) choose(c *Cell, results Results) *choice {
	if len(c.Grid) == 1 {
		return &choice{Rates: c.Grid[0]}
	}
	tries := s.tries(c)
	each := len(tries) / len(c.Grid)
	var best *choice
	for i, rates := range c.Grid {
		var dev []float64
		for _, t := range tries[i*each : (i+1)*each] {
			r := results[t.Dir]
			if r == nil {
				return nil
			}
			dev = append(dev, r.Dev)
		}
		switch mean := Mean(dev); {
		case best == nil || mean > best.Dev:
			best = &choice{Rates: rates, Dev: mean}
		case mean == best.Dev:
			best.Tied++
		}
	}
	return best
}
