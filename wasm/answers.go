package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/go-dept/dept/dept"
)

// current is the adapter as it stands, nil where there is none.
func (w *worker) current(ctx context.Context) (*dept.Adapter, error) {
	if w.run == nil || w.run.twin {
		return w.adapter, nil
	}
	if err := w.run.read(ctx); err != nil {
		return nil, err
	}
	return w.run.last, nil
}

// readerOf is a reader with the numbers of an adapter, some of its parts left out.
func (w *worker) readerOf(a *dept.Adapter, leftOut []string) (r *reader, err error) {
	most := maxSource(a)
	if a == nil || slices.Contains(leftOut, partAdapter) {
		if w.plain != nil && w.plain.maxSource != most {
			w.plain.release()
			w.plain = nil
		}
		if w.plain == nil {
			w.plain, err = w.model.newReader(nil, most)
		}
		return w.plain, err
	}
	if w.reader != nil && w.reader.config != a.Config {
		w.reader.release()
		w.reader = nil
	}
	if w.reader == nil {
		if w.reader, err = w.model.newReader(a, most); err != nil {
			return nil, err
		}
	}
	return w.reader, w.reader.method.Take(without(a, leftOut))
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
	a, err := w.current(ctx)
	if err != nil {
		return err
	}
	r, err := w.readerOf(a, m.Without)
	if err != nil {
		return err
	}
	answer := Answer{ID: m.ID, Text: m.Text, Scores: []Score{}, Tokens: []Token{}}
	source := d.source(cutText(m.Text, textBytes(r.maxSource)))
	pieces, cut := w.model.tokens(source, r.maxSource)
	if cut || len(m.Text) > textBytes(r.maxSource) {
		answer.Cut = true
		answer.Notice = fmt.Sprintf("The text is longer than the %d tokens that the model reads here: what follows them was cut off.", r.maxSource)
	}
	answer.Tokens = w.shifted(pieces, a, m.Without)
	text, shares, err := r.answer(ctx, source, d.targets())
	if err != nil {
		return err
	}
	answer.Answer = d.name(text)
	for i, p := range shares {
		answer.Scores = append(answer.Scores, Score{d.labels[i].name, p})
	}
	answer.MS = 1000 * time.Since(began).Seconds()
	w.post(answer)
	return nil
}

// shifted are a text's pieces with the sizes of their shifts under an adapter.
func (w *worker) shifted(pieces []string, a *dept.Adapter, leftOut []string) []Token {
	var sizes []float32
	if a != nil && !slices.Contains(leftOut, partShift) {
		sizes = pictures(a, w.model.Model.Description).ShiftSizes
	}
	tokens := make([]Token, len(pieces))
	for i, piece := range pieces {
		tokens[i].Text = piece
		if i < len(sizes) {
			tokens[i].Shift = sizes[i]
		}
	}
	return tokens
}

func (w *worker) export(ctx context.Context) error {
	a, err := w.current(ctx)
	if err != nil {
		return err
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
	a, err := readAdapter(m.Files)
	if err != nil {
		return &failure{codeAdapter, "Drop the zip that the page made, or adapter_config.json and adapter_model.safetensors of an adapter's folder.", err}
	}
	notice, err := w.model.check(a)
	if err != nil {
		return err
	}
	w.setAdapter(a)
	w.last = nil
	w.post(Imported{Size: sizeOf(a), MaxSourceLength: a.Config.MaxSource(), Notice: notice})
	w.post(w.model.sample(a, 0))
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
