package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"
)

// warmPause is how long nobody asks for anything before the worker compiles ahead.
const warmPause = time.Second

// warmRows is how many bytes of one's own rows are read for that at most, since nothing else
// is done meanwhile.
const warmRows = 200_000

// warming is what is compiled while the worker has nothing else to do: what the run that the
// page would begin needs.
type warming struct {
	settings Settings
	due      bool
}

// warmFor takes the settings of a run that may come; those of one's own rows have the rows.
func (w *worker) warmFor(s Settings) {
	if s.Task == "" && s.Rows == "" {
		s.Rows = w.warming.settings.Rows
	}
	if !reflect.DeepEqual(w.warming.settings, s) {
		w.warming = warming{s, len(s.Rows) <= warmRows}
	}
}

// warmUp compiles until it is done or a message arrives, which waits for the kernel at hand.
func (w *worker) warmUp() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w.mu.Lock()
	w.interrupt = cancel
	arrived := len(w.waiting) > 0
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.interrupt = nil
		w.mu.Unlock()
	}()
	if arrived {
		return
	}
	err := w.warm(ctx, w.warming.settings)
	if err == nil || !errors.Is(err, context.Canceled) {
		w.warming.due = false // the run will say what is wrong
	}
}

func (w *worker) warm(ctx context.Context, s Settings) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("warm up: %v", r)
		}
	}()
	d, err := w.model.findData(s)
	if err != nil {
		return err
	}
	session, err := (&run{m: w.model, settings: s, data: d}).newSession(ctx)
	if err != nil {
		return err
	}
	defer session.Release()
	return session.Warm(ctx, min(rowsAtOnce, d.held.Len()), answerTokens, d.rank)
}
