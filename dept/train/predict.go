package train

import (
	"context"
	"fmt"
	"slices"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/tensor"
	"github.com/go-dept/dept/text"
)

// PredictOptions says how a Predictor reads and generates.
type PredictOptions struct {
	Batch           int // rows at once; 0 is one
	MaxSourceLength int // tokens, the end token included; longer sources are cut. 0 is the adapter's, or 256
	MaxNewTokens    int // 0 is enough for free text
	Beams           int // 1 is greedy, and so is 0
	// Rank are the labels that there are, where the answer is the one of them that the model
	// gives the most probability as the whole of it; nil has it write the answer. An adapter's
	// are its Answers' Ranked.
	Rank []string
}

// Predictor answers texts with a model under a method.
type Predictor struct {
	// OnRows, if set, hears how many of the rows of a Predict are answered.
	OnRows func(done, total int)

	e      *tensor.Engine
	m      *nn.Model
	tok    *text.Tokenizer
	method *dept.Method
	o      PredictOptions

	generator *generator        // the one used last: each holds caches as large as a batch
	scorers   map[shape]*scorer // of batches of one size, as the generator
	cut       int
}

type generator struct {
	in  *inputs
	gen *nn.Generator
}

func (g *generator) release() {
	g.gen.Release()
	g.in.release()
}

// scorer computes the loss of each target token.
type scorer struct {
	in      *inputs
	total   *tensor.Array
	program *tensor.Program
	nll     *tensor.Value
}

// NewPredictor makes a predictor; programs are recorded when lengths first
// occur.
func NewPredictor(e *tensor.Engine, m *nn.Model, tok *text.Tokenizer, method *dept.Method, o PredictOptions) *Predictor {
	if o.MaxSourceLength <= 0 {
		o.MaxSourceLength = DefaultSourceLength
		if c := method.Config(); c != nil {
			o.MaxSourceLength = or(c.MaxSource(), DefaultSourceLength)
		}
	}
	o.MaxNewTokens, o.Beams = or(o.MaxNewTokens, AnswerLength(nil, o.Rank)), or(o.Beams, 1)
	return &Predictor{
		e: e, m: m, tok: tok, method: method, o: o, scorers: map[shape]*scorer{},
	}
}

// Release gives programs and caches back.
func (p *Predictor) Release() {
	if p.generator != nil {
		p.generator.release()
	}
	p.dropScorers()
}

func (p *Predictor) dropScorers() {
	for _, s := range p.scorers {
		s.program.Release()
		s.total.Release()
		s.in.release()
	}
	clear(p.scorers)
}

// Cut is how many sources were too long so far and were cut.
func (p *Predictor) Cut() int { return p.cut }

// Predict generates the answer to each source, in order. Sources are read as they are; see
// dept.Answers.Source.
func (p *Predictor) Predict(ctx context.Context, sources []string) ([]string, error) {
	a, err := p.answering(sources)
	if err != nil {
		return nil, err
	}
	for a.left() {
		if err := a.advance(ctx); err != nil {
			return nil, err
		}
	}
	return a.answers, nil
}

// answering generates the answers to texts, a batch of like lengths at a time.
type answering struct {
	p        *Predictor
	examples []data.Example
	batches  [][]int // of the indexes of examples
	answers  []string
	done     int
}

func (p *Predictor) answering(sources []string) (*answering, error) {
	examples, err := p.encode(sources)
	if err != nil {
		return nil, err
	}
	return &answering{p: p, examples: examples, batches: p.batches(examples), answers: make([]string, len(sources))}, nil
}

func (a *answering) left() bool { return len(a.batches) > 0 }

// advance answers one batch.
func (a *answering) advance(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p, rows := a.p, a.batches[0]
	answers, err := p.answer(ctx, pick(a.examples, rows), len(a.examples))
	if err != nil {
		return err
	}
	for i, row := range rows {
		a.answers[row] = answers[i]
	}
	a.batches = a.batches[1:]
	if a.done += len(rows); p.OnRows != nil {
		p.OnRows(a.done, len(a.examples))
	}
	return nil
}

// answer answers a batch of n examples. A label that is an answer is one as the tokenizer reads it, as
// what is written is.
func (p *Predictor) answer(ctx context.Context, batch []data.Example, n int) ([]string, error) {
	answers := make([]string, len(batch))
	if p.o.Rank == nil {
		tokens, err := p.generate(ctx, batch, n)
		if err != nil {
			return nil, err
		}
		for i := range answers {
			answers[i] = p.tok.Decode(tokens[i])
		}
		return answers, nil
	}
	scores, err := p.labelScores(ctx, batch, n, p.o.Rank)
	if err != nil {
		return nil, err
	}
	for i, row := range scores {
		answers[i] = p.tok.Decode(p.tok.Encode(p.o.Rank[Likeliest(row)]))
	}
	return answers, nil
}

// Likeliest is the place of the highest score, the first of several.
func Likeliest(scores []float64) int {
	best := 0
	for k, s := range scores {
		if s > scores[best] {
			best = k
		}
	}
	return best
}

// Generate is the tokens of the answer to each source of a batch, without the end
// token.
func (p *Predictor) Generate(ctx context.Context, batch []data.Example) ([][]int32, error) {
	return p.generate(ctx, batch, len(batch))
}

// generate answers a batch of n examples.
func (p *Predictor) generate(ctx context.Context, batch []data.Example, n int) ([][]int32, error) {
	g, err := p.generatorFor(ctx, bucketOf(batch, p.rows(n), p.o.MaxSourceLength, 0))
	if err != nil {
		return nil, err
	}
	if err := g.in.write(batch); err != nil {
		return nil, err
	}
	return g.gen.Generate(ctx)
}

// Scores is the log-probability of each label as the whole answer to each
// source: [source][label].
func (p *Predictor) Scores(ctx context.Context, sources, labels []string) ([][]float64, error) {
	examples, err := p.encode(sources)
	if err != nil {
		return nil, err
	}
	scores := make([][]float64, len(sources))
	for _, rows := range p.batches(examples) {
		batch, err := p.labelScores(ctx, pick(examples, rows), len(examples), labels)
		if err != nil {
			return nil, err
		}
		for i, row := range rows {
			scores[row] = batch[i]
		}
	}
	return scores, nil
}

// labelScores is Scores for a batch of n examples.
func (p *Predictor) labelScores(ctx context.Context, batch []data.Example, n int, labels []string) ([][]float64, error) {
	scores, losses, all := make([][]float64, len(batch)), make([][]float32, len(batch)), make([]int, len(batch))
	for i := range all {
		all[i] = i
		scores[i] = make([]float64, len(labels))
	}
	for k, label := range labels {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		target, _ := data.Encode(p.tok, label, 1<<20)
		for i := range batch {
			batch[i].Target = target
		}
		if err := checkIDs(p.m.Vocabulary, batch[0]); err != nil {
			return nil, err
		}
		if err := p.score(ctx, all, batch, n, len(target), losses); err != nil {
			return nil, err
		}
		for i, tokens := range losses {
			for _, x := range tokens {
				scores[i][k] -= float64(x)
			}
		}
	}
	return scores, nil
}

// Losses is the loss of each target token of each example, in their order: the
// negative log-probability, 0 where the label is not to count.
func (p *Predictor) Losses(ctx context.Context, examples []data.Example) ([][]float32, error) {
	losses := make([][]float32, len(examples))
	most := 1
	for _, x := range examples {
		most = max(most, len(x.Target))
		if err := checkIDs(p.m.Vocabulary, x); err != nil {
			return nil, err
		}
	}
	for _, rows := range p.batches(examples) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := p.score(ctx, rows, pick(examples, rows), len(examples), most, losses); err != nil {
			return nil, err
		}
	}
	return losses, nil
}

// score computes the losses of a batch, the given rows of n examples with up to
// most target tokens.
func (p *Predictor) score(ctx context.Context, rows []int, batch []data.Example, n, most int, losses [][]float32) error {
	s, err := p.scorer(ctx, bucketOf(batch, p.rows(n), p.o.MaxSourceLength, most))
	if err != nil {
		return err
	}
	if err := s.in.write(batch); err != nil {
		return err
	}
	if err := p.e.SetStep(tensor.Step{LossScale: 1}); err != nil {
		return err
	}
	if err := p.e.Run(s.program); err != nil {
		return err
	}
	nll, err := s.nll.Read(ctx)
	if err != nil {
		return err
	}
	for i, row := range rows {
		losses[row] = nll[i*s.in.shape.target:][:len(batch[i].Target)]
	}
	return nil
}

// rows is the batch size for n texts.
func (p *Predictor) rows(n int) int { return max(1, min(p.o.Batch, n)) }

func (p *Predictor) encode(sources []string) ([]data.Example, error) {
	examples := make([]data.Example, len(sources))
	for i, source := range sources {
		ids, cut := data.Encode(p.tok, source, p.o.MaxSourceLength)
		if cut {
			p.cut++
		}
		examples[i] = data.Example{Source: ids}
		if err := checkIDs(p.m.Vocabulary, examples[i]); err != nil {
			return nil, fmt.Errorf("text %d: %w", i+1, err)
		}
	}
	return examples, nil
}

// batches lists the examples' indexes so that those of like length come together,
// which saves padding and changes no answer.
func (p *Predictor) batches(examples []data.Example) [][]int {
	order := make([]int, len(examples))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return len(examples[a].Source) - len(examples[b].Source) })
	return slices.Collect(slices.Chunk(order, p.rows(len(examples))))
}

// pick is the examples of some indexes.
func pick(examples []data.Example, rows []int) []data.Example {
	batch := make([]data.Example, len(rows))
	for i, row := range rows {
		batch[i] = examples[row]
	}
	return batch
}

func (p *Predictor) generatorFor(ctx context.Context, s shape) (*generator, error) {
	if p.generator != nil {
		if p.generator.in.shape == s {
			return p.generator, nil
		}
		p.generator.release()
		p.generator = nil
	}
	in, err := newInputs(p.e, p.m.Description, s, p.method.PromptLength(), p.method.Hooks.Ahead, false)
	if err != nil {
		return nil, err
	}
	gen, err := p.m.NewGenerator(ctx, nn.GeneratorOptions{
		Batch: s.rows, Keys: p.method.PromptLength() + s.source, Beams: p.o.Beams, New: p.o.MaxNewTokens,
		Hooks: p.method.Hooks, Text: in.source, Spans: in.spans, Passage: in.passage,
	})
	if err != nil {
		in.release()
		return nil, err
	}
	p.generator = &generator{in, gen}
	return p.generator, nil
}

// Programs records generation from a batch of the longest sources, of which each
// token is the first of the vocabulary: the program of the encoder, and that of each
// token.
func (p *Predictor) Programs(ctx context.Context) (encode, token *tensor.Program, err error) {
	g, err := p.generatorFor(ctx, shape{rows: p.o.Batch, source: p.o.MaxSourceLength})
	if err != nil {
		return nil, nil, err
	}
	full := make([]data.Example, p.o.Batch)
	for i := range full {
		full[i].Source = make([]int32, p.o.MaxSourceLength)
	}
	if err := g.in.write(full); err != nil {
		return nil, nil, err
	}
	return g.gen.Encode(), g.gen.Token(), nil
}

func (p *Predictor) scorer(ctx context.Context, s shape) (*scorer, error) {
	if x, ok := p.scorers[s]; ok {
		return x, nil
	}
	for other := range p.scorers {
		if other.rows != s.rows || other.source != s.source {
			p.dropScorers()
			break
		}
	}
	in, err := newInputs(p.e, p.m.Description, s, p.method.PromptLength(), p.method.Hooks.Ahead, false)
	if err != nil {
		return nil, err
	}
	x := &scorer{in: in}
	if x.total, err = p.e.NewArray("loss", tensor.F32, 1); err != nil {
		in.release()
		return nil, err
	}
	g := p.e.NewGraph()
	pass := p.m.NewPass(g, p.method.Hooks)
	x.nll = g.Keep(in.forward(pass, x.total))
	if err = pass.Err(); err == nil {
		x.program, err = g.Compile(ctx)
	}
	if err != nil {
		x.total.Release()
		in.release()
		return nil, err
	}
	p.scorers[s] = x
	return x, nil
}
