package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"

	"github.com/schollz/progressbar/v3"

	"github.com/go-dept/dept/dept/compare"
)

// monitor starts workers, plans what they do, and shows how far they are.
type monitor struct {
	*comparison
	results compare.Results
	orders  []io.Closer // of the workers: each is told by its own to end
	tell    []io.Writer
	heard   chan heard
	alive   int // workers

	takes   map[string][]measurement // by shape, one of each worker
	steps   map[string]int           // how far trials are
	bar     *progressbar.ProgressBar // of the updates of all trials; nil without a terminal
	updates int                      // its length
	failed  error
	stopped bool
}

// heard is an event of a worker, or that it has ended.
type heard struct {
	event
	ended bool
	err   error // of its process
}

func newMonitor(c *comparison, results compare.Results) *monitor {
	return &monitor{comparison: c, results: results, heard: make(chan heard), takes: map[string][]measurement{}, steps: map[string]int{}}
}

// run plans and, unless no more is asked for, has the trials made.
func (m *monitor) run() error {
	stop, restore := stopOnSignals(m.cmd)
	defer restore()
	pending, err := m.pending()
	if err != nil {
		return err
	}
	m.workers = min(m.workers, len(pending))
	for range m.workers {
		if err := m.start(); err != nil {
			m.failed = fmt.Errorf("starting a worker: %w", err)
		}
	}
	shapes := m.unmeasured(pending)
	if len(shapes) > 0 {
		field(m.cmd.OutOrStdout(), "measuring", "what %s of %d take", plural(len(shapes), "trial"), len(pending))
	}
	for _, t := range shapes {
		m.order(orderMeasure + " " + t.Dir)
	}
	measured := func() (n int) {
		for _, list := range m.takes {
			n += len(list)
		}
		return n
	}
	m.listen(stop, func() bool { return measured() == len(shapes)*m.workers }, func(e event) {
		if e.Measured != nil {
			i := slices.IndexFunc(shapes, func(t compare.Trial) bool { return t.Dir == e.Trial })
			m.takes[shapes[i].Shape] = append(m.takes[shapes[i].Shape], *e.Measured)
		}
	})
	if m.failed == nil && !m.stopped {
		m.sayPlan(pending)
		if !m.planOnly {
			return m.make(stop, pending)
		}
	}
	m.dismiss()
	return m.outcome(len(pending), 0)
}

// make has the trials made.
func (m *monitor) make(stop context.Context, pending []compare.Trial) error {
	m.order(orderWork)
	total, done := len(pending), 0
	if onTerminal(m.cmd.OutOrStdout()) {
		for _, t := range pending {
			m.updates += t.Steps()
		}
		m.bar = newBar(m.cmd.OutOrStdout(), m.updates)
		defer m.bar.Clear()
	}
	m.listen(stop, func() bool { return m.alive == 0 }, func(e event) {
		switch {
		case e.Full:
			if err := m.start(); err != nil {
				m.failed = fmt.Errorf("starting a worker: %w", err)
				return
			}
			fmt.Fprintln(m.tell[len(m.tell)-1], orderWork)
		case e.Result != nil:
			done++
			m.end(e, done, total)
		case e.Step > 0:
			m.steps[e.Trial] = e.Step
		}
		m.show(done, total)
	})
	m.dismiss()
	return m.outcome(total, done)
}

// outcome is what the command says at its end where not all is well.
func (m *monitor) outcome(total, done int) error {
	switch {
	case m.failed != nil:
		return m.failed
	case m.stopped:
		return &failure{fmt.Errorf("stopped with %d of %s made, and what others had come to saved; the same command goes on", done, plural(total, "trial")), exitInterrupted}
	}
	return nil
}

// start starts a worker: this program with the same command line.
func (m *monitor) start() error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(program, append(slices.Clone(os.Args[1:]), "--worker")...)
	cmd.Stderr = m.cmd.ErrOrStderr()
	orders, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	said, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	m.orders, m.tell = append(m.orders, orders), append(m.tell, orders)
	m.alive++
	go func() {
		lines := bufio.NewScanner(said)
		lines.Buffer(nil, 1<<24)
		for lines.Scan() {
			var e event
			if json.Unmarshal(lines.Bytes(), &e) == nil {
				m.heard <- heard{event: e}
			}
		}
		m.heard <- heard{ended: true, err: cmd.Wait()}
	}()
	return nil
}

// order tells all workers what to do. One that has ended says so elsewhere.
func (m *monitor) order(text string) {
	for _, w := range m.tell {
		fmt.Fprintln(w, text)
	}
}

// listen hands over what workers say until done, until one fails, or until stop is done.
func (m *monitor) listen(stop context.Context, done func() bool, take func(event)) {
	for m.failed == nil && !m.stopped && !done() {
		select {
		case h := <-m.heard:
			m.hear(h, take)
		case <-stop.Done():
			m.stopped = true
		}
	}
	for _, w := range m.orders {
		if m.failed != nil || m.stopped {
			w.Close() // and they save what they have come to
		}
	}
	for (m.failed != nil || m.stopped) && m.alive > 0 {
		m.hear(<-m.heard, take)
	}
}

func (m *monitor) hear(h heard, take func(event)) {
	switch {
	case h.ended:
		m.alive--
		if h.err != nil && m.failed == nil && !m.stopped {
			m.failed = fmt.Errorf("a worker ended (%w); the same command goes on with what it was at", h.err)
		}
	case h.Error != "" && m.failed == nil:
		m.failed = &failure{errors.New(h.Error), h.Code}
	default:
		take(h.event)
	}
}

// dismiss waits for all workers to end.
func (m *monitor) dismiss() {
	for _, w := range m.orders {
		w.Close()
	}
	for m.alive > 0 {
		m.hear(<-m.heard, func(event) {})
	}
}

// pending are the trials that have not ended, those that are not known yet included.
func (m *monitor) pending() ([]compare.Trial, error) {
	known, soon, err := m.suite.Trials(m.results)
	if err != nil {
		return nil, err
	}
	return append(slices.DeleteFunc(known, func(t compare.Trial) bool { return m.results[t.Dir] != nil }), soon...), nil
}

// unmeasured is a trial of each shape of which none has ended yet.
func (m *monitor) unmeasured(pending []compare.Trial) []compare.Trial {
	seen := map[string]bool{}
	for shape := range m.before() {
		seen[shape] = true
	}
	var list []compare.Trial
	for _, t := range pending {
		if !seen[t.Shape] {
			seen[t.Shape] = true
			list = append(list, t)
		}
	}
	return list
}

// before is what ended of each shape: its steps and results.
func (m *monitor) before() map[string][]*compare.Result {
	ended := map[string][]*compare.Result{}
	known, _, _ := m.suite.Trials(m.results) // pending has looked at it
	for _, t := range known {
		if r := m.results[t.Dir]; r != nil && r.Steps > 0 {
			ended[t.Shape] = append(ended[t.Shape], r)
		}
	}
	return ended
}

// cost is how many seconds a trial takes: as others of its shape took, a step, or as measured.
func (m *monitor) cost(t compare.Trial, ended map[string][]*compare.Result) (seconds float64) {
	if list := ended[t.Shape]; len(list) > 0 {
		for _, r := range list {
			seconds += r.Seconds / float64(r.Steps) * float64(t.Steps()) / float64(len(list))
		}
		return seconds
	}
	list := m.takes[t.Shape]
	for _, x := range list {
		evaluations := 2 // before the first update and after the last
		if every := t.EvalEvery(); every > 0 {
			evaluations += (t.Steps() - 1) / every
		}
		seconds += (x.Start + float64(t.Steps())*x.Step + float64(evaluations*x.Dev+x.Test)*x.Row) / float64(len(list))
	}
	return seconds
}

// sayPlan says what is about to happen.
func (m *monitor) sayPlan(pending []compare.Trial) {
	ended := m.before()
	var bytes int64
	for _, t := range pending {
		m.steps[t.Dir] = m.suite.Done(t) // of one that was interrupted
		for _, x := range m.takes[t.Shape] {
			bytes = max(bytes, x.Bytes)
		}
		for _, r := range ended[t.Shape] {
			bytes = max(bytes, r.Bytes)
		}
	}
	trials := plural(len(pending), "trial")
	if n := len(m.results); n > 0 {
		trials += fmt.Sprintf(" beside %d that have ended", n)
	}
	seconds, _ := m.left()
	field(m.cmd.OutOrStdout(), "plan", "%s, %s on %s, %s each on the device", trials, about(seconds), plural(m.workers, "worker"), size(bytes))
}

// end shows that a trial has ended.
func (m *monitor) end(e event, done, total int) {
	m.results[e.Trial] = e.Result
	delete(m.steps, e.Trial)
	if m.bar != nil {
		m.bar.Clear()
	}
	text := fmt.Sprintf("%s: dev %.2f at step %d", e.Trial, 100*e.Result.Dev, e.Result.DevStep)
	if e.Result.Test != nil {
		text += fmt.Sprintf(", test %.2f", 100*e.Result.Score())
	}
	if e.Result.Ended != "" {
		text += fmt.Sprintf(", ended after step %d: %s", e.Result.Steps, e.Result.Ended)
	}
	left, _ := m.left()
	fmt.Fprintf(m.cmd.OutOrStdout(), "%s  (%d of %d, %s)\n", text, done, total, inWords(left))
}

// left is how many seconds the rest takes, and how many updates it is.
func (m *monitor) left() (seconds float64, updates int) {
	pending, err := m.pending()
	if err != nil {
		return 0, 0
	}
	ended := m.before()
	for _, t := range pending {
		rest := max(1, t.Steps()-m.steps[t.Dir]) // its score, if nothing else
		updates += rest
		seconds += m.cost(t, ended) * float64(rest) / float64(max(1, t.Steps()))
	}
	return seconds / float64(m.workers), updates
}

// inWords says how long the rest takes.
func inWords(seconds float64) string {
	if seconds == 0 {
		return "none left"
	}
	return about(seconds) + " left"
}

// show brings the bar up to date.
func (m *monitor) show(done, total int) {
	if m.bar == nil {
		return
	}
	left, updates := m.left()
	m.bar.Describe(fmt.Sprintf("%d of %s, %s", done, plural(total, "trial"), inWords(left)))
	m.bar.Set(max(0, m.updates-updates))
}

// beWorker makes trials for the process that started this one.
func (c *comparison) beWorker(results compare.Results) error {
	ignoreLostOutput()
	w := &compareWorker{
		suite: c.suite, results: results, kept: newKept(), out: json.NewEncoder(c.cmd.OutOrStdout()), stderr: c.cmd.ErrOrStderr(), warned: map[string]bool{},
	}
	return w.serve(c.cmd)
}
