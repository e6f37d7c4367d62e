package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/wgpu"
)

// worker hears messages in order, one at a time. While a run goes on it hears
// them between two pieces of the run's work, so that none waits long.
type worker struct {
	post func(Message)
	// files opens the folder of a model, telling how far each file is.
	files func(ctx context.Context, model string, progress func(Progress)) (modelFiles, error)

	mu      sync.Mutex
	waiting []Message
	wake    chan struct{}
	cancel  context.CancelFunc // of loading; nil otherwise

	state   State
	model   *model        // nil before load
	bare    *model        // a device alone, for benchmarks without a model
	adapter *dept.Adapter // what answers when no run does; nil is the model as it is
	reader  *reader       // of adapter
	data    *dataset      // of the last run
	run     *run          // under way, or nil
	last    *finished     // the last run that was no comparison
}

// finished is what a comparison needs of a run.
type finished struct {
	settings Settings
	data     *dataset
	line     Compared
}

func newWorker(post func(Message), files func(context.Context, string, func(Progress)) (modelFiles, error)) *worker {
	return &worker{post: post, files: files, wake: make(chan struct{}, 1), state: State{State: stateEmpty}}
}

// Send hands the worker a message; it may be called from anywhere and never
// waits.
func (w *worker) Send(m Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch m.(type) {
	case Cancel, Load, Reset:
		if w.cancel != nil {
			w.cancel()
		}
	}
	w.waiting = append(w.waiting, m)
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// next is the message that waits longest, or nil.
func (w *worker) next() Message {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.waiting) == 0 {
		return nil
	}
	m := w.waiting[0]
	w.waiting = w.waiting[1:]
	return m
}

// Serve works until ctx is done and nothing is left to do.
func (w *worker) Serve(ctx context.Context) {
	w.guard("start", 0, func() error {
		w.post(Tasks{taskInfos()})
		return nil
	})
	w.post(w.state)
	for {
		m := w.next()
		switch {
		case m != nil:
			w.hear(m)
		case w.run != nil && w.run.going():
			w.advance()
		case ctx.Err() != nil:
			return
		default:
			select {
			case <-w.wake:
			case <-ctx.Done():
			}
		}
	}
}

// guard runs do and posts its error. A panic is a bug, but none that ends the
// worker.
func (w *worker) guard(during string, id int, do func() error) (ok bool) {
	defer func() {
		if r := recover(); r != nil {
			fmt.Printf("panic during %s: %v\n%s\n", during, r, debug.Stack()) // the console is ours to read
			w.fail(fmt.Errorf("%s failed in a way it should not: %v", during, r), during, id)
			ok = false
		}
	}()
	if err := do(); err != nil {
		w.fail(err, during, id)
		return false
	}
	return true
}

// fail posts an error. A lost device takes everything on it along.
func (w *worker) fail(err error, during string, id int) {
	e := explain(err, during, id)
	w.post(e)
	if e.Code == codeDeviceLost {
		w.unload()
		w.announce()
	}
}

// announce posts the state if it has changed.
func (w *worker) announce() {
	s := State{State: stateReady}
	switch {
	case w.model == nil:
		s.State = stateEmpty
	case w.run != nil:
		s.State = stateTraining
		if w.run.paused {
			s.State = statePaused
		}
		s.Method, s.Step, s.Steps = w.run.settings.Method, w.run.trainer.Done(), w.run.settings.Steps
	}
	if s.State != w.state.State || s.Method != w.state.Method {
		w.state = s
		w.post(s)
	}
}

// advance does a piece of the run's work, and ends the run after the last one.
func (w *worker) advance() {
	r, during := w.run, Train{}.kind()
	if r.twin {
		during = Compare{}.kind()
	}
	if !w.guard(during, 0, func() error { return r.advance(context.Background()) }) {
		w.endRun()
		w.announce()
		return
	}
	if !r.finished {
		w.announce()
		return
	}
	if r.twin {
		w.post(Comparison{[]Compared{w.last.line, r.compared()}})
	} else {
		w.last = &finished{r.settings, r.data, r.compared()}
		w.post(r.done())
	}
	w.endRun()
	w.announce()
}

// endRun lets go of the run. The adapter of one that is no twin stays.
func (w *worker) endRun() {
	r := w.run
	if r == nil {
		return
	}
	w.run = nil
	if !r.twin {
		// An update that failed was not applied: the device has the last good one.
		// Where that cannot be read any more, there is the one of the last picture.
		w.guard(Train{}.kind(), 0, func() error {
			if err := r.read(context.Background()); err != nil && !errors.Is(err, wgpu.ErrDeviceLost) {
				return err
			}
			return nil
		})
		w.setAdapter(r.last)
	}
	r.release()
}

func (w *worker) setAdapter(a *dept.Adapter) {
	w.adapter = a
	if w.reader != nil {
		w.reader.release()
		w.reader = nil
	}
}

// unload gives the model back; an adapter stays.
func (w *worker) unload() {
	w.endRun()
	if w.reader != nil {
		w.reader.release()
		w.reader = nil
	}
	for _, m := range []**model{&w.model, &w.bare} {
		if *m != nil {
			(*m).release()
			*m = nil
		}
	}
}

// hear does what a message asks for.
func (w *worker) hear(m Message) {
	id := 0
	if p, ok := m.(Predict); ok {
		id = p.ID
	}
	w.guard(m.kind(), id, func() error {
		ctx := context.Background()
		switch m := m.(type) {
		case Load:
			return w.load(m)
		case Train:
			return w.train(ctx, m)
		case Pause:
			return w.pause(ctx)
		case Resume:
			return w.withRun(func(r *run) { r.paused = false })
		case StepOnce:
			return w.withRun(func(r *run) { r.paused, r.once = true, true })
		case Stop:
			return w.withRun(func(r *run) {
				if r.stopping {
					r.skip() // of the last evaluation too
				}
				r.stopping = true
			})
		case Compare:
			return w.compare(ctx)
		case Predict:
			return w.predict(ctx, m)
		case Export:
			return w.export(ctx)
		case Import:
			return w.importAdapter(m)
		case AskRows:
			return w.rows(m)
		case Reset:
			w.endRun()
			w.setAdapter(nil)
			w.last, w.data = nil, nil
		case Cancel:
			w.cancelled()
		case Bench:
			return w.bench(ctx, m)
		}
		return nil
	})
	w.announce()
}

// withRun does something to the run under way.
func (w *worker) withRun(do func(*run)) error {
	if w.run == nil {
		return failf(codeOrder, "Start training first.", "no run is under way")
	}
	do(w.run)
	return nil
}

func (w *worker) pause(ctx context.Context) error {
	var err error
	if e := w.withRun(func(r *run) { err = r.pause(ctx) }); e != nil {
		return e
	}
	if err != nil {
		w.endRun()
	}
	return err
}

// cancelled gives up an evaluation, or all of a comparison.
func (w *worker) cancelled() {
	if w.run == nil {
		return
	}
	if w.run.twin {
		w.endRun()
		w.fail(context.Canceled, Compare{}.kind(), 0)
		return
	}
	w.run.skip()
}

// load fetches a model in place of the one there is.
func (w *worker) load(m Load) error {
	w.unload()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w.mu.Lock()
	w.cancel = cancel
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.cancel = nil
		w.mu.Unlock()
	}()
	w.state = State{State: stateLoading}
	w.post(w.state)
	name := strings.TrimSuffix(m.Model, "/")
	if name == "" {
		name = "model"
	}
	files, err := w.files(ctx, name, func(p Progress) { w.post(p) })
	if err != nil {
		return err
	}
	opened, err := openModel(ctx, name, files)
	if ctx.Err() != nil {
		if opened != nil {
			opened.release()
		}
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	w.model = opened
	if w.adapter != nil {
		if _, err := w.model.check(w.adapter); err != nil {
			w.adapter = nil // it belonged to another model
		}
	}
	w.post(w.model.ready())
	return nil
}

// loaded reports an error where there is no model.
func (w *worker) loaded() error {
	if w.model == nil {
		return failf(codeOrder, "Load the model first.", "no model is loaded")
	}
	return nil
}

// train begins a run in place of the one there is.
func (w *worker) train(ctx context.Context, m Train) error {
	if err := w.loaded(); err != nil {
		return err
	}
	s, d, err := w.settle(m.Settings)
	if err != nil {
		return err
	}
	w.endRun()
	w.setAdapter(nil)
	r, err := newRun(ctx, w.post, w.model, s, d)
	if err != nil {
		return err
	}
	r.paused = m.Paused
	w.run, w.data, w.last = r, d, nil
	return nil
}

// compare trains prompt tuning with as many parameters as the last run had, as
// long as that one was trained.
func (w *worker) compare(ctx context.Context) error {
	if err := w.loaded(); err != nil {
		return err
	}
	switch {
	case w.run != nil:
		return failf(codeOrder, "Stop it or let it end first.", "a run is under way")
	case w.last == nil:
		return failf(codeOrder, "Train first, then compare.", "there is no run to compare with")
	case w.last.settings.Method == methodPromptTuning:
		return failf(codeOrder, "Train with DePT, then compare.", "the last run was prompt tuning already")
	}
	s := w.last.settings
	s.Method, s.Rank, s.LRLowRank = methodPromptTuning, 0, 0
	s.PromptLength = w.last.line.Parameters / w.model.ck.Config.DModel
	r, err := newRun(ctx, w.post, w.model, s, w.last.data)
	if err != nil {
		return err
	}
	r.steps, r.twin = w.last.line.Step, true
	w.run = r
	return nil
}

// maxPositions bounds m + s, since attention's time grows with its square.
const maxPositions = 1 << 12

// settle checks settings and finds their data.
func (w *worker) settle(s Settings) (Settings, *dataset, error) {
	bad := func(remedy, what string, args ...any) (Settings, *dataset, error) {
		return s, nil, failf(codeSettings, remedy, what, args...)
	}
	switch s.Method {
	case methodDePT:
	case methodPromptTuning:
		s.Rank, s.LRLowRank = 0, 0
	default:
		return bad("Choose dept or pt.", "there is no method %q", s.Method)
	}
	switch dept.PromptInit(s.PromptInit) {
	case "":
		s.PromptInit = string(dept.InitText)
	case dept.InitText, dept.InitVocab, dept.InitRandom:
	default:
		return bad("Choose text, vocab or random.", "there is no start %q for a prompt", s.PromptInit)
	}
	for _, n := range []struct {
		name               string
		value, least, most int
	}{
		{"prompt length", s.PromptLength, 0, maxPositions},
		{"rank", s.Rank, 0, max(s.MaxSourceLength, w.model.ck.Config.DModel)},
		{"longest text", s.MaxSourceLength, 2, maxPositions},
		{"number of steps", s.Steps, 1, math.MaxInt32},
		{"batch", s.Batch, 1, 1 << 12},
		{"warm-up", s.Warmup, 0, math.MaxInt32},
		{"pause between evaluations", s.EvalEvery, 0, math.MaxInt32},
	} {
		if n.value < n.least || n.value > n.most {
			return bad(fmt.Sprintf("Choose a number from %d to %d.", n.least, n.most), "the %s is %d", n.name, n.value)
		}
	}
	for _, rate := range []struct {
		name  string
		value float64
	}{{"learning rate of the prompt", s.LRPrompt}, {"learning rate of A and B", s.LRLowRank}} {
		if !(rate.value >= 0 && rate.value < 1e4) {
			return bad("Choose a number from 0 up, such as 0.3 for the prompt and 0.0005 for A and B.", "the %s is %g", rate.name, rate.value)
		}
	}
	switch {
	case s.PromptLength == 0 && s.Rank == 0:
		return bad("Make one of them larger.", "a prompt of length 0 and a shift of rank 0 leave nothing to train")
	case s.PromptLength+s.MaxSourceLength > maxPositions:
		return bad(fmt.Sprintf("Make them %d at most.", maxPositions), "prompt and text together are %d positions", s.PromptLength+s.MaxSourceLength)
	case s.Seed > 1<<53:
		return bad("Choose a number up to 2⁵³.", "the seed is %d", s.Seed)
	}
	d, err := w.findData(s)
	return s, d, err
}

func (w *worker) findData(s Settings) (*dataset, error) {
	if s.Task != "" {
		return taskData(s.Task)
	}
	return parseRows(s.Rows, textBytes(s.MaxSourceLength))
}

// current is the adapter as it stands and what reads with it.
func (w *worker) current(ctx context.Context) (*dept.Adapter, *reader, error) {
	if w.run != nil && !w.run.twin {
		if err := w.run.read(ctx); err != nil {
			return nil, nil, err
		}
		return w.run.last, w.run.reader, nil
	}
	a := w.adapter
	if a == nil {
		a = &dept.Adapter{Config: dept.AdapterConfig{Width: w.model.ck.Config.DModel}}
	}
	if w.reader == nil {
		var err error
		if w.reader, err = w.model.newReader(a.Config); err != nil {
			return nil, nil, err
		}
	}
	return a, w.reader, nil
}

func (w *worker) predict(ctx context.Context, m Predict) error {
	if err := w.loaded(); err != nil {
		return err
	}
	began := time.Now()
	d := w.data
	if m.Task != "" {
		var err error
		if d, err = taskData(m.Task); err != nil {
			return err
		}
	}
	if d == nil {
		d = &dataset{source: func(text string) string { return text }}
	}
	a, r, err := w.current(ctx)
	if err != nil {
		return err
	}
	if err := r.take(a, m.ZeroPrompt, m.ZeroShift); err != nil {
		return err
	}
	s := r.config.MaxSourceLength
	answer := Answer{ID: m.ID, Text: m.Text, Scores: []Score{}, Tokens: []Token{}}
	source := d.source(cutText(m.Text, textBytes(s)))
	ids, cut, err := w.model.encode(source, s)
	if err != nil {
		return err
	}
	if cut || len(m.Text) > textBytes(s) {
		answer.Cut = true
		answer.Notice = fmt.Sprintf("The text is longer than the %d tokens that the model reads here: what follows them was cut off.", s)
	}
	sizes := pictures(a).ShiftSizes
	for t, id := range ids {
		token := Token{Text: w.model.tok.Piece(id)}
		if t < len(sizes) && !m.ZeroShift {
			token.Shift = sizes[t]
		}
		answer.Tokens = append(answer.Tokens, token)
	}
	texts, err := r.one.Predict(ctx, []string{source})
	if err != nil {
		return err
	}
	answer.Answer = d.name(texts[0])
	if len(d.labels) > 0 {
		scores, err := r.one.Scores(ctx, []string{source}, d.targets())
		if err != nil {
			return err
		}
		for i, p := range probabilities(scores[0]) {
			answer.Scores = append(answer.Scores, Score{d.labels[i].name, p})
		}
	}
	answer.MS = 1000 * time.Since(began).Seconds()
	w.post(answer)
	return nil
}

func (w *worker) export(ctx context.Context) error {
	a := w.adapter
	if w.run != nil && !w.run.twin {
		if err := w.run.read(ctx); err != nil {
			return err
		}
		a = w.run.last
	}
	if a == nil {
		return failf(codeOrder, "Train first, then download.", "there is no adapter yet")
	}
	file, err := zipAdapter(a)
	if err != nil {
		return err
	}
	w.post(AdapterZip{file})
	return nil
}

func (w *worker) importAdapter(m Import) error {
	if err := w.loaded(); err != nil {
		return err
	}
	if w.run != nil {
		return failf(codeOrder, "Stop it first.", "a run is under way")
	}
	const remedy = "Drop the zip that the page made, or adapter_config.json and adapter_model.safetensors of an adapter's folder."
	a, err := readAdapter(m.Files)
	if err != nil {
		return &failure{codeAdapter, remedy, err}
	}
	notice, err := w.model.check(a)
	if err != nil {
		return err
	}
	w.setAdapter(a)
	w.last = nil
	c := a.Config
	w.post(Imported{PromptLength: c.PromptLength, Rank: c.Rank, MaxSourceLength: c.MaxSourceLength, Parameters: c.Parameters(), Notice: notice})
	s := pictures(a)
	s.Method, s.EmbeddingSize = methodDePT, w.model.embeddingSize
	if c.Rank == 0 {
		s.Method = methodPromptTuning
	}
	w.post(s)
	return nil
}

func (w *worker) rows(m AskRows) error {
	text, err := taskRows(m.Task)
	if err != nil {
		return err
	}
	w.post(Rows{m.Task, text})
	return nil
}
