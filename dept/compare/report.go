package compare

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/go-dept/dept/dept/metrics"
)

// Significance is the level below which a difference counts as shown.
const Significance = 0.05

// Report is what the trials of a suite come to. Scores are in percent.
type Report struct {
	Tasks, Methods []string
	Scores         []Score // tasks first, then methods
	Pairs          []Pair
	Trials, Tried  int // how many trials there are, and how many of them only chose rates
	Seeds          int
	OnDev          bool // there is a task without test rows
	suite          *Suite
	results        Results
}

// Score is what a method came to on a task.
type Score struct {
	Task, Method string
	Metric       metrics.Name
	Rates        Settings // the chosen ones, empty where the method has its own
	Grid         int      // how many rates were tried
	Tied         int      // how many others were as good on the dev rows
	Trials       int      // of the method on the task, all
	Seeds        []uint64
	Values       []float64                  // by seed
	Others       map[metrics.Name][]float64 // all metrics of the test rows, by seed
	Dev          []float64                  // the best evaluations', by seed
	Mean, SD     float64                    // SD is the sample's
	Parameters   int
	Ended        []string // why trials that are reported ended early
	reported     []Trial
}

// Pair compares a method with the suite's first on a task: differences are Method's scores less
// Reference's.
type Pair struct {
	Task, Method, Reference string
	Paired
	Pooled    float64 // √((s₁² + s₂²)/n), the standard error of two means that are not paired
	Corrected float64 // Paired.P after Holm, for all of the report's pairs
}

// Report sums a suite up, all of whose trials have ended.
func (s *Suite) Report(results Results) (*Report, error) {
	known, soon, err := s.Trials(results)
	if err != nil {
		return nil, err
	}
	r := &Report{suite: s, results: results, Trials: len(known), Seeds: len(s.Seeds)}
	missing := len(soon)
	for _, t := range known {
		if results[t.Dir] == nil {
			missing++
		}
	}
	if missing > 0 {
		return nil, fmt.Errorf("%d of %d trials have not ended", missing, len(known)+len(soon))
	}
	for _, e := range s.Tasks {
		r.Tasks = append(r.Tasks, e.Name)
	}
	for _, e := range s.Methods {
		r.Methods = append(r.Methods, e.Name)
	}
	cells, err := s.Cells()
	if err != nil {
		return nil, err
	}
	used := map[string]bool{}
	for _, c := range cells {
		score := s.score(c, results)
		for _, t := range score.reported {
			used[t.Dir] = true
			r.OnDev = r.OnDev || results[t.Dir].Test == nil
		}
		r.Scores = append(r.Scores, score)
	}
	r.Tried = r.Trials - len(used)
	r.pair()
	return r, nil
}

func (s *Suite) score(c *Cell, results Results) Score {
	chosen := s.choose(c, results)
	x := Score{Task: c.Task.Name, Method: c.Method.Name, Rates: chosen.Rates, Tied: chosen.Tied, Grid: len(c.Grid), Seeds: s.Seeds, Others: map[metrics.Name][]float64{}}
	x.reported = s.reported(c, chosen.Rates)
	all := map[string]bool{}
	for _, t := range slices.Concat(s.tries(c), x.reported) {
		all[t.Dir] = true
	}
	x.Trials = len(all)
	for _, t := range x.reported {
		r := results[t.Dir]
		x.Values, x.Dev = append(x.Values, 100*r.Score()), append(x.Dev, 100*r.Dev)
		for metric, value := range r.Test {
			x.Others[metric] = append(x.Others[metric], 100*value)
		}
		x.Metric, x.Parameters = r.Metric, r.Parameters
		if r.Ended != "" {
			x.Ended = append(x.Ended, fmt.Sprintf("%s after step %d: %s", t.Dir, r.Steps, r.Ended))
		}
	}
	x.Mean, x.SD = Mean(x.Values), SD(x.Values)
	return x
}

// Score finds what a method came to on a task.
func (r *Report) Score(task, method string) Score {
	return r.Scores[slices.IndexFunc(r.Scores, func(x Score) bool { return x.Task == task && x.Method == method })]
}

// pair compares every method with the first.
func (r *Report) pair() {
	var p []float64
	for _, task := range r.Tasks {
		reference := r.Score(task, r.Methods[0])
		for _, method := range r.Methods[1:] {
			x := r.Score(task, method)
			pair := Pair{
				Task: task, Method: method, Reference: reference.Method, Paired: Compare(x.Values, reference.Values),
				Pooled: math.Sqrt((x.SD*x.SD + reference.SD*reference.SD) / float64(len(x.Values))),
			}
			r.Pairs = append(r.Pairs, pair)
			p = append(p, pair.P)
		}
	}
	for i, corrected := range Holm(p) {
		r.Pairs[i].Corrected = corrected
	}
}

// mean is a method's mean over the tasks, under each seed.
func (r *Report) mean(method string) []float64 {
	all := make([]float64, r.Seeds)
	for _, task := range r.Tasks {
		for i, v := range r.Score(task, method).Values {
			all[i] += v / float64(len(r.Tasks))
		}
	}
	return all
}

// spread writes a mean and its spread.
func spread(values []float64, plusMinus string) string {
	if len(values) < 2 {
		return fmt.Sprintf("%.2f", Mean(values))
	}
	return fmt.Sprintf("%.2f%s%.2f", Mean(values), plusMinus, SD(values))
}

// String says in words what a comparison shows: that there is a difference only where the exact test
// says so after the correction; a tie where the difference is within its standard error, the larger
// of the paired and the pooled; else that more seeds would have to tell.
func (p Pair) String() string {
	head := fmt.Sprintf("%s: %s against %s: %+.2f", p.Task, p.Method, p.Reference, p.Mean)
	than, direction := p.Reference, "better"
	if p.Mean < 0 {
		direction = "worse"
	}
	if p.N == 1 {
		return head + ". One seed cannot tell them apart."
	}
	t := "all differences are the same"
	if !math.IsNaN(p.T) {
		t = fmt.Sprintf("t = %.2f, p = %.2g, 95 %% interval %+.2f to %+.2f", p.T, p.TP, p.Low, p.High)
	}
	head += fmt.Sprintf(" ± %.2f (standard error, n = %d); sign-flip p = %.3g, corrected %.3g; %s.", p.Error, p.N, p.P, p.Corrected, t)
	switch {
	case p.Corrected <= Significance:
		return fmt.Sprintf("%s %s is %s than %s.", head, p.Method, direction, than)
	case math.Abs(p.Mean) <= math.Max(p.Error, p.Pooled):
		return head + " A tie: the difference is within its standard error."
	case p.Least > Significance:
		return fmt.Sprintf("%s %s looks %s, and %d seeds cannot show it: their least p is %.3g.", head, p.Method, direction, p.N, p.Least)
	}
	return fmt.Sprintf("%s %s looks %s, and it is not shown.", head, p.Method, direction)
}

// Notes are what a reader of the table must know, a sentence or two each.
func (r *Report) Notes() []string {
	rows := "test rows"
	if r.OnDev {
		rows = "test rows, or of the dev rows where a task has none"
	}
	notes := []string{fmt.Sprintf("Scores are in percent, of the %s: the mean%s. Rates and steps were chosen on the dev rows alone.", rows, r.overSeeds())}
	if r.OnDev {
		notes = append(notes, fmt.Sprintf("Scores of dev rows are too good, since rates and steps were chosen by the same rows: %s.", strings.Join(r.withoutTest(), ", ")))
	}
	if common := r.common(); common != "" {
		notes = append(notes, "Settings of all trials: "+common+".")
	}
	tried := fmt.Sprintf("%s made", plural(r.Trials, "trial was", "trials were"))
	if r.Tried > 0 {
		tried += fmt.Sprintf(", %d of them only to choose rates", r.Tried)
	}
	notes = append(notes, tried+".")
	for _, x := range r.Scores {
		if x.Grid > 1 {
			note := fmt.Sprintf("%s, %s: %s is the best on dev of %d", x.Task, x.Method, strings.ReplaceAll(x.Rates.String(), ",", ", "), x.Grid)
			if x.Tied > 0 {
				note += fmt.Sprintf("; %d tied with it, and the first was taken", x.Tied)
			}
			notes = append(notes, note+".")
		}
		for _, why := range x.Ended {
			notes = append(notes, "Ended early, and scored as it then was: "+why+".")
		}
	}
	return notes
}

// common are the settings that the suite gives for all trials.
func (r *Report) common() string {
	var parts []string
	if r.suite.Preset != "" {
		parts = append(parts, "preset "+r.suite.Preset)
	}
	for _, x := range r.suite.Settings.with(r.suite.Overrides) {
		parts = append(parts, x.Name+" "+x.Values[0])
	}
	if scale := r.suite.Scale; scale > 0 && scale != 1 {
		parts = append(parts, fmt.Sprintf("scale-steps %g", scale))
	}
	return strings.Join(parts, ", ")
}

func (r *Report) overSeeds() string {
	if r.Seeds == 1 {
		return " of one seed"
	}
	return fmt.Sprintf(" ± the sample standard deviation over %d seeds", r.Seeds)
}

// withoutTest are the tasks whose scores are of dev rows.
func (r *Report) withoutTest() []string {
	var names []string
	for _, e := range r.suite.Tasks {
		if e.Test == "" {
			names = append(names, e.Name)
		}
	}
	return names
}

// Tests are the pairs in words, and by what they are told apart.
func (r *Report) Tests() []string {
	if len(r.Pairs) == 0 {
		return nil
	}
	lines := []string{fmt.Sprintf("Every method against %s, paired by seed. The sign-flip test is exact and assumes nothing of the scores; its p is corrected for %s (Holm), and only one of at most %g shows a difference. Student's t is beside it for those who take differences for normal.",
		r.Methods[0], plural(len(r.Pairs), "comparison", "comparisons"), Significance)}
	for _, p := range r.Pairs {
		lines = append(lines, p.String())
	}
	return lines
}

func plural(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// metrics lists the metrics of a score, its own first.
func (x Score) named() []metrics.Name {
	list := []metrics.Name{x.Metric}
	for _, m := range slices.Sorted(maps.Keys(x.Others)) {
		if m != x.Metric {
			list = append(list, m)
		}
	}
	return list
}
