package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/go-dept/dept/safetensors"
)

// vault keeps a run where it outlives the page. There is one for all tabs of a browser.
type vault interface {
	// take makes the worker the one whose run is kept, and reports false where another
	// tab's is.
	take(ctx context.Context) (bool, error)
	// give lets another tab take it.
	give()
	// read gives a file; there may be none, which is fs.ErrNotExist.
	read(ctx context.Context, name string) ([]byte, error)
	write(ctx context.Context, name string, data []byte) error
	// clear removes all files.
	clear(ctx context.Context) error
}

// slots are the files that a run is kept in, one after the other, so that one is whole
// whenever the page goes.
var slots = [2]string{"0.safetensors", "1.safetensors"}

// A run is kept every so often, but no more than a twentieth of its time goes into that.
const (
	keepPause = 10 * time.Second
	keepShare = 20
)

// keeping is what a worker knows of the run that is kept.
type keeping struct {
	owned bool // the vault is this worker's
	going bool // the run under way is kept
	slot  int  // that is written next
	next  time.Time
}

// noteKey is where a run's state has what the page shows of it.
const noteKey = "page"

// keptRun is a run as it is kept, beside the numbers.
type keptRun struct {
	Settings    Settings      `json:"settings"`
	Model       string        `json:"model"` // its name
	Fingerprint string        `json:"fingerprint"`
	Step        int           `json:"step"`
	Wall        time.Duration `json:"wall"`
	Updates     time.Duration `json:"updates"`
	Steps       []Step        `json:"steps"`
	Evaluations []Evaluation  `json:"evaluations"`

	file *safetensors.File
}

// look offers to go on with a run that is kept. It takes the vault where there is one.
func (w *worker) look(ctx context.Context) {
	if !w.own(ctx) {
		return
	}
	k, slot := w.newest(ctx)
	if k == nil {
		w.disown()
		return
	}
	w.keeping.slot = 1 - slot
	w.post(Interrupted{
		Settings: k.Settings, Step: k.Step, Model: k.Model, Here: k.Fingerprint == w.model.Fingerprint,
	})
}

func (w *worker) own(ctx context.Context) bool {
	if !w.keeping.owned {
		ok, err := w.vault.take(ctx)
		w.keeping.owned = ok && err == nil
	}
	return w.keeping.owned
}

func (w *worker) disown() {
	if w.keeping.owned {
		w.vault.give()
	}
	w.keeping = keeping{}
}

// newest is the run in the slot that has come further; nil where none can be read.
func (w *worker) newest(ctx context.Context) (best *keptRun, slot int) {
	for i, name := range slots {
		data, err := w.vault.read(ctx, name)
		if err != nil {
			continue
		}
		if k, err := readKept(data); err == nil && (best == nil || k.Step > best.Step) {
			best, slot = k, i
		}
	}
	return best, slot
}

func readKept(data []byte) (*keptRun, error) {
	f, err := safetensors.Parse(data)
	if err != nil {
		return nil, err
	}
	k := keptRun{file: f}
	if err := json.Unmarshal([]byte(f.Metadata()[noteKey]), &k); err != nil {
		return nil, fmt.Errorf("the run that is kept: %w", err)
	}
	return &k, nil
}

// begun prepares to keep the run that has begun, in place of the one that is kept.
func (w *worker) begun(ctx context.Context) {
	if w.unkept {
		return
	}
	why := w.noRoom(ctx)
	w.keeping.going, w.keeping.next = why == "", time.Now().Add(keepPause)
	if why != "" {
		why += " This one goes on, but it is lost when the page is reloaded or closed: download the adapter at the end."
	}
	w.post(Keeping{why})
}

// noRoom takes the vault and empties it, and says why no run can be kept in it; nothing where
// one can.
func (w *worker) noRoom(ctx context.Context) string {
	if !w.keeping.owned {
		switch ok, err := w.vault.take(ctx); {
		case err != nil:
			return noVaultFor(err)
		case !ok:
			return "Another tab of this page keeps a run."
		}
		w.keeping.owned = true
		if k, _ := w.newest(ctx); k != nil {
			// Its tab was closed after this one had looked.
			w.disown()
			return "A run of a tab that was closed is kept, and offered when the page is reloaded."
		}
	}
	if err := w.vault.clear(ctx); err != nil {
		return noVaultFor(err)
	}
	return ""
}

// noVaultFor says why there is no vault.
func noVaultFor(err error) string {
	if errors.Is(err, errVaultFull) {
		return "The browser's storage has no room to keep a run."
	}
	return "This browser window, like private ones, keeps no runs."
}

// keepDue says whether the run under way is to be kept as it stands now.
func (w *worker) keepDue() bool {
	r := w.run
	return w.keeping.going && !r.twin && r.done() > r.keptAt && !r.session.Evaluating() &&
		(r.paused || r.finished || time.Now().After(w.keeping.next))
}

// keep writes the run under way into the vault. Where that fails, the run goes on and the
// visitor knows.
func (w *worker) keep(ctx context.Context) error {
	r, began := w.run, time.Now()
	if err := r.flush(ctx); err != nil {
		return err
	}
	var state bytes.Buffer
	if err := r.writeState(ctx, &state); err != nil {
		return err
	}
	if err := w.vault.write(ctx, slots[w.keeping.slot], state.Bytes()); err != nil {
		w.keeping.going = false
		w.post(Keeping{notKeptFor(r, err)})
		return nil
	}
	r.keptAt, w.keeping.slot = r.done(), 1-w.keeping.slot
	w.keeping.next = time.Now().Add(max(keepPause, keepShare*time.Since(began)))
	return nil
}

// notKeptFor says that a run could not be kept, and what that means.
func notKeptFor(r *run, err error) string {
	now, then := "goes on", " at the end"
	if r.finished {
		now, then = "has ended", ""
	}
	what := fmt.Sprintf("it could not be kept: %v", err)
	if errors.Is(err, errVaultFull) {
		what = "the browser's storage has no more room to keep it"
	}
	reload := "It is lost when the page is reloaded or closed"
	if r.keptAt > 0 {
		reload = fmt.Sprintf("A reload takes it back to step %d", r.keptAt)
	}
	return fmt.Sprintf("The run %s, but %s. %s: download the adapter%s.", now, what, reload, then)
}

// errVaultFull is the error of a write for which there is no room.
var errVaultFull = errors.New("the browser's storage is full")

// forget removes the run that is kept.
func (w *worker) forget(ctx context.Context) error {
	if !w.keeping.owned {
		return nil
	}
	err := w.vault.clear(ctx)
	w.disown()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &failure{codeFile, "Clear this site's data in the browser's settings.", fmt.Errorf("the run that is kept cannot be removed: %w", err)}
	}
	return nil
}

// restore goes on with the run that is kept.
func (w *worker) restore(ctx context.Context) error {
	if err := w.loaded(); err != nil {
		return err
	}
	if w.run != nil {
		return failf(codeOrder, "Stop it first.", "a run is under way")
	}
	var k *keptRun
	if w.own(ctx) {
		k, _ = w.newest(ctx)
	}
	switch {
	case k == nil:
		return failf(codeOrder, "Train anew.", "no run is kept, or another tab of this page has it")
	case k.Fingerprint != w.model.Fingerprint:
		return failf(codeOrder, fmt.Sprintf("Choose %s first, then go on.", k.Model), "the run that is kept is of another model")
	}
	d, err := w.model.findData(k.Settings)
	if err != nil {
		return err
	}
	r, err := newRun(ctx, w.post, w.model, k.Settings, d, k.Settings.Steps, false, "")
	if err != nil {
		return err
	}
	if err := r.takeUp(ctx, k); err != nil {
		r.release()
		return &failure{codeFile, "Forget it and train anew.", fmt.Errorf("the run that is kept cannot go on here, in this version of the page and on this device: %w", err)}
	}
	w.setAdapter(nil)
	w.run, w.data, w.last = r, d, nil
	w.keeping.going, w.keeping.next = true, time.Now().Add(keepPause)
	w.post(Restored{k.Steps, k.Evaluations})
	w.post(w.model.sample(r.last, r.lastStep))
	return nil
}

// writeState writes what a run goes on from.
func (r *run) writeState(ctx context.Context, to *bytes.Buffer) error {
	r.tick()
	note, err := json.Marshal(keptRun{
		Settings: r.settings, Model: r.m.Name, Fingerprint: r.m.Fingerprint, Step: r.done(), Wall: r.wall, Updates: r.updates,
		Steps: r.steps, Evaluations: r.evaluations,
	})
	if err != nil {
		return err
	}
	return r.session.WriteState(ctx, to, map[string]string{noteKey: string(note)})
}

// takeUp brings a run that has just been made to where a kept one of its settings was.
func (r *run) takeUp(ctx context.Context, k *keptRun) error {
	if err := r.session.ReadState(k.file); err != nil {
		return err
	}
	r.steps, r.evaluations, r.wall, r.updates, r.keptAt = k.Steps, k.Evaluations, k.Wall, k.Updates, k.Step
	if n := len(k.Evaluations); n > 0 {
		r.accuracy = k.Evaluations[n-1].Accuracy
	}
	return r.read(ctx)
}
