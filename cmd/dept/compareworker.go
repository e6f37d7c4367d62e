package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-dept/dept/dept/compare"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/dept/tasks"
	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/internal/runlock"
)

// A worker is this program again, which makes trials of a suite. It is told what to do on its standard
// input, a line each, and ends when that ends, as it does when the process that started it is killed:
//
//	measure DIR   how long the trial of that folder takes
//	work          make trials until none is left
//
// and says what it does on its standard output, an event a line.
const (
	orderMeasure = "measure"
	orderWork    = "work"
)

// event is what a worker says.
type event struct {
	Trial    string          `json:"trial,omitempty"` // its folder
	Measured *measurement    `json:"measured,omitempty"`
	Step     int             `json:"step,omitempty"`
	Result   *compare.Result `json:"result,omitempty"`
	Full     bool            `json:"full,omitempty"`  // it ends, and another should go on
	Error    string          `json:"error,omitempty"` // it ends
	Code     int             `json:"code,omitempty"`  // of the error
}

// measurement is what a trial takes.
type measurement struct {
	Start float64 `json:"start"` // seconds until the first update is made, kernels that it needs compiled
	Step  float64 `json:"step"`  // seconds of an update
	Row   float64 `json:"row"`   // seconds of a row that is answered, by a model that is not trained yet
	Dev   int     `json:"dev"`   // rows
	Test  int     `json:"test"`
	Bytes int64   `json:"bytes"` // planned on the device
}

// compareWorker makes trials.
type compareWorker struct {
	suite   *compare.Suite
	results compare.Results
	kept    *kept
	out     *json.Encoder
	stderr  io.Writer
	warned  map[string]bool
	first   int64 // bytes of memory after the first trial
}

// serve follows orders until there are no more.
func (w *compareWorker) serve(cmd *cobra.Command) error {
	ctx, restore := stopOnSignals(cmd)
	defer restore()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer w.kept.release()
	orders := make(chan string)
	go func() {
		defer close(orders)
		defer cancel()
		for lines := bufio.NewScanner(cmd.InOrStdin()); lines.Scan(); {
			select {
			case orders <- lines.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	for order := range orders {
		var err error
		switch what, dir, _ := strings.Cut(order, " "); what {
		case orderMeasure:
			err = w.measure(ctx, dir)
		case orderWork:
			return w.report(w.work(ctx))
		default:
			err = fmt.Errorf("there is no order %q", what)
		}
		if err != nil && ctx.Err() == nil {
			return w.report(err)
		}
	}
	return nil
}

// report says in an event why the worker ends.
func (w *compareWorker) report(err error) error {
	switch {
	case err == nil || errors.Is(err, errStopped):
		return nil
	case errors.Is(err, errFull):
		return w.out.Encode(event{Full: true})
	}
	e := event{Error: oneLine(err), Code: exitError}
	var failed *failure
	if errors.As(err, &failed) {
		e.Code = failed.code
	}
	return w.out.Encode(e)
}

// errStopped says that a trial was stopped and saved.
var errStopped = errors.New("stopped")

// errFull says that the worker should end, and another go on.
var errFull = errors.New("full")

// mostKept is how many bytes a worker may have beyond twice what it had after its first trial.
const mostKept = 1 << 30

// full says whether a worker has grown so far, of whose memory that is how much, that another should go
// on. What is made is given back after each trial, but drivers keep some: Mesa 22's lavapipe half a
// kilobyte of every dispatch.
func (w *compareWorker) full(used int64) bool {
	if w.first == 0 {
		w.first = used
	}
	return used > 2*w.first+mostKept
}

// memoryUsed is how many bytes this process has in memory; 0 where the system does not say.
func memoryUsed() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(text), &size, &resident); err != nil {
		return 0
	}
	return resident * int64(os.Getpagesize())
}

// trials are those that are known.
func (w *compareWorker) trials() (known, soon []compare.Trial, err error) {
	return w.suite.Trials(w.results)
}

// find is the trial of a folder.
func (w *compareWorker) find(dir string) (compare.Trial, error) {
	known, soon, err := w.trials()
	if err != nil {
		return compare.Trial{}, err
	}
	known = append(known, soon...)
	i := slices.IndexFunc(known, func(t compare.Trial) bool { return t.Dir == dir })
	if i < 0 {
		return compare.Trial{}, fmt.Errorf("there is no trial %s", dir)
	}
	return known[i], nil
}

// work makes trials that no other process makes, until all have ended.
func (w *compareWorker) work(ctx context.Context) error {
	for {
		known, soon, err := w.trials()
		if err != nil {
			return err
		}
		left, made := len(soon), false
		for _, t := range known {
			if w.results[t.Dir] != nil {
				continue
			}
			if ctx.Err() != nil {
				return errStopped
			}
			left++
			result, err := w.try(ctx, t)
			switch {
			case err != nil:
				return err
			case result != nil:
				w.results[t.Dir] = result
				made = true
				left--
			}
		}
		if left == 0 {
			return nil
		}
		if made { // others may be known now
			continue
		}
		select { // another process makes what is left, or stops
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return errStopped
		}
	}
}

// try makes a trial, or goes on with it; where another process makes it, it gives nothing.
func (w *compareWorker) try(ctx context.Context, trial compare.Trial) (*compare.Result, error) {
	dir := filepath.Join(w.suite.Out, filepath.FromSlash(trial.Dir))
	if r, err := compare.ReadResult(w.suite.Out, trial); r != nil || err != nil {
		return r, err
	}
	lock, err := runlock.Take(dir)
	var held *runlock.HeldError
	if errors.As(err, &held) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	// Another process may have ended it just now.
	if r, err := compare.ReadResult(w.suite.Out, trial); r != nil || err != nil {
		lock.Release()
		return r, err
	}
	result, err := w.make(ctx, trial, dir, lock)
	if err != nil && ctx.Err() != nil {
		return nil, errStopped
	}
	if err != nil {
		return nil, fmt.Errorf("trial %s: %w", trial.Dir, err)
	}
	if err := w.out.Encode(event{Trial: trial.Dir, Result: result}); err != nil {
		return nil, err
	}
	if w.full(memoryUsed()) {
		return nil, errFull
	}
	return result, nil
}

// make trains as dept train does, scores what came of it, and writes that down.
func (w *compareWorker) make(ctx context.Context, trial compare.Trial, dir string, lock *runlock.Lock) (*compare.Result, error) {
	began := time.Now()
	t, cmd, err := w.training(ctx, trial, "--out="+dir)
	if err != nil {
		lock.Release()
		return nil, err
	}
	t.lock = lock
	_, noState := os.Stat(filepath.Join(dir, train.StateFile))
	if t.resume = noState == nil; t.resume {
		t.profile = "" // its kernels stay what they were
	} else {
		t.overwrite = true // of a run that was killed before it saved anything
		if err := compare.WriteJSON(filepath.Join(dir, compare.TrialFile), map[string]any{"args": trial.Args()}); err != nil {
			lock.Release()
			return nil, err
		}
	}
	var result *compare.Result
	t.work = func(cmd *cobra.Command) error {
		test, err := w.testRows(cmd, t, trial)
		if err != nil {
			return err
		}
		opening := time.Since(began)
		t.onStep = w.stepped(trial)
		err = t.learn(cmd)
		if err != nil && !errors.Is(err, train.ErrNotFinite) {
			return err
		}
		result, err = w.conclude(ctx, t, trial, test, opening, err)
		return err
	}
	err = t.run(cmd)
	return result, err
}

// stepped tells now and then how far a trial is.
func (w *compareWorker) stepped(trial compare.Trial) func(train.StepRecord) {
	var last time.Time
	return func(s train.StepRecord) {
		if now := time.Now(); now.Sub(last) > 200*time.Millisecond {
			last = now
			w.out.Encode(event{Trial: trial.Dir, Step: s.Step}) // nobody may be there to hear it
		}
	}
}

// training is dept train with a trial's flags and more.
func (w *compareWorker) training(ctx context.Context, trial compare.Trial, more ...string) (*training, *cobra.Command, error) {
	t, cmd := newTraining()
	t.kept = w.kept
	cmd.SetContext(ctx)
	cmd.SetOut(io.Discard)
	cmd.SetErr(&once{w.stderr, w.warned})
	if err := cmd.ParseFlags(append(trial.Args(), more...)); err != nil {
		return nil, nil, flagError(cmd, err)
	}
	return t, cmd, nil
}

// once writes each text once.
type once struct {
	io.Writer
	written map[string]bool
}

func (o *once) Write(b []byte) (int, error) {
	if o.written[string(b)] {
		return len(b), nil
	}
	o.written[string(b)] = true
	return o.Writer.Write(b)
}

// testRows are a trial's test rows as its training sees rows; nil where it has none.
func (w *compareWorker) testRows(cmd *cobra.Command, t *training, trial compare.Trial) (*data.Dataset, error) {
	if trial.Test == "" {
		return nil, nil
	}
	options, err := t.data.options(true)
	if err != nil {
		return nil, err
	}
	splits := []string{"test"}
	if t.split.split == splitAuthors { // they make test of the validation set
		splits = testSplits
	}
	rows, err := w.kept.rows(cmd, "test", trial.Test, options, splits)
	if err != nil {
		return nil, err
	}
	if rows, err = t.split.test(t.task, rows); err != nil {
		return nil, err
	}
	if t.labels.ofRows(t.task) {
		rows = asAsked(rows, t.request.Answers)
	}
	if rows.Fingerprint() == t.dev.Fingerprint() {
		return nil, usagef("task %s: its test rows are its dev rows, by which rates and steps are chosen: give others, or leave test out", trial.Task)
	}
	return rows, nil
}

// conclude scores what a trial's folder keeps on the test rows, and writes down what came of it.
func (w *compareWorker) conclude(ctx context.Context, t *training, trial compare.Trial, test *data.Dataset, opening time.Duration, ended error) (*compare.Result, error) {
	s := t.session
	r := &compare.Result{
		Args: trial.Args(), Metric: tasks.MainMetric(t.task), Steps: s.Trainer.Done(), Parameters: s.Method.Parameters(), Bytes: t.bytes(),
		Device: t.setup.Device.Info().Name, Model: t.setup.Fingerprint, TrainData: t.rows.Fingerprint(), DevData: t.dev.Fingerprint(),
	}
	if ended != nil {
		r.Ended = "the loss or its gradient was not a finite number"
	}
	log, err := os.Open(filepath.Join(t.out, train.LogFile))
	if err != nil {
		return nil, err
	}
	curve, err := compare.ReadCurve(log)
	log.Close()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", log.Name(), err)
	}
	for i, e := range curve.Scores {
		if i == 0 || e.Best {
			r.Dev, r.DevStep, r.DevRows = e.Metrics[r.Metric], e.Step, e.Rows
		}
	}
	began := time.Now()
	if test != nil {
		v, err := s.EvaluateKept(ctx, test, t.task)
		if err != nil {
			return nil, err
		}
		r.Test, r.TestRows, r.TestData = v.Metrics, v.Rows, test.Fingerprint()
	}
	r.Seconds = opening.Seconds() + s.Trainer.Seconds() + time.Since(began).Seconds()
	return r, compare.WriteJSON(filepath.Join(t.out, compare.ResultFile), r)
}

// bytes is the device memory that a session plans.
func (t *training) bytes() int64 {
	return t.setup.Model.Bytes() + t.session.Plan.Bytes + t.session.StateBytes()
}

// What a measurement makes: so many updates, after some in which kernels are compiled, and answers to
// so many batches of rows.
const (
	measuredSteps   = 3
	measuredBatches = 2
)

// measure finds out how long a trial takes.
func (w *compareWorker) measure(ctx context.Context, dir string) error {
	trial, err := w.find(dir)
	if err != nil {
		return err
	}
	began := time.Now()
	t, cmd, err := w.training(ctx, trial, "--dry-run")
	if err != nil {
		return err
	}
	t.work = func(cmd *cobra.Command) error {
		test, err := w.testRows(cmd, t, trial)
		if err != nil {
			return err
		}
		m := &measurement{Dev: t.dev.Len(), Bytes: t.bytes()}
		if test != nil {
			m.Test = test.Len()
		}
		if err := w.time(ctx, t, m, began); err != nil {
			return err
		}
		return w.out.Encode(event{Trial: dir, Measured: m})
	}
	if err := t.run(cmd); err != nil {
		return fmt.Errorf("trial %s: %w", dir, err)
	}
	return nil
}

// time makes some updates and answers some rows.
func (w *compareWorker) time(ctx context.Context, t *training, m *measurement, began time.Time) error {
	s := t.session
	rows, _ := t.sessionRows()
	n := min(t.dev.Len(), measuredBatches*s.Options.Batch)
	sample := make([]data.Row, n) // from all over the file
	for i := range sample {
		sample[i] = t.dev.Row(i * t.dev.Len() / n)
	}
	rows.Dev = data.NewDataset(sample)
	if err := s.Begin(ctx, rows); err != nil {
		return err
	}
	steps := func(n int) error {
		for range n {
			if err := s.Trainer.Step(ctx); err != nil {
				return err
			}
		}
		return s.Trainer.Flush(ctx)
	}
	answer := func() error {
		for {
			if v, err := s.Run.Evaluate(ctx); v != nil || err != nil {
				return err
			}
		}
	}
	if err := errors.Join(steps(1), answer()); err != nil {
		return err
	}
	m.Start = time.Since(began).Seconds()
	at := time.Now()
	if err := steps(measuredSteps); err != nil && !errors.Is(err, train.ErrNotFinite) {
		return err
	}
	m.Step = time.Since(at).Seconds() / measuredSteps
	at = time.Now()
	if err := answer(); err != nil {
		return err
	}
	m.Row = time.Since(at).Seconds() / float64(n)
	return nil
}
