package compare

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/metrics"
	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/internal/allocation"
)

const suiteText = `
model: flan
steps: 600
max_source_length: 64
seeds: [42, 43]
search: {steps: 200, seeds: [42]}
tasks:
- task: sst2
  train: a.tsv
  dev: b.tsv
  test: c.tsv
- name: mine
  train: d.csv
  dev: e.csv
  max-source-length: 32
methods:
- method: dept
  rank: 16
  lr-prompt: [0.3, 1]
  lr-lowrank: [5e-4, 5e-3]
- pt
- name: pt long
  method: pt
  prompt-length: 200
`

func readSuite(t *testing.T, text string) *Suite {
	t.Helper()
	s, err := Read("suite.yaml", strings.NewReader(text))
	require.NoError(t, err)
	return s
}

func TestTrials(t *testing.T) {
	t.Parallel()
	s := readSuite(t, suiteText)
	require.NoError(t, s.Check())
	known, soon, err := s.Trials(nil)
	require.NoError(t, err)
	var dirs []string
	for _, x := range known {
		dirs = append(dirs, x.Dir)
	}
	require.Equal(t, []string{
		"sst2/dept/lr-prompt=0.3,lr-lowrank=5e-4/200-steps-seed-42", "sst2/dept/lr-prompt=0.3,lr-lowrank=5e-3/200-steps-seed-42",
		"sst2/dept/lr-prompt=1,lr-lowrank=5e-4/200-steps-seed-42", "sst2/dept/lr-prompt=1,lr-lowrank=5e-3/200-steps-seed-42",
		"mine/dept/lr-prompt=0.3,lr-lowrank=5e-4/200-steps-seed-42", "mine/dept/lr-prompt=0.3,lr-lowrank=5e-3/200-steps-seed-42",
		"mine/dept/lr-prompt=1,lr-lowrank=5e-4/200-steps-seed-42", "mine/dept/lr-prompt=1,lr-lowrank=5e-3/200-steps-seed-42",
		"sst2/pt/seed-42", "sst2/pt/seed-43", "sst2/pt long/seed-42", "sst2/pt long/seed-43",
		"mine/pt/seed-42", "mine/pt/seed-43", "mine/pt long/seed-42", "mine/pt long/seed-43",
	}, dirs)
	require.Len(t, soon, 4, "DePT's trials at rates that are not chosen yet")
	require.Equal(t, []string{
		"--steps=200", "--warmup-steps=20", "--eval-every=20", "--save-every=20", "--model=flan", "--max-source-length=64", "--task=sst2", "--train=a.tsv", "--dev=b.tsv",
		"--method=dept", "--rank=16", "--lr-prompt=0.3", "--lr-lowrank=5e-4", "--seed=42",
	}, known[0].Args())
	mine := known[len(known)-1].Args()
	require.Subset(t, mine, []string{"--max-source-length=32", "--prompt-length=200", "--steps=600", "--warmup-steps=60", "--seed=43"})
	require.NotContains(t, strings.Join(mine, " "), "--task")
	require.Equal(t, known[0].Shape, known[3].Shape, "rates, seeds and steps make no other shape")
	require.Equal(t, known[0].Shape, soon[0].Shape)
	require.NotEqual(t, known[0].Shape, known[8].Shape)

	// The rates that are best on the dev rows are those whose trials are made; the first of a tie.
	results := Results{}
	for i, x := range known[:4] {
		results[x.Dir] = &Result{Dev: []float64{0.5, 0.7, 0.6, 0.7}[i], Test: map[metrics.Name]float64{"": 1}}
	}
	known, soon, err = s.Trials(results)
	require.NoError(t, err)
	require.Len(t, soon, 2)
	require.Contains(t, dirsOf(known), "sst2/dept/lr-prompt=0.3,lr-lowrank=5e-3/seed-43")
	require.NotContains(t, dirsOf(known), "sst2/dept/lr-prompt=1,lr-lowrank=5e-3/seed-43")
	cells, err := s.Cells()
	require.NoError(t, err)
	require.Equal(t, 1, s.choose(cells[0], results).Tied)
}

func dirsOf(trials []Trial) (dirs []string) {
	for _, t := range trials {
		dirs = append(dirs, t.Dir)
	}
	return dirs
}

// TestSearchSharesTrials: where rates are tried for as many steps as are reported, the trials of the
// chosen one are among those.
func TestSearchSharesTrials(t *testing.T) {
	t.Parallel()
	s := readSuite(t, "model: m\nseeds: [1, 2]\ntasks: [{task: sst2, train: a, dev: b}]\nmethods: [{method: pt, lr-prompt: [1, 2, 3]}]\n")
	known, soon, err := s.Trials(nil)
	require.NoError(t, err)
	require.Len(t, known, 6)
	require.Empty(t, soon)
	results := Results{}
	for _, x := range known {
		results[x.Dir] = &Result{}
	}
	known, _, err = s.Trials(results)
	require.NoError(t, err)
	require.Len(t, known, 6)

	s.Search = &Search{Seeds: []uint64{1}}
	known, soon, err = s.Trials(nil)
	require.NoError(t, err)
	require.Len(t, known, 3)
	require.Len(t, soon, 1)

	s.Search = &Search{Seeds: []uint64{7}}
	known, soon, err = s.Trials(nil)
	require.NoError(t, err)
	require.Len(t, known, 3)
	require.Len(t, soon, 2, "rates are tried under a seed of their own")
}

func TestPreset(t *testing.T) {
	t.Parallel()
	s := readSuite(t, "preset: dept-paper\nscale-steps: 0.001\nmodel: m\nseeds: [42]\ntasks:\n- {task: cola, train: a, dev: b}\n- {task: STS-B, train: a, dev: b}\nmethods: [dept, pt, lora]\n")
	require.NoError(t, s.Check())
	known, _, err := s.Trials(nil)
	require.NoError(t, err)
	args := map[string][]string{}
	for _, x := range known {
		args[x.Dir] = x.Args()
	}
	require.Subset(t, args["cola/dept/lr-prompt=0.3,lr-lowrank=5e-4/seed-42"], []string{
		"--steps=40", "--warmup-steps=1", "--eval-every=1", "--batch-size=32", "--max-source-length=256", "--prompt-length=80", "--rank=15", "--lr-prompt=0.3", "--lr-lowrank=5e-4",
	})
	require.Subset(t, args["STS-B/dept/lr-prompt=0.3,lr-lowrank=1e-4/seed-42"], []string{"--steps=30", "--split=dept", "--prompt-length=60", "--rank=30"})
	require.Subset(t, args["cola/pt/lr-prompt=0.4/seed-42"], []string{"--prompt-length=100", "--steps=40"})
	require.Contains(t, args, "cola/lora/seed-42")

	// What a suite says comes before its preset.
	s.Settings = append(s.Settings, Setting{"steps", []string{"2000"}, ""})
	known, _, err = s.Trials(nil)
	require.NoError(t, err)
	require.Contains(t, known[len(known)-1].Args(), "--steps=2")

	for _, p := range paperTasks {
		for _, kind := range dept.Kinds {
			_, err := presetFor(DePTPaper, strings.Fields(p.names)[0], kind)
			require.NoError(t, err)
		}
	}
}

func TestRefusedSuites(t *testing.T) {
	t.Parallel()
	const task, method = "tasks: [{task: sst2, train: a, dev: b}]\n", "methods: [pt]\n"
	for text, want := range map[string]string{
		"":                                "suite.yaml: it is empty",
		"- a":                             "line 1: a suite is written as keys with values, and this is a list",
		"a: [":                            "line 1",
		"model: a\nmodel: b":              "line 2: model is there twice",
		"model: a\n---\nmodel: b":         "more than one document",
		"seeds: 42":                       "line 1: seeds is a list",
		"seeds: [42, x]":                  `seed "x": it must be a number`,
		"seeds: [-1]":                     `seed "-1"`,
		"search: {steps: 0}":              "steps 0: it must be at least 1",
		"search:\n  step: 4":              "line 2: search has no step: it has steps and seeds",
		"scale-steps: 0":                  "scale-steps 0: it must be more than 0",
		"scale-steps: .nan":               "scale-steps",
		"test: a.tsv":                     "line 1: test is a task's",
		"steps:":                          "line 1: steps has no value",
		"steps: {a: b}":                   "steps is a single value, and this is keys with values",
		"tasks: sst2":                     "tasks is a list",
		"tasks:\n- train: a":              "line 2: it has neither task nor name",
		"tasks:\n- sst2":                  "line 2: a task is written as keys with values",
		"methods: [&a pt, *a]":            "an alias, which is not read here",
		"methods: [{<<: {method: pt}}]":   "a key is a word",
		strings.Repeat("# a\n", 20000):    "more than 64 KiB",
		"seeds: [1]\n" + method:           "name a task",
		"seeds: [1]\n" + task:             "name a method",
		task + method:                     "there are no seeds",
		"seeds: [1, 1]\n" + task + method: "the seed 1 is there twice",
		"seeds: [1]\n" + task + method:    "sst2 with pt: there is no setting model",
		"seeds: [1]\nmodel: m\n" + task + "methods: [ptt]":                                                 "ptt: there is no method",
		"seeds: [1]\nmodel: m\n" + task + "methods: [pt, pt]":                                              "two of the name pt",
		"seeds: [1]\nmodel: m\n" + task + "methods: [{name: ../a, method: pt}]":                            "is a folder's too",
		"seeds: [1]\nmodel: m\n" + task + "methods:\n- method: pt\n  rank: 3":                              "line 6: method pt has no setting rank",
		"seeds: [1]\nmodel: m\n" + task + "methods:\n- method: pt\n  prompt-length: [1, 2]":                "line 6: prompt-length has 2 values",
		"seeds: [1]\nmodel: m\nout: a\nseed: 3\n" + task + method:                                          "line 4: seed is the comparison's own",
		"seeds: [1]\nmodel: m\npreset: glue\n" + task + method:                                             `there is no preset "glue": there are dept-paper`,
		"seeds: [1]\nmodel: m\npreset: dept-paper\n" + strings.Replace(task, "sst2", "agnews", 1) + method: "the paper has no task agnews",
	} {
		s, err := Read("suite.yaml", strings.NewReader(text))
		if err == nil {
			err = s.Check()
		}
		require.ErrorContains(t, err, want, text)
		require.NotContains(t, err.Error(), "\n")
		require.NotContains(t, err.Error(), " yaml: ")
		require.NotContains(t, err.Error(), "compare.")
	}
}

func FuzzReadSuite(f *testing.F) {
	f.Add(suiteText)
	f.Add("a: &x [*x]\n")
	f.Add("? [a]\n: b\n<<: c\n")
	f.Add("seeds: [0x10, 1e3, .inf]\nsearch: {}\nscale-steps: 1e400")
	f.Add(strings.Repeat("[", 1000))
	f.Add(strings.Repeat("a,", 30000))
	f.Fuzz(func(t *testing.T, text string) {
		allocation.Check(t, len(text), func() {
			if s, err := Read("suite.yaml", strings.NewReader(text)); err == nil && s.Check() == nil {
				s.Trials(nil)
			}
		})
	})
}

func FuzzReadCurve(f *testing.F) {
	f.Add(`{"step":1,"loss":2.5,"grad_norm":1,"tokens":3,"seconds":0.1,"lr_prompt":0}` + "\n" + `{"step":1,"metrics":{"accuracy":0.5},"rows":2,"best":true,"seconds":1}` + "\n")
	f.Add("null\n[]\n")
	f.Fuzz(func(t *testing.T, text string) {
		allocation.Check(t, len(text), func() { ReadCurve(strings.NewReader(text)) })
	})
}

// TestReport sums up results that were written by hand.
func TestReport(t *testing.T) {
	t.Parallel()
	s := readSuite(t, "model: m\nsteps: 4\nseeds: [1, 2]\nsearch: {seeds: [1], steps: 2}\ntasks:\n- {task: sst2, train: a, dev: b, test: c}\n- {name: a_b, train: a, dev: b}\nmethods: [{method: dept, lr-prompt: [0.3, 1]}, pt]\n")
	s.Out = t.TempDir()
	write := func(dir, name, text string) {
		path := filepath.Join(s.Out, filepath.FromSlash(dir), name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o666))
	}
	made := 0
	for {
		results, err := s.ReadResults()
		require.NoError(t, err)
		known, soon, err := s.Trials(results)
		require.NoError(t, err)
		if len(results) == len(known) && len(soon) == 0 {
			break
		}
		_, err = s.Report(results)
		require.ErrorContains(t, err, "have not ended")
		for _, x := range known {
			if results[x.Dir] != nil {
				continue
			}
			dir := filepath.Join(s.Out, filepath.FromSlash(x.Dir))
			require.NoError(t, os.MkdirAll(dir, 0o777))
			require.NoError(t, WriteJSON(filepath.Join(dir, TrialFile), map[string]any{"args": x.Args()}))
			made++
			r := &Result{Args: x.Args(), Metric: metrics.Accuracy, Dev: 0.5 + 0.01*float64(made), Parameters: 1234, Steps: x.Steps()}
			if x.Test != "" {
				r.Test = map[metrics.Name]float64{metrics.Accuracy: 0.25 + 0.01*float64(made), metrics.F1: 0.125}
			}
			if made == 5 {
				r.Ended = "the loss was not finite"
			}
			require.NoError(t, WriteJSON(filepath.Join(dir, ResultFile), r))
			write(x.Dir, train.LogFile, `{"step":0,"metrics":{"accuracy":0.5},"rows":2}`+"\n"+`{"step":1,"loss":2.5}`+"\n"+`{"step":2,"loss":1.5}`+"\n")
		}
	}
	results, err := s.ReadResults()
	require.NoError(t, err)
	r, err := s.Report(results)
	require.NoError(t, err)
	require.Equal(t, 12, r.Trials)
	require.Equal(t, 4, r.Tried)
	text := r.Text()
	for _, want := range []string{
		"method  parameters  sst2 accuracy  a_b accuracy          mean\n",
		"± the sample standard deviation over 2 seeds",
		"Scores of dev rows are too good, since rates and steps were chosen by the same rows: a_b.",
		"12 trials were made, 4 of them only to choose rates.",
		"sst2, dept: lr-prompt=1 is the best on dev of 2.",
		"Ended early, and scored as it then was: sst2/",
		"corrected for 2 comparisons (Holm)",
		"sst2: pt against dept: ",
	} {
		require.Contains(t, text, want)
	}
	require.Contains(t, r.Markdown(), "| method | parameters | sst2 accuracy | a_b accuracy | mean |\n|---|---:|---:|---:|---:|\n| dept | 1,234 | ")
	require.Contains(t, r.LaTeX(), `a\_b accuracy`)
	require.Contains(t, r.LaTeX(), `$\pm$`)
	require.Contains(t, r.CSV(), "sst2,dept,f1,test,12.5,0,2,,1234,lr-prompt=1,2,4\n")
	require.Equal(t, 13, strings.Count(r.TrialsCSV(), "\n"))
	files, err := r.Write()
	require.NoError(t, err)
	for _, name := range files {
		info, err := os.Stat(filepath.Join(s.Out, name))
		require.NoError(t, err)
		require.NotZero(t, info.Size())
	}
	require.Contains(t, files, "sst2.svg")

	// Another suite's trials are not taken for this one's; nor are those of other rows.
	s.Overrides = Settings{{"steps", []string{"5"}, ""}}
	_, err = s.ReadResults()
	require.ErrorContains(t, err, "was begun with --steps=4")
	s.Overrides = nil
	known, _, err := s.Trials(results)
	require.NoError(t, err)
	changed := *results[known[0].Dir]
	changed.TrainData = "other"
	require.NoError(t, WriteJSON(filepath.Join(s.Out, filepath.FromSlash(known[0].Dir), ResultFile), changed))
	_, err = s.ReadResults()
	require.ErrorContains(t, err, "the train rows of sst2/")
}
