package main

import (
	"context"
	"slices"

	"github.com/go-dept/dept/dept"
)

// train begins a run in place of the one there is.
func (w *worker) train(ctx context.Context, m Train) error {
	if err := w.loaded(); err != nil {
		return err
	}
	d, err := w.model.findData(m.Settings)
	if err != nil {
		return err
	}
	w.endRun()
	w.setAdapter(nil)
	r, err := newRun(ctx, w.post, w.model, m.Settings, d, m.Settings.Steps, false, "")
	if err != nil {
		return err
	}
	r.paused, r.pauseAt = m.Paused, m.PauseAt
	w.run, w.data, w.last = r, d, nil
	w.begun(ctx)
	return nil
}

func (m *model) findData(s Settings) (*dataset, error) {
	if !slices.Contains([]string{"", answerRank, answerWrite}, s.Answer) {
		return nil, failf(codeSettings, "Choose rank or write.", "no answers are made by %q", s.Answer)
	}
	if s.Task == "" {
		return ownData(s, m.Tokenizer)
	}
	d, err := taskData(s.Task)
	if err == nil {
		d.rank = s.Answer == answerRank
	}
	return d, err
}

// compare trains another method on what the last run was trained on, as long as that
// one was, and with as many parameters where it can.
func (w *worker) compare(ctx context.Context, m Compare) error {
	if err := w.loaded(); err != nil {
		return err
	}
	switch {
	case w.run != nil:
		return failf(codeOrder, "Stop it or let it end first.", "a run is under way")
	case w.last == nil:
		return failf(codeOrder, "Train first, then compare.", "there is no run to compare with")
	}
	k, err := lookup(w.last.settings.Method)
	if err != nil {
		return err
	}
	d := w.model.Model.Description
	s, parameters := w.last.settings, w.last.line.Parameters
	if m.Budget > 0 {
		parameters = m.Budget * d.Width
	}
	other, fixed, err := opponent(k, m)
	if err != nil {
		return err
	}
	s.Method = other.Name
	s.Values = beside(other, k, w.last.values, fixed, parameters, s.MaxSourceLength, d)
	r, err := newRun(ctx, w.post, w.model, s, w.last.data, w.last.line.Step, true, m.Part)
	if err != nil {
		return err
	}
	w.run = r
	return nil
}

// opponent is what a comparison asks for beside a method, and those of its settings that
// are given.
func opponent(k *dept.Kind, m Compare) (other *dept.Kind, fixed dept.Values, err error) {
	switch {
	case m.Part == "":
		other, err = otherThan(k, m.Method)
	case !hasShift(k):
		err = failf(codeSettings, "Train a method that has two.", "%s has no part to be trained alone", k.Title)
	case m.Part == partPrompt:
		other = &dept.PromptTuning
	case m.Part == partShift:
		other, fixed = k, dept.Values{"prompt-length": 0}
	default:
		err = failf(codeSettings, "Choose P or A·B.", "%s has no part %q", k.Title, m.Part)
	}
	return other, fixed, err
}

// otherThan is the named method to compare k with; without a name it is the first
// that k is not.
func otherThan(k *dept.Kind, name string) (*dept.Kind, error) {
	if name == k.Name {
		return nil, failf(codeOrder, "Choose another method.", "the last run was %s already", k.Title)
	}
	if name != "" {
		return lookup(name)
	}
	all := kinds()
	if all[0] == k {
		return all[1], nil
	}
	return all[0], nil
}

// measure says how large adapters are.
func (w *worker) measure(m Measure) error {
	if err := w.loaded(); err != nil {
		return err
	}
	k, err := lookup(m.Settings.Method)
	if err != nil {
		return err
	}
	reply := Measured{Sizes: []Size{}}
	v, err := values(k, m.Settings.Values)
	if err != nil {
		return err
	}
	w.warmFor(m.Settings)
	d, s := w.model.Model.Description, m.Settings.MaxSourceLength
	_, size, advice, err := configure(k, v, s, d)
	if err != nil {
		reply.Notice = explain(pageError(k, err), m.kind(), 0).Message
		w.post(reply)
		return nil
	}
	reply.Sizes, reply.Notice = append(reply.Sizes, size), notices(k, advice)
	other, err := otherThan(k, m.Other)
	if err != nil {
		return err
	}
	if _, size, _, err = configure(other, beside(other, k, v, nil, size.Parameters, s, d), s, d); err == nil {
		reply.Sizes = append(reply.Sizes, size)
	}
	w.post(reply)
	return nil
}
