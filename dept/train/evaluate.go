package train

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/dept/metrics"
	"github.com/go-dept/dept/dept/tasks"
	"github.com/go-dept/dept/t5"
)

// Evaluation is what a method scored on rows with known targets.
type Evaluation struct {
	Metrics   map[metrics.Name]float64 `json:"metrics"`
	Rows      int                      `json:"rows"`
	Cut       int                      `json:"cut,omitempty"`       // sources too long
	Confusion *metrics.Confusion       `json:"confusion,omitempty"` // of a task with labels; nil without a task, see metrics.Confuse
	Answers   []string                 `json:"-"`                   // in the rows' order
}

// Evaluate predicts every row and scores the answers by the task's metrics, or without a task by
// metrics.ExactMatch. Rows are taken as they are: where an adapter says how it is asked and answers
// (dept.Answers), the caller makes each source its Source and each target its Target, and
// PredictOptions.Rank its Ranked, as the example does. A row without a target counts as wrong: see
// data.Options.NeedTarget.
func (p *Predictor) Evaluate(ctx context.Context, rows *data.Dataset, task *tasks.Task) (*Evaluation, error) {
	s := p.NewScoring(rows, task)
	for {
		if v, err := s.Advance(ctx); v != nil || err != nil {
			return v, err
		}
	}
}

// EvaluateKept scores what the folder of a run keeps, the best on dev or the last, as the session's own
// evaluations score: by what Rows said of them in Begin.
func (n *Session) EvaluateKept(ctx context.Context, rows *data.Dataset, task *tasks.Task) (*Evaluation, error) {
	if n.predictor == nil {
		return nil, fmt.Errorf("evaluate: the session has no dev rows, and so nothing says how it answers")
	}
	s := n.Setup
	model, method := s.Model, dept.AsIs()
	if n.Kind.Checkpoints() {
		ck, err := t5.OpenCheckpointFS(os.DirFS(n.Run.Dir))
		if err != nil {
			return nil, fmt.Errorf("evaluate: %w", err)
		}
		defer ck.Close()
		if model, err = t5.Load(ctx, s.Engine, ck, false); err != nil {
			return nil, fmt.Errorf("evaluate: %w", err)
		}
		defer model.Release()
	} else {
		a, err := dept.ReadAdapter(n.Run.Dir)
		if err != nil {
			return nil, fmt.Errorf("evaluate: %w", err)
		}
		if method, err = dept.New(model, a, false); err != nil {
			return nil, fmt.Errorf("evaluate: %w", err)
		}
	}
	defer method.Release()
	p := NewPredictor(s.Engine, model, s.Tokenizer, method, n.predictor.o)
	defer p.Release()
	return p.Evaluate(ctx, rows, task)
}

// Scoring is an evaluation that is done in pieces.
type Scoring struct {
	p         *Predictor
	rows      *data.Dataset
	task      *tasks.Task
	targets   []string   // as the tokenizer reads them, which an answer has gone through too
	answers   [][]string // all that is right, where the rows say so
	groups    []string
	answering *answering // nil between evaluations
	cut       int        // before this one
}

// NewScoring makes evaluations of rows with known targets, one after the other. A target of free text
// counts as far as an answer can go.
func (p *Predictor) NewScoring(rows *data.Dataset, task *tasks.Task) *Scoring {
	s := &Scoring{p: p, rows: rows, task: task, targets: make([]string, rows.Len())}
	for i := range s.targets {
		row := rows.Row(i)
		ids := p.tok.Encode(row.Target)
		if task != nil && task.Answer == tasks.Text {
			ids = ids[:min(len(ids), p.o.MaxNewTokens-1)]
		}
		s.targets[i] = p.tok.Decode(ids)
		if row.Answers != nil && s.answers == nil {
			s.answers = make([][]string, len(s.targets))
		}
		if row.Group != "" && s.groups == nil {
			s.groups = make([]string, len(s.targets))
		}
	}
	for i := range s.answers {
		s.answers[i] = slices.Clone(rows.Row(i).Answers)
		for k, answer := range s.answers[i] {
			if task != nil && task.Answer == tasks.Text {
				s.answers[i][k] = p.tok.Decode(p.tok.Encode(answer))
			}
		}
	}
	for i := range s.groups {
		s.groups[i] = rows.Row(i).Group
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
	v := &Evaluation{Metrics: map[metrics.Name]float64{}, Rows: len(answers), Cut: s.p.cut - s.cut, Answers: answers}
	scores := []metrics.Name{metrics.ExactMatch}
	a := metrics.Answers{Outputs: answers, Targets: s.targets, References: s.answers, Groups: s.groups}
	var err error
	if s.task != nil {
		scores = s.task.Metrics
		for _, label := range s.task.Targets() {
			a.Labels = append(a.Labels, s.p.tok.Decode(s.p.tok.Encode(label)))
		}
	}
	if a.Labels != nil {
		if v.Confusion, err = metrics.Confuse(answers, s.targets, a.Labels); err != nil {
			return nil, fmt.Errorf("evaluate: %w", err)
		}
	}
	for _, metric := range scores {
		if v.Metrics[metric], err = metrics.Score(metric, a); err != nil {
			return nil, fmt.Errorf("evaluate: %w", err)
		}
	}
	return v, nil
}
