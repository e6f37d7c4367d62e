package pretrain

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/dept/demo"
	"github.com/go-dept/dept/dept/metrics"
	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/internal/draw"
	"github.com/go-dept/dept/text"
)

// What a Validation finds, beside the share of right answers to each kind of
// Question.
const (
	// Loss is the mean loss of the target tokens of span corruption, in nats.
	Loss metrics.Name = "loss"
	// WordLoss is that of the tokens that were left out alone, without sentinels
	// and end tokens: what compares with the entropy of the text's tokens.
	WordLoss metrics.Name = "word_loss"
	// Answers is the mean over the kinds of questions.
	Answers metrics.Name = "answers"
)

// Validation is text that a model was not trained on, with spans left out, and
// questions about it.
type Validation struct {
	corpus    *Corpus
	tok       *text.Tokenizer
	spans     []data.Example
	sentinels []int32
	sources   []string
	targets   []string
	kinds     []Question // of the sources
	print     string
}

// Sizes of a validation: rows of span corruption, and questions of each kind.
const (
	validationRows      = 128
	validationQuestions = 48
)

// AnswerLength is the most tokens of an answer, with its end token.
const AnswerLength = 8

// NewValidation takes rows of the options' sizes from a text. The demonstration's
// sentences have forms that are in no training row.
func NewValidation(c *Corpus, tok *text.Tokenizer, o Options) (*Validation, error) {
	o.Questions, o.Rows = 0, validationRows
	m, err := NewMixture(c, tok, demo.Dev, o)
	if err != nil {
		return nil, err
	}
	m.denoisers = denoisers[:1]
	v := &Validation{corpus: c, tok: tok, sentinels: m.sentinels, print: m.Fingerprint()}
	for i := range m.Len() {
		x, err := m.Example(i)
		if err != nil {
			return nil, err
		}
		v.spans = append(v.spans, x)
	}
	for k, q := range Questions {
		for i := range validationQuestions {
			source, target, ok := m.Ask(draw.New(o.Seed, uint64(k)<<32|uint64(i)), q)
			if !ok {
				break // the text has nothing for questions of this kind
			}
			v.sources, v.targets, v.kinds = append(v.sources, source), append(v.targets, target), append(v.kinds, q)
		}
	}
	return v, nil
}

// Paragraphs is how many the text has.
func (v *Validation) Paragraphs() int { return v.corpus.Len() }

// Fingerprint identifies the text and what is asked of it.
func (v *Validation) Fingerprint() string { return v.print }

// Entropy is that of the text's tokens, each taken for itself, in nats: the loss of
// a model that knows how frequent every token of this text is, and nothing else.
func (v *Validation) Entropy() float64 {
	counts := map[int32]float64{}
	var n float64
	for i := range v.corpus.Len() {
		for _, s := range v.corpus.Sentences(i) {
			for _, id := range v.tok.Encode(s) {
				counts[id]++
				n++
			}
		}
	}
	var entropy float64
	ids := make([]int32, 0, len(counts))
	for id := range counts {
		ids = append(ids, id)
	}
	slices.Sort(ids) // a sum's last digits depend on its order
	for _, id := range ids {
		entropy -= counts[id] / n * math.Log(counts[id]/n)
	}
	return entropy
}

// Evaluate measures losses and lets the model answer the questions.
func (v *Validation) Evaluate(ctx context.Context, p *train.Predictor) (*train.Evaluation, error) {
	losses, err := p.Losses(ctx, v.spans)
	if err != nil {
		return nil, fmt.Errorf("validate: %w", err)
	}
	special := map[int32]bool{v.tok.EOS(): true}
	for _, id := range v.sentinels {
		special[id] = true
	}
	var all, words, n, nWords float64
	for i, x := range v.spans {
		for k, id := range x.Target {
			all += float64(losses[i][k])
			n++
			if !special[id] {
				words += float64(losses[i][k])
				nWords++
			}
		}
	}
	answers, err := p.Predict(ctx, v.sources)
	if err != nil {
		return nil, fmt.Errorf("validate: %w", err)
	}
	e := &train.Evaluation{Rows: len(v.sources), Answers: answers, Metrics: map[metrics.Name]float64{Loss: all / n, WordLoss: words / nWords}}
	right, asked := map[Question]float64{}, map[Question]float64{}
	for i, answer := range answers {
		asked[v.kinds[i]]++
		if answer == v.targets[i] {
			right[v.kinds[i]]++
		}
	}
	for _, q := range Questions {
		if asked[q] > 0 {
			e.Metrics[metrics.Name(q)] = right[q] / asked[q]
			e.Metrics[Answers] += right[q] / asked[q] / float64(len(asked))
		}
	}
	return e, nil
}
