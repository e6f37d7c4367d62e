package t5

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/go-dept/dept/shaders"
	"github.com/go-dept/dept/tensor"
)

// GeneratorOptions fixes the shapes a Generator is recorded for.
type GeneratorOptions struct {
	Batch int // rows of input
	Keys  int // encoder positions of a row, prompt and padding included
	Beams int // 1 is greedy
	New   int // most tokens to generate, the start token not counted
	// Source is Spans.Source of rows of one passage each, [Batch·Keys, 2].
	Source *tensor.Array
	// Embed records the encoder's input, [Batch·Keys, d], from arrays that the
	// caller writes before each call of Generate.
	Embed func(*Pass) *tensor.Value
}

// Generator generates with a key/value cache: the encoder and the keys and
// values of the cross-attention are computed once, then each token is one run of
// a recorded step.
type Generator struct {
	m       *Model
	o       GeneratorOptions
	encode  *tensor.Program
	step    *tensor.Program
	reorder *tensor.Program // beams: caches follow the hypotheses that go on

	tokens *tensor.Array // [Batch·Beams] the last token of each hypothesis
	next   *tensor.Array // [Batch·Beams] greedy: the next one
	from   *tensor.Array // [Batch·Beams] beams: the hypothesis each goes on from
	logits *tensor.Value
	arrays []*tensor.Array
}

// NewGenerator records a generator.
func (m *Model) NewGenerator(ctx context.Context, o GeneratorOptions) (*Generator, error) {
	gen := &Generator{m: m, o: o}
	if err := gen.record(ctx); err != nil {
		gen.Release()
		return nil, fmt.Errorf("record generation of %d rows: %w", o.Batch, err)
	}
	return gen, nil
}

func (gen *Generator) record(ctx context.Context) error {
	m, o, c := gen.m, gen.o, gen.m.Config
	rows := o.Batch * o.Beams
	var err error
	array := func(name string, shape ...int) *tensor.Array {
		if err != nil {
			return nil
		}
		var a *tensor.Array
		if a, err = m.e.NewArray(name, shaders.F32, shape...); err == nil {
			gen.arrays = append(gen.arrays, a)
		}
		return a
	}
	gen.tokens, gen.next, gen.from = array("tokens", rows, 1), array("next", rows), array("from", rows)
	identity, parent := array("identity", rows), array("parent", rows)
	// Cross-attention reads the passage of a row's first position.
	start, passage := array("start", rows), array("passage", rows, 2)
	caches := make([]*tensor.Array, len(m.decoder.blocks)) // queries, keys and values as the packed product leaves them
	cross := make([]*tensor.Array, len(m.decoder.blocks))
	for i := range caches {
		caches[i] = array("cache", rows, o.New, 3*c.inner())
		cross[i] = array("cross", rows, o.Keys, 2*c.inner())
	}
	if err != nil {
		return err
	}
	for _, index := range []struct {
		to *tensor.Array
		of func(row int) int
	}{
		{identity, func(row int) int { return row }},
		{parent, func(row int) int { return row / o.Beams }},
		{start, func(row int) int { return row / o.Beams * o.Keys }},
	} {
		values := make([]uint32, rows)
		for row := range values {
			values[row] = uint32(index.of(row))
		}
		if err := index.to.WriteUints(values); err != nil {
			return err
		}
	}

	g := m.e.NewGraph()
	p := m.NewPass(g, 0)
	states := p.Encode(o.Embed(p), o.Batch, Spans{Source: g.Use(o.Source)})
	g.GatherRows("passage", g.Use(o.Source), g.Use(start), g.Use(passage))
	for i := range m.decoder.blocks {
		kv := p.linear(m.decoder.blocks[i].crossKV, states, tensor.LinearOptions{})
		if o.Beams == 1 {
			g.Store(kv, cross[i])
		} else {
			kv.Shape = []int{o.Batch, o.Keys, 2 * c.inner()}
			g.GatherRows("beams", kv, g.Use(parent), g.Use(cross[i]))
		}
	}
	if p.Err() != nil {
		return p.Err()
	}
	if gen.encode, err = g.Compile(ctx); err != nil {
		return err
	}

	g = m.e.NewGraph()
	p = m.NewPass(g, 0)
	x := p.embedTargets(Tokens{IDs: g.Use(gen.tokens)})
	bias := p.bias(&m.decoder, o.New, false)
	for i := range m.decoder.blocks {
		b := &m.decoder.blocks[i]
		h := p.norm(b.selfNorm, x, shaders.Dropout{})
		qkv := p.linear(b.qkv, h, tensor.LinearOptions{})
		g.CacheAppend("cache", qkv, g.Use(caches[i]))
		h = g.Attention(b.qkv.names[0], qkv, g.Use(caches[i]), tensor.AttentionOptions{
			Batch: rows, Heads: c.NumHeads, HeadDim: c.DKV, Queries: 1, Keys: o.New,
			KOffset: c.inner(), VOffset: 2 * c.inner(), Bias: bias, Decode: true,
		})
		x = p.residual(b.selfOut, h, x)
		x = p.cross(b, x, g.Use(cross[i]), rows, Spans{Cross: g.Use(passage)})
		x = p.feedForward(b, x)
	}
	gen.logits = p.Logits(p.norm(m.decoder.norm, x, shaders.Dropout{}))
	if o.Beams == 1 {
		g.ArgMax("next", gen.logits, g.Use(gen.next))
	} else {
		g.Keep(gen.logits)
	}
	if p.Err() != nil {
		return p.Err()
	}
	if gen.step, err = g.Compile(ctx); err != nil || o.Beams == 1 {
		return err
	}

	g = m.e.NewGraph()
	for _, cache := range caches {
		moved := g.Temporary("moved", cache.Shape...)
		g.GatherRows("reorder", g.Use(cache), g.Use(gen.from), moved)
		g.GatherRows("reorder", moved, g.Use(identity), g.Use(cache))
	}
	gen.reorder, err = g.Compile(ctx)
	return err
}

// Release gives the generator's programs and caches back.
func (gen *Generator) Release() {
	for _, p := range []*tensor.Program{gen.encode, gen.step, gen.reorder} {
		if p != nil {
			p.Release()
		}
	}
	for _, a := range gen.arrays {
		a.Release()
	}
}

// Generate returns the tokens of each row, up to and without the end token. The
// arrays that Embed reads, and Source, must have been written.
func (gen *Generator) Generate(ctx context.Context) ([][]int32, error) {
	if err := gen.m.e.Run(gen.encode); err != nil {
		return nil, err
	}
	if gen.o.Beams == 1 {
		return gen.greedy(ctx)
	}
	return gen.beams(ctx)
}

// advance runs the step at a position on the given last tokens.
func (gen *Generator) advance(position int, tokens []uint32) error {
	if err := gen.tokens.WriteUints(tokens); err != nil {
		return err
	}
	if err := gen.m.e.SetStep(shaders.Step{Position: uint32(position)}); err != nil {
		return err
	}
	return gen.m.e.Run(gen.step)
}

func (gen *Generator) starts() []uint32 {
	return slices.Repeat([]uint32{uint32(gen.m.Config.DecoderStartTokenID)}, gen.o.Batch*gen.o.Beams)
}

func (gen *Generator) greedy(ctx context.Context) ([][]int32, error) {
	out := make([][]int32, gen.o.Batch)
	done := make([]bool, gen.o.Batch)
	tokens := gen.starts()
	eos := uint32(gen.m.Config.EOSTokenID)
	for position := range gen.o.New {
		if err := gen.advance(position, tokens); err != nil {
			return nil, err
		}
		var err error
		if tokens, err = gen.next.ReadUints(ctx); err != nil {
			return nil, err
		}
		for i, t := range tokens {
			if done[i] = done[i] || t == eos; done[i] {
				tokens[i] = uint32(gen.m.Config.PadTokenID)
			} else {
				out[i] = append(out[i], int32(t))
			}
		}
		if !slices.Contains(done, false) {
			break
		}
	}
	return out, nil
}

// hypothesis is a beam's sequence with its summed log-probability.
type hypothesis struct {
	tokens []int32
	score  float64
	from   int // the beam it goes on from
}

// beams searches as Hugging Face's generate does with its defaults: 2·beams
// candidates a step, finished ones ranked by log-probability over length, a row
// done when no running beam can overtake its worst finished one.
func (gen *Generator) beams(ctx context.Context) ([][]int32, error) {
	n, batch, vocab := gen.o.Beams, gen.o.Batch, gen.m.Config.VocabSize
	running := make([][]hypothesis, batch)
	finished := make([][]hypothesis, batch)
	for i := range running {
		running[i] = make([]hypothesis, n)
		for k := range running[i] {
			running[i][k] = hypothesis{from: k}
			if k > 0 {
				running[i][k].score = -1e9 // the first step branches from one beam
			}
		}
	}
	done := make([]bool, batch)
	tokens := gen.starts()
	for position := range gen.o.New {
		if err := gen.advance(position, tokens); err != nil {
			return nil, err
		}
		logits, err := gen.logits.Read(ctx)
		if err != nil {
			return nil, err
		}
		from := make([]uint32, batch*n)
		for row := range batch {
			if !done[row] {
				running[row], err = gen.extend(running[row], &finished[row], logits[row*n*vocab:(row+1)*n*vocab], position+1)
				if err != nil {
					return nil, err
				}
				done[row] = settled(finished[row], running[row], n, position+1)
			}
			for k, h := range running[row] {
				from[row*n+k] = uint32(row*n + h.from)
				tokens[row*n+k] = uint32(gen.m.Config.PadTokenID)
				if len(h.tokens) > 0 && !done[row] {
					tokens[row*n+k] = uint32(h.tokens[len(h.tokens)-1])
				}
			}
		}
		if !slices.Contains(done, false) {
			break
		}
		if err := gen.from.WriteUints(from); err != nil {
			return nil, err
		}
		if err := gen.m.e.Run(gen.reorder); err != nil {
			return nil, err
		}
	}
	out := make([][]int32, batch)
	for row := range out {
		candidates := finished[row]
		if !done[row] {
			for _, h := range running[row] {
				candidates = append(candidates, hypothesis{tokens: h.tokens, score: h.score / float64(max(1, len(h.tokens)))})
			}
		}
		best := slices.MaxFunc(candidates, func(a, b hypothesis) int {
			return cmp.Compare(a.score, b.score)
		})
		out[row] = best.tokens
	}
	return out, nil
}

// extend goes one token on: of the best 2n continuations those that end are
// moved to finished, the first n others are the new beams.
func (gen *Generator) extend(beams []hypothesis, finished *[]hypothesis, logits []float32, length int) ([]hypothesis, error) {
	n, vocab := len(beams), len(logits)/len(beams)
	var candidates []hypothesis
	byScore := func(a, b hypothesis) int { return cmp.Compare(b.score, a.score) }
	for k, beam := range beams {
		row := logits[k*vocab : (k+1)*vocab]
		top := float64(slices.Max(row))
		var sum float64
		for _, x := range row {
			sum += math.Exp(float64(x) - top)
		}
		if math.IsNaN(sum) || math.IsInf(sum, 0) {
			return nil, errors.New("generate: the model's scores are not finite: check the checkpoint's and the adapter's numbers")
		}
		base := beam.score - top - math.Log(sum)
		for token, x := range row {
			score := base + float64(x)
			if len(candidates) == 2*n && score <= candidates[2*n-1].score {
				continue
			}
			h := hypothesis{score: score, from: k, tokens: []int32{int32(token)}}
			at, _ := slices.BinarySearchFunc(candidates, h, byScore)
			for at < len(candidates) && candidates[at].score == score {
				at++ // equals stay in order
			}
			candidates = slices.Insert(candidates, at, h)
			candidates = candidates[:min(len(candidates), 2*n)]
		}
	}
	var next []hypothesis
	for rank, h := range candidates {
		whole := append(slices.Clone(beams[h.from].tokens), h.tokens[0])
		if int(h.tokens[0]) == gen.m.Config.EOSTokenID {
			if rank < n {
				*finished = append(*finished, hypothesis{tokens: whole[:len(whole)-1], score: h.score / float64(length)})
				slices.SortStableFunc(*finished, byScore)
				*finished = (*finished)[:min(len(*finished), n)]
			}
			continue
		}
		if len(next) < n {
			h.tokens = whole
			next = append(next, h)
		}
	}
	return next, nil
}

// settled reports whether n hypotheses are finished and no running one can
// overtake the worst of them.
func settled(finished, running []hypothesis, n, length int) bool {
	return len(finished) == n && len(running) > 0 &&
		finished[n-1].score >= running[0].score/float64(length)
}
