package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/wgpu"
)

// worker hears messages in order, one at a time. While a run goes on it hears
// them between two pieces of the run's work, so that none waits long.
type worker struct {
	post  func(Message)
	shelf shelf
	vault vault

	mu      sync.Mutex
	waiting []Message
	wake    chan struct{}
	cancel  context.CancelFunc // of loading; nil otherwise
	// interrupt ends what is compiled ahead; nil otherwise
	interrupt context.CancelFunc

	state   State
	model   *model        // nil before load
	keptID  string        // of the model, where it is one of the kept
	bare    *train.Setup  // a device alone, for benchmarks without a model
	adapter *dept.Adapter // what answers when no run does; nil is the model as it is
	reader  *reader       // of the adapter's Config, or nil
	plain   *reader       // without an adapter, or nil
	data    *dataset      // of the last run, or of the adapter; nil where nothing says
	lengths *measured     // of the rows that were looked at last; nil for none
	run     *run          // under way, or nil
	last    *finished     // the last run that was no comparison
	warming warming
	keeping keeping
	unkept  bool // the page wants no run kept
}

// finished is what a comparison needs of a run.
type finished struct {
	settings Settings
	values   dept.Values
	data     *dataset
	line     Compared
}

func newWorker(post func(Message), shelf shelf, vault vault) *worker {
	return &worker{post: post, shelf: shelf, vault: vault, wake: make(chan struct{}, 1), state: State{State: stateEmpty}}
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
	if w.interrupt != nil {
		w.interrupt()
	}
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
		w.post(Tasks{taskInfos(), methodInfos()})
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
			var idle <-chan time.Time
			if w.run == nil && w.model != nil && w.warming.due {
				idle = time.After(warmPause)
			}
			select {
			case <-w.wake:
			case <-idle:
				w.warmUp()
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
		s.Method, s.Twin, s.Step, s.Steps = w.run.size.Method, w.run.twin, w.run.done(), w.run.settings.Steps
		w.run.tick()
	}
	if s.State != w.state.State || s.Method != w.state.Method || s.State == statePaused && s.Step != w.state.Step {
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
	if !w.guard(during, 0, func() error {
		err := r.advance(context.Background())
		if err == nil && w.keepDue() {
			err = w.keep(context.Background())
		}
		return err
	}) {
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
		w.last = &finished{r.settings, r.values, r.data, r.compared()}
		w.post(r.ended())
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
	w.dropReaders()
}

func (w *worker) dropReaders() {
	for _, r := range []**reader{&w.reader, &w.plain} {
		if *r != nil {
			(*r).release()
			*r = nil
		}
	}
}

// unload gives the model back; an adapter stays.
func (w *worker) unload() {
	w.endRun()
	w.dropReaders()
	if w.model != nil {
		w.model.Release()
		w.model = nil
	}
	if w.bare != nil {
		w.bare.Release()
		w.bare = nil
	}
}

// hear does what a message asks for.
func (w *worker) hear(m Message) {
	id := 0
	switch m := m.(type) {
	case Predict:
		id = m.ID
	case Look:
		id = m.ID
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
			return w.withRun((*run).stop)
		case Compare:
			return w.compare(ctx, m)
		case Survey:
			return w.survey(m)
		case Measure:
			return w.measure(m)
		case Predict:
			return w.predict(ctx, m)
		case Look:
			return w.lookInto(ctx, m)
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
			return w.forget(ctx)
		case Forget:
			return w.forget(ctx)
		case Restore:
			return w.restore(ctx)
		case Cancel:
			w.cancelled()
		case Bench:
			return w.bench(ctx, m)
		case AskKept:
			return w.kept(ctx)
		case Remove:
			return w.remove(ctx, m)
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
	if err == nil && w.keepDue() {
		err = w.keep(ctx)
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
	opened, from, err := w.open(ctx, m)
	if ctx.Err() != nil {
		if opened != nil {
			opened.Release()
		}
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	w.model, w.keptID, w.warming = opened, from.id, warming{}
	if w.adapter != nil {
		if _, err := w.model.check(w.adapter); err != nil {
			w.adapter, w.data = nil, nil // it belonged to another model
		}
	}
	ready := w.model.ready()
	ready.Kept, ready.Notice = from.id, from.notice
	w.post(ready)
	if w.unkept = m.Unkept; w.unkept {
		w.disown()
	} else {
		w.look(ctx)
	}
	return nil
}

// open opens a model. The device comes first: without one there is no use in fetching.
func (w *worker) open(ctx context.Context, m Load) (*model, *source, error) {
	dev, err := wgpu.Open(ctx, "")
	if err != nil {
		return nil, nil, err
	}
	from, err := w.shelf.open(ctx, m, dev, func(p Progress) { w.post(p) })
	if err != nil {
		dev.Release()
		return nil, nil, err
	}
	opened, err := openModel(ctx, dev, from)
	return opened, from, err
}

// kept says which models of the hub are here.
func (w *worker) kept(ctx context.Context) error {
	list, err := w.shelf.kept(ctx)
	if err != nil {
		return err
	}
	w.post(list)
	return nil
}

// remove removes one of them, which is not the one that is loaded.
func (w *worker) remove(ctx context.Context, m Remove) error {
	if w.model != nil && w.keptID == m.ID {
		return failf(codeOrder, "Load another model first, then this one can be removed.", "the model is in use")
	}
	if err := w.shelf.remove(ctx, m.ID); err != nil {
		return err
	}
	return w.kept(ctx)
}

// loaded reports an error where there is no model.
func (w *worker) loaded() error {
	if w.model == nil {
		return failf(codeOrder, "Load the model first.", "no model is loaded")
	}
	return nil
}
