package train

import (
	"context"
	"fmt"
	"slices"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/data"
	"github.com/go-dept/dept/shaders"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/tensor"
	"github.com/go-dept/dept/text"
)

// PredictOptions says how a Predictor reads and generates.
type PredictOptions struct {
	Batch           int // rows at once
	MaxSourceLength int // tokens, the end token included; longer sources are cut
	MaxNewTokens    int
	Beams           int // 1 is greedy
}

// Predictor answers texts with a model under a method.
type Predictor struct {
	// OnRows, if set, hears how many of the rows of a Predict are answered.
	OnRows func(done, total int)

	e      *tensor.Engine
	m      *t5.Model
	tok    *text.Tokenizer
	method dept.Method
	o      PredictOptions

	generator *generator // the one used last: each holds caches as large as a batch
	scorers   map[shape]*scorer
	cut       int
}

type generator struct {
	in  *inputs
	gen *t5.Generator
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
func NewPredictor(e *tensor.Engine, m *t5.Model, tok *text.Tokenizer, method dept.Method, o PredictOptions) *Predictor {
	return &Predictor{
		e: e, m: m, tok: tok, method: method, o: o, scorers: map[shape]*scorer{},
	}
}

// Release gives programs and caches back.
func (p *Predictor) Release() {
	if p.generator != nil {
		p.generator.release()
	}
	for _, s := range p.scorers {
		s.program.Release()
		s.total.Release()
		s.in.release()
	}
}

// Cut is how many sources were too long so far and were cut.
func (p *Predictor) Cut() int { return p.cut }

// Predict generates the answer to each source, in order.
func (p *Predictor) Predict(ctx context.Context, sources []string) ([]string, error) {
	answers := make([]string, len(sources))
	examples, err := p.encode(sources)
	if err != nil {
		return nil, err
	}
	done := 0
	err = p.batches(ctx, examples, func(rows []int, batch []data.Example) error {
		g, err := p.generatorFor(ctx, bucketOf(batch, p.rows(len(sources)), p.o.MaxSourceLength, 0))
		if err != nil {
			return err
		}
		if err := g.in.write(batch); err != nil {
			return err
		}
		tokens, err := g.gen.Generate(ctx)
		if err != nil {
			return err
		}
		for i, row := range rows {
			answers[row] = p.tok.Decode(tokens[i])
		}
		if done += len(rows); p.OnRows != nil {
			p.OnRows(done, len(sources))
		}
		return nil
	})
	return answers, err
}

// Scores is the log-probability of each label as the whole answer to each
// source: [source][label].
func (p *Predictor) Scores(ctx context.Context, sources, labels []string) ([][]float64, error) {
	examples, err := p.encode(sources)
	if err != nil {
		return nil, err
	}
	scores := make([][]float64, len(sources))
	for i := range scores {
		scores[i] = make([]float64, len(labels))
	}
	for k, label := range labels {
		target, _, err := data.Encode(p.tok, label, 1<<20)
		if err != nil {
			return nil, fmt.Errorf("tokenize label %q: %w", label, err)
		}
		for i := range examples {
			examples[i].Target = target
		}
		losses, err := p.Losses(ctx, examples)
		if err != nil {
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
		if err := checkIDs(p.m.Config, x); err != nil {
			return nil, err
		}
	}
	err := p.batches(ctx, examples, func(rows []int, batch []data.Example) error {
		s, err := p.scorer(ctx, bucketOf(batch, p.rows(len(examples)), p.o.MaxSourceLength, most))
		if err != nil {
			return err
		}
		if err := s.in.write(batch); err != nil {
			return err
		}
		if err := p.e.SetStep(shaders.Step{LossScale: 1}); err != nil {
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
	})
	return losses, err
}

// rows is the batch size for n texts.
func (p *Predictor) rows(n int) int { return max(1, min(p.o.Batch, n)) }

func (p *Predictor) encode(sources []string) ([]data.Example, error) {
	examples := make([]data.Example, len(sources))
	for i, source := range sources {
		ids, cut, err := data.Encode(p.tok, source, p.o.MaxSourceLength)
		if err != nil {
			return nil, fmt.Errorf("tokenize text %d: %w", i+1, err)
		}
		if cut {
			p.cut++
		}
		examples[i] = data.Example{Source: ids}
		if err := checkIDs(p.m.Config, examples[i]); err != nil {
			return nil, fmt.Errorf("text %d: %w", i+1, err)
		}
	}
	return examples, nil
}

// batches goes through examples of like length together, which saves padding
// and changes no answer.
func (p *Predictor) batches(ctx context.Context, examples []data.Example, do func(rows []int, batch []data.Example) error) error {
	order := make([]int, len(examples))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return len(examples[a].Source) - len(examples[b].Source) })
	for rows := range slices.Chunk(order, p.rows(len(examples))) {
		if err := ctx.Err(); err != nil {
			return err
		}
		batch := make([]data.Example, len(rows))
		for i, row := range rows {
			batch[i] = examples[row]
		}
		if err := do(rows, batch); err != nil {
			return err
		}
	}
	return nil
}

func (p *Predictor) generatorFor(ctx context.Context, s shape) (*generator, error) {
	if p.generator != nil {
		if p.generator.in.shape == s {
			return p.generator, nil
		}
		p.generator.release()
		p.generator = nil
	}
	in, err := newInputs(p.e, p.m.Config, s, p.method.PromptLength(), false)
	if err != nil {
		return nil, err
	}
	gen, err := p.m.NewGenerator(ctx, t5.GeneratorOptions{
		Batch: s.rows, Keys: p.method.PromptLength() + s.source, Beams: p.o.Beams, New: p.o.MaxNewTokens, Source: in.spans.source,
		Embed: func(pass *t5.Pass) *tensor.Value { return p.method.Embed(pass, in.source.use(pass.Graph())) },
	})
	if err != nil {
		in.release()
		return nil, err
	}
	p.generator = &generator{in, gen}
	return p.generator, nil
}

func (p *Predictor) scorer(ctx context.Context, s shape) (*scorer, error) {
	if x, ok := p.scorers[s]; ok {
		return x, nil
	}
	in, err := newInputs(p.e, p.m.Config, s, p.method.PromptLength(), false)
	if err != nil {
		return nil, err
	}
	x := &scorer{in: in}
	if x.total, err = p.e.NewArray("loss", shaders.F32, 1); err != nil {
		in.release()
		return nil, err
	}
	g := p.e.NewGraph()
	pass := p.m.NewPass(g, 0)
	x.nll = g.Keep(in.forward(pass, p.method, x.total))
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
