package nn

import (
	"context"
	"fmt"
	"slices"

	"github.com/go-dept/dept/tensor"
)

// GeneratorOptions fixes the shapes a Generator is recorded for.
type GeneratorOptions struct {
	Batch int // rows of input
	Keys  int // encoder positions of a row, a method's own and padding included
	Beams int // 1 is greedy
	New   int // most tokens to generate, the start token not counted
	Hooks Hooks
	// Text is what the encoder reads; the caller writes it before each Generate.
	Text Tokens
	// Spans are those of rows of one passage each; of them Source is read, and Passage
	// [Batch, 2], the encoder's positions that cross-attention reads of each row.
	Spans   Spans
	Passage *tensor.Ints
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

	tokens *tensor.Ints // [Batch·Beams, 1] the last token of each hypothesis
	next   *tensor.Ints // [Batch·Beams] greedy: the next one
	from   *tensor.Ints // [Batch·Beams] beams: the hypothesis each goes on from
	logits []*tensor.Value

	identity, parent, passage *tensor.Ints
	caches, cross             []*tensor.Array // of each block of the decoder
	held                      []interface{ Release() }
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
	if err := gen.allocate(); err != nil {
		return err
	}
	var err error
	if gen.encode, err = gen.recordEncode(ctx); err != nil {
		return err
	}
	if gen.step, err = gen.recordStep(ctx); err != nil || gen.o.Beams == 1 {
		return err
	}
	g := gen.m.e.NewGraph()
	for _, cache := range gen.caches {
		moved := g.Temporary("moved", cache.Shape...)
		g.GatherRows("reorder", g.Use(cache), gen.from, moved)
		g.GatherRows("reorder", moved, gen.identity, g.Use(cache))
	}
	gen.reorder, err = g.Compile(ctx)
	return err
}

// allocate makes the arrays that outlast a step.
func (gen *Generator) allocate() error {
	m, o := gen.m, gen.o
	rows := o.Batch * o.Beams
	for _, i := range []struct {
		to    **tensor.Ints
		name  string
		shape []int
		of    func(row int) int // nil where programs write it
	}{
		{&gen.tokens, "tokens", []int{rows, 1}, nil},
		{&gen.next, "next", []int{rows}, nil},
		{&gen.from, "from", []int{rows}, nil},
		{&gen.identity, "identity", []int{rows}, func(row int) int { return row }},
		{&gen.parent, "parent", []int{rows}, func(row int) int { return row / o.Beams }},
		{&gen.passage, "passage", []int{rows, 2}, nil},
	} {
		a, err := m.e.NewInts(i.name, i.shape...)
		if err != nil {
			return err
		}
		*i.to = a
		gen.held = append(gen.held, a)
		if i.of == nil {
			continue
		}
		values := make([]uint32, rows)
		for row := range values {
			values[row] = uint32(i.of(row))
		}
		if err := a.Write(values); err != nil {
			return err
		}
	}
	for _, block := range m.decoder.blocks {
		for _, l := range block {
			if l.Attention == nil {
				continue
			}
			// As the packed product leaves them: queries, keys and values, or the
			// encoder's keys and values.
			name, to, positions, width := "cache", &gen.caches, o.Hooks.Ahead.Decoder+o.New, l.in.array.Shape[0]
			if l.kv != nil {
				name, to, positions, width = "cross", &gen.cross, o.Hooks.Ahead.Cross+o.Keys, l.kv.array.Shape[0]
			}
			a, err := m.e.NewArray(name, tensor.F32, rows, positions, width)
			if err != nil {
				return err
			}
			*to = append(*to, a)
			gen.held = append(gen.held, a)
		}
	}
	return nil
}

// recordEncode records the encoder and the keys and values that each block's
// cross-attention reads.
func (gen *Generator) recordEncode(ctx context.Context) (*tensor.Program, error) {
	m, o := gen.m, gen.o
	g := m.e.NewGraph()
	p := m.NewPass(g, o.Hooks)
	states := p.Encode(o.Text, o.Spans)
	g.GatherInts("passage", o.Passage, gen.parent, gen.passage)
	gen.fillCaches(p)
	for i, cross := range gen.cross {
		kv := p.crossKeys(i, states, o.Batch)
		if o.Beams == 1 {
			g.Store(kv, cross)
			continue
		}
		kv.Shape = []int{o.Batch, cross.Shape[1], kv.Width()}
		g.GatherRows("beams", kv, gen.parent, g.Use(cross))
	}
	if p.Err() != nil {
		return nil, p.Err()
	}
	return g.Compile(ctx)
}

// fillCaches begins each cache with the keys that a method puts in front.
func (gen *Generator) fillCaches(p *Pass) {
	ahead := gen.o.Hooks.Ahead.Decoder
	if ahead == 0 {
		return
	}
	next := gen.caches
	for _, block := range gen.m.decoder.blocks {
		for _, l := range block {
			if l.Attention == nil || l.kv != nil {
				continue
			}
			cache := next[0]
			next = next[1:]
			// What is to come is not read before it is appended.
			rest := p.g.Temporary("rest", cache.Shape[0], gen.o.New, cache.Shape[2])
			p.g.Store(p.g.Concat("ahead", p.keys(l, ahead), rest), cache)
		}
	}
}

// recordStep records the decoder on one token of each hypothesis.
func (gen *Generator) recordStep(ctx context.Context) (*tensor.Program, error) {
	m, o := gen.m, gen.o
	g := m.e.NewGraph()
	p := m.NewPass(g, o.Hooks)
	stack := &m.decoder
	ahead := o.Hooks.Ahead.Decoder // a position's place in the cache counts these keys, its distances do not
	states := p.stack(stack, p.Embed(stack.Name, Tokens{IDs: gen.tokens}, tensor.EmbedOptions{}), surroundings{
		batch: o.Batch * o.Beams, bias: p.bias(stack, ahead+o.New, ahead), crossWindow: gen.passage,
		cache: func(block int, qkv *tensor.Value) *tensor.Value {
			cache := g.Use(gen.caches[block])
			g.CacheAppend("cache", qkv, cache)
			return cache
		},
		cross: func(block int) *tensor.Value { return g.Use(gen.cross[block]) },
	})
	gen.logits = p.Logits(states)
	if o.Beams == 1 {
		g.ArgMax("next", gen.logits, gen.next)
	} else {
		for _, columns := range gen.logits {
			g.Keep(columns)
		}
	}
	if p.Err() != nil {
		return nil, p.Err()
	}
	return g.Compile(ctx)
}

// Encode is the program of the encoder, which runs once.
func (gen *Generator) Encode() *tensor.Program { return gen.encode }

// Token is the program that runs for each token.
func (gen *Generator) Token() *tensor.Program { return gen.step }

// Release gives the generator's programs and caches back.
func (gen *Generator) Release() {
	for _, p := range []*tensor.Program{gen.encode, gen.step, gen.reorder} {
		if p != nil {
			p.Release()
		}
	}
	for _, a := range gen.held {
		a.Release()
	}
}

// Generate returns the tokens of each row, up to and without the end token.
// Text and Source must have been written.
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
	if err := gen.tokens.Write(tokens); err != nil {
		return err
	}
	if err := gen.m.e.SetStep(tensor.Step{Position: uint32(gen.o.Hooks.Ahead.Decoder + position)}); err != nil {
		return err
	}
	return gen.m.e.Run(gen.step)
}

func (gen *Generator) starts() []uint32 {
	return slices.Repeat([]uint32{uint32(gen.m.Start)}, gen.o.Batch*gen.o.Beams)
}

func (gen *Generator) greedy(ctx context.Context) ([][]int32, error) {
	out := make([][]int32, gen.o.Batch)
	done := make([]bool, gen.o.Batch)
	tokens := gen.starts()
	eos := uint32(gen.m.End)
	for position := range gen.o.New {
		if err := gen.advance(position, tokens); err != nil {
			return nil, err
		}
		var err error
		if tokens, err = gen.next.Read(ctx); err != nil {
			return nil, err
		}
		for i, t := range tokens {
			if done[i] = done[i] || t == eos; done[i] {
				tokens[i] = uint32(gen.m.Pad)
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
