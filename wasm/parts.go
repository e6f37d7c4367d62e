package main

import (
	"context"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/metrics"
	"github.com/go-dept/dept/dept/train"
)

// partsScoring scores an adapter on rows with each of its parts counted as zero, and with all.
type partsScoring struct {
	adapter   *dept.Adapter
	method    *dept.Method
	predictor *train.Predictor
	scoring   *train.Scoring
	left      [][]string // what is counted as zero now and next
	scores    []PartScore
}

// newPartsScoring is nil for an adapter of which no two parts can be told apart.
func newPartsScoring(m *model, a *dept.Adapter, d *dataset) (*partsScoring, error) {
	c, ok := a.Config.(*dept.PromptConfig)
	if !ok || c.PromptLength == 0 || c.Rank == 0 {
		return nil, nil
	}
	method, err := dept.New(m.Model, a, false)
	if err != nil {
		return nil, err
	}
	predictor := train.NewPredictor(m.Engine, m.Model, m.Tokenizer, method, train.PredictOptions{
		Batch: rowsAtOnce, MaxSourceLength: c.MaxSourceLength, MaxNewTokens: answerTokens, Beams: 1, Rank: d.ranked(),
	})
	all := parts(c.Kind())
	left := [][]string{all}
	for _, part := range all {
		left = append(left, []string{part})
	}
	if err := method.Take(without(a, left[0])); err != nil {
		return nil, err
	}
	return &partsScoring{adapter: a, method: method, predictor: predictor, scoring: predictor.NewScoring(d.held, nil), left: left}, nil
}

// advance answers some rows. It reports whether all is done.
func (p *partsScoring) advance(ctx context.Context) (done bool, err error) {
	v, err := p.scoring.Advance(ctx)
	if err != nil || v == nil {
		return false, err
	}
	p.scores = append(p.scores, PartScore{Without: p.left[0], Accuracy: v.Metrics[metrics.ExactMatch]})
	if p.left = p.left[1:]; len(p.left) == 0 {
		return true, nil
	}
	return false, p.method.Take(without(p.adapter, p.left[0]))
}

func (p *partsScoring) release() {
	p.predictor.Release()
	p.method.Release()
}
