package train

import (
	"context"
	"fmt"

	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/dept/tasks"
)

// Evaluation is what a method scored on rows with known targets.
type Evaluation struct {
	Metrics   map[tasks.Metric]float64 `json:"metrics"`
	Rows      int                      `json:"rows"`
	Cut       int                      `json:"cut,omitempty"`       // sources too long
	Confusion *tasks.Confusion         `json:"confusion,omitempty"` // of a task with labels
	Answers   []string                 `json:"-"`                   // in the rows' order
}

// Evaluate predicts every row and scores the answers by the task's metrics, or
// by exact match without a task.
func (p *Predictor) Evaluate(ctx context.Context, rows *data.Dataset, task *tasks.Task) (*Evaluation, error) {
	s := p.NewScoring(rows, task)
	for {
		if v, err := s.Advance(ctx); v != nil || err != nil {
			return v, err
		}
	}
}

// Scoring is an evaluation that is done in pieces.
type Scoring struct {
	p         *Predictor
	rows      *data.Dataset
	task      *tasks.Task
	targets   []string   // as the tokenizer reads them, which an answer has gone through too
	answering *answering // nil between evaluations
	cut       int        // before this one
}

// NewScoring makes evaluations of rows with known targets, one after the other.
func (p *Predictor) NewScoring(rows *data.Dataset, task *tasks.Task) *Scoring {
	s := &Scoring{p: p, rows: rows, task: task, targets: make([]string, rows.Len())}
	for i := range s.targets {
		s.targets[i] = p.tok.Decode(p.tok.Encode(rows.Row(i).Target))
	}
	return s
}

// Advance does a piece of the evaluation: a batch of rows. It returns nil until the
// last one, after which the next call begins anew.
func (s *Scoring) Advance(ctx context.Context) (*Evaluation, error) {
	if s.answering == nil {
		sources := make([]string, s.rows.Len())
		for i := range sources {
			sources[i] = s.rows.Row(i).Source
		}
		var err error
		s.cut = s.p.cut
		if s.answering, err = s.p.answering(sources); err != nil {
			return nil, fmt.Errorf("evaluate: %w", err)
		}
	}
	if s.answering.left() {
		if err := s.answering.advance(ctx); err != nil {
			s.answering = nil
			return nil, fmt.Errorf("evaluate: %w", err)
		}
	}
	if s.answering.left() {
		return nil, nil
	}
	answers := s.answering.answers
	s.answering = nil
	return s.score(answers)
}

// Reset gives up the evaluation at hand.
func (s *Scoring) Reset() { s.answering = nil }

func (s *Scoring) score(answers []string) (*Evaluation, error) {
	v := &Evaluation{Metrics: map[tasks.Metric]float64{}, Rows: len(answers), Cut: s.p.cut - s.cut, Answers: answers}
	metrics, labels := []tasks.Metric{tasks.ExactMatch}, []string(nil)
	var err error
	if s.task != nil {
		metrics = s.task.Metrics
		for _, label := range s.task.Targets() {
			labels = append(labels, s.p.tok.Decode(s.p.tok.Encode(label)))
		}
		if v.Confusion, err = tasks.Confuse(answers, s.targets, labels); err != nil {
			return nil, fmt.Errorf("evaluate: %w", err)
		}
	}
	for _, metric := range metrics {
		if v.Metrics[metric], err = tasks.Score(metric, answers, s.targets, labels); err != nil {
			return nil, fmt.Errorf("evaluate: %w", err)
		}
	}
	return v, nil
}
