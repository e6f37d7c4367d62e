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
func (p *Predictor) Evaluate(ctx context.Context, data *data.Dataset, task *tasks.Task) (*Evaluation, error) {
	sources, targets := make([]string, data.Len()), make([]string, data.Len())
	for i := range data.Len() {
		sources[i], targets[i] = data.Row(i).Source, data.Row(i).Target
	}
	cut := p.cut
	answers, err := p.Predict(ctx, sources)
	if err != nil {
		return nil, fmt.Errorf("evaluate: %w", err)
	}
	v := &Evaluation{Metrics: map[tasks.Metric]float64{}, Rows: len(sources), Cut: p.cut - cut, Answers: answers}
	metrics, labels := []tasks.Metric{tasks.ExactMatch}, []string(nil)
	if task != nil {
		metrics, labels = task.Metrics, task.Targets()
		if v.Confusion, err = tasks.Confuse(answers, targets, labels); err != nil {
			return nil, fmt.Errorf("evaluate: %w", err)
		}
	}
	for _, metric := range metrics {
		if v.Metrics[metric], err = tasks.Score(metric, answers, targets, labels); err != nil {
			return nil, fmt.Errorf("evaluate: %w", err)
		}
	}
	return v, nil
}
