package compare

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/go-dept/dept/dept/metrics"
	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/internal/atomicfile"
)

// The files that a trial's folder has beside those of its run.
const (
	TrialFile  = "trial.json"  // what it was begun with
	ResultFile = "result.json" // what came of it: it is not made again
)

// Result is what came of a trial. Scores are fractions.
type Result struct {
	Args    []string                 `json:"args"` // Trial.Args
	Metric  metrics.Name             `json:"metric"`
	Dev     float64                  `json:"dev"`      // the best evaluation's, which the folder keeps
	DevStep int                      `json:"dev_step"` // its step
	DevRows int                      `json:"dev_rows"`
	Test    map[metrics.Name]float64 `json:"test,omitempty"` // of what the folder keeps; none without test rows
	// TestRows is how many rows Test is of.
	TestRows int    `json:"test_rows,omitempty"`
	Steps    int    `json:"steps"`           // that were made
	Ended    string `json:"ended,omitempty"` // why there were no more
	// Parameters are how many numbers were trained.
	Parameters int     `json:"parameters"`
	Bytes      int64   `json:"bytes"`   // planned on the device
	Seconds    float64 `json:"seconds"` // from its opening to its score; of an interrupted one, without what was lost
	Device     string  `json:"device"`
	// Fingerprints of what it was made with.
	Model     string `json:"model"`
	TrainData string `json:"train_data"`
	DevData   string `json:"dev_data"`
	TestData  string `json:"test_data,omitempty"`
}

// Score is what is reported: the score on the test rows, or on the dev rows where there are none.
func (r *Result) Score() float64 {
	if r.Test != nil {
		return r.Test[r.Metric]
	}
	return r.Dev
}

// WriteJSON writes one of a trial's files.
func WriteJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.WriteFile(path, func(w io.Writer) error {
		_, err := w.Write(append(b, '\n'))
		return err
	})
}

// ReadResult reads what came of a trial; nil where it has not ended. A folder that holds a trial of
// other settings is an error.
func ReadResult(out string, t Trial) (*Result, error) {
	dir := filepath.Join(out, filepath.FromSlash(t.Dir))
	var begun struct {
		Args []string `json:"args"`
	}
	switch err := readJSON(filepath.Join(dir, TrialFile), &begun); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	if was, is := differ(begun.Args, t.Args()); was != is {
		return nil, fmt.Errorf("%s holds a trial that was begun with %s, and this is one with %s: take another folder for what is compared, or remove that one",
			dir, cmp.Or(was, "nothing"), cmp.Or(is, "nothing"))
	}
	r := &Result{}
	switch err := readJSON(filepath.Join(dir, ResultFile), r); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return r, nil
}

func readJSON(path string, v any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// differ gives the first of a list that another lacks, and the other way round.
func differ(a, b []string) (was, is string) {
	lacks := func(list, other []string) string {
		for _, x := range list {
			if !slices.Contains(other, x) {
				return x
			}
		}
		return ""
	}
	return lacks(a, b), lacks(b, a)
}

// ReadResults reads what came of the trials of a suite that have ended.
func (s *Suite) ReadResults() (Results, error) {
	results := Results{}
	for {
		known, _, err := s.Trials(results)
		if err != nil {
			return nil, err
		}
		before := len(results)
		for _, t := range known {
			if results[t.Dir] != nil {
				continue
			}
			r, err := ReadResult(s.Out, t)
			if err != nil {
				return nil, err
			}
			if r != nil {
				results[t.Dir] = r
			}
		}
		if len(results) == before { // nothing new can be chosen by
			return results, s.alike(known, results)
		}
	}
}

// drawn are the settings that say which rows a task's trials are trained on.
var drawn = []string{"train", "format", "split", "shots", "shots-draw"}

// alike refuses trials of one task that were made with different rows, and trials of one model that were
// made with different weights.
func (s *Suite) alike(trials []Trial, results Results) error {
	type made struct{ dir, with string }
	first := map[string]made{}
	for _, t := range trials {
		r := results[t.Dir]
		if r == nil {
			continue
		}
		model, _ := t.settings.Get("model")
		rows := t.Task
		for _, name := range drawn {
			value, _ := t.settings.Get(name)
			rows += fmt.Sprintf(" %q", value)
		}
		if shots, ok := t.settings.Get("shots"); ok && shots != "0" {
			rows += fmt.Sprint(" ", t.Seed) // by which they are drawn
		}
		for _, x := range []struct{ what, of, with string }{
			{"the weights of the model " + model, model, r.Model}, {"the train rows", rows, r.TrainData}, {"the dev rows", t.Task, r.DevData}, {"the test rows", t.Task, r.TestData},
		} {
			key := x.what + " " + x.of
			f, ok := first[key]
			if !ok {
				first[key] = made{t.Dir, x.with}
			} else if f.with != x.with {
				return fmt.Errorf("%s: %s of %s and of %s differ, so that they do not compare: a file has changed between them; remove one of the two folders", s.Out, x.what, f.dir, t.Dir)
			}
		}
	}
	return nil
}

// Curve is how a trial went.
type Curve struct {
	Steps  []train.StepRecord
	Scores []train.EvalRecord
}

// ReadCurve reads a run's log.
func ReadCurve(log io.Reader) (*Curve, error) {
	c := &Curve{}
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		var kind struct {
			Loss    *float64        `json:"loss"`
			Metrics json.RawMessage `json:"metrics"`
		}
		err := json.Unmarshal(lines.Bytes(), &kind)
		switch {
		case err != nil:
		case kind.Metrics != nil:
			var e train.EvalRecord
			err = json.Unmarshal(lines.Bytes(), &e)
			c.Scores = append(c.Scores, e)
		case kind.Loss != nil:
			var s train.StepRecord
			err = json.Unmarshal(lines.Bytes(), &s)
			c.Steps = append(c.Steps, s)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	return c, lines.Err()
}

// Done is how many steps of a trial's run are in its log; 0 where there is none that can be read.
func (s *Suite) Done(t Trial) int {
	c, err := s.curve(t)
	if err != nil || len(c.Steps) == 0 {
		return 0
	}
	return c.Steps[len(c.Steps)-1].Step
}

// curve reads the log of one of the suite's trials.
func (s *Suite) curve(t Trial) (*Curve, error) {
	path := filepath.Join(s.Out, filepath.FromSlash(t.Dir), train.LogFile)
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	c, err := ReadCurve(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}
