package train

import (
	"context"
	"fmt"
	"math"

	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/tensor"
)

// Attention is where the positions of the encoder read from, block by block and head by head:
//
//	softmax(q·kᵀ + bias)
//
// The positions are a method's own, then the text's. Keys are as many, behind those that a method puts in
// front of them.
type Attention struct {
	Blocks, Heads, Positions, Keys int
	Values                         []float32 // [blocks, heads, positions, keys], of which each row's sum is 1
}

// Attention is the encoder's for a source. The model's kernel stores no weights, so that they are computed
// here of the queries and keys that the device computes as for an answer.
func (p *Predictor) Attention(ctx context.Context, source string) (*Attention, error) {
	batch, err := p.encode([]string{source})
	if err != nil {
		return nil, err
	}
	in, err := newInputs(p.e, p.m.Description, bucketOf(batch, 1, p.o.MaxSourceLength, 0), p.method.PromptLength(), p.method.Hooks.Ahead, false)
	if err != nil {
		return nil, err
	}
	defer in.release()
	if err := in.write(batch); err != nil {
		return nil, err
	}
	var blocks []attending
	g, hooks := p.e.NewGraph(), p.method.Hooks
	hooks.Attending = func(_ nn.Place, q, kv *tensor.Value, o tensor.AttentionOptions) {
		g.Keep(q)
		g.Keep(kv)
		if o.Bias != nil {
			g.Keep(o.Bias)
		}
		blocks = append(blocks, attending{q, kv, o})
	}
	pass := p.m.NewPass(g, hooks)
	pass.Encode(in.source, in.spans)
	if pass.Err() != nil {
		return nil, pass.Err()
	}
	program, err := g.Compile(ctx)
	if err != nil {
		return nil, fmt.Errorf("record the encoder's attention: %w", err)
	}
	defer program.Release()
	if err := p.e.Run(program); err != nil {
		return nil, err
	}
	positions := in.prompt + len(batch[0].Source)
	a := &Attention{Blocks: len(blocks), Positions: positions, Keys: in.ahead.Encoder + positions}
	for _, b := range blocks {
		a.Heads = b.o.Heads
		values, err := b.weights(ctx, a.Positions, a.Keys)
		if err != nil {
			return nil, err
		}
		a.Values = append(a.Values, values...)
	}
	return a, nil
}

// attending is what an attention of a batch of one row reads.
type attending struct {
	q, kv *tensor.Value
	o     tensor.AttentionOptions
}

// weights are those of the first queries, all of whose keys are the first ones: [heads, queries, keys].
func (x attending) weights(ctx context.Context, queries, keys int) ([]float32, error) {
	q, err := x.q.Read(ctx)
	if err != nil {
		return nil, err
	}
	kv := q
	if x.kv != x.q {
		if kv, err = x.kv.Read(ctx); err != nil {
			return nil, err
		}
	}
	var bias []float32
	if x.o.Bias != nil {
		if bias, err = x.o.Bias.Read(ctx); err != nil {
			return nil, err
		}
	}
	weights := make([]float32, 0, x.o.Heads*queries*keys)
	scores := make([]float64, keys)
	for head := range x.o.Heads {
		for i := range queries {
			query := q[i*x.q.Width()+x.o.QOffset+head*x.o.HeadDim:][:x.o.HeadDim]
			for j := range scores {
				scores[j] = 0
				if bias != nil { // [heads, distances], the first of which is 1 - span
					scores[j] = float64(bias[head*x.o.Bias.Width()+j-i+x.o.Bias.Width()/2])
				}
				for e, k := range kv[j*x.kv.Width()+x.o.KOffset+head*x.o.HeadDim:][:x.o.HeadDim] {
					scores[j] += float64(query[e]) * float64(k)
				}
			}
			weights = append(weights, softmax(scores)...)
		}
	}
	return weights, nil
}

// softmax is eˣ of each score over the sum of all.
func softmax(scores []float64) []float32 {
	most := math.Inf(-1)
	for _, s := range scores {
		most = max(most, s)
	}
	var sum float64
	for _, s := range scores {
		sum += math.Exp(s - most)
	}
	p := make([]float32, len(scores))
	for j, s := range scores {
		p[j] = float32(math.Exp(s-most) / sum)
	}
	return p
}
